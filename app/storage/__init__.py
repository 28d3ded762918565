"""SQLite: what is stored, and how. Knows nothing of HTTP."""

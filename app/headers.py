"""Headers of every answer, whoever gives it."""

# A browser is neither to guess another type than JSON nor to keep what a key was needed for.
HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}

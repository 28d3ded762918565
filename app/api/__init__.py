"""HTTP: the Data API's routes, bodies, keys, limits and errors."""

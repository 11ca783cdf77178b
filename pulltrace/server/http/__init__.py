"""HTTP connections: the server, its limits and its error responses."""

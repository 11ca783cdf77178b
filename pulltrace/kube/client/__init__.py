"""Requests to the API server: two HTTP clients, credentials, TLS, retries, and errors."""

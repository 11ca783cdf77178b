"""Measurements: run by hand, never by the tests. Each prints what it measured and how."""

"""The JSON of API and stream."""

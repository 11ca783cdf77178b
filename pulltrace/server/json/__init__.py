"""The JSON of the API and the stream."""

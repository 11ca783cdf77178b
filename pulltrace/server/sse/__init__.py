"""The live stream: `GET /api/v1/events`."""

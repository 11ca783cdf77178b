"""The aggregator's HTTP server: the JSON API, the live stream, the web UI and the metrics page."""

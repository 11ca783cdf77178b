"""What the aggregator shows to the outside over HTTP: the JSON API, the live stream, the web UI and the metrics page."""

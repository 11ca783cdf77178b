"""The aggregator: joins what the nodes say with the pods that wait, and keeps the result for the server."""

"""The aggregator: joins the reports of the nodes with the pods that wait, and keeps the result for the server."""

"""How a node's report is written into the annotations of its Lease, and read again."""

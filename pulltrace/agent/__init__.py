"""The node agent: polls containerd and writes the Lease of its node."""

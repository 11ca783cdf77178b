"""The node agent: turns what containerd shows into the Lease of its node."""

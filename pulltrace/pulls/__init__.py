"""Domain values of pulls, pods and nodes, and the Lease format: pure, without input or output."""

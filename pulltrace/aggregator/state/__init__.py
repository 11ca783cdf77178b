"""The state of the cluster, and the log of its changes."""

"""The state of the cluster, and its changes."""

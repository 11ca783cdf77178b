"""A simulated cluster: nodes, pods and faults that feed the same pipeline as real ones, in one process."""

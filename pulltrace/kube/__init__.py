"""Kubernetes: the only package that talks to its API (and the only one that may import `kubernetes`)."""

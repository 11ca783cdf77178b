"""Pulltrace's own programs as processes on real containerd and a real Kubernetes API."""

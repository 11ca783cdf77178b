"""Pulltrace shows which container images are being pulled on which node, how far, and which pods wait for them."""

__version__ = "0.1.0"

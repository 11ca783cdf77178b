"""Leases, pods and Events as this product reads and writes them."""

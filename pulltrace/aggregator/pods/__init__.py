"""Pods that wait for images, from their status and from the kubelets' Events."""

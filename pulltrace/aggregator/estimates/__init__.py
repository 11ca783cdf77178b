"""Estimates: when each pull ends, and when each pod can start."""

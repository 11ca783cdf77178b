"""Rows of pulls and pods, built for one node at a time."""

"""How long pulls take and when pods are ready."""

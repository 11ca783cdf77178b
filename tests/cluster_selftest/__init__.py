"""Smoke tests of the harness: what it starts works, and what it stops is gone."""

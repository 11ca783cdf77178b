"""Commands that are part of no program: steps of a release, pages and pictures that are made."""

"""The steps of a release (.github/workflows/release.yaml), each a command of its own, all of them tried by
tests/release.
"""

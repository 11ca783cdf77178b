"""Local, up-to-date copies of lists of resources."""

"""Pulltrace on a whole cluster, installed and used as users do."""

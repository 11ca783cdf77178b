"""Pulltrace on a whole cluster: installed as users install it, looked at as users look at it."""

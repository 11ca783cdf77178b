"""Chaos: a roll-out that never stops on a cluster of which something is always broken, and whether Pulltrace told the truth.

    python -m tests.chaos --minutes 10 --seed 7

`evidence` is what was collected, `invariants` judge it (both pure); the rest runs the cluster, breaks it and takes note.
"""

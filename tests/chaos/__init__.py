"""Chaos: an endless rollout on a cluster with one fault after another, and whether Pulltrace reported the truth.

    python -m tests.chaos --minutes 10 --seed 7

`evidence` is the data of a run, `invariants` judge it (both pure). The other modules run the cluster, break it and
collect the data.
"""

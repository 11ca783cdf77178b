"""The tables of docs/scale.md, from the figures of `cluster_load`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from statistics import median

from benchmarks.cluster_load_figures import Figures, LeaseBytes, percentiles, pooled

Phases = Mapping[str, Figures]


def tables(phases: Phases, lease: LeaseBytes, budget: int) -> str:
    parts = (targets(phases, lease, budget), all_phases(phases), kubelets(phases))
    return "\n\n".join("\n".join(part) for part in parts)


def all_phases(phases: Phases) -> list[str]:
    """Return the table of all phases; latencies are p50 / p99 in ms."""
    lines = [
        "| phase | writes/s, mean (worst 10 s) | reads/s | KiB/s | etcd's file | 429 | a write takes | aggregator | patch to watch | patch to viewer |",
        "| --- " * 10 + "|",
    ]
    for it in phases.values():
        cells = (
            f"{it.name}, {it.seconds:.0f} s",
            f"{it.writes_per_second:.1f} ({it.worst_per_second:.1f})",
            f"{it.reads_per_second:.1f}",
            f"{it.kib_per_second:.0f}",
            f"{it.etcd_mib:+.0f} MiB",
            f"{it.too_many}",
            both(it.writes),
            f"{it.cpu_percent:.0f} %, {it.mib:.0f} MiB",
            both(it.watched),
            both(it.streamed),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def kubelets(phases: Phases) -> list[str]:
    """Return the kubelets' renewals with and without Pulltrace, and the noise of the windows without it."""
    lines = [
        "| kubelets' renewals, ms | p50 with / without | p99 with / without | median of the windows' p99s with / without | quiet against quiet: p99 | mean and p99 as the API server counts, with / without |",
        "| --- " * 6 + "|",
    ]
    for it in phases.values():
        if it.quiet_renewals:
            (p50, p99), (quiet50, quiet99) = percentiles(pooled(it.renewals)), percentiles(pooled(it.quiet_renewals))
            cells = (
                f"{it.name}",
                f"{p50:.1f} / {quiet50:.1f} ({change(p50, quiet50)})",
                f"{p99:.1f} / {quiet99:.1f} ({change(p99, quiet99)})",
                of_windows(it),
                "{:.1f} / {:.1f} ({})".format(*halves(it.quiet_renewals)),
                by_server(it),
            )
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def halves(windows: Sequence[Sequence[float]]) -> tuple[float, float, str]:
    """Return p99 of the first and of the second halves of the quiet windows: their difference is noise."""
    first = percentiles(pooled([window[: len(window) // 2] for window in windows]))[1]
    second = percentiles(pooled([window[len(window) // 2 :] for window in windows]))[1]
    return first, second, change(second, first)


def of_windows(it: Figures) -> str:
    middle, quiet = (
        median(percentiles(window)[1] for window in windows if len(window) > 1)
        for windows in (it.renewals, it.quiet_renewals)
    )
    return f"{middle:.1f} / {quiet:.1f} ({change(middle, quiet)}; n={len(it.renewals)})"


def by_server(it: Figures) -> str:
    mean, quiet_mean = 1000 * it.served.mean, 1000 * it.quiet_served.mean
    p99, quiet_p99 = (1000 * served.quantile(0.99) for served in (it.served, it.quiet_served))
    return f"{mean:.1f} / {quiet_mean:.1f} ({change(mean, quiet_mean)}), {p99:.1f} / {quiet_p99:.1f} ({change(p99, quiet_p99)})"


def targets(phases: Phases, lease: LeaseBytes, budget: int) -> list[str]:
    """Return each target with its measurement and whether it is met; latencies need a reader's judgement
    of the noise.
    """
    lines = ["| target | measured | |", "| --- | --- | --- |"]

    def add(target: str, measured: str, met: bool | None) -> None:  # noqa: FBT001
        word = "see the noise" if met is None else "met" if met else "**missed**"
        lines.append(f"| {target} | {measured} | {word} |")

    if idle := phases.get("idle"):
        measured = (
            f"{idle.writes_per_second:.1f} (worst 10 s: {idle.worst_per_second:.1f}); {idle.kib_per_second:.0f} KiB/s"
        )
        add("5,000 idle nodes: at most 45 writes a second", measured, idle.writes_per_second <= 45)
    pulling = [it for key in ("busy", "all") if (it := phases.get(key))]
    measured = "; ".join(
        f"{it.name}: {it.writes_per_second:.1f}, worst 10 s {it.worst_per_second:.1f}" for it in pulling
    )
    add(f"all nodes together at most 10 % above the budget of {budget} writes a second, over 10 s", measured,
        all(it.worst_per_second <= 1.1 * budget for it in pulling))  # fmt: skip
    begins = [it for key in ("busy begin", "all begin") if (it := phases.get(key))]
    add("the same while pulls begin (a start needs one write to be seen at all)",
        "; ".join(f"{it.name}: worst 10 s {it.worst_per_second:.1f}" for it in begins),
        all(it.worst_per_second <= 1.1 * budget for it in begins))  # fmt: skip
    for key, share, when in (("idle", 5, "idle"), ("busy", 20, "at the full budget")):
        if it := phases.get(key):
            add(f"p99 of kubelets' renewals at most {share} % worse, {when}",
                f"median of windows {of_windows(it)}, where quiet halves differ by {halves(it.quiet_renewals)[2]}", None)  # fmt: skip
    add("Lease of a node with 5 running pulls of 10 layers: at most 3,072 bytes",
        f"median {lease.median:,}, most {lease.most:,} bytes of annotations (n={lease.count}); ended pulls take {lease.median_ended:,} more (median)",
        0 < lease.most <= 3072)  # fmt: skip
    if it := phases.get("restart"):
        others = sum(count for level, count in it.refused.items() if "pulltrace" not in level)
        add("all agents restart: no refusals at other priority levels", f"{others} refusals", others == 0)
        add("all agents restart: settled within 60 s",
            f"{it.nodes:,} nodes had written after {it.last_after:.1f} s, half of them after {it.half_after:.1f} s",
            it.last_after <= 60)  # fmt: skip
    if it := phases.get("busy"):
        p50, p99 = percentiles(it.streamed)
        add("from an agent's patch to the viewer, 500 nodes pulling: p50 at most 50 ms, p99 at most 250 ms",
            f"{p50:.0f} and {p99:.0f} ms, of which to the aggregator {both(it.watched)} ms", p50 <= 50 and p99 <= 250)  # fmt: skip
        add("aggregator, 500 nodes pulling: at most half a core and 256 MiB",
            f"{it.cpu_percent:.1f} % of a core, {it.mib:.0f} MiB", it.cpu_percent <= 50 and it.mib <= 256)  # fmt: skip
    return lines


def both(latency_seconds: Sequence[float]) -> str:
    p50, p99 = percentiles(latency_seconds)
    return "" if isnan(p50) else f"{p50:,.0f} / {p99:,.0f}"


def change(after: float, before: float) -> str:
    return f"{100 * (after / before - 1):+.0f} %" if before else "?"

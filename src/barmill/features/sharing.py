"""Dividing the runs of a scan among threads."""

from collections.abc import Sequence

from barmill.features.layout import Layout, Run
from barmill.market import Timeframe

_AGGREGATING = 8.0  # the cost of a base bar on its way into a longer one, in the nanoseconds of `_cost`


def share(layout: Layout, base: Timeframe, threads: int) -> list[tuple[list[int], list[Run]]]:
    """Higher layers and runs for each of `threads`, of about the same cost.

    Runs that depend on each other stay together, in order. Runs that are late are not among them: they wait for all others.
    """
    pieces: list[tuple[float, list[int], list[Run]]] = []
    for i, layer in enumerate(layout.layers):
        runs = [run for run in layout.runs if run.layer == i and not run.late]
        if layer.timeframe is None:
            pieces += [(sum(map(_cost, group)), [], group) for group in _families(runs)]
        else:
            pieces.append((_AGGREGATING + sum(map(_cost, runs)) * base.ms / layer.timeframe.ms, [i], runs))
    shares: list[tuple[list[int], list[Run]]] = [([], []) for _ in range(threads)]
    costs = [0.0] * threads
    for cost, layers, runs in sorted(pieces, key=lambda piece: -piece[0]):
        least = costs.index(min(costs))
        costs[least] += cost
        shares[least][0].extend(layers)
        shares[least][1].extend(runs)
    return shares


def _cost(run: Run) -> float:
    """Nanoseconds a bar, roughly: kernels sum their windows anew, so the state tells how much there is to do."""
    return 8.0 + run.state_size / 8.0


def _families(runs: Sequence[Run]) -> list[list[Run]]:
    """Runs in groups, each run with all that it depends on, in the order given."""
    leader: dict[str, str] = {run.name: run.name for run in runs}
    for run in runs:  # a run stands after those that it depends on
        merged = {leader[name] for name in run.depends}
        leader |= {name: run.name for name, lead in leader.items() if lead in merged}
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(leader[run.name], []).append(run)
    return list(groups.values())


__all__ = ["share"]

"""How far two lots of forecasts are apart, and what each is worth where outcomes are known."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf, isfinite

import numpy as np

from barmill.bundles.parity_record import Comparison, Difference, Outcomes
from barmill.evaluation.classification import average_ranks
from barmill.evaluation.forecasts import information_coefficient
from barmill.models.contract import Float64Array

_PROBABILITY = re.compile(r"p(_.*| \d+)?")  # p_up of a forecast, p or "p 2" of scores
_LEAST_SIZE = 1e-3  # of an output: what is smaller on average is as good as nothing, and no share of it is asked
_VARIES = 1e-6  # from an output's least value to its greatest; with less, ranks would be those of rounding

Columns = Mapping[str, Float64Array]


def compared(kind: str, expected: Columns, found: Columns) -> Comparison:
    """Each output of `expected`, float64 (n,), beside the same of `found`; one that is not there is infinitely far."""
    rows = len(next(iter(expected.values())))
    nothing = np.full(rows, np.nan)
    return Comparison(kind, rows, tuple(_difference(name, values, found.get(name, nothing)) for name, values in expected.items()))


def joined(parts: Sequence[Comparison]) -> Comparison:
    """Comparisons of parts of the same rows as one of all of them: the worst row of any part, and of rank correlations the least."""
    starts = np.cumsum([0, *(part.rows for part in parts)]).tolist()
    by_output = zip(*(part.outputs for part in parts), strict=True)
    weights = np.array([part.rows for part in parts]) / starts[-1]
    return Comparison(parts[0].kind, starts[-1], tuple(_joined(one, starts, weights) for one in by_output))


def _joined(parts: Sequence[Difference], starts: Sequence[int], weights: Float64Array) -> Difference:
    worst = max(range(len(parts)), key=lambda number: parts[number].most)
    ranks = [part.ranks for part in parts if part.ranks is not None]
    return replace(
        parts[worst],
        mae=float(sum(weight * part.mae for weight, part in zip(weights, parts, strict=True))),
        relative=float(sum(weight * part.relative for weight, part in zip(weights, parts, strict=True))),
        flips=sum(part.flips for part in parts),
        ranks=min(ranks, default=None),
        row=starts[worst] + parts[worst].row,
    )


def _difference(output: str, expected: Float64Array, found: Float64Array) -> Difference:
    apart = np.full(expected.shape, np.inf)
    known = np.isfinite(expected) & np.isfinite(found)
    apart[known] = np.abs(expected[known] - found[known])
    row = int(apart.argmax())
    mae = float(apart.mean())
    flips = int(np.count_nonzero((expected - 0.5) * (found - 0.5) < 0)) if _PROBABILITY.fullmatch(output) else 0
    size = max(float(np.abs(expected[known]).sum()) / len(expected), _LEAST_SIZE)
    said = (float(expected[row]), float(found[row]))
    pair = (said[0] if isfinite(said[0]) else inf, said[1] if isfinite(said[1]) else inf)
    return Difference(output, mae, float(apart[row]), mae / size, flips, _ranks(expected, found), row, *pair)


def _ranks(expected: Float64Array, found: Float64Array) -> float | None:
    """Rank correlation; None where the bundle's output does not vary, 0 where the graph's alone does not, or is no number."""
    if not np.isfinite(expected).all() or np.ptp(expected) <= _VARIES:
        return None
    if not np.isfinite(found).all() or np.ptp(found) == 0:
        return 0.0
    return information_coefficient(expected, found)


def outcomes(expected: Columns, found: Columns, z: Float64Array) -> Outcomes:
    """What the bundle and the graph are worth on rows of which `z` came, float64 (n,), in units of volatility.

    expected, found : columns of a forecast of direction, returns in the same unit
    """
    pairs = [_worth(columns, z) for columns in (expected, found)]
    return Outcomes(len(z), *(None if a is None or b is None else (a, b) for a, b in zip(*pairs, strict=True)))


def _worth(said: Columns, z: Float64Array) -> tuple[float | None, float | None, float | None]:
    """AUC, information coefficient and coverage; None where a figure has no meaning."""
    up = z > 0
    n_up, n_rest = int(up.sum()), int((~up).sum())
    auc = float((average_ranks(said["p_up"])[up].sum() - n_up * (n_up + 1) / 2) / (n_up * n_rest)) if n_up and n_rest else None
    ic = information_coefficient(said.get("E_r", said["q50"]), z)
    low, high = ("lower", "upper") if "lower" in said else ("q05", "q95")
    return auc, ic if isfinite(ic) else None, float(np.mean((said[low] <= z) & (z <= said[high])))


__all__ = ["Columns", "compared", "joined", "outcomes"]

"""The proof that forecasts put together from folds are out of fold: nobody forecast what he had seen, and nothing is missing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.errors import ProvenanceError, SplitError
from barmill.splits.purging import blocks_of, purge_ranges
from barmill.splits.ranges import Int64Array, Ranges
from barmill.splits.spans import LabelSpans, OrderedSpans


@dataclass(frozen=True, slots=True, eq=False)
class OofPiece:
    """What one fitted model forecast for one path.

    path : int, the number of the backtest path; 0 where there is one
    forecast : the positions of the labels that it forecast
    fitted_on : the positions of every label that anything of it was fitted on: training, early stopping, calibration, selection
    made_by : str, for messages, such as "lightgbm, split 3"
    """

    path: int
    forecast: Ranges
    fitted_on: Ranges
    made_by: str = ""


@dataclass(frozen=True, slots=True)
class OofReport:
    """Out-of-fold forecasts that passed: each sample in reach stands once in each path.

    n_paths, n_pieces : int
    n_samples : int, labels forecast in each path
    out_of_reach : int, labels of the block that no window reaches, and that no path forecasts
    """

    n_paths: int
    n_pieces: int
    n_samples: int
    out_of_reach: int

    def to_json(self) -> Mapping[str, Any]:
        """Plain JSON for a report; `complete` is true, since what is not complete raises."""
        return {
            "n_paths": self.n_paths,
            "n_pieces": self.n_pieces,
            "n_samples": self.n_samples,
            "complete": True,
            "out_of_reach": self.out_of_reach,
        }


def check_out_of_fold(
    labels: LabelSpans,
    block: Ranges | npt.ArrayLike,
    pieces: Iterable[OofPiece],
    *,
    out_of_reach: npt.ArrayLike = (),
    purge_bars: int = 0,
    embargo_bars: int = 0,
) -> OofReport:
    """Check that each label of `block` is forecast exactly once in each path, by a model that shares no bar with it.

    Parameters
    ----------
    labels : t0 and t1 of shape (n_labels,), in order of t0
    block : positions of the labels that must be forecast
    pieces : what each model forecast in each path, and what it was fitted on
    out_of_reach : positions of the block that a model's window cannot reach, as `out_of_window` gives them: they are counted apart,
        and must not be forecast
    purge_bars, embargo_bars : int, as the folds were cut; a piece fitted on a label within them is refused too

    Raises: ProvenanceError that gathers every fault: a model fitted on what it forecast or on a label that meets it, a sample missing
    from a path, forecast twice, or outside the block; SplitError for no piece at all.
    Cost: linear in the forecasts of a path, plus the cost of `purge_ranges` for each piece.
    """
    spans = OrderedSpans.of(labels.t0, labels.t1, purge_bars)
    given = list(pieces)
    if not given:
        raise SplitError("out-of-fold forecasts", "none", expected="a piece for each fold and path")
    wanted = block.positions() if isinstance(block, Ranges) else np.asarray(block, dtype=np.int64)
    beyond = np.asarray(out_of_reach, dtype=np.int64)
    due = np.zeros(len(spans), dtype=np.int64)
    due[wanted] = 1
    due[beyond] = 0
    problems = [fault for piece in given if (fault := _seen(piece, spans, embargo_bars)) is not None]
    paths = sorted({piece.path for piece in given})
    for path in paths:
        problems.extend(_coverage_faults(path, [piece for piece in given if piece.path == path], due, spans))
    if problems:
        raise ProvenanceError.gathered(problems)
    return OofReport(len(paths), len(given), int(due.sum()), int(np.isin(beyond, wanted).sum()))


def out_of_window(labels: LabelSpans, positions: npt.ArrayLike, window: int, first_bar: int = 0) -> Int64Array:
    """Those of `positions` whose decision comes before `window` bars have passed: the first window - 1 bars from `first_bar` on."""
    rows = np.asarray(positions, dtype=np.int64)
    return rows[labels.t0[rows] < first_bar + window - 1]


def _seen(piece: OofPiece, spans: OrderedSpans, embargo: int) -> ProvenanceError | None:
    """The fault of a model fitted on labels that purging would have dropped, or nothing."""
    kept = purge_ranges(piece.fitted_on, blocks_of(piece.forecast, spans), spans, embargo)
    n_seen = len(piece.fitted_on) - len(kept)
    if not n_seen:
        return None
    first = int(piece.fitted_on.without(kept).bounds[0, 0])
    bars = f"bars {int(spans.t0[first])} to {int(spans.t1[first])}"
    found = f"fitted on {n_seen} labels that meet what it forecasts or its embargo, first label {first} at {bars}"
    return ProvenanceError(_place(piece), found, mend="Fit it on what the fold leaves to train on, and on nothing else.")


def _coverage_faults(path: int, pieces: list[OofPiece], due: Int64Array, spans: OrderedSpans) -> list[ProvenanceError]:
    times = np.zeros(len(spans), dtype=np.int64)
    for piece in pieces:
        for start, stop in piece.forecast:
            times[start:stop] += 1
    faults: list[ProvenanceError] = []
    for wrong, told in (
        ((due == 1) & (times == 0), "not forecast"),
        ((due == 1) & (times > 1), "forecast more than once"),
        ((due == 0) & (times > 0), "forecast, and outside the block or out of reach of the window"),
    ):
        if wrong.any():
            first = int(np.argmax(wrong))
            found = f"{int(wrong.sum())} labels are {told}, first label {first} at bar {int(spans.t0[first])}"
            faults.append(ProvenanceError(f"out-of-fold path {path}", found, expected=f"each of {int(due.sum())} labels forecast once"))
    return faults


def _place(piece: OofPiece) -> str:
    return f"out-of-fold path {piece.path}" + (f", {piece.made_by}" if piece.made_by else "")


__all__ = ["OofPiece", "OofReport", "check_out_of_fold", "out_of_window"]

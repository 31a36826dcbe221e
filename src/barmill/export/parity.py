"""Parity: a bundle's graphs and the bundle itself on the same rows, and whether they are near enough to be one.

The rows: the golden samples; bars, where some are given; numbers drawn over what training reached; for trees, rows on split thresholds
and one float32 step to either side; batches of 1, 7 and 64; and some of them in a second runtime.
"""

from collections.abc import Mapping

import numpy as np

from barmill.bundles import Bundle
from barmill.bundles.parity_record import ParityReport
from barmill.errors import BundleError
from barmill.export.parity_subjects import Shown, Subject
from barmill.export.running import versions
from barmill.market import Bars

N_ROWS = 2000  # of bars, and drawn; of windows a tenth
N_THRESHOLD_ROWS = 20_000


def measure(
    bundle: Bundle,
    graphs: Mapping[str, bytes],
    *,
    bars: Bars | None = None,
    n_rows: int = N_ROWS,
    n_threshold_rows: int = N_THRESHOLD_ROWS,
    n_second_rows: int | None = None,
    seed: int = 0,
) -> ParityReport:
    """Compare each graph with the bundle.

    Parameters
    ----------
    bundle : loaded, with or without graphs in it
    graphs : by their names under `onnx`: `forecast.onnx`, `model.onnx`, `<label>.model.onnx` of an ensemble's member; quantised ones have
        `.int8` before their ending
    bars : real bars of the bundle's instrument and timeframe; `n_rows` of those that are ready are compared, spread over them. Where they
        are given, quantised graphs are judged by what came, too
    n_rows : also of drawn rows; n_threshold_rows : rows where trees decide
    n_second_rows : that the second runtime is asked too, of golden bars, bars and drawn rows, in this order; None for as many as take
        little time, 64, or 16 of trees
    seed : of what is drawn

    Returns
    -------
    ParityReport; the same graphs, rows and seed give the same report on one machine

    Raises: BundleError for a graph of another name, or that ONNX Runtime does not run; DataError for bars of something else.
    """
    shown = [_golden(bundle), *(() if bars is None else (_given(bundle, bars, n_rows),))]
    found = [
        Subject.of(bundle, name, data, shown, np.random.default_rng([seed, number])).measured(n_rows, n_threshold_rows, n_second_rows)
        for number, (name, data) in enumerate(sorted(graphs.items()))
    ]
    return ParityReport(tuple(found), seed, versions())


def _golden(bundle: Bundle) -> Shown:
    golden = bundle.golden_bars
    return Shown("golden bars", golden.bars, bundle.plan.compute(golden.bars).values, golden.rows, bundle.pipeline.closed(golden.bars))


def _given(bundle: Bundle, bars: Bars, n_rows: int) -> Shown:
    bundle.check_bars(bars)
    table, closed = bundle.plan.compute(bars), bundle.pipeline.closed(bars)
    ready = np.flatnonzero(bundle.pipeline.ready(table.ready, closed))
    if ready.size == 0:
        raise BundleError("bars", f"none of {len(bars)} is ready", expected=f"more than {bundle.needed_bars}", mend="Give more bars.")
    spread = np.unique(np.linspace(0, ready.size - 1, min(n_rows, ready.size)).astype(np.int64))
    return Shown("bars", bars, table.values, ready[spread], closed)


__all__ = ["N_ROWS", "N_THRESHOLD_ROWS", "ParityReport", "measure"]

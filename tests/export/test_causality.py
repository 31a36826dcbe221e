"""No graph looks ahead: what is fed from a stream bar by bar, or from a history whose later bars are others, gives the same bits."""

from pathlib import Path
from types import ModuleType

import numpy as np

from barmill.bundles import Bundle, assemble, publish, read_bundle
from barmill.bundles.seen_bars import SeenBars
from barmill.export.feeds import forecast_feeds
from barmill.export.pipeline_graph import forecast_graph
from barmill.export.running import GraphRun
from barmill.features import FeatureStream
from barmill.market import Bars

AFTER = 12  # bars that are changed, the last ones
LATER = 40  # bars that are told one by one


def others_after(bars: Bars, first: int) -> Bars:
    """The same bars up to `first`, and from there on others: prices move by a tenth, and volume is another."""
    moved = np.where(np.arange(len(bars)) < first, 1.0, 1.1)
    prices = [column * moved for column in (bars.open, bars.high, bars.low, bars.close)]
    prices[0][first] = bars.open[first]
    prices[2][first] = min(prices[2][first], bars.open[first])
    return Bars.from_columns(bars.instrument, bars.timeframe, bars.open_time, *prices, bars.volume * moved)


def row_by_row(bundle: Bundle, run: GraphRun, values: np.ndarray, rows: np.ndarray, closed: SeenBars | None) -> np.ndarray:
    said = run.run(forecast_feeds(bundle.pipeline, values, rows, closed), batch=1)
    return np.stack([said[name] for name in bundle.outputs], axis=1)


def streamed(bundle: Bundle, run: GraphRun, bars: Bars) -> np.ndarray:
    """What the graph says of the last bars, each fed from streams of features and closed bars as it came in."""
    pipeline, features = bundle.pipeline, FeatureStream(bundle.plan)
    closed = pipeline.stream(bundle.timeframe, bundle.plan.calendar)
    begin = len(bars) - LATER
    history = bars.slice(0, begin)
    recent = features.extend(history).values[-pipeline.depth :]
    if closed is not None:
        closed.extend(history)
    found = []
    for number in range(begin, len(bars)):
        bar = bars.bar(number)
        recent = np.concatenate((recent[1:] if pipeline.depth > 1 else recent[:0], features.push(bar)[None]))
        seen = None if closed is None else closed.push(bar)
        found.append(row_by_row(bundle, run, recent, np.array([len(recent) - 1]), seen)[0])
    return np.array(found)


def test_bars_after_a_decision_change_no_bit_of_it(making: ModuleType, ensembles: ModuleType, tmp_path: Path) -> None:
    """Of an ensemble with a gate, whose members see a row, a window, and closed bars of two timeframes."""
    contents = ensembles.contents_of(making, "softmax_gating", ensembles.WIDE)
    bundle = Bundle.from_verified(read_bundle(publish(assemble(contents), tmp_path, "gated")))
    run = GraphRun("forecast.onnx", forecast_graph(bundle.pipeline, list(bundle.fitted.values()), {}).SerializeToString())
    bars = making.walk(bundle.settled_bars + 100, 11)
    first = len(bars) - AFTER
    said = []
    for history in (bars, others_after(bars, first)):
        closed = bundle.pipeline.closed(history)
        rows = np.arange(len(bars) - LATER, len(bars))
        said.append(row_by_row(bundle, run, bundle.plan.compute(history).values, rows, closed))
        np.testing.assert_array_equal(streamed(bundle, run, history), said[-1])
    known, later = slice(0, LATER - AFTER), slice(LATER - AFTER, LATER)
    assert np.isfinite(said[0]).all()
    np.testing.assert_array_equal(said[0][known], said[1][known])
    assert (said[0][later] != said[1][later]).any(axis=1).all()

"""The view as base bars come in, against the view of the whole history."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from barmill.errors import DataError, InstrumentError
from barmill.market import Bar, Bars, Timeframe
from barmill.views import MultiResolution
from barmill.views.closed_stream import ClosedBarStream

LENGTHS = {"1m": 5, "5m": 3, "15m": 2, "20m": 1}


def bits(view: MultiResolution, ends: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """What a network would be shown at the base bars `ends`."""
    return view.samples(ends, unit[ends]).concatenated(slice(None))


def units(n_bars: int) -> np.ndarray:
    return np.random.default_rng(9).uniform(1e-4, 3e-3, n_bars)


def streamed(stream: ClosedBarStream, bars: Bars, cuts: list[int], unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """ready (n_bars,) and the windows of the ready bars, through a stream that is given the bars in pieces; one alone is pushed."""
    ready, windows = [], []
    for start, stop in zip([0, *cuts], [*cuts, len(bars)], strict=True):
        view = stream.push(bars.bar(start)) if stop - start == 1 else stream.extend(bars.slice(start, stop))
        ready.append(view.ready)
        windows.append(bits(view, np.flatnonzero(view.ready), unit[start:stop]))
    return np.concatenate(ready), np.concatenate(windows)


@given(seed=st.integers(0, 50), gaps=st.booleans(), offset=st.integers(0, 70), cuts=st.lists(st.integers(1, 199), max_size=12, unique=True))
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_however_the_bars_are_cut_each_bit_is_that_of_the_whole_history(make_bars, seed, gaps, offset, cuts):
    bars = make_bars(200, seed, gaps=gaps, start_ms=1_704_067_200_000 + offset * 60_000)
    unit = units(200)
    whole = MultiResolution.of(bars, LENGTHS)
    ready, windows = streamed(ClosedBarStream(bars.timeframe, LENGTHS), bars, sorted(cuts), unit)
    np.testing.assert_array_equal(ready, whole.ready)
    np.testing.assert_array_equal(windows, bits(whole, whole.ends, unit))


def test_bar_by_bar_each_bit_is_that_of_the_whole_history(make_bars):
    bars = make_bars(400, 3, gaps=True)
    unit = units(400)
    whole = MultiResolution.of(bars, {"1m": 60, "5m": 12, "15m": 4, "1h": 1})
    stream = ClosedBarStream(bars.timeframe, whole.lengths)
    ready, windows = streamed(stream, bars, list(range(1, 400)), unit)
    np.testing.assert_array_equal(ready, whole.ready)
    np.testing.assert_array_equal(windows, bits(whole, whole.ends, unit))
    assert 100 < len(windows) < 400


def in_new_york(make_bars) -> Bars:
    """Five-minute bars of four New York sessions, 09:30 to 16:00."""
    opens = [1_707_143_400_000 + day * 86_400_000 for day in range(4)]
    times = np.concatenate([one + np.arange(78) * 300_000 for one in opens])
    made = make_bars(len(times), 6)
    market = made.instrument.model_copy(update={"calendar": "XNYS"})
    return Bars.from_columns(market, "5m", times, made.open, made.high, made.low, made.close, made.volume)


@given(cuts=st.lists(st.integers(1, 311), max_size=8, unique=True))
@settings(max_examples=10)
def test_bars_counted_from_the_open_of_each_session_come_out_the_same(make_bars, cuts):
    bars, lengths = in_new_york(make_bars), {"5m": 4, "1h": 3, "2h": 2}
    unit = units(len(bars))
    whole = MultiResolution.of(bars, lengths, anchor="session")
    stream = ClosedBarStream(bars.timeframe, lengths, "session", "XNYS")
    ready, windows = streamed(stream, bars, sorted(cuts), unit)
    np.testing.assert_array_equal(ready, whole.ready)
    np.testing.assert_array_equal(windows, bits(whole, whole.ends, unit))
    assert not np.array_equal(whole.ready, MultiResolution.of(bars, lengths).ready)


def test_a_bar_that_is_refused_leaves_the_stream_as_it_was(make_bars):
    bars = make_bars(120, 1)
    unit = units(120)
    stream, spoilt = (ClosedBarStream(bars.timeframe, LENGTHS) for _ in range(2))
    stream.extend(bars.slice(0, 60))
    spoilt.extend(bars.slice(0, 60))
    good = bars.bar(60)
    with pytest.raises(DataError, match="low <= open"):
        spoilt.push(Bar(good.open_time, good.open, good.low - 1, good.low, good.close, good.volume))
    rest = bars.slice(60, 120)
    for now, then in zip(*(streamed(one, rest, [1, 2], unit[60:]) for one in (stream, spoilt)), strict=True):
        np.testing.assert_array_equal(now, then)


def test_a_timeframe_that_is_no_multiple_of_the_bars_is_refused():
    with pytest.raises(InstrumentError, match="a multiple of 5m"):
        ClosedBarStream(Timeframe.parse("5m"), {"5m": 2, "12m": 1})

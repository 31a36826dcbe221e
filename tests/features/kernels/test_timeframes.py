"""Higher timeframes against definitions section 16, done slowly in Python."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from barmill.features.kernels import timeframes

MINUTE_MS = 60_000


@st.composite
def base_bars(draw):
    """Minutes with gaps, starting anywhere in a bucket; rows as the engine has them."""
    steps = draw(st.lists(st.sampled_from([1, 1, 1, 1, 2, 3, 5, 7, 60]), min_size=1, max_size=60))
    open_time = (draw(st.integers(0, 100)) + 28_000_000 + np.cumsum(steps)) * MINUTE_MS
    prices = np.sort(draw(st.lists(st.lists(st.integers(1, 20), min_size=4, max_size=4), min_size=len(steps), max_size=len(steps))), axis=1)
    volume = draw(st.lists(st.integers(0, 9), min_size=len(steps), max_size=len(steps)))
    low, open_, close, high = prices.T
    return np.vstack([open_time, open_time + MINUTE_MS, open_, high, low, close, volume]).astype(np.float64)


def slow_higher(bars, step):
    """(bar, index of the base bar at whose close it is known) for each bucket, looking at all bars at once."""
    buckets = {}
    for row in bars.T:
        buckets.setdefault(row[0] // step, []).append(row)
    for bucket, rows in buckets.items():
        end = (bucket + 1) * step
        known = next((t for t, close_time in enumerate(bars[1]) if close_time >= end), None)
        if known is not None:
            column = np.array(rows).T
            yield [end - step, end, column[2][0], column[3].max(), column[4].min(), column[5][-1], column[6].sum()], known


def run_aggregate(bars, step, cuts=()):
    """The engine's routine on a sheet of two layers, the base bars above, in chunks."""
    layers, steps, firsts = np.array([1]), np.array([0.0, float(step)]), np.array([0, 7])
    forming = np.zeros((2, timeframes.FORMING + 7))
    higher, closed = [], []
    for chunk in np.split(bars, sorted(cuts), axis=1):
        n_bars = chunk.shape[1]
        sheet = np.zeros((14, n_bars + 1))
        sheet[:7, :n_bars] = chunk
        seen, counts = np.zeros((2, n_bars), dtype=np.int64), np.zeros(2, dtype=np.int64)
        timeframes.aggregate.compiled(layers, steps, firsts, np.empty(0, np.int64), -1, -1, forming, sheet, n_bars, seen, counts)
        closed.append(seen[1] + sum(part.shape[1] for part in higher))
        higher.append(sheet[7:, : counts[1]].copy())
    return np.hstack(higher), np.concatenate(closed)


@settings(deadline=None)  # the first example may compile
@given(base_bars(), st.sampled_from([2, 5, 15, 25, 60]), st.lists(st.integers(0, 60), max_size=4))
def test_higher_bars_and_the_base_bar_that_closes_them_equal_the_slow_version(bars, minutes, cuts):
    higher, closed = run_aggregate(bars, minutes * MINUTE_MS, cuts)
    expected = list(slow_higher(bars, minutes * MINUTE_MS))
    np.testing.assert_array_equal(higher.T, np.array([bar for bar, _ in expected]).reshape(-1, 7))
    np.testing.assert_array_equal(closed, [sum(known <= t for _, known in expected) for t in range(bars.shape[1])])


def test_after_a_gap_one_base_bar_closes_two():
    open_time = np.array([0, 1, 9]) * MINUTE_MS + 600 * MINUTE_MS
    bars = np.vstack([open_time, open_time + MINUTE_MS, *np.ones((4, 3)), [1.0, 2.0, 4.0]])
    higher, closed = run_aggregate(bars, 5 * MINUTE_MS)
    np.testing.assert_array_equal(closed, [0, 0, 2])
    np.testing.assert_array_equal(higher[6], [3.0, 4.0])


@settings(deadline=None)  # the first example may compile
@given(base_bars(), st.sampled_from([5, 15]), st.integers(0, 60))
def test_a_base_bar_shows_the_last_closed_value_and_none_before_the_first(bars, minutes, cut):
    higher, closed = run_aggregate(bars, minutes * MINUTE_MS)
    held, gathered, shown = np.full(2, np.nan), [], []
    for part in np.split(np.arange(bars.shape[1]), [cut]):
        before = closed[part[0] - 1] if part.size and part[0] else 0
        count = int(closed[part[-1]] - before) if part.size else 0
        sheet = np.full((4, part.size + count + 1), np.nan)
        sheet[0, :count], sheet[1, :count] = higher[5, before : before + count], higher[6, before : before + count]
        layers, seen = np.array([[1, 0, 2]]), np.vstack([np.zeros(part.size, np.int64), closed[part] - before])
        timeframes.show.compiled(np.array([[0, 1, 2], [1, 1, 3]]), held, seen, part.size, sheet)
        shown.append(sheet[2:, : part.size].copy())
        out = np.empty((part.size, 2))
        columns, parts = np.array([[0, 0], [1, 1]]), np.array([0, 0, 2])
        timeframes.gather.compiled(columns, parts, held, seen, sheet, 0, part.size, np.empty(2), out)
        gathered.append(out.T)
        timeframes.hold.compiled(layers, np.array([part.size, count]), sheet, held)
    np.testing.assert_array_equal(np.hstack(gathered), np.hstack(shown))
    for t, close_time in enumerate(bars[1]):  # definitions section 16, mtf_align
        past = np.flatnonzero(higher[1] <= close_time)
        expected = [higher[5, past[-1]], higher[6, past[-1]]] if past.size else [np.nan, np.nan]
        np.testing.assert_array_equal(np.hstack(shown)[:, t], expected)

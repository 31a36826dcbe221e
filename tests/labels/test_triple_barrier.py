"""The triple barrier: worked by hand, judged by a slow version of the definition, and refused where it makes no sense."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barmill.errors import LabelError, ShapeError
from barmill.labels import triple_barrier_close, triple_barrier_net
from barmill.labels.triple_barrier import has_room

NAN = float("nan")

# Six bars on paper:      0      1      2      3      4      5
OPEN = np.array([100.0, 100.0, 101.0, 103.0, 99.0, 100.0])
HIGH = np.array([101.0, 102.0, 103.5, 104.0, 101.0, 101.0])
LOW = np.array([99.0, 99.5, 100.5, 98.0, 97.0, 99.0])
CLOSE = np.array([100.0, 101.0, 103.0, 99.0, 100.0, 100.5])


def label(events, side=1, k_up=1.0, k_down=1.0, cost=0.5, horizon=4, atr=2.0, cost_mode="net", o=OPEN, h=HIGH, l=LOW, c=CLOSE):  # noqa: E741
    return triple_barrier_net(o, h, l, c, np.atleast_1d(events), atr, side, k_up, k_down, cost, horizon, cost_mode)


def one(*args, **kwargs) -> tuple[float, float, float, float]:
    return tuple(float(column[0]) for column in label(*args, **kwargs))


def test_a_long_takes_profit_at_its_level():
    # p = 100, profit 100 + (1 + .25)·2 = 102.5 reached by the high of bar 2, stop 100 - (1 - .25)·2 = 98.5 not before
    assert one(0) == (1.0, 2.0, 102.5 / 100 - 1, (102.5 / 100 - 1) - 0.5 / 100)


def test_a_short_is_stopped_at_its_level():
    # p = 100, profit 97.5, stop 101.5: the high of bar 1 is 102
    assert one(0, side=-1) == (-1.0, 1.0, -(101.5 / 100 - 1), -(101.5 / 100 - 1) - 0.5 / 100)


def test_a_bar_that_touches_both_counts_as_the_stop():
    # p = 103, profit 105.5, stop 101.5; k_up = .25 moves profit to 104, and bar 3 spans 98 to 104
    assert one(2, k_up=0.25) == (-1.0, 3.0, 101.5 / 103 - 1, (101.5 / 103 - 1) - 0.5 / 103)
    # the short of the same bar: stop 104.5 not touched, so 100.5 is its profit
    assert one(2, side=-1) == (1.0, 3.0, -(100.5 / 103 - 1), -(100.5 / 103 - 1) - 0.5 / 103)
    # and with a stop of .5 ATR at 103.5 both are touched
    assert one(2, side=-1, k_down=0.5)[:2] == (-1.0, 3.0)


def test_a_bar_that_opens_beyond_the_stop_leaves_at_its_open():
    # p = 101, stop 100.75 - ... with k_down = .75: 101 - (.75 - .25)·2 = 100; profit 101 + (2 + .25)·2 = 105.5
    o, h, low = OPEN.copy(), HIGH.copy(), LOW.copy()
    low[2] = 100.5
    o[3], h[3] = 99.5, 106.0
    # bar 3 opens at 99.5, below the stop, and later touches the profit level as well: it leaves at 99.5
    assert one(1, k_up=2.0, k_down=0.75, o=o, h=h, l=low) == (-1.0, 3.0, 99.5 / 101 - 1, (99.5 / 101 - 1) - 0.5 / 101)


def test_a_bar_that_opens_beyond_the_profit_leaves_at_its_open_though_it_touches_the_stop_later():
    # p = 101, profit 101 + (.25 + .25)·2 = 102, bar 2 reaches it only if its high does: keep it below
    h = HIGH.copy()
    h[2] = 101.9
    assert one(1, k_up=0.25, h=h) == (1.0, 3.0, 103.0 / 101 - 1, (103.0 / 101 - 1) - 0.5 / 101)


def test_a_short_that_opens_beyond_its_profit_leaves_at_its_open():
    # p = 103, profit 103 - (1 + .25)·2 = 100.5, stop 104.5; bar 4 opens at 99 and bar 3 is kept above
    low = LOW.copy()
    low[3] = 101.0
    assert one(2, side=-1, l=low) == (1.0, 4.0, -(99.0 / 103 - 1), -(99.0 / 103 - 1) - 0.5 / 103)


def test_reaching_a_level_exactly_is_a_touch():
    h = HIGH.copy()
    h[2] = 102.5
    assert one(0, h=h)[:2] == (1.0, 2.0)
    h[2] = np.nextafter(102.5, 0)
    low = LOW.copy()
    low[3] = 98.5
    o = OPEN.copy()
    o[3] = 102.0
    h[3] = 102.4
    assert one(0, h=h, l=low, o=o)[:2] == (-1.0, 3.0)


def test_time_ends_a_trade_at_the_close_of_the_horizon():
    assert one(0, k_up=10, k_down=10, horizon=3) == (0.0, 3.0, 99.0 / 100 - 1, (99.0 / 100 - 1) - 0.5 / 100)
    assert one(0, k_up=10, k_down=10, horizon=1) == (0.0, 1.0, 101.0 / 100 - 1, (101.0 / 100 - 1) - 0.5 / 100)


def test_an_outcome_that_the_data_do_not_cover_is_nan_in_all_four():
    for event, horizon in ((0, 6), (4, 2), (5, 1)):
        assert all(math.isnan(value) for value in one(event, k_up=10, k_down=10, horizon=horizon))
    assert one(4, k_up=10, k_down=10, horizon=1)[:2] == (0.0, 5.0)
    # a touch settles it though the horizon lies beyond the data
    assert one(0, horizon=100)[:2] == (1.0, 2.0)


def test_the_charter_formula_has_the_signs_of_the_seed():
    # profit 100 + (1 - .25)·2 = 101.5 at bar 1, stop 100 - (1 + .25)·2 = 97.5
    assert one(0, cost_mode="charter") == (1.0, 1.0, 101.5 / 100 - 1, (101.5 / 100 - 1) - 0.5 / 100)


def test_no_events_are_no_outcomes():
    assert [column.size for column in label(np.empty(0, dtype=np.int64))] == [0, 0, 0, 0]


def slow_triple_barrier_net(o, h, low, c, event, a, s, k_up, k_down, cost, horizon, cost_mode):
    """Section 5 of the definitions, sentence by sentence."""
    n = len(o)
    if event + 1 >= n:
        return (NAN,) * 4
    p = o[event + 1]
    if cost_mode == "net":
        profit, stop = p + s * (k_up + cost / a) * a, p - s * (k_down - cost / a) * a
    else:
        profit, stop = p + s * (k_up - cost / a) * a, p - s * (k_down + cost / a) * a
    exit_price, outcome, t1 = None, None, None
    for t in range(event + 1, event + horizon + 1):
        if t >= n:
            return (NAN,) * 4
        opens_at_stop = o[t] <= stop if s > 0 else o[t] >= stop
        opens_at_profit = o[t] >= profit if s > 0 else o[t] <= profit
        touches_stop = low[t] <= stop if s > 0 else h[t] >= stop
        touches_profit = h[t] >= profit if s > 0 else low[t] <= profit
        if opens_at_stop or opens_at_profit:
            exit_price, outcome, t1 = o[t], -1 if opens_at_stop else 1, t
        elif touches_stop:
            exit_price, outcome, t1 = stop, -1, t
        elif touches_profit:
            exit_price, outcome, t1 = profit, 1, t
        if outcome is not None:
            break
    else:
        exit_price, outcome, t1 = c[event + horizon], 0, event + horizon
    gross = s * (exit_price / p - 1)
    return (outcome, t1, gross, gross - cost / p)


@st.composite
def markets(draw, max_bars: int = 30):
    """Bars on a coarse grid of prices, so that ties, gaps and touches of both levels are common."""
    n = draw(st.integers(1, max_bars))
    steps = st.lists(st.integers(-3, 3), min_size=n, max_size=n)
    wicks = st.lists(st.integers(0, 3), min_size=n, max_size=n)
    gaps, moves, above, below = (np.array(draw(kind), dtype=float) for kind in (steps, steps, wicks, wicks))
    gaps *= draw(st.sampled_from([0.0, 1.0]))
    close = 100 + np.cumsum(gaps + moves)
    opens = close - moves
    return opens, np.maximum(opens, close) + above, np.minimum(opens, close) - below, close


@given(
    market=markets(),
    k_up=st.sampled_from([0.5, 1.0, 3.0]),
    k_down=st.sampled_from([0.75, 1.0, 3.0]),
    cost=st.sampled_from([0.0, 0.1, 0.5]),
    horizon=st.integers(1, 12),
    cost_mode=st.sampled_from(["net", "charter"]),
    data=st.data(),
)
@settings(max_examples=300, deadline=None)
def test_every_outcome_is_that_of_the_definition(market, k_up, k_down, cost, horizon, cost_mode, data):
    n = len(market[0])
    events = np.array(data.draw(st.lists(st.integers(0, n - 1), max_size=8)), dtype=np.int64)
    atr = np.array(data.draw(st.lists(st.sampled_from([1.5, 2.0, 3.3]), min_size=events.size, max_size=events.size)))
    side = np.array(data.draw(st.lists(st.sampled_from([-1, 1]), min_size=events.size, max_size=events.size)))
    costs = np.full(events.size, cost)
    if events.size == n:
        events, atr, side, costs = (values[:-1] for values in (events, atr, side, costs))
    fast = triple_barrier_net(*market, events, atr, side, k_up, k_down, costs, horizon, cost_mode)
    slow = [
        slow_triple_barrier_net(*market, int(e), float(a), int(s), k_up, k_down, cost, horizon, cost_mode)
        for e, a, s in zip(events, atr, side, strict=True)
    ]
    np.testing.assert_array_equal(np.array(fast).T, np.array(slow, dtype=float).reshape(-1, 4))


@given(market=markets(), side=st.sampled_from([-1, 1]), cost=st.sampled_from([0.0, 0.3]), data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_touch_earns_or_loses_its_atrs_net_of_costs(market, side, cost, data):
    o, h, low, c = market
    k_up, k_down, atr = 1.0, 1.5, 2.0
    outcome = triple_barrier_net(o, h, low, c, np.arange(len(o)), atr, side, k_up, k_down, cost, 8)
    for event in np.flatnonzero(np.abs(outcome.label) == 1):
        p, opened = o[event + 1], o[int(outcome.t1[event])]
        earned = float(outcome.net_return[event]) * p
        fair = k_up * atr if outcome.label[event] == 1 else -k_down * atr
        at_open = side * (opened - p) - cost  # a gap beyond the level
        assert earned == pytest.approx(fair, abs=1e-9) or earned == pytest.approx(at_open, abs=1e-9)
        if outcome.label[event] == 1:
            assert earned >= fair - 1e-9
        else:
            assert earned <= fair + 1e-9


@given(market=markets())
@settings(max_examples=100, deadline=None)
def test_a_short_is_the_long_of_the_mirrored_market(market):
    o, h, low, c = market
    events = np.arange(len(o))
    mirrored = [2000 - values for values in (o, low, h, c)]
    long = triple_barrier_net(o, h, low, c, events, 2.0, 1, 1.0, 1.5, 0.25, 6)
    short = triple_barrier_net(*mirrored, events, 2.0, -1, 1.0, 1.5, 0.25, 6)
    np.testing.assert_array_equal(long.label, short.label)
    np.testing.assert_array_equal(long.t1, short.t1)


def test_atr_side_and_cost_may_be_given_by_event_or_by_bar():
    events = np.array([0, 2, 3])
    by_event = label(events, atr=np.array([2.0, 1.0, 3.0]), side=np.array([1, -1, 1]), cost=np.array([0.5, 0.1, 0.2]), horizon=2)
    by_bar = label(
        events,
        atr=np.array([2.0, NAN, 1.0, 3.0, NAN, NAN]),
        side=np.array([1, 0, -1, 1, 0, 0]),
        cost=np.array([0.5, NAN, 0.1, 0.2, NAN, NAN]),
        horizon=2,
    )
    np.testing.assert_array_equal(np.array(by_event), np.array(by_bar))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        (
            {"cost": 2.0},
            LabelError,
            r"event 0 \(bar 0\): a round trip costs 2, 1 ATR of 2, and leaves no room for a stop; expected less than k_down 1 ATR",
        ),
        ({"cost": 2.0, "cost_mode": "charter"}, LabelError, "leaves no room for a profit; expected less than k_up 1 ATR"),
        ({"atr": NAN}, LabelError, r"event 0 \(bar 0\): ATR nan; expected a positive number"),
        ({"atr": 0.0}, LabelError, "ATR 0.0"),
        ({"atr": np.ones(4)}, ShapeError, r"atr: an array of shape \(4,\); expected one number, 1 \(each event\) or 6 \(each bar\)"),
        ({"side": 0}, LabelError, r"side 0.0; expected \+1"),
        ({"cost": -1.0}, LabelError, "cost -1.0; expected 0 or more"),
        ({"cost": NAN}, LabelError, "cost nan"),
        ({"k_up": 0.0}, LabelError, "k_up: 0.0; expected a positive number"),
        ({"k_down": NAN}, LabelError, "k_down: nan"),
        ({"horizon": 0}, LabelError, "horizon: 0; expected at least 1 bar"),
        ({"cost_mode": "gross"}, LabelError, "cost_mode: 'gross'; expected 'net' or 'charter'"),
        ({"events": [6]}, LabelError, r"events\[0\]: 6; expected a bar's position, from 0 to 5"),
        ({"events": [-1]}, LabelError, r"events\[0\]: -1"),
        ({"events": [0.5]}, ShapeError, "type float64; expected integers"),
        ({"h": HIGH[:5]}, ShapeError, r"high: an array of shape \(5,\); expected \(6,\)"),
        ({"c": np.where(np.arange(6) == 3, NAN, CLOSE)}, LabelError, r"close\[3\]: nan; expected a finite number"),
        ({"o": OPEN - 100.0}, LabelError, "entry price 0.0; expected a positive price"),
        ({"events": [3, 1, 2, 0, 5, 4], "atr": np.full(6, 2.0)}, ShapeError, "6 values for 6 events over 6 bars"),
    ],
)
def test_what_cannot_be_labelled_is_refused(changes, error, message):
    with pytest.raises(error, match=message):
        label(**{"events": [0], **changes})


def test_the_last_bar_has_no_entry_and_is_not_refused():
    assert all(math.isnan(value) for value in one(5, atr=NAN))


def slow_triple_barrier_close(close, event, target, pt, sl, horizon):
    for t in range(event + 1, event + horizon + 1):
        if t >= len(close):
            return (NAN,) * 3
        ret = close[t] / close[event] - 1
        if ret > pt * target:
            return (1, t, ret)
        if ret < -sl * target:
            return (-1, t, ret)
    return (0, event + horizon, close[event + horizon] / close[event] - 1)


@given(market=markets(), pt=st.sampled_from([0.5, 1.0, math.inf]), sl=st.sampled_from([1.0, 2.0, math.inf]), horizon=st.integers(1, 8))
@settings(max_examples=150, deadline=None)
def test_the_close_version_is_that_of_the_definition(market, pt, sl, horizon):
    close = market[3]
    events = np.arange(len(close))
    fast = triple_barrier_close(close, events, 0.02, pt, sl, horizon)
    slow = [slow_triple_barrier_close(close, int(event), 0.02, pt, sl, horizon) for event in events]
    np.testing.assert_array_equal(np.array(fast).T, np.array(slow, dtype=float))


def test_the_close_version_wants_more_than_the_level():
    assert triple_barrier_close([64.0, 65.0, 64.0], [0], 1 / 64, 1.0, 1.0, 2).label[0] == 0.0  # exact in binary
    assert triple_barrier_close([64.0, 65.0, 64.0], [0], 1 / 64, 0.99, 1.0, 2).label[0] == 1.0


@pytest.mark.parametrize(("target", "pt"), [(-0.1, 1.0), (NAN, 1.0), (0.0, math.inf), (0.1, -1.0), (0.1, NAN)])
def test_the_close_version_refuses_levels_that_mean_nothing(target, pt):
    with pytest.raises(LabelError, match="triple_barrier_close"):
        triple_barrier_close(CLOSE, [0], target, pt, 1.0, 2)


def test_costs_that_fill_the_stop_exactly_leave_no_room():
    atr, cost = np.array([2.0, 2.0, 2.0, 0.0, NAN]), np.array([2.0, 1.9, 2.1, 0.0, 0.1])
    assert has_room(atr, cost, 5.0, 1.0, "net").tolist() == [False, True, False, False, False]
    assert has_room(atr, cost, 1.0, 5.0, "charter").tolist() == [False, True, False, False, False]


def test_arrays_that_cannot_be_written_to_are_read():
    given = [array.copy() for array in (OPEN, HIGH, LOW, CLOSE, np.array([0, 1]), np.array([2.0, 2.0]))]
    for array in given:
        array.flags.writeable = False
    np.testing.assert_array_equal(triple_barrier_net(*given, 1, 1.0, 1.0, 0.5, 4).label, label([0, 1]).label)
    assert triple_barrier_close(given[3], given[4], 0.01, 1.0, 1.0, 2).label.size == 2

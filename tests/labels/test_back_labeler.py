"""Trades in R: worked by hand, judged by a slow version told in sentences, and equal to the triple barrier where the rules coincide."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from barmill.errors import LabelError, ShapeError
from barmill.features import atr as average_true_range
from barmill.labels import OutcomeConfig, OutcomesInR, back_label, best_entry_offset, outcomes_in_R, triple_barrier_net
from barmill.market import round_trip_cost, simulate

NAN = float("nan")

# Six bars on paper:      0      1      2      3      4      5
OPEN = np.array([100.0, 100.0, 101.0, 103.0, 99.0, 100.0])
HIGH = np.array([101.0, 102.0, 103.5, 104.0, 101.0, 101.0])
LOW = np.array([99.0, 99.5, 100.5, 98.0, 97.0, 99.0])
CLOSE = np.array([100.0, 101.0, 103.0, 99.0, 100.0, 100.5])
PRICES = (OPEN, HIGH, LOW, CLOSE)


def outcome(event=0, side=1, stop_atr=1.0, cost=0.5, horizon=4, atr=2.0, target_R=None, entry_R=1.0, prices=PRICES) -> dict[str, float]:
    found = outcomes_in_R(*prices, np.array([event]), atr, side, stop_atr, cost, horizon, target_R, entry_R)
    return {name: float(values[0]) for name, values in found._asdict().items()}


def test_a_long_without_a_target_by_hand():
    # p = 100, R = 2, cost .5: stop 100 - .75·2 = 98.5, touched by the low of bar 3; the best until then was 103.5 in bar 2,
    # and the open of bar 3 at 103 came before the stop. One R is worth 100 + (1 + .25)·2 = 102.5, reached in bar 2.
    found = outcome()
    assert (found["label"], found["exit_bar"], found["exit_price"]) == (-1, 3, 98.5)
    assert found["realised_R"] == -1.0
    assert found["runup_R"] == (103.5 - 100 - 0.5) / 2
    assert found["drawdown_R"] == 1.0
    assert (found["t_hit_SL"], found["reached_R"]) == (3, 1)
    assert math.isnan(found["t_hit_TP"])
    # over the whole horizon, bars 1 to 4: from 104 to 97
    assert found["max_favorable_excursion_ATR"] == (104 - 100 - 0.5) / 2
    assert found["max_adverse_excursion_ATR"] == (100 - 97 + 0.5) / 2
    assert outcome(stop_atr=2.0)["max_adverse_excursion_R"] == (100 - 97 + 0.5) / 4


def test_a_target_ends_the_trade_and_its_bar_counts_in_full_against_it():
    # target 102.5 in bar 2 whose low of 100.5 is above the worst so far, 99.5 in bar 1
    found = outcome(target_R=1.0)
    assert (found["label"], found["exit_bar"], found["realised_R"], found["t_hit_TP"]) == (1, 2, 1.0, 2)
    assert found["runup_R"] == 1.0
    assert found["drawdown_R"] == (100 - 99.5 + 0.5) / 2
    assert math.isnan(found["t_hit_SL"])


def test_a_short_by_hand():
    # p = 100, stop 101.5: the high of bar 1 is 102 and the low of that bar, 99.5, may have come after it
    found = outcome(side=-1)
    assert (found["label"], found["exit_bar"], found["realised_R"], found["runup_R"]) == (-1, 1, -1.0, -0.25)
    assert found["reached_R"] == 0


def test_time_ends_a_trade_at_the_close_of_the_horizon():
    found = outcome(stop_atr=10.0, horizon=2)
    assert (found["label"], found["exit_bar"], found["realised_R"]) == (0, 2, (103.0 - 100 - 0.5) / 20)
    assert math.isnan(found["t_hit_TP"])
    assert math.isnan(found["t_hit_SL"])


def test_a_bar_that_reaches_one_r_and_the_stop_has_not_reached_it():
    prices = (OPEN, np.where(np.arange(6) == 1, 110.0, HIGH), np.where(np.arange(6) == 1, 90.0, LOW), CLOSE)
    found = outcome(prices=prices)
    assert (found["label"], found["exit_bar"], found["reached_R"]) == (-1, 1, 0)


def test_a_touch_settles_a_trade_whose_excursions_the_data_do_not_cover():
    found = outcome(horizon=100)
    assert (found["label"], found["realised_R"]) == (-1, -1.0)
    assert math.isnan(found["max_adverse_excursion_ATR"])
    assert all(math.isnan(value) for value in outcome(stop_atr=10.0, horizon=100).values())
    assert all(math.isnan(value) for value in outcome(event=5).values())


def slow_hold(o, h, low, c, first, deadline, entry, fill, s, profit, stop, reach):
    """The trade told bar by bar as a list of what was seen, in the order in which the rule says it came."""
    seen, reached = [entry], False
    for t in range(first, deadline + 1):
        if t >= len(o):
            return None
        good, bad = (h[t], low[t]) if s > 0 else (low[t], h[t])
        inside = t == first and fill != "open"
        if not inside:
            seen.append(o[t])
            if s * (o[t] - stop) <= 0:
                return -1, t, o[t], seen, reached
            reached |= s * (o[t] - reach) >= 0
            if s * (o[t] - profit) >= 0:
                return 1, t, o[t], seen, reached
        if s * (bad - stop) <= 0:
            return -1, t, stop, [*seen, stop], reached
        seen.append(bad)
        last = c[t] if inside and fill == "limit" else good
        reached |= s * (last - reach) >= 0
        if s * (last - profit) >= 0:
            return 1, t, profit, [*seen, profit], reached
        seen.append(last)
    return 0, deadline, c[deadline], seen, reached


def slow_outcome(o, h, low, c, e, a, s, stop_atr, cost, horizon, target_R, entry_R):
    if e + 1 >= len(o):
        return [NAN] * 13
    p, risk = o[e + 1], stop_atr * a
    up = math.inf if target_R is None else target_R * stop_atr + cost / a
    levels = p + s * up * a, p - s * (stop_atr - cost / a) * a, p + s * (entry_R * stop_atr + cost / a) * a
    held = slow_hold(o, h, low, c, e + 1, e + horizon, p, "open", s, *levels)
    worth = lambda price: s * (price - p) - cost  # noqa: E731
    if held is None:
        first = [NAN] * 9
    else:
        label, t, x, seen, reached = held
        waited = t - e
        best, worst = max(map(worth, seen)), -min(map(worth, seen))
        hits = [waited if label == 1 else NAN, waited if label == -1 else NAN]
        first = [label, t, x, worth(x) / risk, best / risk, worst / risk, *hits, float(reached)]
    if e + horizon >= len(o):
        return [*first, NAN, NAN, NAN, NAN]
    span = slice(e + 1, e + horizon + 1)
    path = [worth(price) for price in np.concatenate([h[span], low[span], o[span]])]
    return [*first, max(path) / a, -min(path) / a, max(path) / risk, -min(path) / risk]


@st.composite
def markets(draw, max_bars: int = 24):
    """Bars on a coarse grid of prices, so that ties, gaps and touches of both levels are common."""
    n = draw(st.integers(1, max_bars))
    steps = st.lists(st.integers(-3, 3), min_size=n, max_size=n)
    wicks = st.lists(st.integers(0, 3), min_size=n, max_size=n)
    gaps, moves, above, below = (np.array(draw(kind), dtype=float) for kind in (steps, steps, wicks, wicks))
    gaps *= draw(st.sampled_from([0.0, 1.0]))
    close = 100 + np.cumsum(gaps + moves)
    opens = close - moves
    return opens, np.maximum(opens, close) + above, np.minimum(opens, close) - below, close


RULES = {
    "stop_atr": st.sampled_from([0.75, 1.0, 2.0]),
    "cost": st.sampled_from([0.0, 0.25, 0.5]),
    "horizon": st.integers(1, 10),
    "target_R": st.sampled_from([None, 1.0, 2.0]),
    "side": st.sampled_from([-1, 1]),
}


@given(market=markets(), entry_R=st.sampled_from([0.5, 1.0]), **RULES)
@settings(max_examples=200)
def test_every_outcome_is_that_of_the_rule(market, entry_R, stop_atr, cost, horizon, target_R, side):
    events = np.arange(len(market[0]))
    fast = outcomes_in_R(*market, events, 2.0, side, stop_atr, cost, horizon, target_R, entry_R)
    slow = [slow_outcome(*market, int(e), 2.0, side, stop_atr, cost, horizon, target_R, entry_R) for e in events]
    np.testing.assert_allclose(np.array(fast).T, np.array(slow), rtol=0, atol=1e-12)


@given(market=markets(), **(RULES | {"target_R": st.sampled_from([1.0, 2.0])}))
@settings(max_examples=100)
def test_outcomes_are_those_of_the_triple_barrier_where_the_rules_coincide(market, stop_atr, cost, horizon, target_R, side):
    events = np.arange(len(market[0]))
    mine = outcomes_in_R(*market, events, 2.0, side, stop_atr, cost, horizon, target_R)
    theirs = triple_barrier_net(*market, events, 2.0, side, target_R * stop_atr, stop_atr, cost, horizon)
    np.testing.assert_array_equal(mine.label, theirs.label)
    np.testing.assert_array_equal(mine.exit_bar, theirs.t1)
    entry = np.append(market[0][1:], NAN)
    np.testing.assert_allclose(mine.realised_R * stop_atr * 2.0 / entry, theirs.net_return, rtol=0, atol=1e-12)


@given(market=markets(), **RULES)
@settings(max_examples=100)
def test_a_trade_ends_between_its_draw_down_and_its_run_up(market, stop_atr, cost, horizon, target_R, side):
    found = outcomes_in_R(*market, np.arange(len(market[0])), 2.0, side, stop_atr, cost, horizon, target_R)
    done = np.isfinite(found.realised_R)
    small = 1e-12
    assert (found.realised_R[done] <= found.runup_R[done] + small).all()
    assert (found.realised_R[done] >= -found.drawdown_R[done] - small).all()
    whole = done & np.isfinite(found.max_adverse_excursion_R)
    assert (found.runup_R[whole] <= found.max_favorable_excursion_R[whole] + small).all()
    assert (found.drawdown_R[whole] <= found.max_adverse_excursion_R[whole] + small).all()


@given(market=markets(), cut=st.integers(1, 24), **RULES)
@settings(max_examples=100)
def test_an_outcome_depends_on_nothing_after_its_horizon(market, cut, stop_atr, cost, horizon, target_R, side):
    n = len(market[0])
    events = np.arange(max(0, min(cut, n) - horizon))
    if events.size == n:
        return
    known = [series[: min(cut, n)] for series in market]
    whole = outcomes_in_R(*market, events, 2.0, side, stop_atr, cost, horizon, target_R)
    part = outcomes_in_R(*known, events, 2.0, side, stop_atr, cost, horizon, target_R)
    inside = events + horizon < min(cut, n)
    np.testing.assert_array_equal(np.array(whole)[:, inside], np.array(part)[:, inside])


def slow_offset(o, h, low, c, e, a, s, stop_atr, cost, horizon, target_R, fill_bars, offset):
    if e + 1 >= len(o):
        return NAN
    order, fill, at, entry = o[e + 1] + s * offset * a, "open", None, None
    for t in range(e + 1, e + fill_bars + 1):
        if offset == 0:
            at, entry = t, o[t]
            break
        if t >= len(o):
            return NAN
        ahead = s * (o[t] - order) * (1 if offset > 0 else -1)
        touched = s * ((h[t] if s * offset > 0 else low[t]) - order) * (1 if offset > 0 else -1)
        if ahead >= 0:
            at, entry = t, o[t]
            break
        if touched >= 0:
            at, entry, fill = t, order, "stop" if offset > 0 else "limit"
            break
    if at is None:
        return 0.0
    up = math.inf if target_R is None else target_R * stop_atr + cost / a
    profit, stop = entry + s * up * a, entry - s * (stop_atr - cost / a) * a
    held = slow_hold(o, h, low, c, at, e + horizon, entry, fill, s, profit, stop, profit)
    return NAN if held is None else (s * (held[2] - entry) - cost) / (stop_atr * a)


@given(market=markets(), fill_bars=st.integers(1, 4), **RULES)
@settings(max_examples=200)
def test_every_offset_brings_what_the_rule_says(market, fill_bars, stop_atr, cost, horizon, target_R, side):
    events, fill_bars = np.arange(len(market[0])), min(fill_bars, horizon)
    offsets = (-0.5, -0.25, 0.0, 0.25, 0.5)  # half a tick and a tick of these markets: ties with the grid of prices
    fast = best_entry_offset(*market, events, 2.0, side, stop_atr, cost, horizon, target_R, fill_bars, offsets)
    slow = np.array(
        [
            [slow_offset(*market, int(e), 2.0, side, stop_atr, cost, horizon, target_R, fill_bars, offset) for offset in offsets]
            for e in events
        ]
    )
    np.testing.assert_allclose(fast.realised_R, slow, rtol=0, atol=1e-12)
    settled = np.isfinite(slow).all(axis=1)
    np.testing.assert_array_equal(np.isfinite(fast.offset_atr), settled)
    for row in np.flatnonzero(settled):
        best = [offset for offset, value in zip(offsets, fast.realised_R[row], strict=True) if value == fast.realised_R[row].max()]
        assert fast.offset_atr[row] == min(best, key=abs)


def test_offsets_by_hand():
    # p = 100, ATR 2, stop 98.5 below an entry at the open. A limit at 99.5 is filled by the low of bar 1 (99.5), its stop is 98; a stop
    # order at 100.5 is filled in bar 1, its stop is 99, and the low of bar 1 is 99.5: bar 3 opens at 103 and falls to 98: both are stopped.
    found = best_entry_offset(*PRICES, np.array([0]), 2.0, 1, 1.0, 0.5, 2, None, 2, (-0.25, 0.0, 0.25, 2.0))
    # two bars only: time at the close of bar 2, 103; the order at 104 is not filled within two bars
    np.testing.assert_allclose(found.realised_R, [[(103 - 99.5 - 0.5) / 2, (103 - 100 - 0.5) / 2, (103 - 100.5 - 0.5) / 2, 0.0]])
    np.testing.assert_array_equal(found.filled, [[1, 1, 1, 0]])
    assert found.offset_atr == [-0.25]


def test_a_limit_order_cannot_take_its_profit_from_a_high_that_may_have_come_before_the_dip():
    # bar 1 spans 99 to 103; the limit at 99.5 has its profit at 99.5 + (1 + 0)·2 = 101.5, and closes at 100
    prices = [np.array(x) for x in ([100.0, 100, 100], [100.0, 103, 100.5], [100.0, 99, 99.5], [100.0, 100, 100])]
    found = best_entry_offset(*prices, np.array([0]), 2.0, 1, 1.0, 0.0, 2, 1.0, 1, (-0.25, 0.0, 0.25))
    # the open and the stop order passed 102 and 102.5 on the way up; the limit order waits for time
    np.testing.assert_allclose(found.realised_R, [[0.25, 1.0, 1.0]])


def test_a_whole_market_is_labelled_with_the_costs_and_the_clock_of_the_market():
    bars = simulate(3000, seed=4, missing_share=0.02).bars
    config = OutcomeConfig(stop_atr=3.0, target_R=1.5, horizon=40, side="short", every=5)
    found = back_label(bars, config)
    atr = average_true_range(bars.high, bars.low, bars.close, 14)[found.t0]
    cost = round_trip_cost(bars.instrument, bars.open[found.t0 + 1])
    again = outcomes_in_R(bars.open, bars.high, bars.low, bars.close, found.t0, atr, -1, 3.0, cost, 40, 1.5)
    for name in OutcomesInR._fields:
        np.testing.assert_array_equal(getattr(found.outcomes, name), getattr(again, name), err_msg=name)
    np.testing.assert_array_equal(found.t1, found.t0 + 40)
    hit = found.outcomes.label == -1
    assert hit.any()
    assert (found.minutes_to_SL[hit] >= found.outcomes.t_hit_SL[hit]).all()  # missing bars take time too
    assert (found.minutes_to_SL[hit] > found.outcomes.t_hit_SL[hit]).any()
    assert np.isnan(found.minutes_to_SL[~hit]).all()
    decisions = np.count_nonzero(bars.open_time // 60_000 % 5 == 0)
    assert len(found) + sum(found.excluded.values()) == decisions
    assert set(found.targets) == {"drawdown_kATR", "realised_R", "runup_R", "offset_kATR"}
    assert all(np.isfinite(values).all() for values in found.targets.values())
    # with a target of one R a good entry is one that ended there
    plain = back_label(bars, config.model_copy(update={"target_R": 1.0}))
    np.testing.assert_array_equal(plain.classes, plain.outcomes.label == 1)


def test_rows_that_are_not_ready_are_left_out_and_counted():
    bars = simulate(400, seed=4).bars
    ready = np.arange(400) >= 100
    found = back_label(bars, OutcomeConfig(stop_atr=3.0), ready)
    assert found.t0.min() == 100
    assert found.excluded["features not ready"] == 100
    with pytest.raises(ShapeError, match=r"back_label.ready: an array of shape \(3,\)"):
        back_label(bars, OutcomeConfig(), ready[:3])
    with pytest.raises(LabelError, match=r"10 bars leave no trade to settle \(10 no ATR yet\)"):
        back_label(bars.slice(0, 10), OutcomeConfig())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"cost": 2.0},
            r"event 0 \(bar 0\): a round trip costs 2, 1 ATR of 2, and leaves no room for a stop; expected less than stop_at",
        ),
        ({"atr": 0.0}, "ATR 0.0; expected a positive number"),
        ({"side": 0}, r"side 0.0; expected \+1"),
        ({"cost": -1.0}, "cost -1.0"),
        ({"stop_atr": 0.0}, "stop_atr: 0.0; expected a positive number"),
        ({"target_R": -1.0}, "target_R: -1.0; expected a positive number"),
        ({"horizon": 0}, "horizon: 0; expected at least 1 bar"),
        ({"prices": (OPEN - 100, HIGH, LOW, CLOSE)}, "entry price 0.0"),
    ],
)
def test_what_cannot_be_simulated_is_refused(changes, message):
    with pytest.raises(LabelError, match=message):
        outcome(**changes)


def test_offsets_that_make_no_sense_are_refused():
    def offsets(fill_bars=1, grid=(0.0,)):
        return best_entry_offset(*PRICES, np.array([0]), 2.0, 1, 1.0, 0.5, 4, None, fill_bars, grid)

    with pytest.raises(LabelError, match="fill_bars: 5; expected 1 to 4, the horizon"):
        offsets(fill_bars=5)
    with pytest.raises(LabelError, match=r"offsets: .*; expected one finite number or more"):
        offsets(grid=())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target_R": 0.5}, "before they could reach entry_R 1"),
        ({"fill_bars": 7}, "fill_bars 7 is more than horizon 6"),
        ({"offsets_atr": [0.0, 0.1, 0.1]}, "names an offset twice"),
        ({"horizn": 3}, "horizn"),
    ],
)
def test_a_holding_rule_that_contradicts_itself_is_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        OutcomeConfig.model_validate(changes)

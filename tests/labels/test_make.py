"""From bars to labels: costs at the entry, every decision labelled or counted, a clear refusal when none is."""

import numpy as np
import pytest
from pydantic import ValidationError

from barmill.errors import LabelError, ShapeError
from barmill.features import atr
from barmill.labels import BARRIERS, LabelConfig, average_uniqueness, decision_bars, make_labels, triple_barrier_net
from barmill.market import Bars, Fee, Instrument, Slippage, round_trip_cost

MINUTE_MS = 60_000
START = 1_700_000_040_000  # on a minute, not on an hour


def instrument(bps: float = 1.0) -> Instrument:
    return Instrument(symbol="TEST", tick_size=0.01, multiplier=1, calendar="24/7", fee=Fee(bps=bps), slippage=Slippage(ticks=1))


def market(n: int = 600, seed: int = 0, bps: float = 1.0, volatility: float = 1e-3) -> Bars:
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, volatility, n)))
    opens = np.r_[close[:1], close[:-1]] * np.exp(rng.normal(0, volatility / 10, n))
    high = np.maximum(opens, close) * np.exp(np.abs(rng.normal(0, volatility / 3, n)))
    low = np.minimum(opens, close) * np.exp(-np.abs(rng.normal(0, volatility / 3, n)))
    return Bars.from_columns(instrument(bps), "1m", START + MINUTE_MS * np.arange(n), opens, high, low, close, np.ones(n))


CONFIG = LabelConfig(horizon=20, atr_window=14, k_up=2.0, k_down=2.0)


def test_labels_are_those_of_the_triple_barrier_at_the_cost_of_the_entry():
    bars = market()
    labels = make_labels(bars, CONFIG)
    cost = round_trip_cost(bars.instrument, bars.open[labels.t0 + 1])
    a = atr(bars.high, bars.low, bars.close, 14)
    outcome = triple_barrier_net(bars.open, bars.high, bars.low, bars.close, labels.t0, a[labels.t0], 1, 2.0, 2.0, cost, 20)
    np.testing.assert_array_equal(labels.label, outcome.label)
    np.testing.assert_array_equal(labels.t1, outcome.t1)
    np.testing.assert_array_equal(labels.gross_return, outcome.gross_return)
    np.testing.assert_array_equal(labels.net_return, outcome.net_return)
    np.testing.assert_array_equal(labels.cost, cost)
    np.testing.assert_array_equal(labels.atr, a[labels.t0])
    np.testing.assert_array_equal(labels.entry_price, bars.open[labels.t0 + 1])
    np.testing.assert_allclose(labels.exit_price / labels.entry_price - 1, labels.gross_return, rtol=1e-12, atol=1e-15)
    assert {BARRIERS[code] for code in labels.barrier} == {"stop", "time", "profit"}
    np.testing.assert_array_equal(labels.barrier == BARRIERS.index("profit"), labels.label == 1)
    uniqueness = average_uniqueness(labels.t0, labels.t1, len(bars))
    np.testing.assert_allclose(labels.weight, uniqueness / uniqueness.mean(), rtol=1e-15)


def test_shuffled_outcomes_are_the_same_ones_for_other_decisions():
    bars = market()
    labels, dealt = (make_labels(bars, CONFIG.model_copy(update={"shuffle": seed})) for seed in (None, 7))
    for name in ("t0", "t1", "side", "weight", "entry_price", "exit_price", "atr", "cost"):
        np.testing.assert_array_equal(getattr(dealt, name), getattr(labels, name))
    outcomes, others = (np.column_stack([x.label, x.barrier, x.gross_return, x.net_return]) for x in (labels, dealt))
    np.testing.assert_array_equal(np.unique(outcomes, axis=0), np.unique(others, axis=0))
    assert abs(np.corrcoef(labels.net_return, dealt.net_return)[0, 1]) < 0.2
    again = make_labels(bars, CONFIG.model_copy(update={"shuffle": 7}))
    np.testing.assert_array_equal(again.net_return, dealt.net_return)
    assert (make_labels(bars, CONFIG.model_copy(update={"shuffle": 8})).net_return != dealt.net_return).any()


def test_every_decision_is_labelled_or_counted():
    bars = market()
    ready = np.ones(600, dtype=bool)
    ready[:40] = False
    ready[300] = False
    labels = make_labels(bars, CONFIG, ready)
    assert labels.excluded["features not ready"] == 41
    assert "no ATR yet" not in labels.excluded  # bars without one are among those not ready
    assert 1 <= labels.excluded["outcome not covered by the data"] <= 20
    assert len(labels) + sum(labels.excluded.values()) == 600
    assert ready[labels.t0].all()
    assert labels.n_bars == 600
    assert make_labels(bars, CONFIG).excluded["no ATR yet"] == 14


def test_decisions_keep_to_the_clock_so_that_a_longer_history_has_the_same():
    bars = market()
    config = CONFIG.model_copy(update={"every": 7})
    whole, late = make_labels(bars, config), make_labels(bars.slice(3, 600), config)
    assert ((bars.open_time[whole.t0] // MINUTE_MS) % 7 == 0).all()
    assert len(whole) + sum(whole.excluded.values()) == np.count_nonzero((bars.open_time // MINUTE_MS) % 7 == 0)
    np.testing.assert_array_equal(decision_bars(bars.slice(3, 600), 7), decision_bars(bars, 7)[3:])
    assert decision_bars(bars, 7)[whole.t0].all()
    assert set((late.t0 + 3).tolist()) <= set(whole.t0.tolist())


def test_bars_without_room_for_a_stop_are_set_aside_and_counted():
    quiet = market(bps=0.0, volatility=1e-3)
    high, low, close, opens = (np.array(values) for values in (quiet.high, quiet.low, quiet.close, quiet.open))
    for column in (high, low, close, opens):
        column[200:400] = 100.0  # the ATR decays until two ticks of slippage are more than two of it
    bars = Bars.from_columns(instrument(0.0), "1m", quiet.open_time, opens, high, low, close, np.ones(600))
    labels = make_labels(bars, CONFIG)
    assert labels.excluded["no room for a stop"] > 50
    assert len(labels) + sum(labels.excluded.values()) == 600
    assert (labels.cost / labels.atr < 2.0).all()
    charter = make_labels(bars, CONFIG.model_copy(update={"cost_mode": "charter"}))
    assert charter.excluded["no room for a profit"] == labels.excluded["no room for a stop"]


def test_a_short_is_labelled_on_its_own_side():
    bars = market()
    labels = make_labels(bars, CONFIG.model_copy(update={"side": "short"}))
    assert (labels.side == -1).all()
    np.testing.assert_allclose(-(labels.exit_price / labels.entry_price - 1), labels.gross_return, rtol=1e-12, atol=1e-15)


def test_a_fixed_horizon_needs_no_atr_and_ends_by_time():
    bars = market(100)
    labels = make_labels(bars, LabelConfig(method="fixed_horizon", horizon=20, atr_window=14))
    assert labels.t0[0] == 0
    assert len(labels) == 80
    assert labels.excluded == {"outcome not covered by the data": 20}
    assert (labels.t1 == labels.t0 + 20).all()
    assert {BARRIERS[code] for code in labels.barrier} == {"time"}
    np.testing.assert_array_equal(labels.exit_price, bars.close[labels.t1])
    np.testing.assert_array_equal(labels.label, np.sign(labels.net_return))
    assert np.isnan(labels.atr[:14]).all()


def test_two_runs_are_equal():
    one, two = make_labels(market(), CONFIG), make_labels(market(), CONFIG)
    for name, column in one.to_columns().items():
        assert column.tobytes() == two.to_columns()[name].tobytes()


@pytest.mark.parametrize("n", [0, 1, 2, 15, 34])
def test_too_few_bars_are_refused_with_how_many_it_takes(n: int):
    with pytest.raises(LabelError) as caught:
        make_labels(market(600, volatility=1e-9).slice(0, n), LabelConfig(horizon=20, atr_window=14, k_up=1000, k_down=1000))
    assert str(caught.value).startswith(f"labels: {n} bars leave nothing to label (")
    assert "expected 35 or more after the features' warm-up: 14 for the ATR, 1 to decide, 20 for the outcome" in str(caught.value)


def test_as_many_bars_as_the_message_asks_for_are_enough():
    assert len(make_labels(market().slice(0, 35), LabelConfig(horizon=20, atr_window=14, k_up=1000, k_down=1000))) == 1


def test_bars_that_never_move_leave_no_room_and_say_so():
    flat = np.full(200, 100.0)
    bars = Bars.from_columns(instrument(), "1m", START + MINUTE_MS * np.arange(200), flat, flat, flat, flat, flat)
    with pytest.raises(LabelError, match=r"185 no room for a stop.* Widen labels.k_up and labels.k_down"):
        make_labels(bars, CONFIG)


def test_a_mask_of_another_length_is_refused():
    with pytest.raises(ShapeError, match=r"make_labels.ready: an array of shape \(3,\); expected \(600,\)"):
        make_labels(market(), CONFIG, np.ones(3, dtype=bool))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"horizon": 0}, "greater than or equal to 1"),
        ({"k_up": 0}, "greater than 0"),
        ({"k_down": float("inf")}, "finite"),
        ({"classes": 4}, "2 or 3"),
        ({"method": "quadruple_barrier"}, "'triple_barrier' or 'fixed_horizon'"),
        ({"side": "both"}, "'long' or 'short'"),
        ({"horizonn": 3}, "Extra inputs"),
    ],
)
def test_what_is_wrong_in_a_recipe_is_refused(changes: dict, message: str):
    with pytest.raises(ValidationError, match=message):
        LabelConfig(**changes)

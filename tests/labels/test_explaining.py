"""An explained label is what a spreadsheet would make of the printed numbers, and what `make_labels` gives, to the last digit."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barmill.errors import DataError, InputError, LabelError
from barmill.labels import LabelConfig, explain_label, make_labels
from barmill.market import Bars, Fee, Instrument, Slippage, round_trip_cost, simulate

START = 1_700_000_040_000
ARITHMETIC = {"__builtins__": {}, "max": max, "abs": abs}


def market(n: int = 300, seed: int = 0, fee: Fee | None = None, slippage: Slippage | None = None, volatility: float = 1e-3) -> Bars:
    instrument = Instrument(
        symbol="TEST", tick_size=0.01, multiplier=20, fee=fee or Fee(bps=1.3), slippage=slippage or Slippage(ticks=1.5), calendar="24/7"
    )
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, volatility, n)))
    opens = np.r_[close[:1], close[:-1]] * np.exp(rng.normal(0, volatility / 2, n))
    high = np.maximum(opens, close) * np.exp(np.abs(rng.normal(0, volatility / 3, n)))
    low = np.minimum(opens, close) * np.exp(-np.abs(rng.normal(0, volatility / 3, n)))
    return Bars.from_columns(instrument, "1m", START + 60_000 * np.arange(n), opens, high, low, close, np.ones(n))


COSTS = [
    (Fee(bps=1.3), Slippage(ticks=1.5)),
    (Fee(per_contract=2.05), Slippage(ticks=1)),
    (Fee(bps=0.0), Slippage(bps=0.7)),
    (Fee(per_contract=0.0), Slippage(ticks=0)),
]
configs = st.builds(
    LabelConfig,
    method=st.sampled_from(["triple_barrier", "fixed_horizon"]),
    horizon=st.integers(1, 40),
    k_up=st.floats(0.3, 5.0),
    k_down=st.floats(0.3, 5.0),
    atr_window=st.integers(1, 20),
    cost_mode=st.sampled_from(["net", "charter"]),
    classes=st.sampled_from([2, 3]),
    every=st.integers(1, 4),
    side=st.sampled_from(["long", "short"]),
)


@settings(max_examples=60)
@given(config=configs, row=st.integers(0, 119), seed=st.integers(0, 4), cost=st.sampled_from(COSTS))
def test_every_printed_number_follows_from_the_printed_ones_and_all_are_those_of_make_labels(config, row, seed, cost) -> None:
    bars = market(120, seed, *cost)
    told = explain_label(row, bars, config)
    assert told.as_made
    for step in told.steps:
        assert eval(step.filled, ARITHMETIC) == step.value, step
    try:
        labels = make_labels(bars, config)
    except LabelError:  # no decision of these bars has a label
        labels = None
    if labels is None or row not in labels.t0:
        assert told.why_not
        assert told.outcome is None
        return
    i = int(np.searchsorted(labels.t0, row))
    outcome = told.outcome
    assert outcome is not None
    assert (outcome.label, outcome.exit_row) == (labels.label[i], labels.t1[i])
    assert (told.entry_price, outcome.exit_price) == (labels.entry_price[i], labels.exit_price[i])
    assert (outcome.gross_return, outcome.net_return) == (labels.gross_return[i], labels.net_return[i])
    assert told.step("net return").value == labels.net_return[i]
    assert told.step("cost of the round trip").value == labels.cost[i]
    if config.method == "triple_barrier":
        assert told.step("ATR").value == labels.atr[i]
    names = {2: ("not up", "up"), 3: ("down", "neither", "up")}[config.classes]
    assert outcome.class_name == names[labels.classes(config.classes)[i]]
    assert [bar.row for bar in told.bars] == list(range(row + 1, outcome.exit_row + 1))


@settings(max_examples=30)
@given(row=st.integers(20, 200), side=st.sampled_from(["long", "short"]))
def test_exact_arithmetic_agrees_to_the_rounding_of_a_double(row: int, side: str) -> None:
    """The levels and returns of the printed numbers, worked out without any rounding."""
    config = LabelConfig(horizon=30, atr_window=14, k_up=2.0, k_down=1.5, side=side)
    told = explain_label(row, market(), config)
    p, s = Fraction(told.entry_price), config.side_sign
    a, c = Fraction(told.step("ATR").value), Fraction(told.step("cost of the round trip").value)
    assert float(p + s * (Fraction(2.0) + c / a) * a) == pytest.approx(told.step("profit level").value, rel=1e-15)
    assert float(p - s * (Fraction(1.5) - c / a) * a) == pytest.approx(told.step("stop level").value, rel=1e-15)
    outcome = told.outcome
    assert outcome is not None
    gross = s * (Fraction(outcome.exit_price) / p - 1)
    assert float(gross) == pytest.approx(outcome.gross_return, abs=1e-15)
    assert float(gross - c / p) == pytest.approx(outcome.net_return, abs=1e-15)


def hand_made(prices: list[tuple[float, float, float, float]], ticks: float = 0.5) -> Bars:
    instrument = Instrument(symbol="TEST", tick_size=0.1, multiplier=1, calendar="24/7", fee=Fee(bps=0), slippage=Slippage(ticks=ticks))
    opens, high, low, close = (np.array(column) for column in zip(*prices, strict=True))
    return Bars.from_columns(instrument, "1m", START + 60_000 * np.arange(len(prices)), opens, high, low, close, np.ones(len(prices)))


QUIET = (100.0, 100.25, 99.75, 100.0)  # an ATR of 0.5 with a window of 1, a round trip of 0.1


@pytest.mark.parametrize(
    ("bar", "label", "tested"),
    [
        ((100.0, 100.5, 99.0, 99.5), -1, "the low reaches the stop"),
        ((100.0, 101.0, 99.5, 100.5), 1, "the high reaches the profit level"),
        ((99.0, 99.5, 98.5, 99.0), -1, "opens at or below the stop: leaves at the open"),
        ((101.0, 101.5, 100.5, 101.0), 1, "opens at or above the profit level: leaves at the open"),
    ],
)
def test_a_level_that_is_met_exactly_is_reached(bar, label, tested) -> None:
    """Without costs the levels are 101 and 99, to the bit."""
    told = explain_label(1, hand_made([QUIET, QUIET, QUIET, bar], ticks=0.0), LabelConfig(horizon=2, atr_window=1, k_up=2.0, k_down=2.0))
    assert (told.step("profit level").value, told.step("stop level").value) == (101.0, 99.0)
    assert told.outcome is not None
    assert (told.outcome.label, told.bars[-1].tested) == (label, tested)
    assert told.as_made


@pytest.mark.parametrize(
    ("bars", "side", "label", "price", "tested"),
    [
        ([QUIET, (100.2, 101.5, 100.0, 101.0)], "long", 1, 101.1, "the high reaches the profit level"),
        ([QUIET, (100.2, 100.4, 98.0, 99.5)], "long", -1, 99.1, "the low reaches the stop"),
        ([QUIET, (100.2, 101.5, 98.0, 99.5)], "long", -1, 99.1, "the low reaches the stop (and the profit level too: the stop counts)"),
        ([QUIET, (98.5, 99.0, 98.0, 98.7)], "long", -1, 98.5, "opens at or below the stop: leaves at the open"),
        ([QUIET, (101.5, 102.0, 101.0, 101.7)], "long", 1, 101.5, "opens at or above the profit level: leaves at the open"),
        ([QUIET, (100.2, 100.4, 98.0, 99.5)], "short", 1, 98.9, "the low reaches the profit level"),
        ([QUIET, (100.2, 101.5, 100.0, 101.0)], "short", -1, 100.9, "the high reaches the stop"),
        ([QUIET, QUIET], "long", 0, 100.0, "between the levels; time is up: leaves at the close"),
    ],
)
def test_the_bar_that_ends_it_says_by_which_rule(bars, side, label, price, tested) -> None:
    config = LabelConfig(horizon=2, atr_window=1, k_up=2.0, k_down=2.0, side=side)
    told = explain_label(1, hand_made([QUIET, QUIET, *bars]), config)
    outcome = told.outcome
    assert outcome is not None
    assert (outcome.label, told.bars[-1].tested) == (label, tested)
    assert outcome.exit_price == pytest.approx(price, rel=1e-12)
    assert [bar.tested for bar in told.bars[:-1]] == ["between the levels"]
    assert told.as_made


@pytest.mark.parametrize(
    ("row", "changes", "why"),
    [
        (3, {"atr_window": 14}, "no ATR yet: 11 more bars of 14 are needed"),
        (299, {}, "outcome not covered by the data: this is the last bar, so there is no entry yet"),
        (295, {"k_up": 900.0, "k_down": 900.0}, "outcome not covered by the data: no level was touched, and the data end 6 bars before"),
        (298, {"method": "fixed_horizon"}, "outcome not covered by the data: the data end 9 bars before the horizon"),
        (50, {"k_down": 0.01}, "no room for a stop: the round trip costs "),
        (50, {"k_up": 0.01, "cost_mode": "charter"}, "no room for a profit: the round trip costs "),
        (50, {"every": 7}, "no decision falls here: labels.every is 7, and the next one falls at row 5"),
        (298, {"every": 7}, "no decision falls here: labels.every is 7, and no later one falls on these bars"),
    ],
)
def test_a_decision_without_a_label_says_why(row, changes, why) -> None:
    told = explain_label(row, market(), LabelConfig(**{"horizon": 10, "atr_window": 5, **changes}))
    assert told.why_not.startswith(why)
    assert told.outcome is None
    assert told.as_made


def test_bars_that_stood_still_leave_no_room() -> None:
    told = explain_label(3, hand_made([(100.0, 100.0, 100.0, 100.0)] * 8), LabelConfig(horizon=2, atr_window=2))
    assert told.why_not == "no room for a stop: prices stood still, and the ATR is 0.0"


def test_nothing_after_the_exit_is_read() -> None:
    bars, config = market(), LabelConfig(horizon=20, atr_window=14, k_up=2.0, k_down=2.0)
    told = explain_label(100, bars, config)
    assert told.outcome is not None
    assert explain_label(100, bars.slice(0, told.outcome.exit_row + 1), config) == told
    assert explain_label(100, bars.slice(0, told.outcome.exit_row), config).why_not


def test_a_time_names_the_decision_at_the_last_bar_that_has_closed() -> None:
    bars = simulate(3_000, seed=1).bars
    config = LabelConfig(horizon=10)
    by_time, by_row = explain_label("2024-01-02T12:02", bars, config), explain_label(2161, bars, config)
    assert by_time == by_row
    assert by_time.decided_at == int(bars.close_time[2161])
    with pytest.raises(LabelError, match="dealt out at random"):
        explain_label(100, bars, LabelConfig(shuffle=1))
    with pytest.raises(DataError, match="no bar has closed by then"):
        explain_label("2023-12-31", bars, config)
    with pytest.raises(DataError, match="row 3000: there are 3,000 bars"):
        explain_label(3000, bars, config)
    with pytest.raises(InputError, match="is 'noon'"):
        explain_label("noon", bars, config)


def test_the_weight_is_that_of_all_labels_of_the_bars() -> None:
    bars, config = market(), LabelConfig(horizon=20, atr_window=14, k_up=2.0, k_down=2.0, every=2)
    labels = make_labels(bars, config)
    row = int(labels.t0[40])
    weight = explain_label(row, bars, config, weight=True).weight
    assert weight is not None
    assert (weight.weight, weight.n_labels) == (labels.weight[40], len(labels))
    assert len(weight.alive) == labels.t1[40] - row + 1
    assert weight.uniqueness == pytest.approx(float(np.mean([1 / alive for alive in weight.alive])), rel=1e-14)
    assert weight.weight == pytest.approx(weight.uniqueness / weight.mean_uniqueness, rel=1e-15)
    assert explain_label(row, bars, config).weight is None


def test_the_cost_is_the_one_that_trades_pay() -> None:
    for fee, slippage in COSTS:
        bars = market(fee=fee, slippage=slippage)
        told = explain_label(50, bars, LabelConfig(horizon=5, atr_window=5, k_up=9.0, k_down=9.0))
        assert told.step("cost of the round trip").value == round_trip_cost(bars.instrument, bars.open[51])


def test_json_holds_plain_values() -> None:
    told = explain_label(100, market(), LabelConfig(horizon=20, atr_window=14), weight=True).to_json()
    assert told["decision"]["row"] == 100
    assert [step["name"] for step in told["arithmetic"]][-2:] == ["gross return", "net return"]
    assert told["outcome"]["exit_row"] == told["bars"][-1]["row"]
    assert explain_label(3, market(), LabelConfig()).to_json()["outcome"] is None

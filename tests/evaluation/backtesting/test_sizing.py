import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barmill.errors import ShapeError
from barmill.evaluation import BacktestConfig, BacktestEngine, Signals, get_optimal_position_size
from barmill.market import Bars, Instrument

ES = Instrument.builtin("ES")  # 50 a point


def size(equity=100_000.0, price=5_000.0, confidence=math.nan, stop_distance=0.0, volatility=math.nan, **rules):
    return get_optimal_position_size(
        BacktestConfig(**rules), ES, equity=equity, price=price, confidence=confidence, stop_distance=stop_distance, volatility=volatility
    )


def test_each_rule_by_hand():
    assert size(sizing="lots", lots=3).lots == 3
    assert size(sizing="fraction", fraction=0.5).lots == pytest.approx(0.5 * 100_000 / 250_000)
    assert size(sizing="volatility", target_volatility=0.1, volatility=0.2).lots == pytest.approx(0.5 * 100_000 / 250_000)
    # p 0.6 at even odds: Kelly stakes 0.2, half of it 0.1, of which a stop 20 points away loses 1,000 a contract
    kelly = size(sizing="kelly", kelly_fraction=0.5, confidence=0.6, stop_distance=20)
    assert kelly.lots == pytest.approx(10)
    assert kelly.risk_fraction == pytest.approx(0.1)
    assert size(sizing="kelly", kelly_fraction=0.5, confidence=0.6).lots == pytest.approx(0.1 * 100_000 / 250_000)
    assert size(sizing="kelly", confidence=0.5).lots == 0
    assert size(sizing="kelly", payoff_ratio=2.0, confidence=0.5, kelly_fraction=1.0, stop_distance=20).risk_fraction == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("rules", "lots", "limit"),
    [
        ({}, 10, ""),
        ({"max_risk_per_trade": 0.02, "stop_atr": 1}, 2, "max_risk_per_trade"),  # 2,000 of 1,000 a contract
        ({"margin_per_lot": 12_000}, 100 / 12, "margin_per_lot"),
        ({"max_leverage": 2}, 0.8, "max_leverage"),
        ({"max_lots": 4}, 4, "max_lots"),
        ({"max_lots": 4, "max_leverage": 2, "lot_step": 1}, 0, "max_leverage"),
        ({"margin_per_lot": 12_000, "lot_step": 1}, 8, "margin_per_lot"),
    ],
)
def test_limits_cut_what_the_rule_wants(rules, lots, limit):
    found = size(sizing="lots", lots=10, stop_distance=20, **rules)
    assert found.lots == pytest.approx(lots)
    assert found.limited_by == limit
    assert found.wanted_lots == 10


def test_without_a_stop_the_margin_is_what_a_contract_risks():
    found = size(sizing="lots", lots=10, margin_per_lot=10_000, max_risk_per_trade=0.2)
    assert (found.lots, found.risk_fraction, found.limited_by) == (pytest.approx(2), pytest.approx(0.2), "max_risk_per_trade")


@given(st.floats(1e3, 1e7), st.floats(0.01, 100), st.floats(0.01, 0.5), st.sampled_from([0.0, 1.0]))
def test_a_stop_never_risks_more_than_asked(equity, distance, most, step):
    found = size(equity, stop_distance=distance, sizing="fraction", fraction=50.0, stop_atr=1, max_risk_per_trade=most, lot_step=step)
    assert found.lots * distance * 50 <= most * equity * (1 + 1e-9) + step * 1e-6 * distance * 50
    assert found.lots >= 0


@pytest.mark.parametrize("equity", [0.0, -5.0])
def test_an_empty_account_has_no_size(equity):
    assert size(equity, sizing="lots").lots == 0


@pytest.mark.parametrize("given", [{"price": 0.0}, {"price": math.nan}, {"stop_distance": -1.0}, {"confidence": 1.2}])
def test_what_cannot_be_is_refused(given):
    with pytest.raises(ShapeError):
        size(**given)


def test_an_unknown_volatility_or_confidence_gives_no_size():
    assert size(sizing="volatility").lots == 0
    assert size(sizing="kelly").lots == 0


def test_the_backtest_takes_the_very_size_that_a_trader_is_told():
    rng = np.random.default_rng(0)
    close = 5_000 + np.cumsum(np.round(rng.normal(0, 2, 200)))
    bars = Bars.from_columns(ES, "1m", 60_000 * np.arange(200), close, close + 2, close - 2, close, np.ones(200))
    config = BacktestConfig(
        sizing="kelly", stop_share=0.002, max_risk_per_trade=0.01, margin_per_lot=500, lot_step=1, holding_bars=5, account_size=1e6
    )
    sure = rng.uniform(0.5, 0.9, 200)
    result = BacktestEngine(config).run(bars, Signals.of(np.where(rng.random(200) < 0.1, 1, 0), sure))
    assert len(result.trades) > 5
    for i, t in enumerate(result.trades.decided_bar):
        told = get_optimal_position_size(
            config, ES, equity=float(result.equity_curve.net[t]), price=float(close[t]), confidence=float(sure[t]),
            stop_distance=0.002 * float(close[t]),
        )  # fmt: skip
        assert result.trades.lots[i] == told.lots
        assert result.trades[i].risk_fraction == pytest.approx(told.risk_fraction)

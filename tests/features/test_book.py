"""Book and footprint by hand, neutral where they say nothing."""

import numpy as np
import pytest

from barmill.features import FEATURES, FeaturePlan, parse_feature, usual_feature
from barmill.features.kernels import book, derivatives
from barmill.market import Bars, Instrument
from oracles.further import still_columns

BOOK = [spec for spec in FEATURES.values() if spec.family in ("book", "flow", "derivatives")]


def columns(*rows):
    return [np.asarray(row, dtype=np.float64) for row in rows]


def test_a_quote_on_paper():
    """99 bid for 3, 101 offered with 1: spread 200 bps of 100; the microprice leans to the thin offer, 100.5."""
    bid, ask, bid_size, ask_size, close = columns([99.0], [101.0], [3.0], [1.0], [100.2])
    np.testing.assert_allclose(book.quote.run((), bid, ask, close=close), [[200.0], [20.0]])
    np.testing.assert_allclose(book.microprice.run((), bid, ask, bid_size, ask_size), [[50.0]])
    np.testing.assert_allclose(book.balance.run((1.0, 1.0), bid_size, ask_size), [[0.5]])


def test_a_balance_over_bars_weighs_each_by_its_size():
    first, second = columns([3.0, 0.0, 10.0], [1.0, 0.0, 30.0])
    np.testing.assert_allclose(book.balance.run((2.0, 1.0), first, second)[0], [np.nan, 0.5, -0.5])


def test_a_footprint_bought_at_its_heaviest_price_is_above_zero():
    np.testing.assert_allclose(book.balance.run((1.0, -1.0), *columns([6.0, 0.0, 0.0], [-2.0, -4.0, 0.0]))[0], [0.5, -1.0, 0.0])


def test_the_close_above_the_point_of_control_is_a_share_of_the_range():
    high, low, close, control = columns([12.0, 5.0], [8.0, 5.0], [11.0, 5.0], [9.0, 5.0])
    np.testing.assert_allclose(derivatives.within.run((), control, high=high, low=low, close=close)[0], [0.5, 0.0])


@pytest.mark.parametrize("spec", BOOK, ids=str)
def test_an_empty_book_no_flow_and_no_positions_give_the_neutral_value(spec):
    """Zeros in every column that counts something, prices that stand at the close: nothing is infinite, all is 0."""
    if spec.name == "time_to_funding":
        return
    n_bars = 200
    close = 64.0 + np.arange(n_bars) % 3
    base = {"open_time": 60_000 * np.arange(n_bars), "open": close, "high": close, "low": close, "close": close, "volume": np.zeros(n_bars)}
    bars = Bars.from_columns(Instrument.builtin("SIM"), "1m", **base, **still_columns(**base))
    plan = FeaturePlan(bars.timeframe, (usual_feature(spec),))
    assert set(plan.compute(bars).values[plan.warmup_bars :, 0]) == {0.0}


def test_a_crossed_book_has_a_negative_spread():
    assert book.quote.run((), *columns([101.0], [99.0]), close=np.array([100.0]))[0, 0] == -200.0


def test_the_book_of_a_longer_bar_is_that_of_its_last_base_bar():
    n_bars = 10
    close = np.full(n_bars, 100.0)
    extra = {"bid_price": close - np.arange(1, 11), "ask_price": close + np.arange(1, 11)}
    bars = Bars.from_columns(Instrument.builtin("SIM"), "1m", 60_000 * np.arange(n_bars), close, close, close, close, close, **extra)
    plan = FeaturePlan(bars.timeframe, (parse_feature("spread_bps@5m", bars.timeframe),))
    np.testing.assert_allclose(plan.compute(bars).values[:, 0], [*[np.nan] * 4, *[1_000.0] * 5, 2_000.0])


def test_the_footprint_of_a_longer_bar_is_refused_since_it_cannot_be_told():
    assert FEATURES["footprint_balance"].base_only
    assert FEATURES["control_distance"].base_only

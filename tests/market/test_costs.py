import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barmill.market import Instrument, builtin_symbols, cost_rate, fee_per_side, fill_price, round_trip_cost, slippage_per_side


def test_futures_by_hand() -> None:
    es = Instrument.builtin("ES")  # 2.25 a contract and side is 0.045 points; half a tick is 0.125
    assert round_trip_cost(es, 5000.0) == pytest.approx(2 * (0.045 + 0.125))
    assert cost_rate(es, 5000.0) == pytest.approx(0.17 / 5000.0)


def test_crypto_by_hand() -> None:
    fil = Instrument.builtin("FILUSDT")  # 5 bps and half a tick of 0.001
    assert round_trip_cost(fil, np.array([4.0, 8.0])) == pytest.approx([2 * (0.002 + 0.0005), 2 * (0.004 + 0.0005)])


def test_the_simulated_market_costs_half_a_basis_point_a_side() -> None:
    assert cost_rate(Instrument.builtin("SIM"), np.array([10.0, 1000.0])) == pytest.approx([0.5e-4, 0.5e-4])


def test_a_buyer_pays_more_and_a_seller_gets_less() -> None:
    es = Instrument.builtin("ES")
    assert fill_price(es, [5000.0, 5000.0, 5000.0], [1, -1, 0]).tolist() == [5000.125, 4999.875, 5000.0]


@given(st.sampled_from(builtin_symbols()), st.floats(1e-3, 1e6), st.sampled_from([-1, 1]))
def test_buying_and_selling_back_at_one_price_loses_exactly_the_round_trip(symbol: str, price: float, side: int) -> None:
    instrument = Instrument.builtin(symbol)
    entry, leave = fill_price(instrument, price, side), fill_price(instrument, price, -side)
    lost = side * (entry - leave) + 2 * fee_per_side(instrument, price)
    assert lost == pytest.approx(float(round_trip_cost(instrument, price)), rel=1e-6, abs=1e-9 * price)
    assert round_trip_cost(instrument, price) >= 2 * slippage_per_side(instrument, price) >= 0

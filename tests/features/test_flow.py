"""Flow by hand, and on real taker flow."""

import numpy as np
import pytest

from barmill.features import FeaturePlan, FeatureStream, parse_feature
from barmill.features.kernels import cross_pair, flow
from barmill.market import Bars, Timeframe

MINUTE = Timeframe.parse("1m")
NAMES = ("taker_delta", "cvd_slope_20", "cvd_zscore_60", "cvd_divergence_20", "flow_correlation_60")


def columns(*rows):
    return [np.asarray(row, dtype=np.float64) for row in rows]


def test_the_delta_is_what_was_bought_less_what_was_sold():
    bought, volume = columns([7.0, 0.0, 5.0, 0.0], [10.0, 4.0, 5.0, 0.0])
    np.testing.assert_allclose(flow.taker_delta.run((), bought, volume=volume)[0], [0.4, -1.0, 1.0, 0.0])


def test_steady_buying_has_a_slope_of_its_share_and_a_line_has_its_own_zscore():
    bought, volume = np.full(10, 3.0), np.full(10, 4.0)
    slope, zscore = flow.cvd.run((5.0,), bought, volume=volume)
    np.testing.assert_allclose(slope[4:], 0.5)
    np.testing.assert_allclose(zscore[4:], 2.0 / np.sqrt(2.0))  # of 0, 1, 2, 3, 4: (4 - 2)/sqrt(2)
    assert np.isnan(slope[:4]).all()


@pytest.mark.parametrize(
    ("bought", "close", "divergence"),
    [
        ([4.0, 4.0, 4.0], [10.0, 11.0, 12.0], 0.0),  # bought and followed
        ([4.0, 4.0, 4.0], [10.0, 11.0, 10.0], 1.0),  # bought, and nowhere to be seen
        ([4.0, 4.0, 4.0], [10.0, 9.0, 8.0], 2.0),  # bought while it fell
        ([0.0, 0.0, 0.0], [10.0, 11.0, 12.0], -2.0),
        ([2.0, 2.0, 2.0], [10.0, 10.0, 10.0], 0.0),
    ],
)
def test_divergence_is_flow_less_what_the_price_made_of_it(bought, close, divergence):
    bought, close, volume = columns(bought, close, [4.0, 4.0, 4.0])
    assert flow.flow_divergence.run((2.0,), bought, close=close, volume=volume)[0, 2] == divergence


@pytest.mark.parametrize(
    ("price", "interest", "quadrant"),
    [(11.0, 6.0, 1.0), (9.0, 6.0, 2.0), (9.0, 4.0, 3.0), (11.0, 4.0, 4.0), (10.0, 4.0, 0.0), (9.0, 5.0, 0.0)],
)
def test_the_quadrant_of_price_and_open_interest(price, interest, quadrant):
    close, other = columns([10.0, price], [5.0, interest])
    change, _, found = cross_pair.changes.run((1.0,), other, close=close)
    assert found[1] == quadrant
    np.testing.assert_allclose(change[1], np.log(interest / 5.0))


def test_open_interest_of_nothing_has_no_change():
    close, other = columns([10.0, 11.0, 12.0], [0.0, 5.0, 0.0])
    np.testing.assert_array_equal(cross_pair.changes.run((1.0,), other, close=close)[0], [np.nan, 0.0, 0.0])


@pytest.mark.parametrize("symbol", ["FILUSDT_um_1m_2024-02", "NEARUSDT_um_1m_2026-02", "ALGOUSDT_um_1m_2026-02"])
def test_real_taker_flow_is_finite_bounded_and_moves_with_the_price(real_data, symbol):
    path = real_data / "crypto" / f"{symbol}.parquet"
    if not path.exists():
        pytest.skip(f"no {path.name} in {real_data}: set BARMILL_DATA")
    bars = Bars.read(path)
    plan = FeaturePlan(MINUTE, tuple(parse_feature(name, MINUTE) for name in NAMES))
    values = plan.compute(bars).values[plan.warmup_bars :]
    assert np.isfinite(values).all()
    assert np.abs(values[:, 0]).max() <= 1.0
    assert np.abs(values[:, 3]).max() <= 2.0
    assert values[:, 4].mean() > 0.2  # takers who buy lift the price


def test_bars_whose_flow_begins_late_have_it_from_there_on(bars):
    """A column may begin with NaN: its features count from its first value, live as in the history."""
    bought = np.where(np.arange(len(bars)) < 500, np.nan, 0.6 * bars.volume)
    late = Bars(bars.instrument, bars.timeframe, bars.frame.with_columns(taker_buy_base=bought))
    plan = FeaturePlan(MINUTE, tuple(parse_feature(name, MINUTE) for name in NAMES))
    whole = plan.compute(late).values
    first = [int(np.argmax(np.isfinite(column))) for column in whole.T]
    assert first == [500, 519, 559, 520, 560]
    stream = FeatureStream(plan)
    parts = [stream.extend(late.slice(0, 490)).values, *(stream.push(late.bar(i))[None] for i in range(490, 530))]
    parts.append(stream.extend(late.slice(530, len(late))).values)
    np.testing.assert_array_equal(np.vstack(parts), whole)

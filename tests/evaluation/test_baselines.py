import json
import math

import numpy as np
import pytest

from barmill.errors import ShapeError
from barmill.evaluation import backtest, baselines, positions, random_band, sharpe_ratio
from barmill.evaluation.baselines import RandomBand

N = 3000


@pytest.fixture(scope="module")
def market():
    rng = np.random.default_rng(0)
    prices = 100 * np.exp(np.cumsum(rng.normal(0, 0.001, N)))
    position = positions(rng.uniform(size=N), 0.02, 0.98, 20)
    return prices, position, np.full(N, 1e-4)


def test_each_random_signal_is_the_turned_path_through_the_same_backtest(market):
    prices, position, rate = market
    band = random_band(prices, position, rate, 525_600, seed=3, n_random=50)
    shifts = 1 + np.random.default_rng(3).choice(N - 3, size=50, replace=False)
    sharpes = []
    for shift in shifts:
        turned = np.append(np.roll(position[: N - 2], shift), [0.0, 0.0])
        sharpes.append(sharpe_ratio(backtest(prices, turned, rate, 525_600).net, 525_600))
    np.testing.assert_allclose([band.p05, band.p50, band.p95], np.percentile(sharpes, [5, 50, 95]), rtol=1e-9)
    own = backtest(prices, position, rate, 525_600).metrics["sharpe"]
    assert band.sharpe == own
    assert band.share_below == np.mean(np.array(sharpes) < own)
    assert band.n == 50


def test_a_seed_gives_the_same_band_and_another_seed_another(market):
    assert random_band(*market, 525_600, seed=1, n_random=30) == random_band(*market, 525_600, seed=1, n_random=30)
    assert random_band(*market, 525_600, seed=1, n_random=30) != random_band(*market, 525_600, seed=2, n_random=30)


def test_an_oracle_is_above_chance_and_its_opposite_below(market):
    prices, _, _ = market
    move = np.append(prices[2:] / prices[1:-1] - 1, [0.0, 0.0])
    right = np.sign(move) * (np.abs(move) > 0.001)
    assert random_band(prices, right, 0.0, 525_600, seed=0).above_chance
    wrong = random_band(prices, -right, 0.0, 525_600, seed=0)
    assert wrong.share_below == 0.0
    assert not wrong.above_chance


@pytest.mark.parametrize(
    ("sharpe", "p95", "verdict"), [(2.0, 1.0, True), (0.5, 1.0, False), (-1.0, -3.0, False), (math.nan, 1.0, False), (1.0, math.nan, False)]
)
def test_above_chance_wants_a_sharpe_that_is_above_the_band_and_positive(sharpe, p95, verdict):
    assert RandomBand(p05=-5.0, p50=-4.0, p95=p95, share_below=1.0, n=200, sharpe=sharpe).above_chance is verdict


def test_holding_pays_once_and_doing_nothing_pays_nothing(market):
    prices, position, rate = market
    judged = baselines(prices, position, rate, 525_600, seed=0, n_random=20)
    assert judged.buy_and_hold.metrics["cost_paid"] == pytest.approx(1e-4)
    assert judged.buy_and_hold.metrics["n_trades"] == 1
    assert judged.always_flat.metrics["total_return"] == 0.0
    assert judged.above_chance is judged.random.above_chance
    assert set(json.loads(json.dumps(judged.random.to_json(), allow_nan=False))) == {"p05", "p50", "p95", "share_below", "n"}


def test_a_path_that_never_varies_has_no_band(market):
    prices, _, rate = market
    for band in (random_band(prices, np.ones(N), rate, 252, seed=0), random_band(*market, 252, seed=0, n_random=0)):
        assert band.n == 0
        assert math.isnan(band.p95)
        assert not band.above_chance


def test_more_random_signals_than_shifts_are_drawn_with_repetition():
    assert random_band([1.0, 2.0, 1.0, 2.0, 1.0, 3.0], [0, 1, 0, 0, 0, 0], 0.0, 252, seed=0, n_random=100).n == 100


def test_a_flat_market_has_no_sharpe_and_no_band():
    band = random_band(np.full(9, 5.0), [0, 1, 0, 0, 0, 0, 0, 0, 0], 0.0, 252, seed=0, n_random=5)
    assert band.n == 0
    assert math.isnan(band.sharpe)


def test_invalid_arguments_raise(market):
    with pytest.raises(ShapeError, match="n_random: is -1"):
        random_band(*market, 252, seed=0, n_random=-1)

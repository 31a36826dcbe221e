"""One half, exactly, for whoever knows nothing: forecasts ranked among the earlier ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from barmill.labels import LabelConfig, make_labels
from barmill.market import Bars, Instrument, null_market, simulate
from barmill.pipeline.proving.direction import direction_score, gross_direction


def slow_total(p, direction):
    """Every pair of a forecast with an earlier one."""
    total, n = 0.0, 0
    for i in range(1, len(p)):
        if direction[i] not in (1.0, -1.0):
            continue
        earlier = p[:i]
        total += (np.mean((earlier < p[i]) + 0.5 * (earlier == p[i])) - 0.5) * direction[i]
        n += 1
    return total, n


@given(
    st.lists(st.tuples(st.integers(0, 6), st.sampled_from([1.0, -1.0, 0.0, float("nan")])), min_size=1, max_size=40),
)
def test_the_score_is_that_of_every_pair_with_an_earlier_forecast(rows):
    p = np.array([value / 6 for value, _ in rows])
    direction = np.array([sign for _, sign in rows])
    found = direction_score(p, direction)
    total, n = slow_total(p, direction)
    assert found.total == pytest.approx(total, abs=1e-12)
    assert found.n == n


def rank_auc(score, up):
    n_up = int(up.sum())
    return (rankdata(score)[up].sum() - n_up * (n_up + 1) / 2) / (n_up * (up.size - n_up))


def test_on_independent_rows_it_is_the_usual_auc():
    rng = np.random.default_rng(1)
    p = rng.random(200_000)
    up = rng.random(200_000) < 0.3 + 0.4 * p
    assert direction_score(p, np.where(up, 1.0, -1.0)).auc == pytest.approx(roc_auc_score(up, p), abs=0.002)


def test_who_knows_the_direction_scores_one_and_who_inverts_it_zero():
    direction = np.random.default_rng(2).choice([-1.0, 1.0], 20_000)
    assert direction_score(0.5 + 0.4 * direction, direction).auc == pytest.approx(1.0, abs=0.01)
    assert direction_score(0.5 - 0.4 * direction, direction).auc == pytest.approx(0.0, abs=0.01)


def test_forecasts_of_one_value_score_one_half():
    assert direction_score(np.full(50, 0.7), np.resize([1.0, -1.0, 1.0], 50)).auc == 0.5


def test_nothing_forecast_has_no_auc():
    assert np.isnan(direction_score(np.empty(0), np.empty(0)).auc)


def test_the_usual_auc_of_a_slow_feature_is_not_one_half_on_a_random_walk_and_this_one_is():
    """The distance from a long mean forecasts nothing. Within a stretch it seems to: high values are those that it fell from."""
    rng = np.random.default_rng(5)
    usual, ours = [], []
    for _ in range(600):
        steps = rng.standard_normal(400)
        walk = np.cumsum(steps)
        level, move = -walk[:-1], np.where(steps[1:] > 0, 1.0, -1.0)  # reversion, as a fit on any such stretch believes in
        usual.append(rank_auc(level, move > 0))
        ours.append(direction_score((level - level.min() + 1.0), move).auc)
    error = np.std(ours) / np.sqrt(len(ours))
    assert np.mean(usual) > 0.51
    assert abs(np.mean(ours) - 0.5) < 4 * error
    assert error < 0.002


def test_the_direction_is_from_the_next_open_to_the_close_at_the_horizon():
    n = 12
    close = np.array([10, 11, 12, 11, 10, 9, 9, 9, 10, 12, 11, 10], dtype=np.float64)
    opened = np.concatenate([[10.0], close[:-1]])
    high, low = np.maximum(opened, close) + 1, np.minimum(opened, close) - 1
    bars = Bars.from_columns(Instrument.builtin("SIM"), "1m", 60_000 * np.arange(n), opened, high, low, close, np.ones(n))
    labels = make_labels(bars, LabelConfig(method="fixed_horizon", horizon=2))
    found = gross_direction(bars, labels, np.arange(len(labels)), 3)
    t0 = labels.t0
    wanted = [np.sign(close[t + 3] - opened[t + 1]) if t + 3 < n else np.nan for t in t0]
    np.testing.assert_array_equal(found, wanted)


def test_labels_net_of_costs_can_be_forecast_where_directions_cannot():
    """Why the AUC of the labels proves nothing: who knows the volatility knows how often time ends a trade below its costs."""
    bars = null_market("garch", 60_000, 3, simulate(3_000, seed=1, symbol="FILUSDT").bars)
    labels = make_labels(bars, LabelConfig(method="fixed_horizon", horizon=10))
    size = np.abs(np.diff(np.log(bars.close), prepend=np.log(bars.close[0])))
    volatility = np.convolve(size, np.ones(20) / 20)[: len(bars)][labels.t0]
    assert roc_auc_score(labels.classes(2), volatility) > 0.55
    direction = gross_direction(bars, labels, np.arange(len(labels)), 10)
    assert direction_score(volatility / volatility.max(), direction).auc == pytest.approx(0.5, abs=0.02)

"""Figures of the experts by hand, and against scikit-learn and the evaluation floor's own."""

import numpy as np
import pytest
from sklearn.metrics import mean_pinball_loss

from barmill.errors import InputError, ShapeError
from barmill.evaluation.forecasts import pinball_loss
from barmill.labels import outcomes_in_R
from barmill.market import simulate
from barmill.models.expert.metrics import (
    coverage,
    entry_style_share,
    expected_R_above,
    offset_uplift,
    pinball,
    precision_at_k,
    smape,
    stop_hit_rate,
    utility_of_target,
    utility_uplift,
)


def test_the_pinball_loss_is_that_of_others():
    rng = np.random.default_rng(0)
    y, q, weight = rng.normal(size=100), rng.normal(size=100), rng.uniform(size=100)
    assert pinball(y, q, 0.7) == pytest.approx(mean_pinball_loss(y, q, alpha=0.7), rel=1e-12)
    assert pinball(y, q, 0.7) == pytest.approx(pinball_loss(y, q, 0.7), rel=1e-12)
    assert pinball(y, q, 0.7, weight) == pytest.approx(mean_pinball_loss(y, q, alpha=0.7, sample_weight=weight), rel=1e-12)
    with pytest.raises(InputError, match=r"pinball.level: 1.0; expected between 0 and 1"):
        pinball(y, q, 1.0)


def test_figures_of_stops_and_medians_by_hand():
    assert coverage([1, 2, 3, 4], [1, 1, 4, 4]) == 0.75
    assert stop_hit_rate([1, 2, 3, 4], [2, 2, 2, 5]) == 0.5
    # 0 and 0 agree; 1 against -1 is as wrong as can be; 1 against 3 is 2·2/4
    assert smape([0, 1, 1], [0, -1, 3]) == pytest.approx((0 + 2 + 1) / 3)


def test_a_target_is_earned_where_the_run_up_reached_it():
    realised, runup = np.array([-1.0, -1.0, 0.5, 3.0]), np.array([0.2, 2.5, 1.5, 4.0])
    np.testing.assert_array_equal(utility_of_target(realised, runup, [1, 1, 1, 1]), [-1, 1, 1, 1])
    np.testing.assert_array_equal(utility_of_target(realised, runup, [0, -1, 2, 5]), [0, 0, 0.5, 3])
    # fixed 2 R brings -1, 2, .5, 2; aims of 1, 2.5, 1.5 and 4 bring -1, 2.5, 1.5 and 4
    assert utility_uplift(realised, runup, [1, 2.5, 1.5, 4]) == pytest.approx((0 + 0.5 + 1 + 2) / 4)
    assert utility_uplift(realised, runup, [1, 2.5, 1.5, 4], share=0.5) == pytest.approx((0.5 + 2) / 2)
    with pytest.raises(InputError, match=r"best_ranked\.share: 0\.0"):
        utility_uplift(realised, runup, realised, share=0.0)


def test_utility_told_from_the_run_up_is_that_of_trades_held_with_the_target():
    bars = simulate(4000, seed=3).bars
    prices = bars.open, bars.high, bars.low, bars.close
    events = np.arange(100, 3900)
    rule = events, 0.5, 1, 2.0, 0.05, 30
    plain, aimed = outcomes_in_R(*prices, *rule), outcomes_in_R(*prices, *rule, 1.5)
    told = utility_of_target(plain.realised_R, plain.runup_R, np.full(events.size, 1.5))
    gapped = aimed.realised_R > 1.5 + 1e-9  # a bar that opened beyond the target earned more than it
    np.testing.assert_allclose(told[~gapped], aimed.realised_R[~gapped], atol=1e-9)
    assert (told[gapped] < aimed.realised_R[gapped]).all()
    assert np.mean(aimed.label == 1) > 0.1


def test_styles_and_uplifts_of_offsets_by_hand():
    assert entry_style_share([0.25, -0.15, 0.0, 0.15], [0.1, -0.2, 0.1, -0.1]) == 0.5
    grid = (-0.25, 0.0, 0.25)
    table = [[0.0, -1.0, 2.0], [1.0, 0.5, 0.0]]
    assert offset_uplift(table, grid, [0.2, -0.2]) == pytest.approx(((2 + 1) + (1 - 0.5)) / 2)
    with pytest.raises(ShapeError, match="0 among the offsets"):
        offset_uplift(table, (0.1, 0.2, 0.3), [0.2, -0.2])


def test_the_best_of_each_day_are_counted_by_themselves():
    day = np.array([2, 1, 2, 1, 2])
    p, y = np.array([0.9, 0.1, 0.8, 0.7, 0.2]), np.array([1, 1, 0, 1, 1])
    assert precision_at_k(p, y, day, 1) == 1.0  # 0.9 of day 2 and 0.7 of day 1
    assert precision_at_k(p, y, day, 2) == 0.75
    assert precision_at_k(p, y, day, 9) == 0.8
    assert expected_R_above(p, [2.0, -1, 1, -1, 0], 0.8) == 1.5
    assert np.isnan(expected_R_above(p, y, 0.95))


def test_columns_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match=r"coverage.q: an array of shape \(1,\); expected \(2,\)"):
        coverage([1, 2], [1])
    with pytest.raises(InputError, match=r"smape.median\[1\]: nan"):
        smape([1, 2], [1, np.nan])

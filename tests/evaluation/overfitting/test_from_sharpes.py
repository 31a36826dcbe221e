"""The calling forms of PBO and DSR, folds, and what the figures say in words."""

import json
import math

import numpy as np
import pytest

from barmill.errors import ShapeError
from barmill.evaluation import compute_dsr, compute_pbo, deflated_sharpe_ratio, interpretation, pbo_cscv, pbo_words, stability

IN_SAMPLE, OUT_OF_SAMPLE = [2.1, 1.9, 2.3, 2.0, 2.2], [0.8, 0.9, 0.7, 0.85, 0.75]


def test_stability_of_five_folds_by_hand():
    found = stability(IN_SAMPLE, OUT_OF_SAMPLE)
    assert (found.mean_is, found.mean_oos) == pytest.approx((2.1, 0.8))
    assert found.ratio == pytest.approx(2.625)
    assert found.oos_cv == pytest.approx(math.sqrt(0.005) / 0.8)
    assert found.words == "in-sample is 2.6 times out-of-sample, a sign of overfitting; stable over the folds (variation 0.088)"


def test_a_ratio_to_a_loss_is_undefined_and_not_harmless():
    found = stability([2.0, 1.0, np.nan], [-0.5, 0.1, 3.0])
    assert found.n_folds == 2
    assert math.isnan(found.ratio)
    assert math.isnan(found.oos_cv)
    assert found.words.startswith("loses out of sample")
    assert stability([np.nan], [1.0]).words.startswith("undefined")
    assert math.isnan(stability([1.0], [0.5]).oos_cv)
    assert stability([0.5, 0.5], [1.0, 0.2]).words.endswith("not stable over the folds (variation 0.67)")
    with pytest.raises(ShapeError, match="oos_sharpes"):
        stability([1.0], [1.0, 2.0])


def test_folds_of_one_model_give_no_pbo_and_say_so():
    score, metrics = compute_pbo(train_sharpes=IN_SAMPLE, test_sharpes=OUT_OF_SAMPLE)
    assert (score, metrics.method, metrics.is_pbo) == (0.0, "share_of_losing_folds", False)
    assert metrics.words.startswith("no PBO")
    assert metrics.stability == stability(IN_SAMPLE, OUT_OF_SAMPLE)
    assert compute_pbo([1, 2, 3, 4], [0.5, -0.5, np.nan, 0.0])[0] == pytest.approx(2 / 3)
    json.dumps(metrics.to_json(), allow_nan=False)


def test_a_matrix_of_sharpe_ratios_gives_the_pbo_of_its_splits():
    train = np.array([[1.0, 2.0, 3.0], [3.0, 1.0, 2.0], [0.5, 0.1, 0.2], [np.nan] * 3])
    test = np.array([[0.1, 0.2, 0.3], [0.0, 1.0, 2.0], [0.5, 0.9, 0.1], [1.0, 2.0, 3.0]])
    score, metrics = compute_pbo(train, test)
    np.testing.assert_allclose(metrics.logits, [math.log(3), -math.log(3), 0.0, np.nan])
    assert score == pytest.approx(2 / 3)
    assert (metrics.method, metrics.is_pbo, metrics.n_configurations) == ("ranks_over_splits", True, 3)
    assert metrics.prob_oos_loss == 0.0


def test_a_matrix_of_returns_gives_the_pbo_of_its_definition():
    trials = np.random.default_rng(0).normal(size=(200, 6))
    score, metrics = compute_pbo(trial_returns=trials, n_blocks=8)
    assert score == pbo_cscv(trials, 8).pbo
    assert metrics.method == "cscv"
    assert metrics.n_splits == 70


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (([1.0], [1.0, 2.0]), {}),
        (([], []), {}),
        (([1.0],), {}),
        (([1.0], [np.inf]), {}),
        (([1.0], [1.0]), {"trial_returns": np.ones((5, 2))}),
    ],
)
def test_what_fits_no_form_is_refused(arguments, options):
    with pytest.raises(ShapeError):
        compute_pbo(*arguments, **options)


def test_dsr_from_figures_is_the_probability_with_the_difference_beside_it():
    dsr = compute_dsr(sharpe_ratio=2.5, n_trials=100, n_observations=1250, var_sharpes=0.5, skew=-3, kurt=10, periods_per_year=250)
    assert dsr.dsr == pytest.approx(0.9004, abs=6e-4)
    assert float(dsr) == dsr.dsr
    assert f"{dsr:.2f}" == "0.90"
    assert dsr.deflated_sharpe == pytest.approx(2.5 - 0.1132 * math.sqrt(250), abs=1e-3)
    assert not dsr.var_assumed
    assert "cannot be told from the luck of 100 trials" in dsr.words
    json.dumps(dsr.to_json(), allow_nan=False)


def test_without_a_variance_that_of_trials_without_skill_is_assumed():
    dsr = compute_dsr(sharpe_ratio=0.1, n_trials=20, n_observations=1001)
    assert dsr.var_assumed
    assert dsr.var_sharpes == pytest.approx(0.001)
    assert dsr.dsr == deflated_sharpe_ratio(0.1, 1001, 0.0, 3.0, 20, 0.001).dsr
    with pytest.raises(ShapeError, match="periods_per_year"):
        compute_dsr(0.1, 5, 100, periods_per_year=0)
    with pytest.raises(ShapeError, match="n_observations"):
        compute_dsr(0.1, 5, 1)


@pytest.mark.parametrize(
    ("pbo", "risk"),
    [
        (0.0, "low"),
        (0.0999, "low"),
        (0.1, "moderate"),
        (0.2999, "moderate"),
        (0.3, "high"),
        (0.5, "high"),
        (0.5001, "very high"),
        (1.0, "very high"),
    ],
)
def test_words_of_a_pbo_follow_the_table(pbo, risk):
    assert f": {risk} overfitting risk" in pbo_words(pbo)


def test_words_come_one_sentence_a_figure():
    said = interpretation(pbo=0.2, dsr=0.97, n_trials=1, is_oos_ratio=1.5, oos_cv=0.6)
    assert [words.split(":")[0].split(",")[0] for words in said] == ["PBO 20%", "DSR 0.970", "in-sample is 1.5 times out-of-sample"]
    assert said[1] == "DSR 0.970: unlikely to be the luck of 1 trial"
    assert said[2].endswith("not stable over the folds (variation 0.6)")
    assert interpretation() == ()
    assert interpretation(is_oos_ratio=math.nan) == ("loses out of sample: no ratio is defined, and none is needed",)
    assert interpretation(pbo=math.nan, dsr=math.nan)[0].startswith("undefined")


def test_words_of_a_dsr_say_what_is_left():
    assert "most of it remains" in compute_dsr(0.2, 2, 2000).words
    assert "adjust expectations" in compute_dsr(0.1, 200, 1500).words
    assert "luck alone would have shown" in compute_dsr(0.01, 200, 1000).words

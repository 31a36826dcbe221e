import json
from collections import Counter

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.special import ndtr

from barmill.errors import RecipeError, ShapeError, SplitError
from barmill.evaluation import choose_calibration
from barmill.evaluation.calibration_choice import CANDIDATES, LEAST_INDEPENDENT
from barmill.uncertainty import Calibration, fit_calibration
from barmill.uncertainty.links import logits_of, softmax


def market(seed, n, horizon, *, sureness=1.0, drift=0.0, edge=0.5, persistence=0.0):
    """Labels that each look `horizon` bars ahead, one at every bar, and logits that know the true odds.

    sureness : what the logits are multiplied by; drift : of the first half alone, of which the logits know nothing
    persistence : autocorrelation of the signal
    """
    rng = np.random.default_rng(seed)
    signal = lfilter([np.sqrt(1 - persistence**2)], [1, -persistence], rng.normal(size=n + 500))[500:] * edge
    outcome = np.convolve(rng.normal(size=n + horizon), np.ones(horizon), "valid")[1:] / np.sqrt(horizon)
    y = outcome + signal + np.where(np.arange(n) < n // 2, drift, 0) > 0
    t0 = np.arange(n)
    return logits_of(ndtr(signal)) * sureness, y.astype(int), 2, t0, t0 + horizon


def kept(seeds, *args, **named):
    return Counter(choose_calibration(*market(seed, *args, **named)).methods for seed in range(seeds))


def test_of_calibrated_forecasts_no_calibration_is_kept_in_nearly_all_seeds():
    assert kept(60, 2000, 1)[()] >= 56


def test_nor_where_labels_overlap_and_forecasts_are_as_persistent():
    assert kept(40, 4000, 20, persistence=0.98)[()] >= 37


def test_of_forecasts_that_are_too_sure_a_calibration_is_kept():
    found = kept(20, 2000, 1, sureness=3.0)
    assert found[()] == 0
    assert found[("temperature_scaling",)] >= 8  # what is wrong with them is a temperature


def test_nor_is_one_kept_of_a_stretch_whose_base_rate_is_not_the_later_ones():
    assert kept(30, 2000, 1, drift=0.6)[()] == 30


def test_what_is_kept_is_fitted_again_on_all_rows():
    z, y, n_classes, t0, t1 = market(0, 2000, 1, sureness=3.0)
    choice = choose_calibration(z, y, n_classes, t0, t1)
    assert choice.methods
    assert choice.calibration.to_json() == fit_calibration(choice.methods, z, y, 2).to_json()
    (best,) = (tried for tried in choice.tried if not tried.kept_out)
    assert best.methods == choice.methods
    assert best.p_value <= 0.05
    assert best.gain.log_loss.difference == min(tried.gain.log_loss.difference for tried in choice.tried if tried.p_value <= 0.05)


def test_candidates_are_fitted_on_first_rows_whose_labels_end_before_the_later_ones_begin():
    z, y, n_classes, t0, t1 = market(0, 2000, 10, sureness=3.0)
    choice = choose_calibration(z, y, n_classes, t0, t1, candidates=[["platt"]], first_share=0.6, embargo=100)
    assert (choice.n_fitted, choice.n_purged, choice.n_judged, choice.overlap) == (1190, 10, 800, 10)
    fitted = fit_calibration(["platt"], z[:1190], y[:1190], 2)
    later = Calibration(2).apply(z[1200:]), fitted.apply(z[1200:])
    brier = [np.mean((p - y[1200:]) ** 2) for p in later]
    assert choice.tried[0].gain.brier.difference == pytest.approx(brier[1] - brier[0])


def test_outcomes_of_purged_rows_change_no_evidence():
    """The planted fault: purged labels turned round. Without the purge they would move the fit."""
    z, y, n_classes, t0, t1 = market(0, 2000, 20, sureness=3.0)
    turned = y.copy()
    turned[980:1000] = 1 - y[980:1000]
    before, after = (choose_calibration(z, outcome, n_classes, t0, t1) for outcome in (y, turned))
    assert before.tried == after.tried
    assert before.n_purged == 20


def test_with_too_few_independent_outcomes_none_is_kept_and_it_says_why():
    z, y, n_classes, t0, t1 = market(0, 1000, 60, sureness=5.0)
    choice = choose_calibration(z, y, n_classes, t0, t1)
    assert choice.methods == ()
    assert {tried.kept_out for tried in choice.tried} == {"500 later rows, of which 60 share an outcome, are too few to judge on"}
    assert LEAST_INDEPENDENT * 60 > 500
    nothing = choose_calibration([], [], 2, np.empty(0, dtype=int), np.empty(0, dtype=int))
    assert nothing.calibration == Calibration(2)


def test_a_class_that_never_came_in_the_first_part_is_told_and_none_is_kept():
    z, y, n_classes, t0, t1 = market(0, 400, 1)
    y[:200] = 1
    choice = choose_calibration(z, y, n_classes, t0, t1)
    assert choice.methods == ()
    assert all("hold no row of class 0" in tried.kept_out for tried in choice.tried)


def test_three_classes_are_chosen_for_alike():
    rng = np.random.default_rng(0)
    honest = rng.normal(size=(2000, 3))
    y = (softmax(honest).cumsum(axis=1)[:, :-1] < rng.uniform(size=(2000, 1))).sum(axis=1)
    t0 = np.arange(2000)
    assert choose_calibration(honest, y, 3, t0, t0).methods == ()
    assert choose_calibration(honest * 3, y, 3, t0, t0).methods == ("temperature_scaling",)


def test_the_evidence_is_plain_json():
    said = json.loads(json.dumps(choose_calibration(*market(0, 400, 1, sureness=3.0)).to_json(), allow_nan=False))
    assert [tried["methods"] for tried in said["tried"]] == [list(methods) for methods in CANDIDATES]
    assert {"kept", "n_fitted", "n_purged", "n_judged", "overlap"} <= set(said)


def test_bad_arguments_are_refused():
    z, y, n_classes, t0, t1 = market(0, 100, 1)
    with pytest.raises(RecipeError, match="no calibrator named 'plat'"):
        choose_calibration(z, y, n_classes, t0, t1, candidates=[["plat"]])
    with pytest.raises(ShapeError, match="no empty candidate"):
        choose_calibration(z, y, n_classes, t0, t1, candidates=[[]])
    with pytest.raises(ShapeError, match="first_share 1"):
        choose_calibration(z, y, n_classes, t0, t1, first_share=1)
    with pytest.raises(ShapeError, match="100 rows and 99 labels"):
        choose_calibration(z, y, n_classes, t0[1:], t1[1:])
    with pytest.raises(SplitError, match="out of order"):
        choose_calibration(z, y, n_classes, t0[::-1], t1[::-1])

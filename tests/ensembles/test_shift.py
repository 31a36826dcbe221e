import json

import numpy as np
import pytest
from scipy.stats import ks_2samp, wasserstein_distance

from barmill.ensembles.contract import Member, Said
from barmill.ensembles.shift import forecast_shift
from barmill.errors import ShapeError
from barmill.evaluation.drift import kolmogorov_smirnov, wasserstein_1
from barmill.uncertainty.links import sigmoid

MEMBERS = [Member("tree", ("p_up",)), Member("net", ("p_up", "E_r"))]


def models(n=3000, n_folds=5, seed=0, moved=0.0, wider=1.0):
    """What the models of the folds and the refitted one say: one signal, and noise of each model's own."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=n)

    def one(offset=0.0, scale=1.0):
        odds = offset + scale * (signal + rng.normal(0, 0.3, n) + rng.normal(0, 0.05))
        return Said(sigmoid(odds), 0.1 * odds, np.zeros((n, 3)))

    folds = {member.label: [one() for _ in range(n_folds)] for member in MEMBERS}
    return folds, {"tree": one(moved, wider), "net": one()}


def test_models_that_differ_as_folds_do_show_no_shift():
    shift = forecast_shift(MEMBERS, *models())
    assert list(shift["outputs"]) == ["tree.p_up", "net.p_up", "net.E_r"]
    assert shift["words"] == "Refitting moved no forecast notably further than fold models lie apart."
    for found in shift["outputs"].values():
        assert 0.3 < found["times"] < 2
        assert found["correlation"] == pytest.approx(found["between_folds"]["correlation"], abs=0.03)
        assert "nothing unusual" in found["words"]
    assert shift["rows"] == 3000
    json.dumps(shift, allow_nan=False)


def test_a_member_that_says_other_things_once_refitted_is_named():
    shift = forecast_shift(MEMBERS, *models(moved=1.0, wider=2.0))
    found = shift["outputs"]["tree.p_up"]
    assert found["mean_difference"] == pytest.approx(1.0, abs=0.15)
    assert found["spread_ratio"] == pytest.approx(2.0, abs=0.2)
    assert found["times"] > 5
    assert "fitted on other forecasts" in found["words"]
    assert shift["words"] == "Refitting moved tree.p_up more than 2 times as far as fold models lie apart."


def test_the_distances_are_those_of_scipy_and_of_drift():
    folds, refitted = models(400)
    found = forecast_shift(MEMBERS, folds, refitted)["outputs"]["net.E_r"]
    reference, current = np.mean([said.expected for said in folds["net"]], axis=0), refitted["net"].expected
    assert found["kolmogorov_smirnov"] == pytest.approx(ks_2samp(reference, current).statistic)
    assert found["kolmogorov_smirnov"] == pytest.approx(kolmogorov_smirnov(reference, current))
    assert found["wasserstein"] == pytest.approx(wasserstein_distance(reference, current))
    assert found["wasserstein"] == pytest.approx(wasserstein_1(reference, current))
    assert found["mean_difference"] == pytest.approx(np.mean(current) - np.mean(reference))
    assert found["spread_ratio"] == pytest.approx(np.std(current) / np.std(reference))
    assert found["correlation"] == pytest.approx(np.corrcoef(reference, current)[0, 1])


def test_between_folds_each_is_held_against_the_mean_of_the_others():
    folds, refitted = models(300, n_folds=3)
    found = forecast_shift(MEMBERS, folds, refitted)["outputs"]["net.E_r"]
    each = [said.expected for said in folds["net"]]
    distances = [wasserstein_distance(np.mean([x for j, x in enumerate(each) if j != i], axis=0), one) for i, one in enumerate(each)]
    assert found["between_folds"]["wasserstein"] == pytest.approx(np.mean(distances))
    assert found["times"] == pytest.approx(found["wasserstein"] / np.mean(distances))


def test_three_classes_and_quantiles_are_compared_by_their_own_names():
    rng = np.random.default_rng(0)

    def one():
        return Said(rng.dirichlet([2, 2, 2], 100), None, np.sort(rng.normal(size=(100, 3)), axis=1))

    member = Member("m", ("p_up", "q05", "q50", "q95"))
    shift = forecast_shift([member], {"m": [one(), one()]}, {"m": one()})
    assert list(shift["outputs"]) == ["m.p_up", "m.p_down", "m.q05", "m.q50", "m.q95"]


def test_one_fold_and_forecasts_that_do_not_vary_have_nulls_and_no_judgement():
    flat = Said(np.full(10, 0.5), None, np.zeros((10, 3)))
    found = forecast_shift(MEMBERS[:1], {"tree": [flat]}, {"tree": flat})["outputs"]["tree.p_up"]
    assert (found["spread_ratio"], found["correlation"], found["between_folds"], found["times"]) == (None, None, None, None)
    assert found["words"] == "Refitted on all of train, tree.p_up moves by +0.0000 on average."
    found = forecast_shift(MEMBERS[:1], {"tree": [flat, flat]}, {"tree": flat})["outputs"]["tree.p_up"]
    assert found["times"] is None


def test_other_rows_or_a_missing_member_are_refused_by_name():
    folds, refitted = models(50)
    with pytest.raises(ShapeError, match="'net': has no forecasts to compare"):
        forecast_shift(MEMBERS, {**folds, "net": []}, refitted)
    with pytest.raises(ShapeError, match="'net': has no forecasts to compare"):
        forecast_shift(MEMBERS, folds, {"tree": refitted["tree"]})
    with pytest.raises(ShapeError, match=r"'tree': 20 rows refitted, \[50, 50, 50, 50, 50\] by folds"):
        forecast_shift(MEMBERS, folds, {**refitted, "tree": models(20)[1]["tree"]})

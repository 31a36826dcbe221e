import subprocess
import sys

import pytest
from pydantic import ValidationError

from barmill.ensembles.catalogue import ENSEMBLES, INFERENCE, ensemble_spec, inference_spec, stacking_spec
from barmill.ensembles.params import (
    ElasticNetParams,
    FusionParams,
    LightGbmMetaParams,
    LogisticParams,
    RegimeGatingParams,
    RidgeParams,
    SoftmaxGatingParams,
    StaticGatingParams,
    VotingParams,
)
from barmill.ensembles.reading import KINDS
from barmill.ensembles.stacking import META_LEARNERS
from barmill.errors import RecipeError
from barmill.uncertainty.calibration import METHODS


def test_the_ensembles_of_the_charter_are_all_there():
    assert list(ENSEMBLES) == [
        "soft_voting",
        "hard_voting",
        "ridge_stacking",
        "elastic_net_stacking",
        "logistic_stacking",
        "lightgbm_stacking",
        "hmm_gating",
        "softmax_gating",
        "markov_switching_gating",
        "static_gating",
        "fusion",
    ]
    assert {spec.method for spec in ENSEMBLES.values()} == set(KINDS)


def test_meta_learners_are_those_that_stack():
    assert {spec.meta_learner: spec.params for spec in ENSEMBLES.values() if spec.method == "stacking"} == dict(META_LEARNERS)
    assert all(spec.requires_oof and spec.supports_heterogeneous for spec in ENSEMBLES.values() if spec.method == "stacking")


def test_calibrators_are_those_that_can_be_fitted():
    assert {spec.name for spec in INFERENCE.values() if spec.category == "calibration"} == set(METHODS)


def test_bands_of_leave_out_forecasts_need_no_rows_of_their_own():
    bands = {spec.name: spec.requires_holdout for spec in INFERENCE.values() if spec.category == "conformal"}
    assert bands == {"split": True, "cqr": True, "jackknife_plus": False, "cv_plus": False, "adaptive": True, "mondrian": True}


def test_a_name_that_is_not_there_is_told_with_the_nearest():
    assert ensemble_spec("fusion").name == "fusion"
    assert stacking_spec("lightgbm_meta").name == "lightgbm_stacking"
    assert inference_spec("cqr").category == "conformal"
    with pytest.raises(RecipeError, match=r"no ensemble named 'ridge_stackin'. Did you mean 'ridge_stacking'\?"):
        ensemble_spec("ridge_stackin")
    with pytest.raises(RecipeError, match=r"no meta-learner named 'rigde'. Did you mean 'ridge'\?"):
        stacking_spec("rigde")
    with pytest.raises(RecipeError, match=r"nothing named 'cqrr'.*Did you mean 'cqr'\?"):
        inference_spec("cqrr")


def test_every_parameter_has_a_default_and_says_what_it_is():
    for spec in ENSEMBLES.values():
        spec.params()
        assert all(field.description for field in spec.params.model_fields.values())
        assert spec.summary


def test_defaults_are_those_of_the_charter():
    assert RidgeParams().alpha == ElasticNetParams().alpha == 1.0
    assert ElasticNetParams().l1_ratio == 0.5
    trees = LightGbmMetaParams()
    assert (trees.max_depth, trees.n_estimators, trees.learning_rate) == (3, 50, 0.05)
    assert RegimeGatingParams().n_regimes == 3


@pytest.mark.parametrize(
    ("params", "given", "told"),
    [
        (RidgeParams, {"alpha": 0.09}, "greater than or equal to 0.1"),
        (ElasticNetParams, {"alpha": 0.0}, "greater than or equal to 0.1"),
        (ElasticNetParams, {"l1_ratio": 1.1}, "less than or equal to 1"),
        (LogisticParams, {"C": 10.1}, "less than or equal to 10"),
        (LogisticParams, {"C": 0.0}, "greater than 0"),
        (LightGbmMetaParams, {"max_depth": 4}, "less than or equal to 3"),
        (LightGbmMetaParams, {"n_estimators": 101}, "less than or equal to 100"),
        (FusionParams, {"candidates": (1.0, 11.0)}, "less than or equal to 10"),
        (RegimeGatingParams, {"n_regimes": 9}, "less than or equal to 8"),
        (RegimeGatingParams, {"n_regimes": 1}, "greater than or equal to 2"),
        (SoftmaxGatingParams, {"l2": 0.0}, "greater than 0"),
        (StaticGatingParams, {"shrinkage": -1.0}, "greater than or equal to 0"),
        (VotingParams, {"voting_type": "loud"}, "'soft' or 'hard'"),
        (VotingParams, {"weights": "best"}, "'equal', 'inverse_loss' or 'fitted'"),
        (VotingParams, {"weights": {"a": 0.5, "b": 0.6}}, "the weights sum to 1.1; weights sum to 1"),
        (VotingParams, {"weights": {"a": -0.5, "b": 1.5}}, "the weight of 'a' is -0.5; weights are 0 or more"),
        (VotingParams, {"weights": {"a": float("nan")}}, "weights sum to 1"),
        (VotingParams, {"weights": {}}, "the weights sum to 0"),
        (VotingParams, {"quantiles": "median"}, "'level' or 'mixture'"),
        (RidgeParams, {"aplha": 1.0}, "Extra inputs are not permitted"),
    ],
)
def test_limits_hold_when_a_recipe_is_read_and_are_named(params, given, told):
    with pytest.raises(ValidationError) as error:
        params.model_validate(given)
    assert told in str(error.value)
    assert error.value.error_count() == 1


def test_weights_are_given_or_named():
    assert VotingParams(weights={"a": 0.25, "b": 0.75}).weights == {"a": 0.25, "b": 0.75}
    assert VotingParams().weights == "equal"


def test_reading_the_catalogue_loads_no_learning_library():
    code = "import sys, barmill.ensembles.catalogue; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"scipy", "sklearn", "lightgbm", "hmmlearn", "statsmodels", "polars", "pandas", "torch"} & set(loaded)

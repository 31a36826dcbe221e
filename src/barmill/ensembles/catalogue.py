"""Every way to combine, to calibrate and to draw bands, in two tables. Reading them imports no learning library."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

from barmill.ensembles.params import (
    ElasticNetParams,
    EnsembleParams,
    FusionParams,
    LightGbmMetaParams,
    LogisticParams,
    RegimeGatingParams,
    RidgeParams,
    SoftmaxGatingParams,
    StaticGatingParams,
    VotingParams,
)
from barmill.errors import RecipeError, nearest

Method: TypeAlias = Literal["voting", "stacking", "gating", "fusion"]
Category: TypeAlias = Literal["calibration", "conformal", "gating"]


@dataclass(frozen=True, slots=True)
class EnsembleSpec:
    """A way to combine models.

    Parameters
    ----------
    name : str, as reports and the catalogue name it
    method : str, the recipe's `ensemble.method`
    meta_learner : str, the recipe's `ensemble.meta_learner`; None where nothing is learned on top
    requires_oof : bool, it is fitted on forecasts of rows that the members did not see, whatever its parameters
    supports_heterogeneous : bool, members may say different outputs; members of different views may always be mixed
    params : type, whose defaults and ranges are the documentation
    summary : str, one sentence
    requires : tuple of str, importable modules that the fit needs beyond the core
    extra : str, the install extra that brings them
    reference : str, where it is described
    """

    name: str
    method: Method
    meta_learner: str | None
    requires_oof: bool
    supports_heterogeneous: bool
    params: type[EnsembleParams]
    summary: str
    requires: tuple[str, ...] = ()
    extra: str = ""
    reference: str = ""


@dataclass(frozen=True, slots=True)
class InferenceSpec:
    """What stands between a model and its forecast.

    Parameters
    ----------
    name : str, as a recipe names it
    category : str, what it does: makes probabilities honest, draws bands, or weighs members
    requires_holdout : bool, it is fitted on rows set apart for it; otherwise out-of-fold forecasts of training rows will do
    summary : str, one sentence
    """

    name: str
    category: Category
    requires_holdout: bool
    summary: str


_ENSEMBLES = (
    EnsembleSpec("soft_voting", "voting", None, False, False, VotingParams, "weighted mean of probabilities, returns and quantiles"),
    EnsembleSpec("hard_voting", "voting", None, False, False, VotingParams, "weighted share of the members that say a class"),
    EnsembleSpec(
        "ridge_stacking",
        "stacking",
        "ridge",
        True,
        True,
        RidgeParams,
        "ridge regression on the members' forecasts",
        reference="Breiman (1996), Stacked regressions, Machine Learning 24",
    ),
    EnsembleSpec(
        "elastic_net_stacking",
        "stacking",
        "elastic_net",
        True,
        True,
        ElasticNetParams,
        "regression on the members' forecasts that leaves useless ones out",
        reference="Zou & Hastie (2005), J. Royal Statistical Society B 67(2)",
    ),
    EnsembleSpec(
        "logistic_stacking",
        "stacking",
        "logistic",
        True,
        True,
        LogisticParams,
        "logistic regression on the members' forecasts",
        reference="Ting & Witten (1999), Issues in stacked generalization, J. Artificial Intelligence Research 10",
    ),
    EnsembleSpec(
        "lightgbm_stacking",
        "stacking",
        "lightgbm_meta",
        True,
        True,
        LightGbmMetaParams,
        "a few shallow trees on the members' forecasts, which see how forecasts and regimes act together",
        reference="Wolpert (1992), Stacked generalization, Neural Networks 5(2)",
    ),
    EnsembleSpec(
        "hmm_gating",
        "gating",
        None,
        True,
        True,
        RegimeGatingParams,
        "weights by the regime that the forward filter of a hidden Markov model believes in",
        requires=("hmmlearn",),
        extra="stats",
        reference="Rabiner (1989), Proc. IEEE 77",
    ),
    EnsembleSpec(
        "softmax_gating",
        "gating",
        None,
        True,
        True,
        SoftmaxGatingParams,
        "weights that follow regime columns smoothly",
        reference="Jacobs, Jordan, Nowlan & Hinton (1991), Adaptive mixtures of local experts, Neural Computation 3(1)",
    ),
    EnsembleSpec(
        "markov_switching_gating",
        "gating",
        None,
        True,
        True,
        RegimeGatingParams,
        "weights by the filtered regime of a Markov switching regression of returns",
        requires=("statsmodels",),
        extra="stats",
        reference="Hamilton (1989), Econometrica 57",
    ),
    EnsembleSpec(
        "static_gating",
        "gating",
        None,
        True,
        True,
        StaticGatingParams,
        "one set of weights, from out-of-sample windows that walk forward",
    ),
    EnsembleSpec(
        "fusion",
        "fusion",
        "logistic",
        True,
        False,
        FusionParams,
        "cross-validated logistic head on calibrated probabilities",
    ),
)

ENSEMBLES: Mapping[str, EnsembleSpec] = MappingProxyType({spec.name: spec for spec in _ENSEMBLES})

_INFERENCE = (
    InferenceSpec("temperature_scaling", "calibration", True, "one temperature; keeps the order of forecasts"),
    InferenceSpec("platt", "calibration", True, "a logistic curve on the scores"),
    InferenceSpec("beta", "calibration", True, "a curve of three parameters on the probabilities, which may leave them as they are"),
    InferenceSpec("isotonic", "calibration", True, "the best curve that does not fall; wants a thousand rows"),
    InferenceSpec("split", "conformal", True, "a band as wide everywhere"),
    InferenceSpec("cqr", "conformal", True, "the model's own quantiles, moved until they cover"),
    InferenceSpec("jackknife_plus", "conformal", False, "a band from forecasts of models that each left a row out"),
    InferenceSpec("cv_plus", "conformal", False, "a band from forecasts of models that each left a purged fold out"),
    InferenceSpec("adaptive", "conformal", True, "a band whose level follows its own misses through time"),
    InferenceSpec("mondrian", "conformal", True, "a band for each regime"),
    *(InferenceSpec(spec.name, "gating", False, spec.summary) for spec in _ENSEMBLES if spec.method == "gating"),
)

INFERENCE: Mapping[str, InferenceSpec] = MappingProxyType({spec.name: spec for spec in _INFERENCE})


def ensemble_spec(name: str) -> EnsembleSpec:
    """The ensemble `name`. Raises RecipeError with the nearest name that exists."""
    if name in ENSEMBLES:
        return ENSEMBLES[name]
    raise RecipeError("ensemble", f"no ensemble named '{name}'", mend=nearest(name, ENSEMBLES))


def stacking_spec(meta_learner: str) -> EnsembleSpec:
    """The stacking whose meta-learner a recipe calls `meta_learner`. Raises RecipeError with the nearest name that exists."""
    by_learner = {str(spec.meta_learner): spec for spec in _ENSEMBLES if spec.method == "stacking"}
    if meta_learner in by_learner:
        return by_learner[meta_learner]
    raise RecipeError("ensemble.meta_learner", f"no meta-learner named '{meta_learner}'", mend=nearest(meta_learner, by_learner))


def inference_spec(name: str) -> InferenceSpec:
    """The calibrator, band or gate `name`. Raises RecipeError with the nearest name that exists."""
    if name in INFERENCE:
        return INFERENCE[name]
    raise RecipeError("inference", f"nothing named '{name}' calibrates or draws bands", mend=nearest(name, INFERENCE))


__all__ = ["ENSEMBLES", "INFERENCE", "EnsembleSpec", "InferenceSpec", "ensemble_spec", "inference_spec", "stacking_spec"]

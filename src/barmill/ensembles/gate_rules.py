"""The rules by which a gate weighs its members, by method: how each is fitted, read and judged on rows that it did not see."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from barmill.ensembles.contract import Float64Array
from barmill.ensembles.gate_loss import GateLoss
from barmill.ensembles.meta_scores import Positions
from barmill.ensembles.params import EnsembleParams, RegimeGatingParams, SoftmaxGatingParams, StaticGatingParams
from barmill.ensembles.regime_gate import RegimeWeights, fit_regimes
from barmill.ensembles.softmax_gate import SoftmaxWeights, fit_softmax
from barmill.ensembles.static_weights import StaticWeights, fit_static
from barmill.errors import RecipeError

Rule: TypeAlias = RegimeWeights | SoftmaxWeights | StaticWeights

METHODS: Final[Mapping[str, type[EnsembleParams]]] = {
    "hmm_regime": RegimeGatingParams,
    "markov_switching": RegimeGatingParams,
    "softmax": SoftmaxGatingParams,
    "static": StaticGatingParams,
}
RULES: Final[Mapping[str, type[Rule]]] = {
    "hmm_regime": RegimeWeights,
    "markov_switching": RegimeWeights,
    "softmax": SoftmaxWeights,
    "static": StaticWeights,
}


def fit_rule(params: EnsembleParams, loss: GateLoss, regimes: Float64Array) -> tuple[Rule, dict[str, Any]]:
    """The rule of the parameters' kind, fitted; and what it tells of its fit, plain JSON. Raises: RecipeError for other parameters."""
    if isinstance(params, RegimeGatingParams):
        return fit_regimes(params, loss, regimes)
    if isinstance(params, SoftmaxGatingParams):
        return fit_softmax(params, loss, regimes)
    if isinstance(params, StaticGatingParams):
        return fit_static(params, loss)
    raise RecipeError("ensemble.gating.config", f"{type(params).__name__} is of no gate", expected="parameters of a gate")


def cross_fitted_weights(
    params: EnsembleParams, loss: GateLoss, regimes: Float64Array, folds: Sequence[tuple[Positions, Positions]]
) -> Float64Array:
    """Weights of each row from a rule that was fitted without it, float64 of shape (n, m); folds are (train, test) positions."""
    weights = np.empty((loss.counts.size, len(loss.labels)))
    for train, test in folds:
        rule, _ = fit_rule(params, loss.at(train), regimes[train])
        weights[test] = rule.apply(regimes[test], test.size)
    return weights


__all__ = ["METHODS", "RULES", "Rule", "cross_fitted_weights", "fit_rule"]

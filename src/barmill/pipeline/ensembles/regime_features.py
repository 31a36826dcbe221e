"""The features that tell an ensemble's regimes."""

from typing import NamedTuple

from barmill.ensembles.gate_rules import METHODS
from barmill.ensembles.params import EnsembleParams, RegimeGatingParams
from barmill.ensembles.regime_gate import regime_columns, with_parameters
from barmill.pipeline.ensemble_config import EnsembleConfig

USUAL_REGIMES = ("volatility_regime", "trend_regime", "structure_regime")  # of a softmax gate
BY_FILTER = ("hmm_regime", "markov_switching")


class RegimeColumns(NamedTuple):
    """Features that an ensemble reads at the decision bar: those of its gate, then those of its meta-learner; none twice."""

    gate: tuple[str, ...]
    meta: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.gate, *self.meta)))


def regimes_of(ensemble: EnsembleConfig) -> RegimeColumns:
    """Raises RecipeError for features that the gate cannot take."""
    meta = with_parameters(ensemble.regime_features) if ensemble.method == "stacking" else ()
    gating = ensemble.gating
    if not (ensemble.method == "gating" or gating.enabled) or gating.method == "static":
        return RegimeColumns((), meta)
    if gating.method in BY_FILTER:
        params = gate_params(ensemble)
        assert isinstance(params, RegimeGatingParams)
        return RegimeColumns(regime_columns(gating.method, params.n_regimes, gating.regime_features), meta)
    return RegimeColumns(with_parameters(gating.regime_features or USUAL_REGIMES), meta)


def gate_params(ensemble: EnsembleConfig) -> EnsembleParams:
    """The typed parameters of a gate that `read_recipe` has checked."""
    return METHODS[ensemble.gating.method].model_validate(dict(ensemble.gating.config))


__all__ = ["RegimeColumns", "gate_params", "regimes_of"]

"""Weights by regime: the sum over regimes of P(regime | bars so far) times that regime's weights.

The probabilities are features of the plan, from a forward filter; see `docs/explanation/gating.md` for why only filtered states are used.

Axes: n rows, m members, k regimes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add, mul
from typing import Any, Final

import numpy as np

from barmill.ensembles.contract import Float64Array
from barmill.ensembles.gate_loss import GateLoss, by_label, equal_weights
from barmill.ensembles.params import RegimeGatingParams
from barmill.ensembles.shrunk_weights import shrunk_weights
from barmill.ensembles.static_weights import check_shares
from barmill.errors import RecipeError, ShapeError

FEWEST_ROWS: Final = 30.0  # that a regime is worth; with fewer it has the pooled weights
USUAL: Final = {
    "hmm_regime": ("volatility_percentile_20_480", "trend_strength_20", "variance_ratio_120_5"),
    "markov_switching": ("log_return_1",),
}
_PROBABILITY: Final = {"hmm_regime": "hmm_regime_probability", "markov_switching": "markov_switching_probability"}
MEASURES: Final = {"volatility_regime": "volatility_percentile", "trend_regime": "trend_strength", "structure_regime": "variance_ratio"}
_MOST: Final = {"hmm_regime": 4, "markov_switching": 1}
_ROUNDING: Final = 1e-3  # by which probabilities that a plan keeps as float32 may miss


@dataclass(frozen=True, slots=True, eq=False)
class RegimeWeights:
    """weights : float64 of shape (k, m), of the members in each regime, above 0, rows that sum to 1.

    complete : bool, whether there is a column for every regime; else the last one has what the others leave
    """

    weights: Float64Array
    complete: bool
    _by_member: tuple[tuple[float, ...], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_shares("weights of regimes", self.weights)
        object.__setattr__(self, "_by_member", tuple(map(tuple, self.weights.T.tolist())))

    @property
    def n_members(self) -> int:
        return self.weights.shape[1]

    @property
    def n_columns(self) -> int:
        return self.weights.shape[0] - (not self.complete)

    def apply(self, regimes: Float64Array | None, n_rows: int) -> Float64Array:
        """The weights of each row, float64 of shape (n_rows, m).

        regimes : float64 of shape (n_rows, n_columns), probabilities; of numbers that do not sum to 1 their shares are taken
        """
        assert regimes is not None  # the gate that holds these weights has looked
        if n_rows == 1:
            return np.array([self.of_row(regimes[0].tolist())])
        first = regimes[:, :1]
        total, blend = first, first * self.weights[0]
        for k in range(1, self.n_columns):  # one by one: NumPy's own sum may choose another order for one row than for many
            belief = regimes[:, k : k + 1]
            total = total + belief
            blend += belief * self.weights[k]
        if not self.complete:
            belief = np.maximum(1.0 - total, 0.0)
            total = total + belief
            blend += belief * self.weights[-1]
        blend /= total
        return blend

    def of_row(self, regimes: Sequence[float]) -> Sequence[float]:
        """The same sums in the same order as plain floats, which give the same bits and are quicker for one row."""
        beliefs = list(regimes)
        total = reduce(add, beliefs)
        if not self.complete:
            beliefs.append(max(1.0 - total, 0.0))
            total += beliefs[-1]
        return [reduce(add, map(mul, beliefs, column)) / total for column in self._by_member]

    def of_members(self, order: Sequence[int]) -> "RegimeWeights":
        """The same of the members at these places."""
        return RegimeWeights(self.weights[:, list(order)], self.complete)

    def to_json(self) -> dict[str, Any]:
        return {"weights": self.weights.tolist(), "complete": self.complete}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "RegimeWeights":
        if not isinstance(value["complete"], bool):
            raise ValueError(f"complete is {value['complete']!r}")
        return cls(np.array(value["weights"], np.float64), value["complete"])


def regime_columns(method: str, n_regimes: int, features: Sequence[str] = ()) -> tuple[str, ...]:
    """Names of the features that a plan must have for a gate by regime: the probability of each state but the last.

    features : names of what the states are seen in, with their parameters or, for the usual ones, without; one to four for `hmm_regime`,
        one for `markov_switching`; those of USUAL if none are given. In place of a code of -1, 0 and 1 the measure is taken from which it
        is cut, see MEASURES: a normal density of codes has no bound, and two fits seldom find the same states

    Raises: RecipeError for another method or too many features.
    """
    if method not in _PROBABILITY:
        raise RecipeError("ensemble.gating.method", f"'{method}' has no regimes of its own", expected=" or ".join(_PROBABILITY))
    seen = tuple(map(_measured, with_parameters(features))) or USUAL[method]
    if len(seen) > _MOST[method]:
        found, mend = f"{len(seen)} features ({', '.join(seen)})", "Name fewer, or use method: softmax, which takes any number."
        raise RecipeError("ensemble.gating.regime_features", found, expected=f"at most {_MOST[method]} for {method}", mend=mend)
    return tuple(f"{_PROBABILITY[method]}_{n_regimes}_{state}({','.join(seen)})" for state in range(n_regimes - 1))


def with_parameters(features: Sequence[str]) -> tuple[str, ...]:
    """Names as a plan has them: `trend_regime` alone, as the charter writes it, is `trend_regime_20`, with its usual parameters."""
    from barmill.features import FEATURES, usual_feature  # here and not above: weighing needs no feature engine

    return tuple(usual_feature(FEATURES[name]).name if name in FEATURES else name for name in features)


def _measured(name: str) -> str:
    """`trend_regime_20` is cut from `trend_strength_20`: the parameters are the same."""
    for code, measure in MEASURES.items():
        if name.startswith(f"{code}_"):
            return measure + name.removeprefix(code)
    return name


def fit_regimes(params: RegimeGatingParams, loss: GateLoss, regimes: Float64Array) -> tuple[RegimeWeights, dict[str, Any]]:
    """The weights of each regime, pulled to those that are best on all rows.

    The pooled weights are pulled to equal ones, those of a regime to the pooled ones, both by `shrinkage`, see `shrunk_weights`; a regime
    that is worth fewer than FEWEST_ROWS rows has the pooled ones. Which row belongs to which regime is never decided: each counts by its
    probabilities.

    Parameters
    ----------
    loss : of rows that no member was fitted on
    regimes : float64 of shape (n, n_regimes) or, the last left out, (n, n_regimes - 1): filtered probabilities at these rows

    Returns
    -------
    weights; and plain JSON: "pooled" weights, and "regimes": of each the rows that it is worth, its weights, whether they are the pooled
    ones, and what these and the pooled weights lose where it was believed in

    Raises: ShapeError for another number of columns, or columns that are no probabilities.
    """
    complete = regimes.shape[1] == params.n_regimes
    beliefs = _beliefs(regimes, params.n_regimes)
    pooled = shrunk_weights(loss, np.ones((loss.counts.size, 1)), equal_weights(loss), params.shrinkage)[0]
    worth = (loss.counts[:, None] * beliefs).sum(axis=0)
    own = worth >= FEWEST_ROWS
    fitted = shrunk_weights(loss, beliefs, pooled, params.shrinkage)
    weights = np.where(own[:, None], fitted, pooled)
    told = [_of_regime(loss, beliefs[:, k], weights[k], pooled, bool(own[k])) for k in range(params.n_regimes)]
    return RegimeWeights(weights, complete), {"pooled": by_label(loss, pooled), "regimes": told}


def _beliefs(regimes: Float64Array, n_regimes: int) -> Float64Array:
    if regimes.shape[1] not in (n_regimes - 1, n_regimes):
        expected = f"{n_regimes - 1}, the probabilities of all regimes but the last, or {n_regimes}"
        raise ShapeError("ensemble regimes", f"have {regimes.shape[1]} columns", expected=expected)
    total = regimes.sum(axis=1)
    off = np.abs(total - 1.0) if regimes.shape[1] == n_regimes else total - 1.0
    wrong = (regimes < -_ROUNDING).any(axis=1) | (regimes > 1.0 + _ROUNDING).any(axis=1) | (off > _ROUNDING)
    if wrong.any():
        row = int(np.argmax(wrong))
        mend = "Columns that are no probabilities are for method: softmax."
        raise ShapeError(f"ensemble regimes row {row}", f"is {regimes[row].tolist()}", expected="probabilities", mend=mend)
    held = np.maximum(regimes, 0.0)
    whole = held if regimes.shape[1] == n_regimes else np.column_stack([held, np.maximum(1.0 - held.sum(axis=1), 0.0)])
    return whole / whole.sum(axis=1, keepdims=True)


def _of_regime(loss: GateLoss, belief: Float64Array, weights: Float64Array, pooled: Float64Array, own: bool) -> dict[str, Any]:
    counts = loss.counts * belief
    worth = float(counts.sum())

    def lost(of: Float64Array) -> float | None:
        losses = loss.of(np.broadcast_to(of, (counts.size, of.size)))[0]
        return float((counts * losses).sum() / worth) if worth > 0 else None

    return {"rows": worth, "weights": by_label(loss, weights), "pooled": not own, "loss": lost(weights), "loss_of_pooled": lost(pooled)}


__all__ = ["FEWEST_ROWS", "MEASURES", "USUAL", "RegimeWeights", "fit_regimes", "regime_columns", "with_parameters"]

"""Linear meta-learners: ridge, elastic net, logistic. Weighted sums of a few meta-features, and nothing else.

A penalty means the same however many rows there are: losses are means over the rows by their weights. With C = 1 / alpha, ridge and
logistic give a lone meta-feature of unit spread 1 / (1 + alpha) of what it would have without a penalty.

Source: Hoerl and Kennard (1970), Technometrics 12(1), 55-67; Zou and Hastie (2005), JRSS B 67(2), 301-320; Breiman (1996), Stacked
regressions, Machine Learning 24, 49-64; the penalty relative to the one that empties everything is that of Friedman, Hastie and
Tibshirani (2010), Journal of Statistical Software 33(1), section 2.5.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add, mul
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from barmill.ensembles.contract import Float64Array
from barmill.ensembles.meta_features import MetaFeatures
from barmill.ensembles.params import ElasticNetParams, EnsembleParams, LogisticParams, RidgeParams
from barmill.errors import BundleError, ShapeError
from barmill.models.contract import RawForecast
from barmill.uncertainty.links import log_odds_at, log_odds_of, sum_of_columns

RowLearner: TypeAlias = Callable[[Sequence[float]], tuple[Sequence[float], float | None]]  # from meta-features to logits and expected z

LEAST = 1e-3  # the least that a score may say of a class: a linear sum knows no bounds, a probability does
ROWS_AT_ONCE = 65_536  # rows per pass, so that the products of many rows need little memory


@dataclass(frozen=True, slots=True, eq=False)
class LinearMeta:
    """Scores of the classes, and where it was learned the expected z, as weighted sums of the meta-features.

    Of a logistic regression the scores are logits. Of the others a score is the linear forecast of "this class comes", 0 or 1: it is held
    between 0.001 and 0.999 (of three classes: at 0.001 or more, then scaled to sum 1), and its logits are those of that probability.

    logistic : bool, whether scores are logits
    coefficients : float64 of shape (n_scores, k): one row for two classes, three for three, and the expected z last
    intercepts : float64 of shape (n_scores,)
    with_returns : bool, whether the last score is the expected z
    """

    logistic: bool
    coefficients: Float64Array
    intercepts: Float64Array
    with_returns: bool
    _columns: tuple[Float64Array, Float64Array] = field(init=False)  # coefficients (n_scores, k, 1) and intercepts (n_scores, 1)

    def __post_init__(self) -> None:
        n_scores = self.intercepts.size - self.with_returns
        if n_scores not in (1, 3) or self.coefficients.ndim != 2 or len(self.coefficients) != self.intercepts.size:
            found = f"{self.coefficients.shape} coefficients and {self.intercepts.shape} intercepts"
            raise ShapeError("linear meta-learner", found, expected="one score for two classes, three for three, and one of E_r")
        if not (np.isfinite(self.coefficients).all() and np.isfinite(self.intercepts).all()):
            raise ShapeError("linear meta-learner", "holds a coefficient that is not finite", expected="finite numbers")
        object.__setattr__(self, "_columns", (self.coefficients[:, :, None], self.intercepts[:, None]))

    def check(self, features: MetaFeatures) -> None:
        """Raise ShapeError where these are no sums of `features`, or of other classes."""
        expected = ((1 if features.n_classes == 2 else 3) + self.with_returns, len(features.names))
        if self.coefficients.shape != expected:
            raise ShapeError("linear meta-learner", f"has coefficients of shape {self.coefficients.shape}", expected=f"{expected}")

    def apply(self, x: Float64Array) -> RawForecast:
        """Logits, and the expected z where it was learned, of meta-features (k, n)."""
        scores = self._scores(x)
        classes, expected = (scores[:-1], scores[-1]) if self.with_returns else (scores, None)
        if self.logistic:
            return RawForecast(classes[0] if len(classes) == 1 else classes.T.copy(), expected)
        p = np.maximum(classes, LEAST)
        if len(p) == 1:
            return RawForecast(log_odds_of(np.minimum(p[0], 1 - LEAST)), expected)
        shares = p.T.copy()
        return RawForecast(np.log(shares / sum_of_columns(shares)[:, None]), expected)

    def one_row(self) -> "RowLearner":
        """`apply` of one row of k meta-features, as plain floats: the logits, and the expected z or None."""
        sums = tuple(zip(map(tuple, self.coefficients.tolist()), self.intercepts.tolist(), strict=True))

        def say(x: Sequence[float]) -> tuple[Sequence[float], float | None]:
            scores: list[float] = [reduce(add, map(mul, coefficients, x)) + intercept for coefficients, intercept in sums]
            expected = scores.pop() if self.with_returns else None
            if self.logistic:
                return scores, expected
            held = [max(score, LEAST) for score in scores]
            if len(held) == 1:
                return (log_odds_at(min(held[0], 1 - LEAST)),), expected
            total = reduce(add, held)
            return [float(np.log(share / total)) for share in held], expected

        return say

    def _scores(self, x: Float64Array) -> Float64Array:
        """(n_scores, n). Accumulating adds feature by feature; a dot product would add one row in another order than a thousand."""
        coefficients, intercepts = self._columns
        if x.shape[1] <= ROWS_AT_ONCE:
            return np.add.accumulate(coefficients * x, axis=1)[:, -1] + intercepts
        return np.concatenate([self._scores(x[:, start : start + ROWS_AT_ONCE]) for start in range(0, x.shape[1], ROWS_AT_ONCE)], axis=1)

    def importance(self) -> dict[str, Float64Array]:
        """Coefficient of each standardised meta-feature, (k,): of p_up (three classes: up less down), and of E_r."""
        classes = self.coefficients[:-1] if self.with_returns else self.coefficients
        found = {"p_up": classes[0] if len(classes) == 1 else classes[2] - classes[0]}
        return found | ({"E_r": self.coefficients[-1]} if self.with_returns else {})

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, exact: `from_json` gives the same value to the bit."""
        return {
            "logistic": self.logistic,
            "coefficients": self.coefficients.tolist(),
            "intercepts": self.intercepts.tolist(),
            "with_returns": self.with_returns,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "LinearMeta":
        """Read what `to_json` wrote. Raises BundleError where it is something else."""
        try:
            numbers = (np.array(value[name], np.float64) for name in ("coefficients", "intercepts"))
            return cls(bool(value["logistic"]), *numbers, with_returns=bool(value["with_returns"]))
        except (KeyError, TypeError, ValueError, ShapeError) as error:
            raise BundleError("ensemble meta-learner", f"cannot be read: {error!r}", mend="Build the bundle again.") from error


def fit_linear_meta(
    params: EnsembleParams, x: Float64Array, y: npt.NDArray[np.int64], z: Float64Array | None, weight: Float64Array, n_classes: int
) -> LinearMeta:
    """Fit the scores of the classes, and of the expected z where `z` is given.

    - Ridge: mean of half the squared error of (class comes: 0 or 1), and alpha / 2 times the squared coefficients.
    - Elastic net: the same loss, alpha (1 - l1_ratio) / 2 times the squared coefficients, and on their absolute values
      a / (1 + a) of the penalty at which none would be left, a = alpha l1_ratio. So the best meta-feature always stays, whatever the
      unit of the target; one that follows it a / (1 + a) as closely or less goes. With l1_ratio = 0 it is ridge.
    - Logistic: mean log loss (multinomial for three classes), and 1 / (8 C) times the squared coefficients, 1/4 being the log loss's own
      curvature. The expected z has a ridge of alpha = 1 / C.

    Parameters
    ----------
    params : RidgeParams, ElasticNetParams or LogisticParams
    x : float64 of shape (k, n), standardised meta-features
    y : int64 of shape (n,); z, weight : float64 of shape (n,)
    """
    from threadpoolctl import threadpool_limits

    rows = np.ascontiguousarray(x.T)
    logistic = isinstance(params, LogisticParams)
    with threadpool_limits(limits=1):
        if logistic:
            heads = [_logistic(params, rows, y, weight)]
        else:
            targets = [y == 1] if n_classes == 2 else [y == label for label in range(3)]
            heads = [_squares(params, rows, target.astype(np.float64), weight) for target in targets]
        if z is not None:
            stiffness = RidgeParams(alpha=min(1e6, max(0.1, 1 / params.C))) if logistic else params
            heads.append(_squares(stiffness, rows, z, weight))
    coefficients, intercepts = (np.concatenate(parts) for parts in zip(*heads, strict=True))
    return LinearMeta(logistic, coefficients, intercepts, with_returns=z is not None)


def _squares(params: EnsembleParams, x: Float64Array, target: Float64Array, weight: Float64Array) -> tuple[Float64Array, Float64Array]:
    from barmill.models.linear.ridge import solve_ridge

    total = float(weight.sum())
    if isinstance(params, RidgeParams):
        fitted = solve_ridge(x, target, weight, params.alpha * total)
        return fitted.coefficients, fitted.intercepts
    assert isinstance(params, ElasticNetParams)
    l2 = params.alpha * (1 - params.l1_ratio)
    share = params.alpha * params.l1_ratio / (1 + params.alpha * params.l1_ratio)
    centred = x - weight @ x / total
    l1 = share * float(np.abs((weight * (target - weight @ target / total)) @ centred).max()) / total
    if l1 == 0:
        fitted = solve_ridge(x, target, weight, l2 * total)
        return fitted.coefficients, fitted.intercepts
    return _elastic_net(x, target, weight, l1, l2)


def _elastic_net(x: Float64Array, target: Float64Array, weight: Float64Array, l1: float, l2: float) -> tuple[Float64Array, Float64Array]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import ElasticNet

    model = ElasticNet(alpha=l1 + l2, l1_ratio=l1 / (l1 + l2), max_iter=10_000, tol=1e-9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # ten thousand rounds of a few columns are as near as rounding lets it come
        model.fit(x, target, sample_weight=weight)
    return np.asarray(model.coef_, np.float64)[None, :], np.array([float(model.intercept_)])


def _logistic(params: LogisticParams, x: Float64Array, y: npt.NDArray[np.int64], weight: Float64Array) -> tuple[Float64Array, Float64Array]:
    from barmill.models.linear.fitting import fit_logistic_l2

    fitted = fit_logistic_l2(x, y.astype(np.int8), weight, 4 * params.C / float(weight.sum()), 1000, 1e-8)
    return fitted.coefficients, fitted.intercepts


__all__ = ["LEAST", "LinearMeta", "RowLearner", "fit_linear_meta"]

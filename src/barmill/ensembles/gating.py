"""Gating: members weighed row by row, by what the market is like at the decision.

A gate reads columns that the feature engine computed, and nothing of the forecasts: whom to trust is settled before anyone speaks.

Axes: n rows, m members, r regime columns.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from barmill.artefacts import canonical_json
from barmill.ensembles.blend import Blend, BlendRow
from barmill.ensembles.compatibility import check_members, check_rows
from barmill.ensembles.contract import FitRows, Float64Array, Member, Said, SaidOfRow
from barmill.ensembles.gate_loss import GateLoss, by_label, compared, gate_loss
from barmill.ensembles.gate_rules import METHODS, RULES, Rule, cross_fitted_weights, fit_rule
from barmill.ensembles.meta_scores import Folds, checked_folds, contiguous_folds
from barmill.ensembles.params import EnsembleParams
from barmill.errors import BundleError, RecipeError, ShapeError, SplitError, nearest
from barmill.models.contract import RawForecast
from barmill.uncertainty.links import probabilities_of

KIND: Final = "gating"
FEWEST_ROWS: Final = 50  # of a fit; with fewer, weights would be the prior's and not the rows'


@dataclass(frozen=True, slots=True, eq=False)
class Gating:
    """A fitted gate.

    method : str, one of METHODS
    members : in the order in which they speak
    rule : from the regime columns to the weights
    summary : plain JSON of how the fit went; in no file
    """

    method: str
    members: tuple[Member, ...]
    rule: Rule
    summary: Mapping[str, Any] = field(default_factory=dict[str, Any])
    _blend: Blend = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_blend", Blend(self.members))
        if self.rule.n_members != len(self.members):
            raise ShapeError("gate", f"has weights of {self.rule.n_members} members", expected=f"of {len(self.members)}")

    def combine(self, said: Sequence[Said], regimes: Float64Array | None = None) -> RawForecast:
        """The weighted mean of the probabilities, as logits; of E_r and of the quantiles by level, over the members that declare them.

        Raises: ShapeError for another number of members or columns, other rows, or a declared E_r that is not said. A column that is not
        finite gives logits that are not, which calibration refuses.
        """
        if len(said) != len(self.members):
            found = f"{len(said)} members speak"
            raise ShapeError("ensemble", found, expected=f"{len(self.members)}: {', '.join(one.label for one in self.members)}")
        return self._blend.of(said, self.weights(regimes, len(said[0].p)))

    def weights(self, regimes: Float64Array | None, n_rows: int) -> Float64Array:
        """float64 of shape (n_rows, m), above 0, rows that sum to 1. Raises: ShapeError for other regime columns than those of the fit."""
        n_columns = self.rule.n_columns
        if n_columns and (regimes is None or regimes.shape != (n_rows, n_columns)):
            found = "are not given" if regimes is None else f"have shape {regimes.shape}"
            raise ShapeError("ensemble regimes", found, expected=f"({n_rows}, {n_columns})")
        return self.rule.apply(regimes, n_rows)

    def one_row(self, said: Sequence[SaidOfRow], regimes: Sequence[float]) -> "GatingRow":
        """Itself, with memory for one row."""
        return GatingRow(self.rule, self._blend.one_row(said), regimes)

    def files(self) -> Mapping[str, bytes]:
        """`ensemble.json`."""
        members = [{"label": member.label, "outputs": list(member.outputs)} for member in self.members]
        content = {"format": 1, "kind": KIND, "method": self.method, "members": members, "rule": self.rule.to_json()}
        return {"ensemble.json": canonical_json(content)}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> "Gating":
        """Read what `files` gave. Raises BundleError where it is something else."""
        try:
            content = json.loads(files["ensemble.json"])
            if content["kind"] != KIND or content["format"] != 1:
                raise ValueError(f"kind {content['kind']!r}, format {content['format']!r}")
            members = tuple(Member(str(m["label"]), tuple(str(output) for output in m["outputs"])) for m in content["members"])
            method = str(content["method"])
            return cls(method, members, RULES[method].from_json(content["rule"]))
        except (KeyError, TypeError, ValueError, ShapeError) as error:
            raise BundleError("ensemble.json", f"cannot be read: {error!r}", mend="Build the bundle again.") from error


class GatingRow:
    """A gate with memory for one row."""

    allocates = ""

    def __init__(self, rule: Rule, blend: BlendRow, regimes: Sequence[float]) -> None:
        self._rule, self._blend, self._regimes = rule, blend, regimes

    def raw(self) -> RawForecast | None:
        return self._blend.raw(self._rule.of_row(self._regimes))


def fit_gating(method: str, params: EnsembleParams, members: Sequence[Member], rows: FitRows, *, seed: int) -> Gating:  # noqa: ARG001 - see below
    """Fit a gate on what the members said of rows that they did not see.

    The weights minimise the log loss of the blended probabilities, or, where the members share the quantiles and not p_up, the pinball loss
    of the blended quantiles. The order in which the members stand changes no bit of their weights.

    Parameters
    ----------
    method : one of METHODS; params : of its kind
    members : at least one
    rows : with `regimes`: for `hmm_regime` and `markov_switching` the features of `regime_gate.regime_columns`, for `softmax` any columns
        of the plan, all at the decision bar; `static` looks at none
    seed : nothing here draws; every fit of an ensemble takes one

    Returns
    -------
    Gating; its `summary` has method, loss (what was minimised), members, rows (what they are worth), weights (mean over the rows),
    in_sample and out_of_fold (mean loss of the gate, of equal weights and of each member, the second over contiguous folds of which the
    gate saw the others), what the rule tells, and words.

    Raises: RecipeError for an unknown method or parameters of another; EnsembleError, ShapeError, TrainingError as `check_members` and
    `check_rows`; ShapeError for regimes that are missing, not finite or no probabilities.
    """
    loss, regimes = _checked(method, params, members, rows)
    rule, told = fit_rule(params, loss, regimes)
    unseen = cross_fitted_weights(params, loss, regimes, contiguous_folds(rows.y.size))
    in_sample, out_of_fold = compared(loss, rule.apply(regimes, rows.y.size)), compared(loss, unseen)
    summary = {
        "method": method,
        "loss": loss.name,
        "members": [member.label for member in members],
        "rows": float(loss.counts.sum()),
        "weights": by_label(loss, rule.apply(regimes, rows.y.size).mean(axis=0)),
        "in_sample": in_sample,
        "out_of_fold": out_of_fold,
        **told,
        "words": _words(loss.name, out_of_fold),
    }
    return Gating(method, tuple(members), rule.of_members(_places(members, loss)), summary)


def cross_fitted(
    method: str,
    params: EnsembleParams,
    members: Sequence[Member],
    rows: FitRows,
    *,
    seed: int,  # noqa: ARG001 - as in fit_gating
    folds: Folds | None = None,
) -> Said:
    """What gates say of rows that they did not see, each fitted on the other folds: what a meta-learner may learn a gate's worth from.

    Parameters
    ----------
    method, params, members, rows, seed : as of `fit_gating`
    folds : (train, test) positions, purged where label ends are known, every row in one test; None for five contiguous folds

    Returns
    -------
    Said; `expected` None where no member declares E_r, and `quantiles` of shape (n, 0) where none declares them

    Raises: as `fit_gating`; SplitError for folds that leave a row out or judge it twice.
    """
    loss, regimes = _checked(method, params, members, rows)
    n = rows.y.size
    cut = contiguous_folds(n) if folds is None else checked_folds(folds, n)
    times = np.bincount(np.concatenate([test for _, test in cut]), minlength=n)
    if (times != 1).any():
        row = int(np.argmax(times != 1))
        raise SplitError("gate folds", f"row {row} is forecast {times[row]} times", expected="every row once")
    weights = cross_fitted_weights(params, loss, regimes, cut)[:, _places(members, loss)]
    raw = Blend(tuple(members)).of(rows.said, weights)
    return Said(probabilities_of(raw.logits), raw.expected, np.empty((n, 0)) if raw.quantiles is None else raw.quantiles)


def _checked(method: str, params: EnsembleParams, members: Sequence[Member], rows: FitRows) -> tuple[GateLoss, Float64Array]:
    """The loss, of the members by their labels so that their order changes no bit, and the regimes, (n, 0) where the rule reads none."""
    if method not in METHODS:
        raise RecipeError("ensemble.gating.method", f"no gate named '{method}'", mend=nearest(method, METHODS))
    if not isinstance(params, METHODS[method]):
        found = f"parameters of {type(params).__name__} for '{method}'"
        raise RecipeError("ensemble.gating.config", found, expected=METHODS[method].__name__)
    check_members(members, KIND, at_least=1)
    check_rows(members, rows)
    if rows.y.size < FEWEST_ROWS:
        raise SplitError("gate", f"{rows.y.size} rows to fit on", expected=f"{FEWEST_ROWS} or more", mend="Give more bars.")
    order = sorted(range(len(members)), key=lambda i: members[i].label)
    loss = gate_loss([members[i] for i in order], rows._replace(said=[rows.said[i] for i in order]))
    return loss, _regimes(method, rows)


def _regimes(method: str, rows: FitRows) -> Float64Array:
    if method == "static":
        return np.empty((rows.y.size, 0))
    regimes = rows.regimes
    if regimes is None or regimes.ndim != 2 or regimes.shape[0] != rows.y.size or regimes.shape[1] == 0:
        found = "are not given" if regimes is None else f"have shape {regimes.shape}"
        raise ShapeError("ensemble regimes", found, expected=f"({rows.y.size}, 1 or more), which '{method}' reads")
    wrong = ~np.isfinite(regimes).all(axis=1)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ShapeError(f"ensemble regimes row {row}", f"is {regimes[row].tolist()}", expected="finite numbers")
    return regimes


def _places(members: Sequence[Member], loss: GateLoss) -> list[int]:
    return [loss.labels.index(member.label) for member in members]


def _words(name: str, lost: Mapping[str, Any]) -> str:
    if lost["blend"] is None:
        return "The gate was not judged: its rows count for nothing."
    best = min(lost["members"], key=lambda label: lost["members"][label])
    rivals = {"equal weights": lost["equal"], f"its best member, {best}": lost["members"][best]}
    beaten = [rival for rival, loss in rivals.items() if lost["blend"] < loss]
    verdict = f"less than {' and '.join(beaten)}" if beaten else "no less than equal weights or its best member"
    told = ", ".join(f"{rival} {loss:.5f}" for rival, loss in rivals.items())
    return f"On folds that it did not see the gate's {name} is {lost['blend']:.5f}, {verdict} ({told})."


__all__ = ["FEWEST_ROWS", "KIND", "Gating", "cross_fitted", "fit_gating"]

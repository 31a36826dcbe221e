"""Stacking: a small model learns from out-of-fold forecasts how far to trust each member, and where.

Source: Wolpert (1992), Stacked generalization, Neural Networks 5, 241-259; Breiman (1996), Stacked regressions, Machine Learning 24, 49-64.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from barmill.artefacts import canonical_json
from barmill.ensembles.blend import weighted_mean
from barmill.ensembles.compatibility import check_members, check_rows
from barmill.ensembles.contract import QUANTILE_OUTPUTS, Combiner, FitRows, Float64Array, Member, Said, SaidOfRow
from barmill.ensembles.learned_row import ExtraRow, LearnedRow, Learner
from barmill.ensembles.linear_meta import LinearMeta, fit_linear_meta
from barmill.ensembles.meta_features import MetaFeatures, classes_of, meta_features
from barmill.ensembles.meta_scores import Folds, Positions, checked_folds, contiguous_folds, cross_fitted_scores
from barmill.ensembles.params import ElasticNetParams, EnsembleParams, LightGbmMetaParams, LogisticParams, RidgeParams
from barmill.ensembles.tree_meta import TreeMeta, fit_tree_meta
from barmill.ensembles.vote_weights import fitted_weights, pinball_loss_of
from barmill.errors import BundleError, RecipeError, ShapeError, nearest
from barmill.models.contract import RawForecast
from barmill.uncertainty.links import probabilities_of

META_LEARNERS: Mapping[str, type[EnsembleParams]] = {
    "ridge": RidgeParams,
    "elastic_net": ElasticNetParams,
    "logistic": LogisticParams,
    "lightgbm_meta": LightGbmMetaParams,
}
KIND = "stacking"
EXTRA = "extra_"  # before the names of the files of an ensemble that speaks as one more member


class Extra(NamedTuple):
    """An ensemble, such as a gate, that speaks in the stack as one more member.

    label : str, before its meta-features' names
    combiner : fitted on all rows, which speaks when the stack does
    said : of the rows of the fit, cross-fitted: by the like of it, fitted on other folds; its quantiles are not looked at
    columns : those of the stack's regimes that it reads, in its order; none of them unless given
    """

    label: str
    combiner: Combiner
    said: Said
    columns: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Stacking:
    """A fitted stack.

    meta_learner : str, one of META_LEARNERS
    features : what the learner sees, of the members and of the extra one where there is one
    quantile_weights : of the members that declare all three quantiles, in their order; empty where none does
    extra : the ensemble that speaks as one more member, and the columns of the regimes that it reads, or None
    summary : plain JSON of how the fit went; in no file
    """

    meta_learner: str
    features: MetaFeatures
    learner: Learner
    quantile_weights: tuple[float, ...] = ()
    extra: tuple[Combiner, tuple[int, ...]] | None = None
    summary: Mapping[str, Any] = field(default_factory=dict[str, Any])
    _speaking: tuple[int, ...] = field(init=False)
    _shares: Float64Array = field(init=False)  # the quantile weights of one row, (1, n_speaking)

    def __post_init__(self) -> None:
        speaking = _with_quantiles(self.features.members)
        object.__setattr__(self, "_speaking", speaking)
        object.__setattr__(self, "_shares", np.array([self.quantile_weights], dtype=np.float64))
        if len(self.quantile_weights) != len(speaking) or any(not 0 <= weight <= 1 for weight in self.quantile_weights):
            raise ShapeError("quantile weights", f"are {list(self.quantile_weights)}", expected=f"{len(speaking)} numbers from 0 to 1")

    def combine(self, said: Sequence[Said], regimes: Float64Array | None = None) -> RawForecast:
        """Logits; `expected` where a member declares E_r or quantiles; `quantiles` where a member declares them.

        Raises: as `MetaFeatures.of`.
        """
        speakers = said if self.extra is None else [*said, _as_member(*self.extra, said, regimes)]
        raw = self.learner.apply(self.features.of(speakers, regimes))
        if not self._speaking:
            return raw
        shares = self._shares if len(raw.logits) == 1 else np.broadcast_to(self._shares, (len(raw.logits), len(self._speaking)))
        return RawForecast(raw.logits, raw.expected, weighted_mean([said[i].quantiles for i in self._speaking], shares))

    def weights(self, regimes: Float64Array | None, n_rows: int) -> Float64Array | None:
        """Those that the extra member gives, where it is a gate. None without one: what a meta-learner does is no weighting of members; see
        the importances in `summary`."""
        return None if self.extra is None else self.extra[0].weights(_own_regimes(regimes, self.extra[1]), n_rows)

    def one_row(self, said: Sequence[SaidOfRow], regimes: Sequence[float]) -> LearnedRow:
        """Itself, with memory for one row."""
        extra = None
        if self.extra is not None:
            combiner, columns = self.extra
            own = [0.0] * len(columns)
            extra = ExtraRow(combiner.one_row(said, own), own, columns, regimes, len(said[0].p))
        return LearnedRow(self.features, self.learner, said, regimes, self._speaking, self.quantile_weights, extra)

    def files(self) -> Mapping[str, bytes]:
        """`ensemble.json`, the trees of a meta-learner of trees, and the files of the extra member under `extra_`."""
        content: dict[str, Any] = {
            "format": 1,
            "kind": KIND,
            "meta_learner": self.meta_learner,
            "features": self.features.to_json(),
            "linear": self.learner.to_json() if isinstance(self.learner, LinearMeta) else None,
            "quantile_weights": list(self.quantile_weights),
            "extra": None if self.extra is None else {"columns": list(self.extra[1])},
        }
        trees = self.learner.texts if isinstance(self.learner, TreeMeta) else {}
        further = {} if self.extra is None else {f"{EXTRA}{name}": data for name, data in self.extra[0].files().items()}
        return {"ensemble.json": canonical_json(content), **trees, **further}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> "Stacking":
        """Read what `files` gave. Raises BundleError where it is something else."""
        try:
            content = json.loads(files["ensemble.json"])
            if content["kind"] != KIND or content["format"] != 1 or content["meta_learner"] not in META_LEARNERS:
                raise ValueError(f"kind {content['kind']!r}, format {content['format']!r}, meta-learner {content['meta_learner']!r}")
            features = MetaFeatures.from_json(content["features"])
            learner = TreeMeta.from_files(files) if content["linear"] is None else LinearMeta.from_json(content["linear"])
            learner.check(features)
            weights = tuple(float(weight) for weight in content["quantile_weights"])
            extra = content["extra"]
            columns = () if extra is None else tuple(int(column) for column in extra["columns"])
            return cls(content["meta_learner"], features, learner, weights, None if extra is None else (_read_extra(files), columns))
        except (KeyError, TypeError, ValueError, ShapeError) as error:
            raise BundleError("ensemble.json", f"cannot be read: {error!r}", mend="Build the bundle again.") from error


def fit_stacking(
    meta_learner: str,
    params: EnsembleParams,
    members: Sequence[Member],
    rows: FitRows,
    *,
    seed: int,
    extra: Extra | None = None,
    regime_columns: Mapping[str, int] | None = None,
    folds: Folds | None = None,
) -> Stacking:
    """Fit a meta-learner on out-of-fold forecasts, by the rows' weights.

    The class that comes is learned from every output that the members declare; where one of them declares E_r or quantiles, a second head
    learns z from the same meta-features, by squared error. Quantiles are the weighted average by level of those that declare all three.

    Parameters
    ----------
    meta_learner : one of META_LEARNERS; params : of its kind
    members, rows : at least one member, and what each said out of fold
    seed : of the trees; nothing else draws
    extra : an ensemble that speaks as one more member
    regime_columns : name and column of the regimes in `rows.regimes` that the meta-learner sees; None shows it none
    folds : (train, test) positions among the rows, by which the fit is judged, purged where label ends are known; None for five contiguous
        folds

    Returns
    -------
    Stacking; its `summary` has rows, meta_features, importance by output and meta-feature (standardised coefficient; of trees the share
    of gain), quantile_weights by member, and the scores of `cross_fitted_scores`.

    Raises: RecipeError for an unknown meta-learner or parameters of another; else as `check_rows` and `MetaFeatures.of`.
    """
    _check_kind(meta_learner, params)
    check_members([*members, *(() if extra is None else (Member(extra.label, ("p_up",)),))], KIND, at_least=1)
    check_rows(members, rows)
    n_classes = classes_of(rows)
    speakers, heard = list(members), rows
    if extra is not None:
        outputs = ("p_up",) if extra.said.expected is None else ("p_up", "E_r")
        speakers.append(Member(extra.label, outputs))
        heard = rows._replace(said=[*rows.said, extra.said])
    with_returns = any(output != "p_up" for member in members for output in member.outputs)

    plain = meta_features(speakers, n_classes, regime_columns)
    raw = plain.raw(heard.said, heard.regimes)

    def learn(at: Positions | slice) -> tuple[MetaFeatures, Learner]:
        some = raw[:, at]
        features = plain.scaled_by(some)
        x, y, z, weight = features.standardised(some), rows.y[at], rows.z[at] if with_returns else None, rows.weight[at]
        if isinstance(params, LightGbmMetaParams):
            return features, fit_tree_meta(params, x, y, z, weight, n_classes, seed)
        return features, fit_linear_meta(params, x, y, z, weight, n_classes)

    def learn_and_forecast(train: Positions, test: Positions) -> RawForecast:
        features, learner = learn(train)
        return learner.apply(features.standardised(raw[:, test]))

    features, learner = learn(slice(None))
    own = learner.apply(features.standardised(raw))
    weights = _quantile_weights(members, rows)
    cut = contiguous_folds(rows.y.size) if folds is None else checked_folds(folds, rows.y.size)
    summary = {
        "meta_learner": meta_learner,
        "rows": int(rows.y.size),
        "meta_features": list(features.names),
        "importance": {output: dict(zip(features.names, values.tolist(), strict=True)) for output, values in learner.importance().items()},
        "quantile_weights": dict(zip([members[i].label for i in _with_quantiles(members)], weights, strict=True)),
        "purged": folds is not None,
        **cross_fitted_scores(learn_and_forecast, rows, own, cut),
    }
    return Stacking(meta_learner, features, learner, weights, None if extra is None else (extra.combiner, extra.columns), summary)


def _check_kind(meta_learner: str, params: EnsembleParams) -> None:
    if meta_learner not in META_LEARNERS:
        raise RecipeError("ensemble.meta_learner", f"no meta-learner named '{meta_learner}'", mend=nearest(meta_learner, META_LEARNERS))
    if not isinstance(params, META_LEARNERS[meta_learner]):
        found = f"parameters of {type(params).__name__} for '{meta_learner}'"
        raise RecipeError("ensemble.meta_learner", found, expected=META_LEARNERS[meta_learner].__name__)


def _with_quantiles(members: Sequence[Member]) -> tuple[int, ...]:
    return tuple(i for i, member in enumerate(members) if set(QUANTILE_OUTPUTS) <= set(member.outputs))


def _quantile_weights(members: Sequence[Member], rows: FitRows) -> tuple[float, ...]:
    """One set of weights for all levels, so that the average by level cannot cross, by pinball loss."""
    quantiles = [rows.said[i].quantiles for i in _with_quantiles(members)]
    if not quantiles:
        return ()
    return tuple(fitted_weights(pinball_loss_of(quantiles, rows.z, rows.weight), len(quantiles)).tolist())


def _as_member(extra: Combiner, columns: tuple[int, ...], said: Sequence[Said], regimes: Float64Array | None) -> Said:
    raw = extra.combine(said, _own_regimes(regimes, columns))
    return Said(probabilities_of(raw.logits), raw.expected, np.empty((len(raw.logits), 0)))


def _own_regimes(regimes: Float64Array | None, columns: tuple[int, ...]) -> Float64Array | None:
    """What the extra member reads of them."""
    if columns and (regimes is None or regimes.ndim != 2 or regimes.shape[1] <= max(columns)):
        found = "not given" if regimes is None else f"of shape {regimes.shape}"
        raise ShapeError("ensemble regimes", found, expected=f"the columns {list(columns)}")
    return None if regimes is None or not columns else np.ascontiguousarray(regimes[:, columns])


def _read_extra(files: Mapping[str, bytes]) -> Combiner:
    from barmill.ensembles.reading import read_combiner  # which reads stacks too

    return read_combiner({name.removeprefix(EXTRA): data for name, data in files.items() if name.startswith(EXTRA)})


__all__ = ["META_LEARNERS", "Extra", "Stacking", "fit_stacking"]

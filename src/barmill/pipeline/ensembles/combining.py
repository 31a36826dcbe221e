"""From the words of a recipe to a fitted ensemble: which columns tell its regimes, and which fit makes it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.ensembles.catalogue import ensemble_spec
from barmill.ensembles.contract import Combiner, FitRows, Float64Array, Member
from barmill.ensembles.fusion import fit_fusion
from barmill.ensembles.gating import cross_fitted, fit_gating
from barmill.ensembles.out_of_fold import OutOfFold
from barmill.ensembles.params import FusionParams, VotingParams
from barmill.ensembles.stacking import Extra, fit_stacking
from barmill.ensembles.voting import fit_voting
from barmill.labels import Labels
from barmill.models.contract import RawForecast
from barmill.pipeline.dataset import ScaledData
from barmill.pipeline.ensemble_config import EnsembleConfig
from barmill.pipeline.ensembles.regime_features import gate_params, regimes_of
from barmill.splits import PurgedKFold

Rows = npt.NDArray[np.int64]


def fit_combiner(ensemble: EnsembleConfig, members: Sequence[Member], told: OutOfFold, labels: Labels, *, seed: int) -> Combiner:
    """Fit the ensemble that a recipe names on what its members said out of fold.

    told : with regimes in the order of `regimes_of(ensemble).all`
    labels : of the whole run, by whose ends inner folds are purged
    """
    spec, rows = ensemble_spec(ensemble.kind), told.rows
    if ensemble.method == "voting":
        params = VotingParams.model_validate({**ensemble.config, "voting_type": ensemble.voting_type or "soft"})
        return fit_voting(params, members, rows)
    if ensemble.method == "gating":
        return fit_gating(ensemble.gating.method, gate_params(ensemble), members, _of_gate(rows, ensemble), seed=seed)
    folds = purged(ensemble, told, labels)
    if ensemble.method == "fusion":
        return fit_fusion(FusionParams.model_validate(dict(ensemble.config)), members, rows, folds)
    extra = None
    if ensemble.gating.enabled:
        asked = (ensemble.gating.method, gate_params(ensemble), members, _of_gate(rows, ensemble))
        extra = Extra("gate", fit_gating(*asked, seed=seed), cross_fitted(*asked, seed=seed, folds=folds), _columns_of_gate(ensemble))
    columns = regimes_of(ensemble)
    places = {name: columns.all.index(name) for name in columns.meta}
    params = spec.params.model_validate(dict(ensemble.config))
    return fit_stacking(str(spec.meta_learner), params, members, rows, seed=seed, extra=extra, regime_columns=places or None, folds=folds)


def cross_combined(
    ensemble: EnsembleConfig, members: Sequence[Member], told: OutOfFold, labels: Labels, *, seed: int, n_folds: int | None = None
) -> RawForecast:
    """What the ensemble says of the rows of `told`, each by a combiner that was fitted on other folds of them, purged of its label.

    Arguments as of `fit_combiner`, and n_folds as of `purged`. The members' forecasts behind such a fit are their own out-of-fold ones, and
    their models saw the row: as in every stacking, so far as that goes, the row has had a say.
    """
    pieces: list[RawForecast] = []
    for train, test in purged(ensemble, told, labels, n_folds):
        combiner, rows = fit_combiner(ensemble, members, told.at(train), labels, seed=seed), told.at(test).rows
        pieces.append(combiner.combine(rows.said, rows.regimes))
    return RawForecast(
        np.concatenate([raw.logits for raw in pieces]),  # folds are contiguous and in time order, and hold each row once
        _joined([raw.expected for raw in pieces]),
        _joined([raw.quantiles for raw in pieces]),
    )


def _joined(pieces: list[Float64Array | None]) -> Float64Array | None:
    given = [piece for piece in pieces if piece is not None]
    return np.concatenate(given) if len(given) == len(pieces) else None


def purged(ensemble: EnsembleConfig, told: OutOfFold, labels: Labels, n_folds: int | None = None) -> list[tuple[Rows, Rows]]:
    """Contiguous folds of the rows behind an ensemble's fit, purged by the ends of their labels. n_folds : the members' own if None"""
    oof = ensemble.oof
    splitter = PurgedKFold(n_folds or oof.n_folds, purge=oof.purge_bars, embargo=oof.embargo_bars)
    return [(fold.train.positions(), fold.test.positions()) for fold in splitter.folds(labels.take(told.positions))]


def _of_gate(rows: FitRows, ensemble: EnsembleConfig) -> FitRows:
    """With the regime columns of the gate alone."""
    columns = _columns_of_gate(ensemble)
    return rows._replace(regimes=None if rows.regimes is None or not columns else np.ascontiguousarray(rows.regimes[:, columns]))


def _columns_of_gate(ensemble: EnsembleConfig) -> tuple[int, ...]:
    columns = regimes_of(ensemble)
    return tuple(columns.all.index(name) for name in columns.gate)


def regime_table(ensemble: EnsembleConfig, data: ScaledData) -> Float64Array | None:
    """The columns that tell the ensemble's regimes, float64 (n_bars, n_regimes), unscaled; None where it asks for none."""
    names = regimes_of(ensemble).all
    return np.ascontiguousarray(data.values[:, [data.names.index(name) for name in names]]) if names else None


def shares_in(summary: Mapping[str, Any], members: Sequence[Member]) -> dict[str, float]:
    """How much each member, or of a stacking each meta-feature, weighs in what an ensemble says; together 1.

    summary : of its fit
    """
    if "importance" in summary:
        found = {name: abs(value) for name, value in summary["importance"]["p_up"].items()}
    else:
        weights = summary["weights"]
        found = dict(weights) if isinstance(weights, Mapping) else {member.label: w for member, w in zip(members, weights, strict=True)}
    total = sum(found.values())
    return {name: value / total if total > 0 else 0.0 for name, value in found.items()}


def summary_of(combiner: Combiner) -> Mapping[str, Any]:
    """How its fit went, plain JSON."""
    return getattr(combiner, "summary", {})


__all__ = ["cross_combined", "fit_combiner", "purged", "regime_table", "shares_in", "summary_of"]

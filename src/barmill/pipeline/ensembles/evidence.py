"""What an ensemble is made of and what each member brings, found out before anything judges it: on rows out of fold."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from barmill.ensembles.contract import Float64Array, Member
from barmill.ensembles.diversity import diversity_report, pairwise_diversity
from barmill.ensembles.fold_information import fold_jumps
from barmill.ensembles.out_of_fold import OutOfFold
from barmill.errors import EnsembleError, LabelError, ShapeError, SplitError, TrainingError
from barmill.evaluation import diebold_mariano, label_losses
from barmill.labels import Labels
from barmill.pipeline.ensemble_config import EnsembleConfig
from barmill.pipeline.ensembles.leaving_out import leave_each_out, up_at
from barmill.pipeline.leaderboard import overlap_of
from barmill.pipeline.model_fit import up_of
from barmill.pipeline.recipe import Recipe

TWO_SIDED = 1.96  # norm.ppf(0.975)


def evidence_of(ensemble: EnsembleConfig, members: Sequence[Member], told: OutOfFold, labels: Labels, recipe: Recipe) -> dict[str, Any]:
    """Diversity of the members, what each of them adds, and whether their forecasts give away their folds.

    Returns
    -------
    plain JSON: `rows`; `alone`, the log loss of each member; `diversity`, that of `diversity_report`, with the gain of each member by
    leave-one-out where the ensemble could be fitted on parts of these rows, else `not_left_out` says why not; `fold_information`, that of
    `fold_jumps`. `n_folds` and `n_fits` tell what leaving out took.
    """
    overlap, up = overlap_of(recipe.labels.horizon, recipe.labels.every), up_at(told)

    def interval(series: Float64Array) -> tuple[float, float]:
        found = diebold_mariano(series, np.zeros(series.size), overlap)
        return found.difference - TWO_SIDED * found.standard_error, found.difference + TWO_SIDED * found.standard_error

    pairs = pairwise_diversity(members, told.rows.said, told.rows.y)
    try:
        found = leave_each_out(ensemble, members, told, labels, seed=recipe.seed)
    except (EnsembleError, LabelError, ShapeError, SplitError, TrainingError) as error:
        diversity = {**diversity_report(pairs), "not_left_out": str(error), "n_folds": 0, "n_fits": 0}
    else:
        left_out = diversity_report(pairs, found.losses, interval)
        diversity = {**left_out, "not_left_out": None, "n_folds": found.n_folds, "n_fits": found.n_fits}
    return {
        "rows": int(told.positions.size),
        "alone": {
            member.label: float(label_losses(up_of(said.p), up).mean()) for member, said in zip(members, told.rows.said, strict=True)
        },
        "diversity": diversity,
        "fold_information": fold_jumps(members, told.rows, told.fold),
    }


def of_member(evidence: Mapping[str, Any], label: str) -> dict[str, float | None]:
    """What the evidence says of one member, as numbers: `share` (of a stacking that of its meta-features), `gain` with its `low` and
    `high`, `error_correlation` (mean of its pairs) and `shift` (the largest `times` of its outputs)."""
    told: Mapping[str, Any] = evidence["diversity"]
    shares = [share for name, share in evidence["shares"].items() if _speaks(name, label)]
    gain = next((one for one in told.get("gains", ()) if one["member"] == label), {})
    pairs = [pair["error_correlation"] for pair in told["pairs"] if label in (pair["first"], pair["second"])]
    known = [value for value in pairs if value is not None]
    times = [one["times"] for name, one in evidence["shift"]["outputs"].items() if _speaks(name, label)]
    return {
        "share": float(sum(shares)),
        **{name: gain.get(name) for name in ("gain", "low", "high")},
        "error_correlation": float(np.mean(known)) if known else None,
        "shift": max((value for value in times if value is not None), default=None),
    }


def _speaks(name: str, label: str) -> bool:
    """Whether `name` is that of the member, or of one of its outputs."""
    return name == label or name.startswith(f"{label}.")


__all__ = ["evidence_of", "of_member"]

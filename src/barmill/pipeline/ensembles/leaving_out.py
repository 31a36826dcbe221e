"""What an ensemble loses without each of its members: fitted again without it, judged on rows that the fit did not see."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from barmill.ensembles.contract import Float64Array, Member
from barmill.ensembles.diversity import LeaveOneOut, leave_one_out
from barmill.ensembles.out_of_fold import OutOfFold
from barmill.evaluation import label_losses
from barmill.labels import Labels
from barmill.pipeline.ensemble_config import EnsembleConfig
from barmill.pipeline.ensembles.combining import cross_combined
from barmill.pipeline.ensembles.dropping import dropping
from barmill.pipeline.model_fit import up_of
from barmill.uncertainty.links import probabilities_of

MOST_FITS = 20  # of one ensemble: many members are judged in fewer folds, but in two at least


class LeftOut(NamedTuple):
    """losses : log loss of up at each row out of fold, with all members and without each
    n_folds, n_fits : purged folds of these rows, and how often the ensemble was fitted again
    """

    losses: LeaveOneOut
    n_folds: int
    n_fits: int


def leave_each_out(ensemble: EnsembleConfig, members: Sequence[Member], told: OutOfFold, labels: Labels, *, seed: int) -> LeftOut:
    """Fit the ensemble on purged folds of what its members said out of fold, with all of them and without each.

    Every row is judged once by each, always by a fit that saw neither it nor a label that meets it. Without one of two members the
    ensemble has the other alone.

    Raises: as `cross_combined`, for folds that leave too little to learn from.
    """
    n_folds = folds_for(len(members), ensemble.oof.n_folds)
    up, places = up_at(told), {member.label: place for place, member in enumerate(members)}

    def losses_of(some: Sequence[Member]) -> Float64Array:
        heard = _hearing(told, [places[member.label] for member in some])
        raw = cross_combined(dropping(ensemble, some, ()), some, heard, labels, seed=seed, n_folds=n_folds)
        return label_losses(up_of(probabilities_of(raw.logits)), up)

    return LeftOut(leave_one_out(members, losses_of), n_folds, n_folds * (len(members) + 1))


def folds_for(n_members: int, n_folds: int) -> int:
    """As many folds as the members have, or fewer where that takes more than MOST_FITS fits."""
    return max(2, min(n_folds, MOST_FITS // (n_members + 1)))


def up_at(told: OutOfFold) -> np.ndarray[tuple[int], np.dtype[np.int8]]:
    """Where an up came, 0 or 1."""
    p = told.rows.said[0].p
    return (told.rows.y == (1 if p.ndim == 1 else p.shape[1] - 1)).astype(np.int8)


def _hearing(told: OutOfFold, places: Sequence[int]) -> OutOfFold:
    """The same rows with some of the members."""
    said = [told.rows.said[place] for place in places]
    return OutOfFold(told.rows._replace(said=said), told.positions, told.fold, told.unreached, told.left_out)


__all__ = ["MOST_FITS", "LeftOut", "folds_for", "leave_each_out", "up_at"]

"""What a meta-learner scores on its own rows, and on rows that it did not see: the gap should be small."""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from barmill.ensembles.contract import FitRows, Float64Array
from barmill.errors import SplitError
from barmill.models.contract import RawForecast
from barmill.splits.kfold import group_bounds
from barmill.uncertainty.links import mean_log_loss

Folds: TypeAlias = Iterable[tuple[npt.ArrayLike, npt.ArrayLike]]
Positions: TypeAlias = npt.NDArray[np.int64]
Learn: TypeAlias = Callable[[Positions, Positions], RawForecast]  # from rows to learn from and rows to forecast

N_FOLDS = 5


def contiguous_folds(n: int, n_folds: int = N_FOLDS) -> list[tuple[Positions, Positions]]:
    """(train, test) positions of contiguous folds in time order, not purged: of rows without label ends.

    Labels overlap at a fold's two ends alone; with a handful of coefficients they move nothing. Give purged folds where ends are known.
    """
    bounds = group_bounds(n, min(n_folds, n), "meta-learner folds")
    everything = np.arange(n)
    return [(np.delete(everything, slice(a, b)), everything[a:b]) for a, b in pairwise(bounds)]


def checked_folds(folds: Folds, n: int) -> list[tuple[Positions, Positions]]:
    """The folds as positions. Raises SplitError for none, rows that do not exist, or a row that learns and judges in one fold."""
    given = [(np.asarray(train, dtype=np.int64), np.asarray(test, dtype=np.int64)) for train, test in folds]
    for number, (train, test) in enumerate(given):
        both = np.concatenate([train, test])
        if not train.size or not test.size or both.min() < 0 or both.max() >= n:
            raise SplitError(
                f"meta-learner fold {number}", "is empty or holds rows that do not exist", expected=f"positions from 0 to {n - 1}"
            )
        shared = np.intersect1d(train, test)
        if shared.size:
            raise SplitError(f"meta-learner fold {number}", f"row {int(shared[0])} learns and judges", expected="each row on one side")
    if not given:
        raise SplitError("meta-learner folds", "there are none", expected="at least one")
    return given


def cross_fitted_scores(learn: Learn, rows: FitRows, own: RawForecast, folds: Sequence[tuple[Positions, Positions]]) -> dict[str, Any]:
    """Log loss, and where E_r is said its squared error, on the rows of the fit and on folds that the fit did not see.

    Parameters
    ----------
    learn : from positions to learn from, and positions to forecast, to the forecast
    own : what the ensemble says of its own rows
    folds : (train, test) positions, as `checked_folds` gives them

    Returns
    -------
    plain JSON: log_loss and, where E_r is said, squared_error, each with train, out_of_fold, base (of always saying the shares, or the
    mean, of the rows learned from, on the same folds) and gap (out_of_fold less train); by_fold (the log loss on each), n_folds, skipped
    (folds whose training rows lack a class) and words. Scores are not weighted. Without a fold that can be fitted, out_of_fold, base and
    gap are null.
    """
    n_classes = 2 if own.logits.ndim == 1 else own.logits.shape[1]
    judged: list[Positions] = []
    said: list[RawForecast] = []
    base: list[tuple[Float64Array, Float64Array]] = []
    for train, test in folds:
        counts = np.bincount(rows.y[train], weights=rows.weight[train], minlength=n_classes)
        if counts.min() == 0:
            continue
        judged.append(test)
        said.append(learn(train, test))
        shares = np.log(np.bincount(rows.y[train], minlength=n_classes) / train.size)
        constant = np.tile(shares[1] - shares[0] if n_classes == 2 else shares, (test.size,) if n_classes == 2 else (test.size, 1))
        base.append((constant, np.full(test.size, rows.z[train].mean())))
    by_fold = [mean_log_loss(one.logits, rows.y[test]) for one, test in zip(said, judged, strict=True)]
    found: dict[str, Any] = {"n_folds": len(judged), "skipped": len(folds) - len(judged), "by_fold": by_fold}
    at = np.concatenate(judged) if judged else np.zeros(0, dtype=np.int64)
    found["log_loss"] = _compared(
        mean_log_loss(own.logits, rows.y),
        mean_log_loss(np.concatenate([one.logits for one in said]), rows.y[at]) if said else None,
        mean_log_loss(np.concatenate([constant for constant, _ in base]), rows.y[at]) if said else None,
    )
    if own.expected is not None:
        forecasts = [one.expected for one in said if one.expected is not None]
        found["squared_error"] = _compared(
            float(np.mean((rows.z - own.expected) ** 2)),
            float(np.mean((rows.z[at] - np.concatenate(forecasts)) ** 2)) if said else None,
            float(np.mean((rows.z[at] - np.concatenate([mean for _, mean in base])) ** 2)) if said else None,
        )
    return found | {"words": _words(found["log_loss"])}


def _compared(train: float, out_of_fold: float | None, base: float | None) -> dict[str, float | None]:
    return {"train": train, "out_of_fold": out_of_fold, "base": base, "gap": None if out_of_fold is None else out_of_fold - train}


def _words(loss: dict[str, float | None]) -> str:
    out_of_fold, base, gap = loss["out_of_fold"], loss["base"], loss["gap"]
    if out_of_fold is None or base is None or gap is None:
        return "The meta-learner was not judged out of fold: the rows to learn from lacked a class in every fold."
    better = "better" if out_of_fold < base else "no better"
    return (
        f"The meta-learner's log loss is {loss['train']:.5f} on its own rows and {out_of_fold:.5f} on folds that it did not see, "
        f"a gap of {gap:+.5f}; {better} there than always saying the classes' shares ({base:.5f})."
    )


__all__ = ["Folds", "Positions", "checked_folds", "contiguous_folds", "cross_fitted_scores"]

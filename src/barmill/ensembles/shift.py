"""How far members refitted on all of train say other things than the models of the folds did.

An ensemble is fitted on what fold models said, and runs on what refitted ones say. The two cannot be compared on the rows of the fit: the
refitted models have seen them. They are compared on rows that neither saw, those of the calibration slice. One model is noisier than the
mean of several, so what is compared is how far the refitted one lies from the fold models' mean, and how far each of these lies from the
mean of the others: only what goes beyond that is a shift.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from barmill.ensembles.contract import Float64Array, Member, Said
from barmill.ensembles.meta_features import meta_features
from barmill.errors import ShapeError

NOTABLE = 2.0  # times as far as fold models lie apart, beyond which the words call it a shift


def forecast_shift(members: Sequence[Member], fold_models: Mapping[str, Sequence[Said]], refitted: Mapping[str, Said]) -> dict[str, Any]:
    """The shift of every declared output of every member, on rows that no model of either kind has seen.

    Parameters
    ----------
    fold_models : by label, what the model of each fold says of the rows; refitted : by label, what the refitted one says of them

    Returns
    -------
    plain JSON: rows, outputs, words. `outputs` has for each meta-feature ("lightgbm.p_up", as log-odds; "tcn.E_r", in z)

    - mean_difference : mean of the refitted less that of the fold models' mean
    - spread_ratio : standard deviation of the refitted over that of the fold models' mean; null where that does not vary
    - correlation : of the two; null where one does not vary
    - kolmogorov_smirnov, wasserstein : distance of the two distributions; the second in the unit of the output
    - between_folds : the same five, each the mean over the fold models (of mean_difference, of its size), every one of them against the
      mean of the others; null where there is one fold
    - times : wasserstein over that between folds; null where there is none
    - words : what that means, in a sentence

    Raises: ShapeError for a member without forecasts, or rows that differ; else as `MetaFeatures.of`.
    """
    outputs: dict[str, Any] = {}
    n_rows = 0
    for member in members:
        if not fold_models.get(member.label) or member.label not in refitted:
            raise ShapeError(f"member '{member.label}'", "has no forecasts to compare", expected="those of each fold and the refitted one")
        again = refitted[member.label]
        features = meta_features([member], 2 if again.p.ndim == 1 else 3)
        one = features.raw([again], None)
        several = [features.raw([said], None) for said in fold_models[member.label]]
        n_rows = one.shape[1]
        if n_rows == 0 or any(x.shape != one.shape for x in several):
            found = f"{n_rows} rows refitted, {[x.shape[1] for x in several]} by folds"
            raise ShapeError(f"member '{member.label}'", found, expected="the same rows, at least one")
        for column, name in enumerate(features.names):
            outputs[name] = _shift(name, np.stack([x[column] for x in several]), one[column])
    return {"rows": n_rows, "outputs": outputs, "words": _overall(outputs)}


def _shift(name: str, folds: Float64Array, refitted: Float64Array) -> dict[str, Any]:
    """folds : (n_folds, n)"""
    found: dict[str, Any] = _compared(folds.mean(axis=0), refitted)
    between: dict[str, float | None] | None = None
    if len(folds) > 1:
        total = folds.sum(axis=0)
        each = [_compared((total - one) / (len(folds) - 1), one) for one in folds]
        between = {key: _mean([None if one[key] is None else abs(one[key] or 0.0) for one in each]) for key in each[0]}
    usual = 0.0 if between is None else between["wasserstein"] or 0.0
    found |= {"between_folds": between, "times": found["wasserstein"] / usual if usual > 0 else None}
    return found | {"words": _words(name, found)}


def _compared(reference: Float64Array, current: Float64Array) -> dict[str, float | None]:
    from scipy.stats import ks_2samp, wasserstein_distance

    kolmogorov_smirnov: Any = ks_2samp(reference, current, method="asymp")
    varies = [bool(x.max() > x.min()) for x in (reference, current)]
    return {
        "mean_difference": float(current.mean() - reference.mean()),
        "spread_ratio": float(current.std() / reference.std()) if varies[0] else None,
        "correlation": float(np.corrcoef(reference, current)[0, 1]) if all(varies) else None,
        # The statistic alone: bars that follow each other are not independent rows, and a p-value would be far too small.
        "kolmogorov_smirnov": float(kolmogorov_smirnov.statistic),
        "wasserstein": float(wasserstein_distance(reference, current)),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _words(name: str, found: Mapping[str, Any]) -> str:
    told = f"Refitted on all of train, {name} moves by {found['mean_difference']:+.4f} on average"
    told += "" if found["spread_ratio"] is None else f", spreads {found['spread_ratio']:.2f} times as far"
    told += "" if found["correlation"] is None else f" and correlates {found['correlation']:.2f} with what the fold models said"
    if found["times"] is None:
        return f"{told}."
    if found["times"] > NOTABLE:
        return f"{told}: {found['times']:.1f} times as far as fold models lie apart. The ensemble was fitted on other forecasts than these."
    return f"{told}: {found['times']:.1f} times as far as fold models lie apart, nothing unusual."


def _overall(outputs: Mapping[str, Mapping[str, Any]]) -> str:
    moved = [name for name, found in outputs.items() if found["times"] is not None and found["times"] > NOTABLE]
    if moved:
        return f"Refitting moved {', '.join(moved)} more than {NOTABLE:g} times as far as fold models lie apart."
    return "Refitting moved no forecast notably further than fold models lie apart."


__all__ = ["NOTABLE", "forecast_shift"]

"""The experts of a trade, judged: ranking and honesty of an entry's probability, coverage of quantiles, and what either brings in R.

Every function gives plain values: "gains" over the baseline (see `gain_over`), and "figures" by name. R is net of costs.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.evaluation.calibration_error import expected_calibration_error
from barmill.evaluation.classification import classification_metrics
from barmill.evaluation.experts.gain import Control, Float64Array, gain_over
from barmill.evaluation.reliability import reliability_curve
from barmill.models.expert.metrics import (
    best_ranked,
    coverage,
    entry_style_share,
    expected_R_above,
    offset_gains,
    pinball_of_rows,
    precision_at_k,
    smape,
    stop_hit_rate,
    utility_gains,
)
from barmill.uncertainty.links import SMALLEST

MOST_PROBABLE = (1, 3, 5)  # of a symbol's day
THRESHOLDS = (0.5, 0.6, 0.7)
BEST_SHARE = 0.2  # of the trades, those with the highest forecast target
CURVE_BINS = 10
MEDIAN = 0.5


def entry_scores(
    p: Float64Array,
    y: npt.NDArray[np.int8],
    realised_R: Float64Array,
    day: npt.NDArray[np.int64],
    taught: npt.NDArray[np.int8],
    control: Control,
) -> dict[str, Any]:
    """How well the probability of a good entry is said.

    Parameters
    ----------
    p : float64 (n,), calibrated; y : int8 (n,), 1 where the entry was good
    realised_R : float64 (n,), what each trade brought
    day : int64 (n,), the symbol's day of each decision
    taught : int8, the classes of the training rows, whose share of good ones is the baseline
    """
    scores, base = classification_metrics(p, y), float(taught.mean())
    curve = reliability_curve(p, y, CURVE_BINS, overlap=max(1.0, control.block))
    above = {f"{threshold:g}": expected_R_above(p, realised_R, threshold) for threshold in THRESHOLDS}
    return {
        "gains": [gain_over("log loss", _log_loss(p, y), _log_loss(np.full(p.shape, base), y), control)],
        "figures": {
            **{name: scores[name] for name in ("auc", "pr_auc", "log_loss", "brier", "base_rate")},
            "ece": expected_calibration_error(p, y).ece,
            **{f"precision_at_{k}": precision_at_k(p, y, day, k) for k in MOST_PROBABLE},
            "mean_R": float(realised_R.mean()),
            **{f"mean_R_above_{threshold}": value for threshold, value in above.items()},
            **{f"share_above_{threshold:g}": float((p >= threshold).mean()) for threshold in THRESHOLDS},
        },
        "confusion": scores["confusion"],
        "reliability": {name: getattr(curve, name).tolist() for name in ("mean_p", "share", "low", "high", "count")},
    }


def risk_scores(
    levels: Mapping[float, Float64Array], online: Float64Array, drawdown: Float64Array, taught: Float64Array, control: Control
) -> dict[str, Any]:
    """How well stop distances are said: quantiles of the largest draw-down, in ATRs.

    Parameters
    ----------
    levels : what each level says, float64 (n,); online : the one that is used
    drawdown : float64 (n,), the largest draw-down of each trade
    taught : float64, the draw-downs of the training rows, whose quantiles are the baseline
    """
    found = _quantile_scores(levels, drawdown, taught, control)
    return {**found, "figures": {"stop_hit_rate": stop_hit_rate(drawdown, online), "mean_stop_atr": float(online.mean())}}


def reward_scores(
    levels: Mapping[float, Float64Array],
    online: Float64Array,
    realised_R: Float64Array,
    runup_R: Float64Array | None,
    taught: Float64Array,
    control: Control,
) -> dict[str, Any]:
    """How well targets are said: quantiles of the realised R, and what aiming for them brings beside a fixed target of 2 R.

    runup_R : of trades held without a target, float64 (n,); None where trades had one: then nothing can be said of other targets
    """
    found = _quantile_scores(levels, realised_R, taught, control)
    figures: dict[str, Any] = {"mean_target_R": float(online.mean())}
    if MEDIAN in levels:
        figures["smape_of_median"] = smape(realised_R, levels[MEDIAN])
    if runup_R is not None:
        uplift, best = utility_gains(realised_R, runup_R, online), best_ranked(online, BEST_SHARE)
        figures |= {"uplift_R": float(uplift.mean()), "uplift_interval": control.interval_of_mean(uplift)}
        figures |= {"best_uplift_R": float(uplift[best].mean()), "best_uplift_interval": control.interval_of_mean(uplift[best])}
    return {**found, "figures": figures}


def offset_scores(
    levels: Mapping[float, Float64Array],
    online: Float64Array,
    best_offset: Float64Array,
    offset_R: Float64Array,
    offsets: Sequence[float],
    taught: Float64Array,
    control: Control,
) -> dict[str, Any]:
    """How well entry offsets are said: quantiles of the offset that brought most, in ATRs, and what they bring beside the open.

    offset_R : float64 (n, n_offsets), what each of `offsets` brought
    """
    found = _quantile_scores(levels, best_offset, taught, control)
    figures: dict[str, Any] = {
        "entry_style_share": entry_style_share(best_offset, online),
        "usual_style_share": entry_style_share(best_offset, np.full(online.shape, float(np.median(taught)))),
        "mean_offset_atr": float(online.mean()),
    }
    if 0.0 in offsets:
        uplift = offset_gains(offset_R, offsets, online)
        figures |= {"uplift_R": float(uplift.mean()), "uplift_interval": control.interval_of_mean(uplift)}
    return {**found, "figures": figures}


def _quantile_scores(levels: Mapping[float, Float64Array], came: Float64Array, taught: Float64Array, control: Control) -> dict[str, Any]:
    """Pinball loss and coverage of each level, beside those of the training rows' own quantile of that level."""
    gains: list[dict[str, Any]] = []
    for level, said in levels.items():
        usual = np.full(came.shape, float(np.quantile(taught, level)))
        gain = gain_over("pinball", pinball_of_rows(came, said, level), pinball_of_rows(came, usual, level), control, level)
        gains.append({**gain, "coverage": coverage(came, said), "baseline_coverage": coverage(came, usual)})
    return {"gains": gains}


def _log_loss(p: Float64Array, y: npt.NDArray[np.int8]) -> Float64Array:
    return -np.log(np.clip(np.where(y == 1, p, 1.0 - p), SMALLEST, 1.0))


__all__ = ["entry_scores", "offset_scores", "reward_scores", "risk_scores"]

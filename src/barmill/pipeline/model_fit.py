"""One model, fitted and then calibrated: the same two steps for the bundle of a run and for every fold that judges it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.artefacts import cache_folder
from barmill.evaluation import Thresholds, fit_thresholds
from barmill.models.catalogue import load_forecaster, spec_of
from barmill.models.contract import FitContext, FittedModel, Forecaster, KeepingForecaster, Samples, View, Window
from barmill.models.occlusion import with_explanation
from barmill.pipeline.calibrating import HeldOut, fit_calibrators
from barmill.pipeline.inputs import params_of
from barmill.pipeline.learned import learned_outputs
from barmill.pipeline.recipe import ExpertEntry, ModelEntry, Recipe
from barmill.progress import Progress, SilentProgress
from barmill.training import fit_on_devices
from barmill.uncertainty import NATIVE, Calibrator, ResidualQuantiles, fit_residual_quantiles
from barmill.views import BAR_COLUMNS

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CalibratedModel:
    """A forecaster with what turns its scores into probabilities, returns and signals.

    calibration, quantiles : fitted on the calibration slice
    thresholds : of the trading rule, fitted on the selection slice
    explanation : what the model looks at, where that was asked for; see `FittedModel`
    calibrated_by : what was tried, where the recipe leaves the choice of calibrators open
    """

    forecaster: Forecaster
    calibration: Calibrator
    quantiles: ResidualQuantiles
    thresholds: Thresholds
    explanation: Mapping[str, Any] = field(default_factory=dict[str, Any])
    calibrated_by: Mapping[str, Any] | None = None

    def probabilities(self, view: View, regime: Float64Array | None) -> Float64Array:
        """Calibrated: float64 of shape (n,) for two classes, (n, 3) for three.

        regime : of each sample, as `regimes_at` gives it
        """
        return self.calibration.apply(self.forecaster.raw(view).logits, regime)

    def p_up(self, view: View, regime: Float64Array | None) -> Float64Array:
        """float64 of shape (n,)."""
        return up_of(self.probabilities(view, regime))


def fit_model(
    entry: ModelEntry | ExpertEntry,
    train: Samples,
    valid: Samples,
    names: tuple[str, ...],
    recipe: Recipe,
    *,
    n_classes: int | None = None,
    horizon: int | None = None,
    device: str | None = None,
    scratch: Path | None = None,
    logs: Path | None = None,
    explain: View | None = None,
    progress: Progress | None = None,
) -> FittedModel:
    """Fit the model of `entry` on `train`, stopped early on `valid`.

    Parameters
    ----------
    names : columns of the views, in order
    n_classes, horizon : of the labels; those of the recipe's own labels if None
    device, scratch, logs : see `FitContext`; the device is what BARMILL_DEVICE in the environment says, or "auto", if None
    explain : samples on which the fitted model is explained, none of which taught it; None explains nothing
    """
    spec = spec_of(entry.name)
    context = FitContext(
        seed=recipe.seed,
        n_classes=recipe.labels.classes if n_classes is None else n_classes,
        outputs=learned_outputs(entry),
        feature_names=names,
        scratch=scratch,
        logs=logs,
        device=device or os.environ.get("BARMILL_DEVICE", "auto"),
        progress=progress or SilentProgress(),
        train_network=_train_network,
        explain=explain,
        horizon=horizon or recipe.labels.horizon,
    )
    fitted = fit_on_devices(spec, params_of(entry), train, valid, context)
    return fitted if explain is None else with_explanation(spec, fitted, explain, names, keep=cache_folder() / "forecasts")


def columns_of(entry: ModelEntry, window: Window, names: tuple[str, ...]) -> tuple[str, ...]:
    """The columns that the model of `entry` sees, in order: of bars where it sees several timeframes, else its features among `names`."""
    return BAR_COLUMNS if isinstance(window, Mapping) else entry.inputs or names


def calibrate_model(
    entry: ModelEntry,
    files: Mapping[str, bytes],
    held_out: Samples,
    rows: HeldOut,
    chosen: Samples,
    regime: Float64Array | None,
    recipe: Recipe,
) -> CalibratedModel:
    """Calibrate a fitted model on `held_out`, and fit the thresholds of the trading rule on `chosen`; weights play no part in either.

    rows : those of `held_out`; regime : of `chosen`, as `regimes_at` gives it
    """
    forecaster: Forecaster = load_forecaster(spec_of(entry.name), files)
    if isinstance(forecaster, KeepingForecaster):
        forecaster = forecaster.keeping(cache_folder() / "forecasts")
    raw = forecaster.raw(held_out.view)
    calibration, chosen_by = fit_calibrators(recipe, raw.logits, held_out.y, recipe.labels.classes, rows)
    learned = raw.quantiles is not None
    quantiles = NATIVE if learned else fit_residual_quantiles(raw.expected, raw.logits, held_out.z)
    said = up_of(calibration.apply(forecaster.raw(chosen.view).logits, regime))
    return CalibratedModel(forecaster, calibration, quantiles, fit_thresholds(said, recipe.rule), calibrated_by=chosen_by)


def up_of(p: Float64Array) -> Float64Array:
    """p_up of the probabilities of two classes or three."""
    return p if p.ndim == 1 else np.ascontiguousarray(p[:, 2])


def _train_network(*args: Any, **named: Any) -> Any:
    """The one training loop, imported when a network is fitted: the core has no torch."""
    from barmill.training import train_network

    return train_network(*args, **named)

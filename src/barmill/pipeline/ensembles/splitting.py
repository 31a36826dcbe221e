"""Ensembles in one split: members in folds of what they learn from, combined, calibrated, and asked about the rows that judge."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from safetensors.numpy import load as load_tensors

from barmill.ensembles.contract import Combiner, Float64Array
from barmill.evaluation import fit_thresholds
from barmill.market import Bars
from barmill.models.contract import RawForecast, Window
from barmill.pipeline.bands.fitting import band_on
from barmill.pipeline.bands.out_of_fold import band_of_combined
from barmill.pipeline.calibrating import Spans
from barmill.pipeline.dataset import Dataset
from barmill.pipeline.ensemble_config import EnsembleConfig, OofConfig
from barmill.pipeline.ensembles.calibrating import calibrate_ensemble
from barmill.pipeline.ensembles.combining import fit_combiner, regime_table, shares_in, summary_of
from barmill.pipeline.ensembles.folding import forecast_fold
from barmill.pipeline.ensembles.members import members_of, said_out_of_fold
from barmill.pipeline.ensembles.oof_folds import OofFolds
from barmill.pipeline.ensembles.said import said_from, said_of
from barmill.pipeline.ensembles.stages import cut_key
from barmill.pipeline.events import Listener
from barmill.pipeline.job import SplitRefs
from barmill.pipeline.model_fit import up_of
from barmill.pipeline.recipe import Recipe
from barmill.pipeline.split_forecast import SplitForecast, SplitRows
from barmill.pipeline.workspace import Stage, Workspace
from barmill.splits import Ranges

InFolds: TypeAlias = tuple[OofFolds, list[dict[str, Stage]]]  # folds among rows that teach, and each model's stage in each of them


@dataclass(frozen=True, slots=True)
class SplitEnsembles:
    """What the ensembles of one split share. Its models are fitted, and their stages written."""

    recipe: Recipe
    workspace: Workspace
    data: Dataset
    rows: SplitRows
    windows: Mapping[str, Window]
    read_bars: Callable[[], Bars]

    def in_folds(self, oof: OofConfig, refs: SplitRefs, listener: Listener) -> InFolds:
        """The folds among the rows that teach, and the stage of each model in each of them, which is made if it is not there."""
        folds = OofFolds.of(self.data.labels, self.rows.parts["fit"], oof)
        stages = [{label: ref.stage for label, ref in fold.items()} for fold in refs.out_of_fold[cut_key(oof)]]
        entries, known = {entry.label: entry for entry in self.recipe.base_models}, (self.workspace, self.data, self.recipe, self.windows)
        for number, fold in enumerate(stages):
            forecast_fold(number, folds, entries, fold, *known, self.read_bars, listener)
        return folds, stages

    def forecast(self, ensemble: EnsembleConfig, refs: SplitRefs, listener: Listener) -> tuple[SplitForecast, Ranges]:
        """What the ensemble says of the rows that judge, and the rows that anything of it was fitted on."""
        recipe, rows = self.recipe, self.rows
        members = members_of(recipe, ensemble)
        folds, stages = self.in_folds(ensemble.oof, refs, listener)
        regimes = regime_table(ensemble, rows.scaled)
        of_member = {member.label: [fold[member.label] for fold in stages] for member in members}
        told = said_out_of_fold(members, of_member, folds, rows.scaled, self.workspace, regimes)
        combiner = fit_combiner(ensemble, members, told, self.data.labels, seed=recipe.seed)

        heard = [load_tensors(self._forecasts(refs, member.label)) for member in members]
        held_out = rows.scaled.samples(rows.parts["ensemble"], None, ())
        spans = Spans.of(self.data.labels, rows.parts["ensemble"])
        said_before = self._combined(combiner, heard, "ensemble", regimes)
        calibration, quantiles, _ = calibrate_ensemble(said_before, held_out.y, held_out.z, spans, recipe)
        chosen = up_of(calibration.apply(self._combined(combiner, heard, "selection", regimes).logits))
        asked = [part for part in rows.asked if part in ("conformal", "test")]
        said = {part: said_of(self._combined(combiner, heard, part, regimes), calibration, quantiles) for part in asked}
        config = recipe.inference.uncertainty
        if config is None:
            band = None
        elif config.has_slice:
            band = band_on(config, said["conformal"], rows.scaled, rows.parts["conformal"])
        else:
            band = band_of_combined(config, ensemble, members, told, self.data.labels, calibration, quantiles, recipe.seed)
        taught = calibration.apply(combiner.combine(told.rows.said, told.rows.regimes).logits)
        seen = Ranges.of(np.sort(np.concatenate(list(rows.parts.values()))))
        thresholds = fit_thresholds(chosen, recipe.rule)
        shares = {"share": shares_in(summary_of(combiner), members)}
        return SplitForecast(said, thresholds, told.positions, up_of(taught), shares, band), seen

    def _forecasts(self, refs: SplitRefs, label: str) -> bytes:
        return (self.workspace.path(refs.models[label].stage) / "forecasts.safetensors").read_bytes()

    def _combined(self, combiner: Combiner, heard: list[dict[str, Any]], part: str, regimes: Float64Array | None) -> RawForecast:
        """What the members said of a part of the split, combined."""
        t0 = self.data.labels.t0[self.rows.positions(part)]
        return combiner.combine([said_from(tensors, f"{part}|") for tensors in heard], None if regimes is None else regimes[t0])


__all__ = ["InFolds", "SplitEnsembles"]

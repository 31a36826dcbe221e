"""What a run starts from: the recipe, the bars that it names, and everything that follows from the two at once."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from barmill.errors import DataError, InstrumentError, RecipeError, SplitError
from barmill.features import FeaturePlan
from barmill.features.columns import check_sources
from barmill.features.computing import told
from barmill.market import (
    Bars,
    Instrument,
    KnownSeries,
    SeriesSource,
    Timeframe,
    join_series,
    read_in_order,
    read_series,
    resample,
    simulate,
)
from barmill.models.catalogue import spec_of, window_of
from barmill.models.contract import ModelParams, Window
from barmill.models.resolutions import history_bars, usual_resolutions
from barmill.pipeline.bands.checking import check_band_rows
from barmill.pipeline.bands.regime import regime_name
from barmill.pipeline.ensembles.regime_features import regimes_of
from barmill.pipeline.family_inputs import check_experts, check_inputs, experts_inputs, features_by_family, inputs_by_family
from barmill.pipeline.recipe import BarsSource, ExpertEntry, ModelEntry, Recipe
from barmill.views import MultiResolution, window_ready

VOLATILITY_FEATURE = "realised_volatility_60"  # scales targets; always part of the plan


@dataclass(frozen=True, slots=True)
class RunInputs:
    """A recipe with its bars.

    oracle : float64 of shape (n_bars,), the expected log return that the simulator planted, or None for real bars
    plan : the features of the run
    windows : window of each model by label: bars, bars of each timeframe where it sees several, None for models that see one row
    asked : the recipe as it was given, where `recipe` goes on without members that failed; None where nothing did
    """

    recipe: Recipe
    bars: Bars
    oracle: npt.NDArray[np.float64] | None
    plan: FeaturePlan
    windows: dict[str, Window]
    asked: Recipe | None = None

    @property
    def volatility(self) -> str:
        """The column that scales targets, as the run's set calls it."""
        return self.plan.column_of(VOLATILITY_FEATURE)

    @property
    def longest_window(self) -> int:
        """Bars of the longest window of features."""
        return max((window for window in self.windows.values() if isinstance(window, int)), default=1)

    @property
    def resolutions(self) -> list[dict[str, int]]:
        """The bars of each timeframe that models see, each choice once."""
        found = [dict(sorted(window.items())) for window in self.windows.values() if isinstance(window, Mapping)]
        return [one for place, one in enumerate(found) if one not in found[:place]]

    @property
    def warmup_bars(self) -> int:
        """Gapless bars before the first that every model can forecast."""
        seen = (self.longest_window, *self.resolutions)
        return max(history_bars(self.plan.warmup_bars, window, self.bars.timeframe) for window in seen) - 1

    def ready(self, features: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Bars at which every model of the run can be asked: what a label needs, so that all models are judged on the same ones.

        features : bool (n_bars,), bars at which the features are ready
        """
        ready = window_ready(features, self.longest_window)
        for one in self.resolutions:
            ready &= MultiResolution.of(self.bars, one, ends=(), anchor=self.plan.anchor).ready
        return ready


def data_folder() -> Path:
    """Where market data is looked for: $BARMILL_DATA, or a folder `shared/data` beside the current one."""
    return Path(os.environ.get("BARMILL_DATA", "../shared/data"))


def params_of(entry: ModelEntry | ExpertEntry) -> ModelParams:
    """The typed parameters of a model that `read_recipe` has checked."""
    return spec_of(entry.name).params.model_validate(dict(entry.config))


def gather_inputs(recipe: Recipe, bars: Bars | Path | str | None, symbol: str | None, beside: Path | None) -> RunInputs:
    """Read the bars of `recipe` (or those given instead) and work out what follows.

    beside : folder of the recipe file, where relative paths are looked for after the current folder
    Raises DataError or RecipeError before any work.
    """
    alone, oracle = _read_bars(recipe, bars, symbol, beside)
    found = with_series(alone, recipe, beside)
    completed = recipe.model_copy(update={"base_models": tuple(with_resolutions(entry, found) for entry in recipe.base_models)})
    windows = {entry.label: window_of(spec_of(entry.name), params_of(entry)) for entry in completed.base_models}
    plan, completed = _planned(completed, found)
    inputs = RunInputs(completed, found, oracle, plan, windows)
    _check_length(inputs)
    return inputs


def with_resolutions(entry: ModelEntry, bars: Bars) -> ModelEntry:
    """The entry with the timeframes that it sees, where it sees several and the recipe names none.

    Raises: RecipeError for a timeframe that is no multiple of the bars', or bars that are not all of one length.
    """
    if entry.view != "multi_resolution":
        return entry
    place = f"recipe: model '{entry.label}', config.resolutions"
    if bars.anchor == "session":
        found = f"bars of {bars.timeframe} counted from the open of each session, of which the last is shorter"
        raise RecipeError(place, found, expected="bars of one length", mend="Give the bars that they were resampled from.")
    resolutions: Mapping[str, int] = entry.config.get("resolutions") or usual_resolutions(bars.timeframe)
    for name in resolutions:
        if Timeframe.parse(name).minutes % bars.timeframe.minutes:
            raise RecipeError(place, name, expected=f"a multiple of {bars.timeframe}, the timeframe of the bars")
    return entry.model_copy(update={"config": {**entry.config, "resolutions": dict(resolutions)}})


def with_series(bars: Bars, recipe: Recipe, beside: Path | None) -> Bars:
    """The bars with the columns of the recipe's second series. Raises RecipeError for a column that no feature reads; DataError."""
    for place, source in enumerate(recipe.series):
        check_sources(source.columns, f"recipe:series[{place}].columns")
    return join_series(bars, *(_read_series(source, beside) for source in recipe.series))


def _read_bars(
    recipe: Recipe, bars: Bars | Path | str | None, symbol: str | None, beside: Path | None
) -> tuple[Bars, npt.NDArray[np.float64] | None]:
    """The bars that the run works on, and what the simulator planted if they are simulated."""
    if bars is None and isinstance(recipe.bars, BarsSource):
        return _simulated(recipe, recipe.bars)
    return _resampled(_named_bars(recipe, bars, symbol, beside), recipe), None


def _simulated(recipe: Recipe, asked: BarsSource) -> tuple[Bars, npt.NDArray[np.float64]]:
    if recipe.resample is not None:
        mend = "Set `timeframe` instead, and leave `resample` out."
        raise RecipeError("recipe:resample", "simulated bars are drawn at the timeframe that is asked for", mend=mend)
    source = asked.simulate
    name = recipe.timeframe or "1m"
    simulation = simulate(
        source.n_bars, source.seed, strength=source.strength, start=source.start, timeframe=name, horizon=recipe.labels.horizon
    )
    return simulation.bars, simulation.oracle


def _named_bars(recipe: Recipe, bars: Bars | Path | str | None, symbol: str | None, beside: Path | None) -> Bars:
    """As they were given, or as the files hold them."""
    if isinstance(bars, Bars):
        return bars
    place = bars if bars is not None else recipe.bars
    if place is None or isinstance(place, BarsSource):
        raise RecipeError("recipe", "no bars are named", mend="Add `bars: FILE` to the recipe, or give --bars FILE.")
    timeframe = Timeframe.parse(recipe.timeframe) if recipe.timeframe else None
    name = symbol or (recipe.symbol if bars is None else None)
    instrument: Instrument | None = recipe.instrument if bars is None and symbol is None else None
    if isinstance(place, tuple):
        return read_in_order([find_file(Path(one), beside) for one in place], name, instrument, timeframe)
    return Bars.read(find_file(Path(place), beside), symbol=name, instrument=instrument, timeframe=timeframe)


def _resampled(bars: Bars, recipe: Recipe) -> Bars:
    """Longer bars where the recipe asks for them, checked as if they were read; what was found in the shorter ones becomes notes.

    Bars that are of that length already stay as they are, so that a file resampled beforehand gives the same run.
    """
    asked = recipe.resampling
    if asked is None:
        return bars
    try:
        longer = resample(bars, asked.to, asked.anchor)
    except InstrumentError as error:
        raise RecipeError("recipe:resample", f"to {asked.to}, and {error.found}", expected=error.expected) from error
    if longer is bars:
        return bars
    found = tuple(f"of the {bars.timeframe} bars: {finding.message}" for finding in bars.findings)
    checked = longer.checked(f"{bars.instrument.symbol} resampled to {longer.timeframe}")
    return replace(checked, notes=(*bars.notes, *found, f"{len(bars):,} bars of {bars.timeframe} resampled to {longer.timeframe}"))


def _read_series(source: SeriesSource, beside: Path | None) -> KnownSeries:
    return read_series(source.model_copy(update={"file": str(find_file(Path(source.file), beside).absolute())}))


def find_file(path: Path, beside: Path | None) -> Path:
    """Where a file that a recipe names lies: from the current folder, beside the recipe, or in `data_folder`. Raises DataError."""
    candidates = [path] if path.is_absolute() else [path, *([beside / path] if beside else []), data_folder() / path]
    for candidate in candidates:
        if candidate.exists():
            return candidate
    looked = ", ".join(str(candidate.parent) for candidate in candidates)
    mend = "Give the file with --bars, or set BARMILL_DATA to the folder that holds it."
    raise DataError(str(path), f"there is no such file (looked in {looked})", mend=mend)


def _planned(recipe: Recipe, bars: Bars) -> tuple[FeaturePlan, Recipe]:
    """The plan of the run, and the recipe with what each model sees of it where that goes by families."""
    of_band = regime_name(recipe.inference.uncertainty)
    told = (*(name for ensemble in recipe.combined for name in regimes_of(ensemble).all), *([of_band] if of_band else []))
    regimes = tuple(dict.fromkeys(told))
    plan = _plan(recipe, bars, regimes)
    entries, sources = recipe.base_models, bars.frame.columns
    if recipe.features.by_family:
        own = plan.names
        plan = _plan(recipe, bars, (*regimes, *features_by_family(entries, bars.timeframe, sources)))
        seen = {"base_models": inputs_by_family(entries, plan, own, sources), "experts": experts_inputs(recipe.experts, own)}
        recipe = recipe.model_copy(update=seen)
    check_inputs(recipe.base_models, plan)
    check_experts(recipe.experts, plan)
    return plan, recipe


def _plan(recipe: Recipe, bars: Bars, further: tuple[str, ...] = ()) -> FeaturePlan:
    base, features = bars.timeframe, recipe.features
    if features.timeframes and Timeframe.parse(features.timeframes[0]) != base:
        found = f"the first is {features.timeframes[0]}, the bars are {base}"
        raise RecipeError("recipe:features.timeframes", found, mend=f"Begin the list with {base}, or resample the bars first.")
    plan = FeaturePlan.build(
        base=base,
        timeframes=features.timeframes,
        set=features.set,
        add=(*features.add, *further),
        remove=features.remove,
        needs=(VOLATILITY_FEATURE,),
        sources=bars.frame.columns,
        calendar=bars.instrument.calendar,
        anchor=features.anchor,
    )
    missing = plan.missing(bars.frame.columns)
    if missing:
        mend = "Name a file that has them under `series`, or take the features out with `features.remove`."
        raise RecipeError("recipe:features", f"the bars lack columns: {told(missing)}", mend=mend)
    return plan


def _check_length(inputs: RunInputs) -> None:
    """Refuse bars that cannot fill warm-up, labels and every block, before any work."""
    recipe, bars = inputs.recipe, inputs.bars
    warmup = inputs.warmup_bars
    embargo = recipe.splits.embargo_bars(bars.timeframe)
    gaps = 2 * (embargo + recipe.labels.horizon)
    least = 200 * recipe.labels.every  # so that the smallest block holds at least a few dozen decisions
    needed = warmup + recipe.labels.atr_window + gaps + least
    if len(bars) < needed:
        parts = f"{warmup} to warm up the features, {gaps} for purge and embargo between the blocks, and some hundreds to learn from"
        mend = "Give more bars, or lower splits.embargo, the longest feature window or the model's window."
        raise SplitError(bars.instrument.symbol, f"{len(bars)} bars", expected=f"at least {needed}: {parts}", mend=mend)
    slice_share = recipe.splits.validation * recipe.validation_shares.get("conformal", 0)
    check_band_rows(recipe, math.ceil(len(bars) / recipe.labels.every * slice_share))

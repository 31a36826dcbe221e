"""The samples of a run for programs that read nothing but NumPy's .npz: features, labels, times, sessions, regimes, forecasts and bars.

Everything here is copied from what the run holds; nothing is computed anew, and no pickle is written or read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from safetensors.numpy import load as load_tensors

from barmill.artefacts import read_json
from barmill.bundles import Bundle
from barmill.bundles.bars_for import read_bars_for
from barmill.errors import DataError
from barmill.features import FeaturePlan
from barmill.labels import CLASS_NAMES, Labels
from barmill.market import Bars, Instrument, read_npz
from barmill.market.bars_npz import PREFIX, bar_arrays
from barmill.market.npz_file import write_npz
from barmill.pipeline.dataset import load_labels, load_positions
from barmill.pipeline.facts import blocks_in
from barmill.pipeline.job import UNCALIBRATED
from barmill.pipeline.path_judging import DECISION, PATH_FORECASTS
from barmill.pipeline.run import Run

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

FORECAST, SCORE = "forecast_", "score_"
OUTSIDE = "none"  # the block of a label that is in none
KIND = "samples"
_OWN = ("open_time", "known_at", "ends_at", "X", "y", "net_return", "weight", "block")


@dataclass(frozen=True, eq=False)
class PreparedSamples:
    """The labelled decisions of a run, in time order; n of them, F features.

    open_time : int64 (n,), ms UTC, of the bar at whose close the decision falls; known_at : that close
    ends_at : int64 (n,), when the label is settled
    names, X : of the features, and float64 (n, F), as they were computed, unscaled
    y : int8 (n,), class of the label: a place in metadata["classes"]; net_return, weight : float64 (n,)
    block : text (n,), the block of the run that holds it, "none" for what purge and embargo took out
    sessions, regimes : names of those features that tell sessions and regimes; they are columns of X
    forecasts : "<model>_<column>" to float64 (n,); in the test block as the bundle says it, before it p_up out of fold, the mean of the
        paths, where the run was cross-validated; NaN where a model would speak of what taught it
    bars : of the run
    metadata : plain JSON: name, symbol, timeframe, instrument, classes, labels, fingerprints
    """

    open_time: Int64Array
    known_at: Int64Array
    ends_at: Int64Array
    names: tuple[str, ...]
    X: Float64Array
    y: npt.NDArray[np.int8]
    net_return: Float64Array
    weight: Float64Array
    block: npt.NDArray[np.str_]
    sessions: tuple[str, ...]
    regimes: tuple[str, ...]
    forecasts: Mapping[str, Float64Array]
    bars: Bars
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __len__(self) -> int:
        return self.open_time.size

    def column(self, name: str) -> Float64Array:
        """One feature, float64 (n,). Raises DataError for a name that is none of `names`."""
        if name not in self.names:
            raise DataError("samples", f"there is no feature '{name}'", expected=f"one of {', '.join(self.names)}")
        return self.X[:, self.names.index(name)]

    @classmethod
    def of_run(cls, run: Run) -> "PreparedSamples":
        """Of a finished run."""
        files, bars = run.fingerprints["files"], run.bars
        features, labels = run.folder / files["features"], load_labels(run.folder / files["labels"])
        plan = FeaturePlan.from_json(read_json(features / "plan.json"))
        rows = labels.t0
        judgement = run.judgement
        config = read_json(run.folder / "recipe.json")["labels"]
        prints = run.fingerprints
        return cls(
            open_time=bars.open_time[rows],
            known_at=bars.close_time[rows],
            ends_at=bars.close_time[labels.t1],
            names=plan.names,
            X=np.ascontiguousarray(np.load(features / "values.npy", mmap_mode="r", allow_pickle=False)[rows]),
            y=labels.classes(config["classes"]),
            net_return=labels.net_return,
            weight=labels.weight,
            block=_blocks(load_positions(run.folder / files["splits"]), len(labels)),
            sessions=_of_family(plan, "session"),
            regimes=_of_family(plan, "regime"),
            forecasts=_forecasts(run, bars, labels),
            bars=bars,
            metadata={
                **{name: judgement[name] for name in ("name", "symbol", "timeframe")},
                "instrument": bars.instrument.model_dump(mode="json"),
                "classes": list(CLASS_NAMES[config["classes"]]),
                "labels": config,
                "fingerprints": {name: prints[name] for name in ("data", "recipe", "code", "seed")},
            },
        )

    def write(self, path: Path | str) -> None:
        """Write a compressed .npz at once; the same samples give the same bytes. Raises StorageError."""
        own = {name: getattr(self, name) for name in _OWN}
        bars, told = bar_arrays(self.bars, PREFIX)
        forecasts = {f"{FORECAST}{name}": values for name, values in self.forecasts.items()}
        named = {"features": list(self.names), "sessions": list(self.sessions), "regimes": list(self.regimes)}
        write_npz(path, {**own, **forecasts, **bars}, {"format": 1, "kind": KIND, "bars": told, **named, "run": dict(self.metadata)})

    @classmethod
    def read(cls, path: Path | str) -> "PreparedSamples":
        """What `write` wrote. Raises DataError naming what is missing, or does not fit together."""
        arrays, told = read_npz(path)
        if told.get("kind") != KIND or told.get("format") != 1:
            found = f"an npz of kind {told.get('kind')!r}, format {told.get('format')!r}"
            raise DataError(str(path), found, expected=f"'{KIND}', format 1", mend="Write it with barmill data export-npz RUN.")
        if lost := [name for name in _OWN if name not in arrays]:
            raise DataError(str(path), f"there is no array {', '.join(lost)}", mend="Write it again.")
        n, features = len(arrays["open_time"]), told["features"]
        forecasts = {name.removeprefix(FORECAST): values for name, values in arrays.items() if name.startswith(FORECAST)}
        columns = {**{name: arrays[name] for name in _OWN if name != "X"}, **forecasts}
        if arrays["X"].shape != (n, len(features)) or any(values.shape != (n,) for values in columns.values()):
            raise DataError(str(path), "arrays of other lengths than open_time", expected=f"{n} rows, {len(features)} features in X")
        return cls(
            **{name: arrays[name] for name in _OWN},
            names=tuple(features),
            sessions=tuple(told["sessions"]),
            regimes=tuple(told["regimes"]),
            forecasts=forecasts,
            bars=Bars.read(path, instrument=Instrument.model_validate(told["run"]["instrument"])),
            metadata=told["run"],
        )


def score_npz(source: Path | str, bundles: Sequence[Path | str], out: Path | str) -> tuple[str, ...]:
    """Write the .npz `source` again with what `bundles` forecast of each row, computed from the bars in it.

    Rows are those of `open_time`: of samples, or of bars. A row that is not ready is NaN. Nothing is left out for having taught a model:
    of such rows the forecasts are no evidence.

    Returns
    -------
    names of the new arrays, "score_<bundle>_<column>", float64 (n,). Raises DataError where the source has no bars, or bars of another
    instrument than a bundle's.
    """
    arrays, told = read_npz(source)
    if told.get("bars") is None:
        raise DataError(str(source), "it holds no bars that a bundle could read", mend="Write it with barmill data export-npz.")
    rows = arrays["open_time"]
    added: dict[str, Float64Array] = {}
    for folder in bundles:
        bundle = Bundle.load(folder)
        frame = bundle.forecast(read_bars_for(bundle, Path(source))).frame
        for name in frame.columns:
            if name not in ("open_time", "known_at"):
                added[f"{SCORE}{bundle.manifest.name}_{name}"] = _at(rows, frame, name)
    write_npz(out, {**arrays, **added}, told)
    return tuple(added)


def _blocks(positions: Mapping[str, Int64Array], n: int) -> npt.NDArray[np.str_]:
    names = blocks_in(positions)
    block = np.full(n, OUTSIDE, dtype=f"U{max(map(len, (*names, OUTSIDE)))}")
    for name in names:
        block[positions[name]] = name
    return block


def _of_family(plan: FeaturePlan, family: str) -> tuple[str, ...]:
    return tuple(name for name, feature in zip(plan.names, plan.features, strict=True) if feature.spec.family == family)


def _forecasts(run: Run, bars: Bars, labels: Labels) -> dict[str, Float64Array]:
    """What was said without having been taught: by the paths before the test block, by the bundles in it."""
    rows, stages = bars.open_time[labels.t0], run.fingerprints["stages"]
    found: dict[str, Float64Array] = {}
    for model in run.judgement["models"]:
        label = model["name"]
        folder = run.folder / "metrics" / f"forecasts-{label}-{stages[f'forecast {label}'][:12]}"
        frame = pl.read_parquet(folder / "forecasts.parquet")
        for name in frame.columns:
            if name not in ("open_time", "known_at") and not name.endswith(UNCALIBRATED):
                found[f"{label}_{name}"] = _at(rows, frame, name)
    key = stages.get("cross-validation")
    if key is not None:
        kept = load_tensors((run.folder / f"metrics/cross-validated-{key[:12]}" / PATH_FORECASTS).read_bytes())
        judged = np.searchsorted(labels.t0, kept.pop(DECISION))
        for label, p_up in kept.items():
            found[f"{label}_p_up"][judged] = p_up
    return found


def _at(rows: Int64Array, frame: pl.DataFrame, name: str) -> Float64Array:
    """A column of forecasts at the open times `rows`, NaN where there is none."""
    times, values = frame["open_time"].to_numpy(), frame[name].to_numpy()
    made = np.full(rows.size, np.nan)
    if times.size:
        place = np.minimum(np.searchsorted(times, rows), times.size - 1)
        there = times[place] == rows
        made[there] = values[place[there]]
    return made


__all__ = ["PreparedSamples", "score_npz"]

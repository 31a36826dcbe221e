"""A loaded bundle: raw bars in, forecasts out."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from barmill.bundles.ensemble_pipeline import Pipeline
from barmill.bundles.first_load import pass_first_load
from barmill.bundles.folder import VerifiedFiles, read_bundle
from barmill.bundles.forecast import Forecast
from barmill.bundles.forecasting import ForecastPipeline
from barmill.bundles.golden import GoldenBars, GoldenInputs, Replay, read_golden_bars, read_golden_inputs, replay
from barmill.bundles.manifest import MANIFEST, NEIGHBOURS, ONNX, PARTS, SEAL, WEIGHTS, Manifest, seal_of
from barmill.bundles.model_parts import FittedFiles, files_below
from barmill.bundles.neighbours import Neighbours
from barmill.bundles.part_json import read_part
from barmill.bundles.parts import read_instrument, read_pipeline, read_plan
from barmill.bundles.pattern_columns import check_neighbours
from barmill.bundles.seen_bars import SeenBars
from barmill.errors import BundleCorruption, BundleError, DataError
from barmill.features import FeaturePlan, FeatureTable
from barmill.market import Bars, Instrument, Timeframe
from barmill.progress import Progress

if TYPE_CHECKING:
    from barmill.bundles.band_walk import BandWalk
    from barmill.bundles.stream import BundleStream


@dataclass(frozen=True)
class Bundle:
    """A verified bundle, ready to forecast. Immutable, safe to share between threads (each stream belongs to one).

    >>> import barmill as bm  # doctest: +SKIP
    >>> bm.Bundle.load("runs/crypto-1m/bundle/lightgbm").forecast(bars).frame  # doctest: +SKIP

    folder : the version's folder
    digest : SHA-256 of the manifest, which names every other byte
    replay : how the golden samples came out on this machine
    """

    folder: Path
    digest: str
    manifest: Manifest
    plan: FeaturePlan
    instrument: Instrument
    pipeline: Pipeline
    replay: Replay
    _files: Mapping[str, bytes]

    @classmethod
    def load(cls, path: str | Path) -> "Bundle":
        """Verify, load and replay a bundle.

        Every file is read once, through a descriptor that follows no link, hashed, and only then parsed, from the bytes that
        were hashed. A bundle that this machine has not seen is first loaded in a child process with limits on memory and time, so
        that weights which crash or hang their library leave this process alive.

        Parameters
        ----------
        path : folder of a version, or of a model, whose `current.json` is followed

        Raises
        ------
        BundleCorruption naming each file that differs; BundleVersionError for a newer format; SchemaError if its features are not
        those that this version computes; BundleError if the first load failed, or the golden samples come out differently.
        """
        return cls.admit(read_bundle(Path(path)))

    @classmethod
    def admit(cls, verified: VerifiedFiles) -> "Bundle":
        """Load and replay files that were verified, as `load` does: first in a child process, where this machine has not seen them."""
        refused = pass_first_load(verified)
        bundle = cls.from_verified(verified)
        if refused:
            raise BundleError(str(verified.folder), f"was refused by a child process: {refused}", mend="Try again, or publish it again.")
        return bundle

    @classmethod
    def from_verified(cls, verified: VerifiedFiles) -> "Bundle":
        """Parse and replay, in this process, files that were verified; `load` and `admit` are what others use."""
        files, manifest, place = verified.files, verified.manifest, str(verified.folder)
        plan = read_plan(files, manifest.schema_hash, place)
        instrument = read_instrument(files, place)
        if (instrument.symbol, str(plan.base)) != (manifest.symbol, manifest.timeframe):
            found = f"{manifest.symbol} {manifest.timeframe} in the manifest, {instrument.symbol} {plan.base} in its parts"
            raise BundleCorruption(place, found, mend="Publish the run again.")
        pipeline = read_pipeline(files, manifest.model, plan, place)
        if pipeline.columns != manifest.model.outputs:
            raise BundleCorruption(place, f"outputs {', '.join(manifest.model.outputs)}", expected=", ".join(pipeline.columns))
        result = replay(files[PARTS["golden"]], pipeline, plan, instrument, f"{place}/{PARTS['golden']}")
        bundle = cls(verified.folder, verified.digest, manifest, plan, instrument, pipeline, result, files)
        check_neighbours(bundle.neighbours, pipeline, place)
        return bundle

    @property
    def timeframe(self) -> Timeframe:
        """Timeframe of the bars that go in."""
        return self.plan.base

    @property
    def outputs(self) -> tuple[str, ...]:
        """Columns of a forecast, after `open_time` and `known_at`."""
        return self.pipeline.columns

    @property
    def needed_bars(self) -> int:
        """Gapless bars after which there is a forecast."""
        return self.pipeline.history_bars(self.plan.warmup_bars, self.timeframe)

    @property
    def settled_bars(self) -> int:
        """Bars of history after which a forecast no longer depends on where the history began (to about 1e-9)."""
        return self.pipeline.history_bars(self.plan.settled_bars, self.timeframe, settled=True)

    def part(self, name: str) -> Any:
        """The JSON of a part, such as "metrics", "thresholds", "reference_profile", "recipe", "provenance" or "members"."""
        return read_part(self._files, name, str(self.folder))

    @property
    def golden_bars(self) -> GoldenBars:
        """The bars of its golden samples, with the history that warms them up, and what it said of the last of them."""
        place = f"{self.folder}/{PARTS['golden']}"
        return read_golden_bars(self._files[PARTS["golden"]], self.pipeline, self.plan, self.instrument, place)

    @cached_property
    def neighbours(self) -> Neighbours | None:
        """The training rows of a model of patterns, with what became of them; None where the bundle has none."""
        data = self._files.get(NEIGHBOURS)
        return None if data is None else Neighbours.from_bytes(data, f"{self.folder}/{NEIGHBOURS}")

    @property
    def graphs(self) -> dict[str, bytes]:
        """Its ONNX graphs by file name, such as "forecast.onnx"; none of a bundle that was not exported."""
        return files_below(self._files, ONNX)

    @property
    def fitted(self) -> dict[str, FittedFiles]:
        """What the fits of its models gave, by label of member in their order; of a bundle of one model, that under the bundle's name."""
        if isinstance(self.pipeline, ForecastPipeline):
            return {self.manifest.name: FittedFiles(self.manifest.model.name, files_below(self._files, WEIGHTS))}
        named = {one["label"]: one["model"]["name"] for one in self.part("members")["members"]}
        return {label: FittedFiles(name, files_below(self._files, f"{WEIGHTS}/{label}")) for label, name in named.items()}

    @property
    def files(self) -> dict[str, bytes]:
        """Every file by its path, with manifest and seal, as `assemble` makes them and `publish` takes them."""
        manifest = self.manifest.to_bytes()
        return {**self._files, MANIFEST: manifest, SEAL: seal_of(manifest)}

    @property
    def golden_inputs(self) -> GoldenInputs | None:
        """What its model sees in its golden samples; None of an ensemble, which has no such samples."""
        place = f"{self.folder}/{PARTS['golden']}"
        if not isinstance(self.pipeline, ForecastPipeline):
            return None
        return read_golden_inputs(self._files[PARTS["golden"]], self.pipeline, self.plan, place)

    @property
    def model_card(self) -> str:
        """The model card, in Markdown."""
        return self._files[PARTS["model_card"]].decode()

    def forecast(self, bars: Bars, *, since: int | None = None, progress: Progress | None = None) -> Forecast:
        """Forecast every bar that is ready.

        Parameters
        ----------
        bars : closed bars of the bundle's instrument and timeframe, with the history that warms up its features
        since : open time in UTC ms of the first bar that is wanted; None for all. Earlier bars warm up

        Returns
        -------
        Forecast, one row per ready bar. A row depends on bars up to and including its own: known at `known_at`, its close. An adaptive
        band walks through all of the bars, also those before `since`.

        Raises: DataError for bars of something else; ForecastError rather than give a value out of bounds.
        """
        self.check_bars(bars)
        table = self.plan.compute(bars, progress)
        return self.forecast_table(table, since=since, closed=self.pipeline.closed(bars), walk=self.walk(bars))

    def walk(self, bars: Bars | None = None, saved: Mapping[str, Any] | None = None) -> "BandWalk | None":
        """What moves an adaptive band through `bars`, or through those that it will be given; None for a band that stands still.

        saved : the band as a stream said it (`BundleStream.band_state`), to go on from there
        """
        band = self.pipeline.band
        if band is None or band.outcomes is None:
            if saved is not None:
                raise BundleError(f"bundle {self.manifest.name}", "has no band that moves", mend="Leave the saved state out.")
            return None
        from barmill.bundles.band_walk import BandWalk  # a server of any other band does without labels

        walk = BandWalk(band, self.instrument, self.timeframe, self.digest, saved)
        if bars is not None:
            walk.extend(bars)
        return walk

    def forecast_table(
        self, table: FeatureTable, *, since: int | None = None, closed: SeenBars | None = None, walk: "BandWalk | None" = None
    ) -> Forecast:
        """Forecast from features of this bundle's plan that were computed before.

        closed : what `pipeline.closed` says of the same bars, for a model that sees bars
        walk : what `walk` gives of the same bars; without it an adaptive band stands still
        """
        wanted = np.ones(len(table), dtype=bool) if since is None else table.open_time >= since
        ready = self.pipeline.ready(table.ready, closed)
        walked = wanted if walk is None else wanted | (table.open_time > walk.since)  # what a band learns from before the first wanted row
        rows = np.flatnonzero(ready & walked)
        widen = None if walk is None else partial(walk.bounds, table.open_time[rows])
        columns = self.pipeline.run(table.values, rows, closed=closed, place=str(self.folder), widen=widen)
        frame = pl.DataFrame({"open_time": table.open_time[rows], "known_at": table.close_time[rows], **columns})
        if walk is not None:
            frame = frame.filter(wanted[rows])
        return Forecast(frame, int(np.count_nonzero(wanted & ~ready)))

    def check_bars(self, bars: Bars) -> None:
        """Raise DataError unless `bars` are of the bundle's instrument and timeframe."""
        offered, wanted = (bars.instrument.symbol, bars.timeframe.ms), (self.instrument.symbol, self.timeframe.ms)
        if offered != wanted:
            found = f"bars of {bars.instrument.symbol} {bars.timeframe}"
            mend = "Give bars of what it was trained on, or train on these."
            raise DataError(f"bundle {self.manifest.name}", found, expected=f"{self.instrument.symbol} {self.timeframe}", mend=mend)

    def stream(self, saved: Mapping[str, Any] | None = None) -> "BundleStream":
        """A stream that forecasts bar by bar what `forecast` says of the same bars at once.

        saved : the adaptive band of an earlier stream (`BundleStream.band_state`), to go on with
        """
        from barmill.bundles.stream import BundleStream

        return BundleStream(self, saved)


__all__ = ["Bundle"]

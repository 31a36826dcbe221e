"""The backtest of a bundle on bars: its forecasts, its rule, and which of the bars it has seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from barmill.artefacts import without_nan
from barmill.bundles import Bundle
from barmill.errors import DataError, InputError
from barmill.evaluation import (
    BacktestConfig,
    BacktestEngine,
    BacktestResult,
    FundingRates,
    GroupFigures,
    Sensitivity,
    Signals,
    by_group,
    read_backtest_config,
    sensitivity,
    trading_hours,
    volatility_regimes,
)
from barmill.evaluation.backtesting import by_bar
from barmill.evaluation.backtesting.groups import TRADING_HOURS, VOLATILITY_REGIMES
from barmill.labels import decision_bars
from barmill.market import Bars
from barmill.market.times import utc_text
from barmill.progress import Progress

Int64Array = npt.NDArray[np.int64]

OUT_OF_SAMPLE, IN_SAMPLE, EARLIER, UNKNOWN = "out-of-sample", "in-sample", "earlier than training", "unknown"


@dataclass(frozen=True, slots=True)
class SeenSpan:
    """The bars that fitted or chose anything in a bundle, from the first to the last of them; ms UTC, None if the bundle does not say.

    first : open time of the first; last : close time of the last
    same_bars : the bars offered are those of the run itself, so what follows `last` is its test block
    """

    first: int | None
    last: int | None
    same_bars: bool

    @classmethod
    def of(cls, bundle: Bundle, bars: Bars) -> "SeenSpan":
        """Bundles say when; older ones say only which rows, which tells the time if `bars` are those of the run."""
        records: list[dict[str, Any]] = bundle.part("provenance")
        same = bundle.manifest.fingerprints.get("data") == bars.fingerprint
        timed, placed = (bool(records) and all(key in record for record in records) for key in ("last_time", "last_bar"))
        if timed:
            return cls(min(record["first_time"] for record in records), max(record["last_time"] for record in records), same)
        if placed and same:
            first, last = min(record["first_bar"] for record in records), max(record["last_bar"] for record in records)
            return cls(int(bars.open_time[first]), int(bars.close_time[last]), same)
        return cls(None, None, same)

    def parts(self, bars: Bars) -> dict[str, tuple[int, int]]:
        """Stretches of `bars` by what they are to the bundle, as positions [first, stop), none of them empty."""
        n = len(bars)
        if self.first is None or self.last is None:
            return {UNKNOWN: (0, n)}
        begins = int(np.searchsorted(bars.open_time, self.first))
        ends = int(np.searchsorted(bars.open_time, self.last))
        stretches = {OUT_OF_SAMPLE: (ends, n), IN_SAMPLE: (begins, ends), EARLIER: (0, begins)}
        return {name: (first, stop) for name, (first, stop) in stretches.items() if stop > first}

    def covers(self, time_ms: Int64Array) -> npt.NDArray[np.bool_]:
        """bool, shaped like the times: True within the span."""
        if self.first is None or self.last is None:
            return np.zeros(time_ms.shape, dtype=bool)
        return (time_ms >= self.first) & (time_ms < self.last)


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the bars, backtested with a fresh account."""

    name: str
    first_time: str
    last_time: str
    result: BacktestResult


@dataclass(frozen=True, slots=True)
class BundleBacktest:
    """Everything that a backtest of a bundle says.

    whole : over all bars in the range of the config
    parts : the stretches that the bundle has not seen, has seen, and those before it, each with an account of its own; the first counts
    regimes, hours, sensitivity : of the first part
    seen : what the bundle has seen
    warning : what must not be overlooked, or ""
    """

    bundle: str
    digest: str
    whole: BacktestResult
    parts: tuple[Part, ...]
    regimes: tuple[GroupFigures, ...]
    hours: tuple[GroupFigures, ...]
    sensitivity: Sensitivity
    seen: SeenSpan
    warning: str

    @property
    def judged(self) -> Part:
        """The part that counts: out-of-sample where there is any."""
        return self.parts[0]

    def to_dict(self, most_points: int | None = None) -> dict[str, Any]:
        """Plain JSON: the whole run in the form of `BacktestResult.to_dict`, with what the bundle has seen."""
        told = self.whole.to_dict(most_points)
        for record, seen in zip(told["trades"], self.seen.covers(self.whole.trades.entered_at).tolist(), strict=True):
            record["in_sample"] = seen
        first, last = (None if time is None else utc_text(time) for time in (self.seen.first, self.seen.last))
        return {
            "bundle": self.bundle,
            "digest": self.digest,
            "warning": self.warning,
            "seen": {"first": first, "last": last, "bars_of_the_run": self.seen.same_bars},
            "parts": [_part_told(part) for part in self.parts],
            "regimes": [group.to_dict() for group in self.regimes],
            "hours": [group.to_dict() for group in self.hours],
            "sensitivity": self.sensitivity.to_dict(),
            **told,
        }

    def trades_frame(self) -> pl.DataFrame:
        """The trade list of the whole run, each marked whether it was entered within what the bundle has seen."""
        frame = self.whole.trades.frame()
        return frame.with_columns(in_sample=self.seen.covers(self.whole.trades.entered_at))

    def equity_frame(self) -> pl.DataFrame:
        """The account at each close of the whole run, each bar marked in the same way."""
        curve = self.whole.equity_curve
        return curve.frame().with_columns(in_sample=self.seen.covers(curve.open_time))


def bundle_config(bundle: Bundle, path: Path | None = None, overrides: Sequence[str] = ()) -> BacktestConfig:
    """A config whose defaults are the rule by which the bundle was judged: its thresholds, holding period, decision bars and sides.

    Raises: InputError telling everything that is wrong with the file or the overrides.
    """
    recipe, rule = bundle.part("recipe"), bundle.part("thresholds")["rule"]
    labels, trading = recipe.get("labels", {}), recipe.get("rule", {})
    defaults: dict[str, Any] = {
        "symbol": bundle.instrument.symbol,
        "holding_bars": trading.get("hold_bars") or labels.get("horizon"),
        "decide_every": labels.get("every"),
        "allow_short": trading.get("allow_short", True),
        "long_above": rule.get("long_above"),
        "short_below": rule.get("short_below"),
    }
    return read_backtest_config(path, overrides, defaults)


def backtest_bundle(
    bundle: Bundle, bars: Bars, config: BacktestConfig, *, funding: FundingRates | None = None, progress: Progress | None = None
) -> BundleBacktest:
    """Forecast `bars` with `bundle` and trade the forecasts by `config`.

    Parameters
    ----------
    config : see `bundle_config`; its thresholds must be there

    Raises: InputError without thresholds, for a bundle of another question than direction, or for `sizing: share`; DataError for bars of
    something else, or none that can be forecast.
    """
    if config.sizing == "share":
        raise InputError(
            "backtest:sizing", "share", expected="lots, fraction, volatility or kelly", mend="Signals of a bundle are no shares."
        )
    signals = _signals(bundle, bars, config, progress)
    seen = SeenSpan.of(bundle, bars)
    engine = BacktestEngine(config)
    whole = engine.run(bars, signals, funding=funding)
    parts = _parts(seen, bars, signals, config, funding) or (_part(UNKNOWN, whole),)
    judged = parts[0].result
    regimes = by_group(judged, volatility_regimes(bars, config.volatility_span), VOLATILITY_REGIMES)
    return BundleBacktest(
        bundle=f"{bundle.manifest.name} {bundle.manifest.version}",
        digest=bundle.digest,
        whole=whole,
        parts=parts,
        regimes=regimes,
        hours=by_group(judged, trading_hours(bars), TRADING_HOURS),
        sensitivity=sensitivity(bars, signals, judged.config, funding=funding),
        seen=seen,
        warning=_warning(seen, parts),
    )


def check_new_folder(folder: Path) -> None:
    """Raise InputError if there is something at `folder`: results are not written over others, and it is better told before the work."""
    if folder.exists():
        raise InputError(str(folder), "is there already", mend="Name a new folder, or move the old one away.")


def _signals(bundle: Bundle, bars: Bars, config: BacktestConfig, progress: Progress | None) -> Signals:
    if "p_up" not in bundle.outputs:
        found = f"bundle '{bundle.manifest.name}' forecasts {bundle.outputs[0]}, and no direction"
        raise InputError("backtest", found, expected="p_up among its outputs", mend="Give the bundle of a model of direction.")
    if config.long_above is None or config.short_below is None:
        raise InputError("backtest", "no thresholds", expected="long_above and short_below", mend="The bundle has none: set them.")
    frame = bundle.forecast(bars, progress=progress).frame
    if frame.is_empty():
        mend = f"Give more history: {bundle.needed_bars} bars without gaps give a forecast."
        raise DataError(f"{bars.instrument.symbol}, {len(bars)} bars", "none of them is ready", mend=mend)
    p_up = by_bar(frame, bars.open_time, "p_up")
    p_down = by_bar(frame, bars.open_time, "p_down") if "p_down" in frame.columns else None
    said = Signals.of_forecast(p_up, config.long_above, config.short_below, p_down)
    if config.decide_every is None or config.decide_every == 1:
        return said
    return Signals(np.where(decision_bars(bars, config.decide_every), said.side, np.int8(0)), said.confidence)


def _parts(seen: SeenSpan, bars: Bars, signals: Signals, config: BacktestConfig, funding: FundingRates | None) -> tuple[Part, ...]:
    """Each stretch from its first bar to its last, cut to the range of the config."""
    from_ms = config.start_ms if config.start_ms is not None else int(bars.open_time[0])
    to_ms = config.end_ms if config.end_ms is not None else int(bars.close_time[-1])
    found: list[Part] = []
    for name, (first, stop) in seen.parts(bars).items():
        begins, ends = max(int(bars.open_time[first]), from_ms), min(int(bars.close_time[stop - 1]), to_ms)
        if ends <= begins or not ((bars.open_time >= begins) & (bars.open_time < ends)).any():
            continue
        if name == EARLIER and not signals.side[first:stop].any():
            continue  # the bars that warm up the features
        own = config.model_copy(update={"start": utc_text(begins), "end": utc_text(ends)})
        found.append(_part(name, BacktestEngine(own).run(bars, signals, funding=funding)))
    return tuple(found)


def _part(name: str, result: BacktestResult) -> Part:
    curve = result.equity_curve
    return Part(name, utc_text(int(curve.open_time[0])), utc_text(int(curve.close_time[-1])), result)


def _part_told(part: Part) -> dict[str, Any]:
    return {
        "name": part.name,
        "first": part.first_time,
        "last": part.last_time,
        "bars": part.result.raw_rows,
        "stopped": part.result.stopped,
        "metrics": without_nan(part.result.metrics),
    }


def _warning(seen: SeenSpan, parts: tuple[Part, ...]) -> str:
    names = [part.name for part in parts]
    if UNKNOWN in names:
        return "The bundle does not say which bars it has seen, so nothing here can be taken for out-of-sample."
    if OUT_OF_SAMPLE not in names:
        return (
            "None of these bars is later than those that fitted the bundle: what follows is in-sample, and says nothing about the future."
        )
    if seen.same_bars:
        return "These are the bars of the run: what it has not seen is its test block, judged before. A second look is no evidence."
    return ""


__all__ = ["BundleBacktest", "Part", "SeenSpan", "backtest_bundle", "bundle_config", "check_new_folder"]

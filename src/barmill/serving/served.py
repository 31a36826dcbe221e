"""A version that is loaded and warm: its bundle, how fast it answers, and what the plane keeps of it."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

from barmill.bundles import Bundle
from barmill.serving.answers import Float64Array
from barmill.serving.breaker import Breaker
from barmill.serving.prior import Prior
from barmill.serving.row_paths import RowPaths
from barmill.serving.schema import FeatureSchema
from barmill.serving.settings import PlaneSettings

WARM_CALLS = 5  # before any is timed: kernels are compiled, pages are touched
TIMED_CALLS = 25


@dataclass(slots=True, eq=False, weakref_slot=True)
class ServedModel:
    """One version of one model, as the table serves it. All but `inline` and what it counts is fixed.

    bundle : verified, replayed and warm
    name : under which it is served: its folder in the repository, or the name in its manifest
    number : in its repository; 0 for a bundle that was named by its folder
    seconds : median of one row's forecast, measured while it warmed up
    inline : fast enough for an event loop to wait for; no longer once it was late
    schema : what it asks of features
    breaker : whether it may be asked
    prior : its constant answer; None for none
    loaded_at : Unix time
    stuck : threads that hold it beyond a deadline
    """

    bundle: Bundle
    name: str
    number: int
    seconds: float
    inline: bool
    schema: FeatureSchema
    breaker: Breaker
    prior: Prior | None
    loaded_at: float
    stuck: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _paths: RowPaths | None = None

    @property
    def version(self) -> str:
        return self.bundle.manifest.version

    @property
    def digest(self) -> str:
        return self.bundle.digest

    @property
    def label(self) -> str:
        """As an error calls it: "lightgbm 1.2.0 (3)"."""
        return f"{self.name} {self.version} ({self.number})"

    def forecast_row(self, rows: Float64Array) -> dict[str, Float64Array] | None:
        """What the bundle forecasts of the last of `rows`, see `RowPaths.forecast`."""
        paths = self._paths
        if paths is None or paths.bundle is not self.bundle:
            paths = self._paths = RowPaths(self.bundle)
        return paths.forecast(rows)

    def count_stuck(self, change: int) -> None:
        """A thread is held beyond its deadline (+1), or came back (-1)."""
        with self._lock:
            self.stuck += change


def warm(
    bundle: Bundle,
    number: int,
    settings: PlaneSettings | None = None,
    *,
    name: str | None = None,
    timer: Callable[[], float] = time.perf_counter,
    clock: Callable[[], float] = time.time,
) -> ServedModel:
    """Forecast the last of the bundle's golden bars some times, and measure.

    Parameters
    ----------
    number : in its repository, 0 for none
    name : of its folder in the repository; None takes the manifest's
    timer : seconds that only grow; clock : Unix time

    Raises: ForecastError and whatever else a model that cannot be served raises.
    """
    told = settings or PlaneSettings()
    seconds = _one_row_seconds(bundle, timer)
    schema = FeatureSchema.of(bundle, told.range_iqr)
    inline = seconds < told.inline_seconds
    place = name or bundle.manifest.name
    return ServedModel(bundle, place, number, seconds, inline, schema, Breaker(told), Prior.of(bundle), clock())


def _one_row_seconds(bundle: Bundle, timer: Callable[[], float]) -> float:
    golden, pipeline = bundle.golden_bars, bundle.pipeline
    values, closed, rows = bundle.plan.compute(golden.bars).values, pipeline.closed(golden.bars), golden.rows[-1:]
    took: list[float] = []
    for _ in range(WARM_CALLS + TIMED_CALLS):
        start = timer()
        pipeline.run(values, rows, closed=closed, place="warm-up")
        took.append(timer() - start)
    return median(took[WARM_CALLS:])


__all__ = ["TIMED_CALLS", "WARM_CALLS", "ServedModel", "warm"]

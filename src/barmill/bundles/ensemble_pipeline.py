"""Several models that speak of the same row, and what an ensemble makes of it: the same code in judgement, replay and serving."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from barmill.bundles.direction import Columns, Direction, Float64Array, Rows, Volatility
from barmill.bundles.forecast_band import ForecastBand, Widen
from barmill.bundles.forecasting import ForecastPipeline
from barmill.bundles.seen_bars import SeenBars, SeenByMembers, SeenByOne, StreamOfMembers
from barmill.ensembles.contract import Combiner, Said
from barmill.errors import BarmillError, SchemaError, ShapeError
from barmill.market import Bars, Timeframe
from barmill.uncertainty import Calibration, ResidualQuantiles

_MEND = "Build the ensemble's bundle again from its run."


class EnsembleMember(NamedTuple):
    """A model in an ensemble, by its name in the run; what it says goes through its own calibration and quantiles."""

    label: str
    pipeline: ForecastPipeline


@dataclass(frozen=True)
class EnsemblePipeline:
    """Members, combiner, calibration, quantiles, unit, band and guard, in this order. What asks a `ForecastPipeline` can ask this.

    Every member sees the same plan in a way of its own: a row, a window of its own length, closed bars of several timeframes. What it says
    is calibrated and in z; the unit comes last, once.

    members : in the order in which the combiner was fitted with them
    combiner : what is made of what they say
    regimes : features of the plan that the combiner reads at the decision bar, unscaled, in its order
    calibration, quantiles : of the ensemble's own scores; `NATIVE` where the combiner says quantiles itself
    volatility : unit of the returns, the same for every member
    outputs : "p_up", and "E_r" where the combiner says it; band : a conformal band, or None

    A row's forecast depends on that row (and the members' windows) alone; nothing here is fitted or changed by forecasting.
    """

    members: tuple[EnsembleMember, ...]
    combiner: Combiner
    regimes: tuple[str, ...]
    calibration: Calibration
    quantiles: ResidualQuantiles
    volatility: Volatility
    n_classes: int
    outputs: tuple[str, ...]
    band: ForecastBand | None = None

    def __post_init__(self) -> None:
        labels = [member.label for member in self.members]
        if not labels or len(set(labels)) < len(labels):
            raise SchemaError("ensemble", f"has the members {labels}", expected="at least one, each named once", mend=_MEND)
        for member in self.members:
            _check_member(member, self)
        for name in (*self.regimes, self.volatility.feature, *((self.band.regime,) if self.band and self.band.regime else ())):
            if name not in self.names:
                raise SchemaError("ensemble", f"feature '{name}' is not in the plan", mend="Build the plan with it.")
        if self.calibration.n_classes != self.n_classes:
            raise SchemaError("calibrator", f"of {self.calibration.n_classes} classes", expected=f"{self.n_classes}", mend="Fit it again.")
        self._check_combiner()

    def _check_combiner(self) -> None:
        """Ask it once of a row of which every member says nothing in particular: what it needs and gives shows at once."""
        regimes = np.full((1, len(self.regimes)), 1 / max(len(self.regimes), 1)) if self.regimes else None
        try:
            said = self.direction.said(self.combiner.combine([_nothing(member) for member in self.members], regimes))
        except BarmillError as error:
            place = f"combiner of {', '.join(member.label for member in self.members)}"
            raise SchemaError(place, f"{error.place}: {error.found}", expected=error.expected, mend=_MEND) from error
        if "E_r" in self.outputs and said.expected is None:
            raise SchemaError("combiner", "gives no E_r, which the bundle declares", mend=_MEND)

    @property
    def names(self) -> tuple[str, ...]:
        """Features of the plan, the columns of what `run` is given."""
        return self.members[0].pipeline.names

    @cached_property
    def direction(self) -> Direction:
        """The last steps of the ensemble's own forecast."""
        return Direction(self.n_classes, self.outputs, self.calibration, self.quantiles, self.band)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the forecast's columns."""
        return self.direction.columns(banded=True)

    @cached_property
    def depth(self) -> int:
        """Rows of features that one forecast reads: those of the deepest member."""
        return max(member.pipeline.depth for member in self.members)

    def history_bars(self, features: int, base: Timeframe, *, settled: bool = False) -> int:
        """Gapless bars of `base` after which every member has a forecast, as of one model."""
        return max(member.pipeline.history_bars(features, base, settled=settled) for member in self.members)

    def scale(self, values: Float64Array, rows: Rows | None = None) -> Float64Array:
        """Volatility of the horizon at `rows` (all, if None), float64 (n,)."""
        return self.members[0].pipeline.scale(values, rows)

    def closed(self, bars: Bars) -> SeenByMembers | None:
        """What each of `bars` knows of the closed bars that members see; None where all of them see features."""
        seen = tuple(member.pipeline.closed(bars) for member in self.members)
        return None if all(one is None for one in seen) else SeenByMembers(seen)

    def stream(self, base: Timeframe, calendar: str) -> StreamOfMembers | None:
        """The same while bars of `base` come in."""
        streams = tuple(member.pipeline.stream(base, calendar) for member in self.members)
        return None if all(one is None for one in streams) else StreamOfMembers(streams)

    def ready(self, ready: npt.NDArray[np.bool_], closed: SeenBars | None = None) -> npt.NDArray[np.bool_]:
        """Rows that every member can forecast. Of rows before the first of `closed` nothing is known, and so none is ready."""
        found = ready.copy()
        for (_, pipeline), seen in zip(self.members, self._seen(closed), strict=True):
            first = 0 if seen is None else len(ready) - len(seen.ready)
            found[:first] = False
            found[first:] &= pipeline.ready(ready[first:], seen)
        return found

    def run(
        self, values: Float64Array, rows: Rows, *, closed: SeenBars | None = None, place: str = "forecast", widen: Widen | None = None
    ) -> Columns:
        """Forecast the bars `rows`.

        Parameters
        ----------
        values : float64 (n_bars, n_features), features of the plan; `rows` and the windows of the members are finite
        rows : int64 (n,), bars to forecast
        closed : as the method `closed` gives it for the same bars, or for the last of them, `rows` among these
        widen : as of `ForecastPipeline.run`

        Returns
        -------
        float64 (n,) per name of `columns`, known at the bar's close. Raises ForecastError as `ForecastPipeline.run`.
        """
        said = self.said(values, rows, closed=closed, place=place)
        return self.combined(said, values, rows, place=place, widen=widen)

    def said(self, values: Float64Array, rows: Rows, *, closed: SeenBars | None = None, place: str = "forecast") -> list[Said]:
        """What each member says of the bars `rows`, as in `run`."""
        found: list[Said] = []
        for (label, pipeline), seen in zip(self.members, self._seen(closed), strict=True):
            first = 0 if seen is None else len(values) - len(seen.ready)
            found.append(pipeline.said(values[first:], rows - first, closed=seen, place=f"{place}: member '{label}'"))
        return found

    def combined(
        self, said: Sequence[Said], values: Float64Array, rows: Rows, *, place: str = "forecast", widen: Widen | None = None
    ) -> Columns:
        """The ensemble's forecast of the bars `rows`, of which its members said `said`."""
        raw = self.combiner.combine(said, self._regimes(values, rows))
        regime = None if self.band is None or self.band.regime is None else values[rows, self.names.index(self.band.regime)]
        return self.direction.forecast(raw, self.scale(values, rows), rows, place=place, banded=True, regime=regime, widen=widen)

    def weights(self, values: Float64Array, rows: Rows) -> Float64Array | None:
        """How far each member counts at the bars `rows`, float64 (n, n_members) with rows that sum to 1; None where nothing is weighed."""
        return self.combiner.weights(self._regimes(values, rows), len(rows))

    @cached_property
    def _regime_columns(self) -> Rows:
        return np.array([self.names.index(name) for name in self.regimes], dtype=np.int64)

    def _regimes(self, values: Float64Array, rows: Rows) -> Float64Array | None:
        return values[rows[:, None], self._regime_columns] if self.regimes else None

    def _seen(self, closed: SeenBars | None) -> Sequence[SeenByOne | None]:
        if closed is None:
            return (None,) * len(self.members)
        if not isinstance(closed, SeenByMembers) or len(closed.of) != len(self.members):
            raise ShapeError("forecast", "the bars are not seen as these members see them", expected="what `closed` gives of them")
        return closed.of


Pipeline: TypeAlias = ForecastPipeline | EnsemblePipeline


def _check_member(member: EnsembleMember, ensemble: EnsemblePipeline) -> None:
    """Refuse a member of another question, plan, number of classes or unit."""
    place, pipeline = f"member '{member.label}'", member.pipeline
    if pipeline.direction is None:
        raise SchemaError(place, "does not forecast the direction", expected="a model of direction", mend=_MEND)
    if pipeline.names != ensemble.names:
        raise SchemaError(place, "is over other features", expected="those of the ensemble's plan", mend=_MEND)
    if pipeline.n_classes != ensemble.n_classes:
        raise SchemaError(place, f"tells {pipeline.n_classes} classes apart", expected=f"{ensemble.n_classes}", mend=_MEND)
    if pipeline.volatility != ensemble.volatility:
        raise SchemaError(place, f"has the unit {pipeline.volatility}", expected=f"{ensemble.volatility}", mend=_MEND)


def _nothing(member: EnsembleMember) -> Said:
    """One row of which a member says that nothing is likelier than anything else."""
    n_classes = member.pipeline.n_classes
    p = np.full(1, 0.5) if n_classes == 2 else np.full((1, n_classes), 1 / n_classes)
    expected = np.zeros(1) if "E_r" in member.pipeline.outputs else None
    return Said(p, expected, np.array([[-1.0, 0.0, 1.0]]))


__all__ = ["EnsembleMember", "EnsemblePipeline", "Pipeline"]

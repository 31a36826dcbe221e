"""Leaks of second series: clocks that disagree, figures that were revised, values shown at the date they are about."""

from collections.abc import Callable

import numpy as np

from barmill.evaluation.leakage.dossier import Dossier, HigherTimeframe, SecondSeries
from planted_leaks.leak import PlantedLeak
from planted_leaks.markets import Market
from planted_leaks.study import Study, study, with_column

HOUR = 3_600_000
MINUTE = 60_000


def back(values: np.ndarray, bars: int) -> np.ndarray:
    """Values of `bars` bars ago, or later ones if negative; NaN where there are none."""
    moved = np.full(values.size, np.nan)
    if bars >= 0:
        moved[bars:] = values[: values.size - bars]
    else:
        moved[:bars] = values[-bars:]
    return moved


def change(values: np.ndarray, bars: int) -> np.ndarray:
    return np.log(values) - back(np.log(values), bars)


def column(name: str, values_of: Callable[[Study], np.ndarray]) -> Callable[[Market], Dossier]:
    """A column whose source keeps no record of when it was known."""

    def make(market: Market) -> Dossier:
        made = study(market)
        return with_column(made, name, values_of(made)).dossier()

    return make


def sister(bars_early: int, over: int) -> Callable[[Study], np.ndarray]:
    """The other market's move over `over` bars, its clock wrong by `bars_early`."""
    return lambda made: back(change(made.bars.column("sister"), over), -bars_early)


def leading(bars_early: int) -> Callable[[Study], np.ndarray]:
    """Order flow of the other market: noisy, and early or not."""

    def made_of(made: Study) -> np.ndarray:
        flow = change(made.bars.column("sister"), 15)
        return back(flow, -bars_early) + np.random.default_rng(9).standard_normal(flow.size) * np.nanstd(flow)

    return made_of


# ---- series with a record of when each value was known


def publications(made: Study, step: int) -> tuple[np.ndarray, np.ndarray]:
    """A figure of each `step` ms: when it begins, and the market's return over it."""
    first, last = int(made.bars.open_time[0]), int(made.bars.close_time[-1])
    begins = np.arange(first // step * step + step, last - step, step)
    at = np.clip(np.searchsorted(made.bars.close_time, [begins, begins + step], side="right") - 1, 0, None)
    return begins, np.log(made.bars.close[at[1]] / made.bars.close[at[0]])


def shown_by(times: np.ndarray, values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The last value whose time is not after `at`; NaN before the first."""
    row = np.searchsorted(times, at, side="right") - 1
    return np.where(row >= 0, values[np.clip(row, 0, None)], np.nan)


def recorded(name: str, fault: Callable[[Study], tuple[np.ndarray, SecondSeries]]) -> Callable[[Market], Dossier]:
    def make(market: Market) -> Dossier:
        made = study(market)
        values, record = fault(made)
        fresh = with_column(made, name, values)
        if record.shown is not None:  # a number for each decision of the study with the column
            record = SecondSeries(column=name, known_at=record.known_at, value_time=record.value_time, shown=record.shown[fresh.t0])
        return fresh.with_more(second_series=(record,)).dossier()

    return make


def figure(at_its_date: bool) -> Callable[[Study], tuple[np.ndarray, SecondSeries]]:
    """An hourly figure, shown at the hour it is about or when it was out."""

    def made_of(made: Study) -> tuple[np.ndarray, SecondSeries]:
        begins, values = publications(made, HOUR)
        known = begins + HOUR + 5 * MINUTE
        column = shown_by(begins if at_its_date else known, values, made.bars.close_time)
        return column, SecondSeries(column="figure", known_at=known, values=values, value_time=begins)

    return made_of


def revised(final: bool) -> Callable[[Study], tuple[np.ndarray, SecondSeries]]:
    """A figure that is first printed with an error and revised two hours later; its history holds the final values."""

    def made_of(made: Study) -> tuple[np.ndarray, SecondSeries]:
        begins, truth = publications(made, HOUR)
        after = shown_by(begins - 2 * HOUR, truth, begins)  # the revision knows what came
        first = truth + np.random.default_rng(4).standard_normal(truth.size) * truth.std()
        known = np.concatenate([begins + HOUR, begins + 3 * HOUR])
        values, about = np.concatenate([first, np.where(np.isnan(after), truth, after)]), np.tile(begins, 2)
        order = np.lexsort((about, known))
        known, values, about = known[order], values[order], about[order]
        if final:
            column = shown_by(begins + HOUR, values_of_last(begins, values, about), made.bars.close_time)
        else:
            column = shown_by(known, values, made.bars.close_time)
        return column, SecondSeries(column="revised", known_at=known, values=values, value_time=about)

    return made_of


def values_of_last(begins: np.ndarray, values: np.ndarray, about: np.ndarray) -> np.ndarray:
    """The last value printed for each date."""
    return np.array([values[about == date][-1] for date in begins])


def early_by(early: int) -> Callable[[Study], tuple[np.ndarray, SecondSeries]]:
    """Funding, known on the hour, shown at the one decision before it."""

    def made_of(made: Study) -> tuple[np.ndarray, SecondSeries]:
        begins, values = publications(made, HOUR)
        known = begins + HOUR
        column = shown_by(known - early, values, made.bars.close_time)
        return column, SecondSeries(column="funding", known_at=known, values=values, value_time=begins)

    return made_of


def fees(announced: bool) -> Callable[[Study], tuple[np.ndarray, SecondSeries]]:
    """A schedule of fees that changes each day: read from today's list, or from the one that was in force and out."""

    def made_of(made: Study) -> tuple[np.ndarray, SecondSeries]:
        first, last = int(made.bars.open_time[0]), int(made.bars.close_time[-1])
        out = np.arange(first - 12 * HOUR, last, 12 * HOUR)
        rate = np.round(np.random.default_rng(2).uniform(1.0, 5.0, out.size), 1)
        column = shown_by(out if announced else out - 18 * HOUR, rate, made.bars.close_time)
        return column, SecondSeries(column="fee", known_at=out, values=rate, value_time=out)

    return made_of


def numbered(late: int) -> Callable[[Study], tuple[np.ndarray, SecondSeries]]:
    """A second series joined by row number: the record says which row each decision shows, not what it holds."""

    def made_of(made: Study) -> tuple[np.ndarray, SecondSeries]:
        begins, values = publications(made, 15 * MINUTE)
        known = begins + 15 * MINUTE
        row = np.searchsorted(known + late, made.bars.close_time, side="right") - 1
        column = np.where(row >= 0, values[np.clip(row, 0, None)], np.nan)
        return column, SecondSeries(column="joined", known_at=known, value_time=begins, shown=row)

    return made_of


# ---- higher timeframes that say what they are


def declared(early: bool, minutes: int) -> Callable[[Market], Dossier]:
    """A column that says that it is of a higher timeframe; the code that made it is not at hand."""

    def make(market: Market) -> Dossier:
        made = study(market)
        begins, values = publications(made, minutes * MINUTE)
        times = begins if early else begins + minutes * MINUTE
        name = f"move@{minutes}m"
        fresh = with_column(made, name, shown_by(times, values, made.bars.close_time))
        return fresh.with_more(higher_timeframes={name: HigherTimeframe(minutes=minutes)}).dossier()

    return make


def declared_in_part(early: bool) -> Callable[[Market], Dossier]:
    """The hour's close so far: right at the end of each hour, and early within it."""

    def make(market: Market) -> Dossier:
        made = study(market)
        begins, values = publications(made, HOUR)
        now = shown_by(begins + HOUR, values, made.bars.close_time)
        ahead = shown_by(begins + HOUR - 10 * MINUTE, values, made.bars.close_time)
        fresh = with_column(made, "move@1h", ahead if early else now)
        return fresh.with_more(higher_timeframes={"move@1h": HigherTimeframe(minutes=60)}).dossier()

    return make


LEAKS = (
    PlantedLeak("hour_early", "clock", ("sister_60",), column("sister_60", sister(60, 60)), column("sister_60", sister(0, 60))),
    PlantedLeak("bar_early", "clock", ("sister_1",), column("sister_1", sister(1, 1)), column("sister_1", sister(0, 1))),
    PlantedLeak("quarter_early", "clock", ("flow_15",), column("flow_15", leading(15)), column("flow_15", leading(0))),
    PlantedLeak("label_date", "second series", ("figure",), recorded("figure", figure(True)), recorded("figure", figure(False))),
    PlantedLeak("revision", "second series", ("revised",), recorded("revised", revised(True)), recorded("revised", revised(False))),
    PlantedLeak(
        "funding_early", "second series", ("funding",), recorded("funding", early_by(3 * MINUTE)), recorded("funding", early_by(0))
    ),
    PlantedLeak("later_fees", "second series", ("fee",), recorded("fee", fees(False)), recorded("fee", fees(True))),
    PlantedLeak("joined_early", "second series", ("joined",), recorded("joined", numbered(-15 * MINUTE)), recorded("joined", numbered(0))),
    PlantedLeak("declared_15m", "higher timeframe", ("move@15m",), declared(True, 15), declared(False, 15)),
    PlantedLeak("declared_1h", "higher timeframe", ("move@60m",), declared(True, 60), declared(False, 60)),
    PlantedLeak("declared_late_part", "higher timeframe", ("move@1h",), declared_in_part(True), declared_in_part(False)),
)

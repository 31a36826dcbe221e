"""Whether conformal bands held what they say, as typed values: overall, in groups of rows, and through time."""

from barmill.console.parts import Interval, Number, Part


class CoverageFigure(Part):
    """A band on some rows; `chance` is where the share of a band that holds lies, `holds` is None where too few rows can say."""

    group: str = ""
    n_rows: int | None = None
    coverage: Number = None
    chance: Interval = (None, None)
    mean_width: Number = None
    winkler: Number = None
    holds: bool | None = None


class RollingCoverage(Part):
    """Coverage of windows of `window` rows, each ending with the row at `last_row`, at `time_ms` where times are known."""

    window: int | None = None
    last_row: tuple[int, ...] = ()
    time_ms: tuple[int, ...] | None = None
    coverage: tuple[Number, ...] = ()
    chance: Interval = (None, None)
    holds: bool | None = None


class Coverage(Part):
    """How a band of `level` did on rows that it was not fitted on; `overlap` of them share one outcome."""

    level: Number = None
    overlap: Number = None
    overall: CoverageFigure = CoverageFigure()
    by_regime: tuple[CoverageFigure, ...] = ()
    by_volatility: tuple[CoverageFigure, ...] = ()
    rolling: RollingCoverage = RollingCoverage()
    holds: bool | None = None
    words: str = ""


class Band(Part):
    """The band of one model; `n_rows` is what it was fitted on, `online` whether outcomes went on moving it."""

    method: str = ""
    around: str = ""
    level: Number = None
    fitted_on: str = ""
    n_rows: int | None = None
    online: bool = False
    report: Coverage = Coverage()


__all__ = ["Band", "Coverage", "CoverageFigure", "RollingCoverage"]

"""Do the bands hold? Coverage of every model's band on rows that it was not fitted on, in rows, strips and words."""

from collections.abc import Iterator
from dataclasses import dataclass

from barmill.console.coverage_picture import CoveragePicture, coverage_picture, level_text
from barmill.console.figures import NOT_AVAILABLE, SPACE, basis_points, percent, plural, sentence
from barmill.console.judged_bands import Band, Coverage, CoverageFigure
from barmill.console.judgement import Judgement
from barmill.console.strips import Scale, Strip, strip

BPS = 1e4  # of a return
METHODS = {
    "split": "split conformal",
    "cqr": "conformalised quantiles (CQR)",
    "jackknife_plus": "jackknife+",
    "adaptive": "adaptive",
    "mondrian": "by regime (Mondrian)",
}
AROUND = {"q05_q95": "beyond q05 and q95", "E_r": "around E_r", "q50": "around q50"}
FITTED_ON = {"conformal": "rows of their own", "out_of_fold": "forecasts out of fold"}


@dataclass(frozen=True, slots=True)
class Said:
    """A coverage with where it lies by chance; `tag` says what it comes to, `tone` is the tag's class."""

    coverage: str
    chance: str
    tag: str
    tone: str


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A group of rows: its name, a strip on the scale of its model, and the figures behind it."""

    name: str
    strip: Strip | None
    said: Said
    n_rows: str


@dataclass(frozen=True, slots=True)
class BandRow:
    """The band of one model on one block of rows.

    made : what kind of band it is, in words; width, winkler : in basis points
    regimes, deciles : coverage of groups of rows; picture : coverage through time
    """

    name: str
    number: int
    selected: bool
    made: str
    said: Said
    width: str
    winkler: str
    words: str
    regimes: tuple[GroupRow, ...]
    deciles: tuple[GroupRow, ...]
    picture: CoveragePicture | None


@dataclass(frozen=True, slots=True)
class BandBlock:
    """All bands on one block of rows; `about` says which rows."""

    key: str
    title: str
    about: str
    rows: tuple[BandRow, ...]


def band_blocks(judgement: Judgement) -> tuple[BandBlock, ...]:
    """A block for the test block and one for the paths, where models have bands there, in the order of the recipe."""
    tested = tuple(_rows(judgement, {model.name: model.band for model in judgement.models}))
    found = judgement.cross_validation
    walked = () if found is None else tuple(_rows(judgement, {model.name: model.band for model in found.models}))
    blocks = (
        BandBlock("test", "On the test block", "The bars that nothing was fitted or chosen on.", tested),
        BandBlock("paths", "On the paths", f"The rows before it, by bands that were fitted anew in each split. {_as_one(walked)}", walked),
    )
    return tuple(block for block in blocks if block.rows)


def _as_one(rows: tuple[BandRow, ...]) -> str:
    return "Where a row was forecast in several splits, its forecasts count as one outcome." if rows else ""


def _rows(judgement: Judgement, bands: dict[str, Band | None]) -> Iterator[BandRow]:
    for number, model in enumerate(judgement.models):
        band = bands.get(model.name)
        if band is not None:
            yield _row(model.name, number, band, selected=model.selected)


def _row(name: str, number: int, band: Band, *, selected: bool) -> BandRow:
    report, scale = band.report, _scale(band.report)
    return BandRow(
        name=name,
        number=number,
        selected=selected,
        made=_made(band),
        said=_said(report.overall),
        width=_bps(report.overall.mean_width),
        winkler=_bps(report.overall.winkler),
        words=sentence(report.words).replace(" %", f"{SPACE}%"),
        regimes=tuple(_group(figure, report, scale) for figure in report.by_regime),
        deciles=tuple(_group(figure, report, scale) for figure in report.by_volatility),
        picture=coverage_picture(report.rolling, report.level),
    )


def _made(band: Band) -> str:
    around = AROUND.get(band.around, f"around {band.around}")
    rows = FITTED_ON.get(band.fitted_on, band.fitted_on.replace("_", " "))
    kind, moved = METHODS.get(band.method, band.method), ", then moved by each outcome once it was known" if band.online else ""
    return f"{level_text(band.level)} {kind}, {around}, fitted on {rows} ({plural(band.n_rows, 'row')}){moved}"


def _said(figure: CoverageFigure, fine: str = "holds") -> Said:
    low, high = figure.chance
    chance = NOT_AVAILABLE if low is None or high is None else f"by chance {percent(low)} to {percent(high)}"
    if figure.holds is None or figure.coverage is None or low is None:
        return Said(percent(figure.coverage), chance, "too few rows", "")
    if figure.holds:
        return Said(percent(figure.coverage), chance, fine, "passed")
    return Said(percent(figure.coverage), chance, *(("too narrow", "failed") if figure.coverage < low else ("too wide", "warning")))


def _scale(report: Coverage) -> Scale | None:
    groups = (*report.by_regime, *report.by_volatility)
    return Scale.over([report.level, *(value for figure in groups for value in (figure.coverage, *figure.chance))])


def _group(figure: CoverageFigure, report: Coverage, scale: Scale | None) -> GroupRow:
    said, level = _said(figure, "within chance"), report.level
    spoken = f"{figure.group}: {said.coverage} of {plural(figure.n_rows, 'row')}, {said.chance}, {said.tag}"
    drawn = None if level is None else strip(scale, figure.chance, figure.coverage, level, spoken)
    return GroupRow(figure.group, drawn, said, plural(figure.n_rows, "row"))


def _bps(value: float | None) -> str:
    return NOT_AVAILABLE if value is None else basis_points(BPS * value)


__all__ = ["BandBlock", "BandRow", "GroupRow", "band_blocks"]

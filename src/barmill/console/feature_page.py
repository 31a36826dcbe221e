"""The page of a set of features: what each looks like, which deserve a look, and why. One self-contained HTML file."""

import base64
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from barmill.console.embedding import embedded_json, own_file
from barmill.console.feature_folder import has_features, read_features
from barmill.console.feature_marks import (
    HISTOGRAM_BOX,
    MEMORY_BOX,
    correlation_picture,
    histogram_outlines,
    memory_bars,
    missing_runs,
    whole_correlations,
)
from barmill.console.feature_words import MEANINGS, Flags, flag_counts, headline, how, lede
from barmill.console.figures import NOT_AVAILABLE, fixed, percent, plural, significant, whole
from barmill.console.run_folder import RunFolder
from barmill.console.templating import rendered

if TYPE_CHECKING:
    from barmill.evaluation import FeatureFlag, FeatureProfile, TableProfile

SECTIONS = (
    ("verdict", "Overview"),
    ("flags", "What the flags mean"),
    ("table", "All features"),
    ("shapes", "Distribution and memory"),
    ("likeness", "Correlation clusters"),
    ("missing", "Missing rows"),
    ("how", "How it was computed"),
)


@dataclass(frozen=True, slots=True, eq=False)
class FeatureSubject:
    """What the page is about.

    title : such as "charter" or the name of a run
    feature_set : as in a recipe
    open_time : int64 of shape (n_bars,), UTC milliseconds, of the rows of the table
    train, test : rows of the two blocks
    report : where the report of the run lies, if the page belongs to one
    """

    title: str
    feature_set: str
    symbol: str
    timeframe: str
    open_time: npt.NDArray[np.int64]
    train: npt.NDArray[np.int64]
    test: npt.NDArray[np.int64]
    report: str | None = None


def render_run_features(run_folder: Path) -> bytes | None:
    """The page of the features of a finished run; None if the folder does not say where they are.

    Train and test are the bars at which the samples of these blocks were decided. Raises DataError if the files are not there.
    """
    if not has_features(run_folder):
        return None
    from barmill.evaluation import profile_features

    judgement, found = RunFolder.read(run_folder).judgement, read_features(run_folder)
    profile = profile_features(found.values, found.names, found.train, found.test)
    subject = FeatureSubject(
        title=judgement.name,
        feature_set=found.feature_set,
        symbol=judgement.symbol,
        timeframe=judgement.timeframe,
        open_time=found.open_time,
        train=found.train,
        test=found.test,
        report="report.html",
    )
    return render_features(profile, subject)


def render_features(table: "TableProfile", subject: FeatureSubject) -> bytes:
    """The page of a profile, as one HTML file in UTF-8 that loads nothing. The same profile gives the same bytes."""
    from barmill import __version__
    from barmill.evaluation import feature_flags, worst_first

    flags = feature_flags(table)
    order = worst_first(table, flags)
    cluster_of = {member: number for number, members in enumerate(table.correlations.clusters, 1) for member in members}
    context = {
        "subject": subject,
        "sections": SECTIONS,
        "facts": _facts(table, subject),
        "headline": headline(table, flags),
        "lede": lede(flags),
        "tone": "unknown" if not any(flags.values()) else "",
        "flag_rows": [(kind, count, *MEANINGS[kind.code]) for kind, count in flag_counts(flags)],
        "cards": [_card(table, i, flags, cluster_of.get(i)) for i in order],
        "headings": HEADINGS,
        "lags": table.lags,
        "boxes": {"histogram": HISTOGRAM_BOX, "memory": MEMORY_BOX},
        "clusters": _clusters(table),
        "n_ranked": table.correlations.n_rows,
        "strips": _strips(table),
        "n_time_bins": table.missing.shape[1],
        "ticks": [_moment(int(subject.open_time[row])) for row in (0, table.n_rows // 2, table.n_rows - 1)],
        "how": how(),
        "version": __version__,
        "map": _map(table),
    }
    scripts = [own_file("frame.js") + own_file("features.js")]
    likeness = embedded_json(_likeness(table))
    return rendered("features.html.j2", context, styles=["report.css", "features.css"], scripts=scripts, markup={"likeness_data": likeness})


def _facts(table: "TableProfile", subject: FeatureSubject) -> list[tuple[str, str]]:
    return [
        ("Features", f"{whole(len(table.features))}, set {subject.feature_set}"),
        ("Bars", f"{whole(table.n_rows)} of {subject.timeframe}, {subject.symbol}"),
        ("Train", _span(subject, subject.train)),
        ("Test", _span(subject, subject.test)),
    ]


def _span(subject: FeatureSubject, rows: npt.NDArray[np.int64]) -> str:
    if not rows.size:
        return "no rows"
    first, last = (_moment(int(subject.open_time[row])) for row in (rows[0], rows[-1]))
    return f"{plural(rows.size, 'row')}, {first} to {last}"


def _moment(open_time_ms: int) -> str:
    return f"{datetime.fromtimestamp(open_time_ms / 1000, UTC):%Y-%m-%d %H:%M}"


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure of the table: as read, and as sorted (empty if there is none)."""

    text: str
    key: str
    flagged: bool = False


@dataclass(frozen=True, slots=True)
class FeatureCard:
    """A feature as a row of the table and as a small picture."""

    name: str
    anchor: str
    flags: "tuple[FeatureFlag, ...]"
    cells: tuple[Cell, ...]
    train: str
    test: str
    memory: str
    ends: tuple[str, str]
    said: str


HEADINGS = (
    ("PSI", "train to test"),
    ("PSI", "within train"),
    ("KS", "train to test"),
    ("Dickey-Fuller", "5 %: below −2.86"),
    ("Memory", "lag 1"),
    ("Missing", "share of rows"),
    ("Median", ""),
    ("Middle 98 %", "1 % to 99 %"),
    ("Kurtosis", "normal: 3"),
    ("Cluster", ""),
)


def _card(table: "TableProfile", number: int, flags: Flags, cluster: int | None) -> FeatureCard:
    feature = table.features[number]
    own = flags[feature.name]
    histogram = feature.histogram
    train, test = histogram_outlines(histogram) if histogram else ("", "")
    ends = (significant(float(histogram.edges[0])), significant(float(histogram.edges[-1]))) if histogram else ("", "")
    return FeatureCard(
        name=feature.name,
        anchor=f"feature-{number}",
        flags=own,
        cells=_cells(feature, {flag.kind.code for flag in own}, cluster),
        train=train,
        test=test,
        memory=memory_bars(feature.autocorrelation),
        ends=ends,
        said=_said(feature),
    )


def _cells(feature: "FeatureProfile", codes: set[str], cluster: int | None) -> tuple[Cell, ...]:
    low, median, high = (float(feature.quantiles[i]) for i in (0, 3, 6))
    test = feature.dickey_fuller
    statistic = test.statistic if test else math.nan
    memory = float(feature.autocorrelation[0]) if feature.autocorrelation.size else math.nan
    moved = bool(codes & {"drifted", "unsteady"})
    spread = NOT_AVAILABLE if math.isnan(low) else f"{significant(low)} to {significant(high)}"
    return (
        _cell(fixed(feature.psi, 2), feature.psi, moved),
        _cell(fixed(feature.psi_within, 2), feature.psi_within),
        _cell(fixed(feature.ks, 2), feature.ks, moved),
        _cell(fixed(statistic, 1), statistic, "unit_root" in codes),
        _cell(fixed(memory, 2), memory),
        _cell(percent(feature.missing), feature.missing, "missing" in codes or "empty" in codes),
        _cell(significant(median), median, "constant" in codes),
        _cell(spread, high - low),
        _cell(significant(feature.kurtosis), feature.kurtosis),
        Cell(str(cluster or ""), str(cluster or "")),
    )


def _cell(text: str, value: float, flagged: bool = False) -> Cell:
    return Cell(text, f"{value:.9g}" if math.isfinite(value) else "", flagged)


def _said(feature: "FeatureProfile") -> str:
    """What a screen reader says of the two pictures."""
    if feature.histogram is None:
        return "It does not vary."
    half = significant(float(feature.quantiles[2])), significant(float(feature.quantiles[4]))
    return f"Half of the rows lie between {half[0]} and {half[1]}; the median is {significant(float(feature.quantiles[3]))}."


def _clusters(table: "TableProfile") -> list[tuple[int, list[str]]]:
    return [(number, [table.features[member].name for member in members]) for number, members in enumerate(table.correlations.clusters, 1)]


@dataclass(frozen=True, slots=True)
class CorrelationMap:
    """The picture of correlations, and where the clusters lie on it: (number, first place, size)."""

    picture: str
    size: int
    squares: tuple[tuple[int, int, int], ...]


def _map(table: "TableProfile") -> CorrelationMap | None:
    """None where fewer than two features can be compared."""
    found = table.correlations
    if found.order.size < 2:
        return None
    place = {int(feature): at for at, feature in enumerate(found.order)}
    squares = [(number, min(place[i] for i in members), len(members)) for number, members in enumerate(found.clusters, 1)]
    return CorrelationMap(correlation_picture(_ordered(table)), int(found.order.size), tuple(squares))


def _ordered(table: "TableProfile") -> npt.NDArray[np.int8]:
    order = table.correlations.order
    return whole_correlations(table.correlations.rho[np.ix_(order, order)])


def _likeness(table: "TableProfile") -> dict[str, Any]:
    """What the page says of a pair that is pointed at."""
    names = [table.features[i].name for i in table.correlations.order]
    return {"names": names, "rho": base64.b64encode(_ordered(table).tobytes()).decode()}


@dataclass(frozen=True, slots=True)
class MissingStrip:
    """Features whose rows are missing at the same times."""

    names: tuple[str, ...]
    runs: tuple[tuple[int, int, float], ...]
    share: str


def _strips(table: "TableProfile") -> list[MissingStrip]:
    """Features with missing rows, those alike in one strip, the emptiest first; shares are raised to whole tenths."""
    groups: dict[bytes, list[int]] = {}
    tenths = np.ceil(10 * table.missing) / 10
    for i, feature in enumerate(table.features):
        if feature.missing > 0:
            groups.setdefault(tenths[i].tobytes(), []).append(i)
    ordered = sorted(groups.values(), key=lambda group: (-max(table.features[i].missing for i in group), group[0]))
    return [_strip(table, group, tenths[group[0]]) for group in ordered]


def _strip(table: "TableProfile", group: list[int], shares: npt.NDArray[np.float64]) -> MissingStrip:
    missing = [table.features[i].missing for i in group]
    most = percent(max(missing), 2)
    names = tuple(table.features[i].name for i in group)
    return MissingStrip(names, tuple(missing_runs(shares)), most if percent(min(missing), 2) == most else f"up to {most}")


__all__ = ["FeatureSubject", "render_features", "render_run_features"]

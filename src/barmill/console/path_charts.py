"""Charts of a cross-validation: the fan of each model's equity curves, and its splits in sample against out of sample."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from barmill.console.chart_frame import Figure, axis, framed, series_colour
from barmill.console.judged_paths import CrossValidation, PathsOfModel

if TYPE_CHECKING:
    import polars as pl

MOST_POINTS = 400  # of a curve of a fan: nine of them a model still make a light page
ROOM = 0.05  # of the extent, beyond the outermost points

Float64Array = npt.NDArray[np.float64]
Range = tuple[float, float]


def fans(models: tuple[str, ...], paths: "pl.DataFrame | None") -> dict[str, Figure]:
    """A fan for each model of the run that has paths, by the model's name, all on one scale; `models` are in the order of colours."""
    if paths is None or paths.height == 0:
        return {}
    rows = np.unique(np.linspace(0, paths.height - 1, min(paths.height, MOST_POINTS)).round().astype(np.int64))
    time = paths["open_time"].to_numpy()[rows].tolist()
    found = {model: _net_returns(paths, model, rows) for model in models}
    shown = {model: curves for model, curves in found.items() if len(curves)}
    extent = _roomy([float(value) for curves in shown.values() for value in curves[np.isfinite(curves)]])
    return {model: _fan(curves, time, models.index(model), extent) for model, curves in shown.items()}


def _net_returns(paths: "pl.DataFrame", model: str, rows: npt.NDArray[np.int64]) -> Float64Array:
    """Net return since the first bar at `rows`, float64 (n_paths, n_rows); NaN where it is not known."""
    names = [name for name in paths.columns if name.rpartition("|")[0] == model]
    names.sort(key=lambda name: (len(name), name))
    curves = [paths[name].cast(float).fill_null(float("nan")).to_numpy()[rows] - 1.0 for name in names]
    return np.array(curves, dtype=np.float64).reshape(len(names), rows.size)


def _roomy(values: list[float]) -> Range | None:
    """The extent of `values` with some room; None without any."""
    if not values:
        return None
    room = ROOM * (max(values) - min(values)) or ROOM
    return (round(min(values) - room, 4), round(max(values) + room, 4))


def _fan(curves: Float64Array, time: list[int], number: int, extent: Range | None) -> Figure:
    """Every path thin, and thick the median of all at each bar."""
    colour = series_colour(number)
    shared: Figure = {"type": "scatter", "mode": "lines", "hoverinfo": "skip"}
    data = [{**shared, "y": _rounded(curve), "line": {"color": f"{colour}/0.38", "width": 1}} for curve in curves]
    known = np.isfinite(curves).any(axis=0)
    middle = np.full(len(time), np.nan)
    middle[known] = np.nanmedian(curves[:, known], axis=0)
    line = {"color": colour, "width": 2.4}
    said = {"hoverinfo": "x+y", "hovertemplate": "median %{y:.2%}<extra></extra>"}
    if len(curves) > 1:
        data.append({**shared, **said, "y": _rounded(middle), "line": line})
    else:
        data[0] |= {"hoverinfo": "x+y", "hovertemplate": "%{y:.2%}<extra></extra>", "line": line}
    scale = {} if extent is None else {"range": list(extent)}
    layout = framed(
        300,
        hovermode="x",
        xaxis=axis(type="date", nticks=5),
        yaxis=axis(tickformat=".1~%", zeroline=True, zerolinewidth=2, title="net return", nticks=6, **scale),
    )
    return {"x": time, "data": data, "layout": layout}


def _rounded(values: Float64Array) -> list[float | None]:
    """A hundredth of a percent is less than a pixel; what is not finite is a gap."""
    return [round(value, 4) + 0.0 if np.isfinite(value) else None for value in values.tolist()]


def split_scatters(found: CrossValidation, models: tuple[str, ...]) -> dict[str, Figure]:
    """For each model its splits as dots, in sample against out of sample, all on one scale. On the dotted line both are equal."""
    points = {model: _points(paths) for model in models if (paths := found.of(model)) is not None}
    shown = {model: those for model, those in points.items() if those}
    extent = _roomy([value for those in shown.values() for point in those for value in point[:2]])
    return {} if extent is None else {model: _scatter(those, models.index(model), extent) for model, those in shown.items()}


def _points(model: PathsOfModel) -> list[tuple[float, float, int]]:
    """(in sample, out of sample, number) of each split where both are known and finite."""
    pairs = [(split.is_sharpe, split.oos_sharpe, split.number) for split in model.splits]
    return [(a, b, n) for a, b, n in pairs if a is not None and b is not None and np.isfinite(a) and np.isfinite(b)]


def _scatter(points: list[tuple[float, float, int]], number: int, extent: Range) -> Figure:
    colour, ends = series_colour(number), list(extent)
    dots = {
        "type": "scatter",
        "mode": "markers",
        "x": [round(a, 3) for a, _, _ in points],
        "y": [round(b, 3) for _, b, _ in points],
        "text": [f"split {n}" for _, _, n in points],
        "marker": {"color": f"{colour}/0.75", "size": 7},
        "hovertemplate": "%{text}: in sample %{x:.2f}, out of sample %{y:.2f}<extra></extra>",
    }
    layout = framed(
        280,
        xaxis=axis(range=ends, nticks=6, zeroline=True, title="in sample"),
        yaxis=axis(range=ends, nticks=6, zeroline=True, title="out of sample"),
    )
    return {"data": [diagonal(ends), dots], "layout": layout}


def diagonal(ends: list[float]) -> Figure:
    """The line on which both axes are equal."""
    line = {"color": "$muted", "dash": "dot", "width": 1.5}
    return {"type": "scatter", "mode": "lines", "x": ends, "y": ends, "line": line, "hoverinfo": "skip"}


__all__ = ["diagonal", "fans", "split_scatters"]

"""Charts of a run's data and models, as plain Plotly figures."""

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from barmill.console.chart_frame import Figure, axis, framed, plain, series_colour
from barmill.console.figures import instant, percent, whole
from barmill.console.judgement import Judgement, ModelResult
from barmill.console.learning_curves import Curve

if TYPE_CHECKING:
    from barmill.console.equity import EquityCurves


def split_map(judgement: Judgement) -> Figure | None:
    """The blocks on a time line, a row each, and what was set aside between them. None if no block has times."""
    blocks = [
        (block, first, last)
        for block in judgement.splits.blocks
        if (first := instant(block.first_time)) and (last := instant(block.last_time))
    ]
    if not blocks:
        return None
    bars = [_stretch(_title(block.name), first, last, _block_colour(block.name), f"{whole(block.n)} rows") for block, first, last in blocks]
    aside = "set aside"
    pairs = [(before, after) for (_, _, before), (_, after, _) in pairwise(blocks) if after > before]
    bars += [_stretch(aside, first, last, "$muted", "purged or embargoed") for first, last in pairs]
    rows = [_title(block.name) for block, _, _ in blocks] + ([aside] if pairs else [])
    layout = framed(
        60 + 34 * len(rows),
        barmode="overlay",
        bargap=0.3,
        xaxis=axis(type="date", showgrid=True, nticks=6),
        yaxis=axis(autorange="reversed", categoryorder="array", categoryarray=rows, showgrid=False, fixedrange=True),
    )
    return {"data": bars, "layout": layout}


def _title(name: str) -> str:
    return plain(name.replace("_", " "))


def _block_colour(name: str) -> str:
    return {"train": "$accent", "test": "$warn"}.get(name, "$accent-2")


def _stretch(row: str, first: datetime, last: datetime, colour: str, said: str) -> Figure:
    times = f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"
    return {
        "type": "bar",
        "orientation": "h",
        "y": [row],
        "base": [f"{first:%Y-%m-%d %H:%M:%S}"],
        "x": [max(1, round((last - first).total_seconds() * 1000))],
        "marker": {"color": colour, "line": {"color": colour, "width": 1}},
        "hovertemplate": f"{row}<br>{times}<br>{said}<extra></extra>",
    }


def equity_and_drawdown(judgement: Judgement, curves: "EquityCurves") -> Figure:
    """Net return since the test block began, above the drawdown; holding is grey, the selected model is thick."""
    data: list[Figure] = []
    numbers = {model.name: number for number, model in enumerate(judgement.models)}
    chosen = judgement.selected
    thick = chosen.name if chosen else None
    for name in sorted(curves.net_return, key=lambda name: (name == thick, numbers.get(name, -1))):
        held = name not in numbers
        title = "Buy and hold" if name == "buy_and_hold" else name
        line = {"color": "$muted" if held else series_colour(numbers[name]), "width": 2.6 if name == thick else 1.5}
        shared = {"type": "scatter", "mode": "lines", "name": plain(title), "line": line, "legendgroup": plain(name)}
        data.append({**shared, "y": curves.net_return[name], "legendrank": 900 if held else numbers[name] + 1, "hovertemplate": "%{y:.2%}"})
        data.append({**shared, "y": curves.drawdown[name], "yaxis": "y2", "showlegend": False, "hovertemplate": "%{y:.2%}"})
    layout = framed(
        480,
        showlegend=True,
        hovermode="x unified",
        xaxis=axis(type="date", anchor="y2", nticks=6),
        yaxis=axis(domain=[0.38, 1], tickformat=".1~%", zeroline=True, zerolinewidth=2, title="net return"),
        yaxis2=axis(domain=[0, 0.32], tickformat=".1~%", title="drawdown"),
    )
    layout["legend"] |= {"y": -0.1}
    return {"x": curves.time, "data": data, "layout": layout}


@dataclass(frozen=True, slots=True)
class Extent:
    """Ends of the axes of all reliability diagrams of a page: forecasts and shares, a little beyond [0, 1] at most."""

    p: tuple[float, float]
    share: tuple[float, float]


def reliability_extent(models: tuple[ModelResult, ...]) -> Extent:
    """One extent for all models, so that their diagrams can be compared."""
    curves = [model.calibration.reliability for model in models]
    p = [value for curve in curves for value in curve.mean_p if value is not None]
    return Extent(_roomy(p), _roomy([*p, *(value for curve in curves for value in curve.share if value is not None)]))


def _roomy(values: list[float]) -> tuple[float, float]:
    if not values:
        return (0.0, 1.0)
    room = max(0.02, 0.06 * (max(values) - min(values)))
    return (round(max(-0.04, min(values) - room), 4), round(min(1.04, max(values) + room), 4))  # a dot on an edge stays whole


def reliability(model: ModelResult, number: int, extent: Extent) -> Figure | None:
    """Share of ups against forecast p_up, with its band, the diagonal and how many forecasts there were."""
    curve = model.calibration.reliability
    columns = zip(curve.mean_p, curve.share, curve.low, curve.high, curve.count, strict=False)
    bins = sorted((p, share, low, high, count) for p, share, low, high, count in columns if p is not None and share is not None and count)
    if not bins:
        return None
    p, share, low, high, count = (list(column) for column in zip(*bins, strict=True))
    colour = series_colour(number)
    gaps = [after - before for before, after in pairwise(p) if after > before]
    low_end = [value if value is not None else at for value, at in zip(low, share, strict=True)]
    high_end = [value if value is not None else at for value, at in zip(high, share, strict=True)]
    said = [f"{whole(n)} forecasts, band {percent(a)} to {percent(b)}" for n, a, b in zip(count, low_end, high_end, strict=True)]
    data: list[Figure] = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": list(extent.p),
            "y": list(extent.p),
            "line": {"color": "$muted", "dash": "dot", "width": 1.5},
        },
        {
            "type": "scatter",
            "mode": "lines",
            "x": [*p, *reversed(p)],
            "y": [*high_end, *reversed(low_end)],
            "fill": "toself",
            "fillcolor": f"{colour}/0.18",
            "line": {"width": 0, "color": f"{colour}/0.18"},
        },
        {
            "type": "scatter",
            "mode": "lines+markers",
            "x": p,
            "y": share,
            "text": said,
            "line": {"color": colour, "width": 2},
            "marker": {"color": colour, "size": 7},
            "error_y": {
                "type": "data",
                "symmetric": False,
                "array": [max(0.0, end - at) for end, at in zip(high_end, share, strict=True)],
                "arrayminus": [max(0.0, at - end) for end, at in zip(low_end, share, strict=True)],
                "color": f"{colour}/0.7",
                "thickness": 1.2,
                "width": 3,
            },
            "hovertemplate": "forecast %{x:.1%}, happened %{y:.1%}<br>%{text}<extra></extra>",
        },
        {
            "type": "bar",
            "x": p,
            "y": count,
            "width": 0.8 * (min(gaps) if gaps else 0.02),
            "yaxis": "y2",
            "marker": {"color": f"{colour}/0.55"},
            "hovertemplate": "%{y:,} forecasts near %{x:.1%}<extra></extra>",
        },
    ]
    data[0]["hoverinfo"] = data[1]["hoverinfo"] = "skip"
    layout = framed(
        340,
        xaxis=axis(range=list(extent.p), tickformat=_percents(extent.p), nticks=7, anchor="y2", title="forecast p_up"),
        yaxis=axis(range=list(extent.share), tickformat=_percents(extent.share), nticks=6, domain=[0.3, 1], title="share that went up"),
        yaxis2=axis(domain=[0, 0.22], nticks=3, tickformat="~s", title="rows"),
        bargap=0,
    )
    return {"data": data, "layout": layout}


def _percents(ends: tuple[float, float]) -> str:
    """Tick format: decimals only where whole percents would repeat."""
    return ".0%" if ends[1] - ends[0] > 0.05 else ".1%"


def learning(curves: list[Curve], number: int) -> Figure:
    """Loss by step of the fit, on training rows and the early-stopping slice; a dot marks the best step of the latter."""
    data: list[Figure] = []
    for curve in curves:
        colour = series_colour(number) if curve.judged else "$muted"
        line = {"color": colour, "width": 2 if curve.judged else 1.5, "dash": "solid" if curve.judged else "dot"}
        shared = {"type": "scatter", "name": plain(curve.name), "hovertemplate": "%{y:.5g}"}
        data.append({**shared, "mode": "lines", "x": curve.step, "y": curve.loss, "line": line})
        best = curve.best
        if curve.judged and best is not None:
            dot = {
                "mode": "markers",
                "marker": {"color": colour, "size": 9},
                "hoverinfo": "skip",
                "hovertemplate": None,
                "showlegend": False,
            }
            data.append({**shared, **dot, "x": [curve.step[best]], "y": [curve.loss[best]]})
    few = {"dtick": 1} if max(curve.step[-1] for curve in curves) <= 6 else {}  # there is no step 1.5
    alone = f"loss, {curves[0].name}" if len(curves) == 1 else "loss"
    layout = framed(
        260 if len(curves) > 1 else 230,
        showlegend=len(curves) > 1,
        hovermode="x unified",
        xaxis=axis(nticks=6, title="step of the fit", **few),
        yaxis=axis(nticks=5, title=alone),
    )
    layout["legend"] |= {"y": -0.32}
    return {"data": data, "layout": layout}


__all__ = ["Extent", "equity_and_drawdown", "learning", "reliability", "reliability_extent", "split_map"]

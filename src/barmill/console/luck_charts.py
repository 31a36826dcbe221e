"""Charts of luck and of search: the ranks behind a PBO, what a choice lost on its way out of sample, the trials of a tuning."""

import math

import numpy as np

from barmill.console.chart_frame import Figure, axis, framed, plain, series_colour
from barmill.console.judged_luck import Pbo
from barmill.console.judged_process import Tuning
from barmill.console.path_charts import diagonal

LOGIT_BINS = 30


def logit_histogram(pbo: Pbo) -> Figure | None:
    """The logits of the rank out of sample; those at 0 and below are overfit. None without any."""
    logits = [value for value in pbo.logits if value is not None and math.isfinite(value)]
    if not logits:
        return None
    end = max(abs(value) for value in logits) or 1.0
    edges = np.linspace(-end, end, LOGIT_BINS + 1)
    # a bin holds its upper edge: a logit of 0, the median rank, counts as overfit
    counts = np.histogram(np.negative(logits), bins=edges)[0][::-1]
    middles, shares = (edges[:-1] + edges[1:]) / 2, counts / len(logits)
    bars = [
        {
            "type": "bar",
            "x": middles[side].round(3).tolist(),
            "y": shares[side].round(4).tolist(),
            "width": round(0.94 * float(edges[1] - edges[0]), 4),
            "marker": {"color": colour},
            "hovertemplate": "%{y:.1%} of the choices near %{x:.2f}<extra></extra>",
        }
        for side, colour in ((middles < 0, "$warn/0.8"), (middles > 0, "$good/0.8"))
    ]
    layout = framed(
        280,
        bargap=0,
        xaxis=axis(nticks=7, zeroline=True, zerolinewidth=2, title="logit of the rank out of sample"),
        yaxis=axis(nticks=5, tickformat=".0%", title="choices"),
    )
    return {"data": bars, "layout": layout}


def degradation(pbo: Pbo) -> Figure | None:
    """Sharpe ratios of the chosen configuration, in sample against out of sample, with the least-squares line. None without any."""
    points = [(a, b) for a, b in pbo.points if a is not None and b is not None and math.isfinite(a) and math.isfinite(b)]
    if not points:
        return None
    x, y = ([round(value, 5) for value in column] for column in zip(*points, strict=True))
    data: list[Figure] = [
        {
            "type": "scatter",
            "mode": "markers",
            "x": x,
            "y": y,
            "marker": {"color": "$accent/0.45", "size": 5},
            "hovertemplate": "in sample %{x:.3f}, out of sample %{y:.3f}<extra></extra>",
        },
        diagonal([min(x), max(x)]),
    ]
    if pbo.slope is not None and pbo.intercept is not None:
        line = [round(pbo.intercept + pbo.slope * value, 5) for value in (min(x), max(x))]
        data.append(
            {"type": "scatter", "mode": "lines", "x": [min(x), max(x)], "y": line, "line": {"color": "$accent", "width": 2.2}}
            | {"hoverinfo": "skip"}
        )
    layout = framed(
        280,
        xaxis=axis(nticks=6, zeroline=True, title="Sharpe in sample, per bar"),
        yaxis=axis(nticks=6, zeroline=True, title="out of sample"),
    )
    return {"data": data, "layout": layout}


def search(tuning: Tuning, number: int) -> Figure | None:
    """The value of each trial, and the best so far. None without any."""
    rows = [(trial, value, best) for trial, value, best in tuning.history]
    if not rows:
        return None
    colour = series_colour(number)
    trial, value, best = ([row[k] for row in rows] for k in range(3))
    data: list[Figure] = [
        {
            "type": "scatter",
            "mode": "markers",
            "x": trial,
            "y": value,
            "marker": {"color": f"{colour}/0.6", "size": 6},
            "hovertemplate": "trial %{x}: %{y:.5g}<extra></extra>",
        },
        {
            "type": "scatter",
            "mode": "lines",
            "x": trial,
            "y": best,
            "line": {"color": colour, "width": 2, "shape": "hv"},
            "hovertemplate": "best so far %{y:.5g}<extra></extra>",
        },
    ]
    layout = framed(260, xaxis=axis(nticks=6, title="trial"), yaxis=axis(nticks=5, title=plain(tuning.metric.replace("_", " ")) or "value"))
    return {"data": data, "layout": layout}


__all__ = ["degradation", "logit_histogram", "search"]

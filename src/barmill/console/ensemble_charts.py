"""The weights of an ensemble's members through the test block, and below them what tells the regime."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from barmill.console.chart_frame import Figure, axis, framed, plain, series_colour
from barmill.console.judged_ensembles import ThroughTime

MOST_REGIMES = 4  # lines that can be told apart by their dashes
DASHES = ("solid", "dot", "dash", "dashdot")
_STATE = re.compile(r"^(?:hmm_regime|markov_switching)_probability_\d+_(\d+)\(")


def weights_chart(found: ThroughTime, numbers: dict[str, int]) -> Figure | None:
    """Members stacked to 1, in their colours. None without times.

    numbers : of each model of the run, by its name
    """
    if not found.open_time:
        return None
    moments = [f"{datetime.fromtimestamp(time / 1000, UTC):%Y-%m-%d %H:%M}" for time in found.open_time]
    data = [_area(label, weights, numbers.get(label, 0)) for label, weights in found.members.items()]
    regimes = list(found.regimes.items())[:MOST_REGIMES]
    data += [_line(name, values, dash) for (name, values), dash in zip(regimes, DASHES, strict=False)]
    weights = axis(range=[0, 1], tickformat=".0%", nticks=5, title="weight", fixedrange=True)
    if not regimes:
        layout = framed(300, showlegend=True, hovermode="x unified", xaxis=axis(type="date", nticks=6), yaxis=weights)
        layout["legend"] |= {"y": -0.2, "traceorder": "normal"}
        return {"x": moments, "data": data, "layout": layout}
    layout = framed(
        420,
        showlegend=True,
        hovermode="x unified",
        xaxis=axis(type="date", anchor="y2", nticks=6),
        yaxis={**weights, "domain": [0.38, 1]},
        yaxis2=axis(domain=[0, 0.3], nticks=4, title="regime", fixedrange=True),
    )
    layout["legend"] |= {"y": -0.12, "traceorder": "normal"}
    return {"x": moments, "data": data, "layout": layout}


def _area(label: str, weights: Sequence[float | None], number: int) -> Figure:
    colour = series_colour(number)
    return {
        "type": "scatter",
        "mode": "lines",
        "name": plain(label),
        "y": list(weights),
        "stackgroup": "weights",
        "line": {"color": colour, "width": 1},
        "fillcolor": f"{colour}/0.55",
        "hovertemplate": "%{y:.1%}",
    }


def _line(name: str, values: Sequence[float | None], dash: str) -> Figure:
    line = {"color": "$ink", "width": 1.3, "dash": dash}
    shared = {"type": "scatter", "mode": "lines", "yaxis": "y2", "hovertemplate": "%{y:.2f}"}
    return {**shared, "name": plain(regime_title(name)), "y": list(values), "line": line}


def regime_title(name: str) -> str:
    """A feature that tells the regime as a legend has room for it: probabilities of states are counted from 1."""
    state = _STATE.match(name)
    return f"probability of regime {int(state.group(1)) + 1}" if state else name


__all__ = ["regime_title", "weights_chart"]

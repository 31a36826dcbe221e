"""The chart of a forecast's components: what a network that adds up a trend and a season sees, step by step ahead."""

from barmill.console.chart_frame import Figure, axis, framed, series_colour
from barmill.console.judged_explanations import Component, Explanation


def components(explanation: Explanation, number: int) -> Figure | None:
    """Mean trend and season over the sample, each with the mean of its size as a dotted line. None without either."""
    parts = {"trend": explanation.read_out.trend, "seasonal": explanation.read_out.seasonal}
    data: list[Figure] = []
    for name, part in parts.items():
        if part is not None:
            data += _lines(name, part, series_colour(number) if name == "trend" else "$muted")
    if not data:
        return None
    layout = framed(
        230, showlegend=True, hovermode="x unified", xaxis=axis(nticks=6, title="steps ahead"), yaxis=axis(nticks=5, zeroline=True)
    )
    layout["legend"] |= {"y": -0.32}
    return {"data": data, "layout": layout}


def _lines(name: str, part: Component, colour: str) -> list[Figure]:
    steps = list(range(1, len(part.mean) + 1))
    shared = {"type": "scatter", "mode": "lines", "x": steps, "hovertemplate": "%{y:.3g}"}
    return [
        {**shared, "name": f"{name}, mean", "y": list(part.mean), "line": {"color": colour, "width": 2}},
        {**shared, "name": f"{name}, mean size", "y": list(part.size), "line": {"color": colour, "width": 1.2, "dash": "dot"}},
    ]


__all__ = ["components"]

"""The chart of a forecast's components: what a network that adds up a path, such as trend and season, sees step by step ahead."""

from barmill.console.chart_frame import Figure, axis, framed, plain, series_colour
from barmill.console.judged_explanations import Component, Explanation


def components(explanation: Explanation, number: int) -> Figure | None:
    """The mean of each part over the sample, with the mean of its size as a dotted line. None without parts."""
    parts = explanation.read_out.components
    if not parts:
        return None
    colours = [series_colour(number), "$muted", *(series_colour(number + 1 + i) for i in range(len(parts)))]
    data = [line for (name, part), colour in zip(parts.items(), colours, strict=False) for line in _lines(name, part, colour)]
    layout = framed(
        230, showlegend=True, hovermode="x unified", xaxis=axis(nticks=6, title="steps ahead"), yaxis=axis(nticks=5, zeroline=True)
    )
    layout["legend"] |= {"y": -0.32}
    return {"data": data, "layout": layout}


def _lines(name: str, part: Component, colour: str) -> list[Figure]:
    steps = list(range(1, len(part.mean) + 1))
    shared = {"type": "scatter", "mode": "lines", "x": steps, "hovertemplate": "%{y:.3g}"}
    dotted = {"color": colour, "width": 1.2, "dash": "dot"}
    return [
        {**shared, "name": plain(name), "y": list(part.mean), "line": {"color": colour, "width": 2}},
        {**shared, "name": f"{plain(name)}, size", "y": list(part.size), "line": dotted, "showlegend": False},
    ]


__all__ = ["components"]

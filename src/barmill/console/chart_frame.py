"""What all charts share: colours that are names of the style sheet's variables ("$ink"), axes, and the frame around them."""

from typing import Any

Figure = dict[str, Any]  # data and layout as Plotly has them, and, where curves share their times, "x"

SERIES_COLOURS = 8  # --series-0 to --series-7 in the style sheet


def plain(text: str) -> str:
    """`text` as Plotly shows it unchanged; left alone, Plotly reads tags in it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def series_colour(number: int) -> str:
    """The colour of the model that stands at `number` in the recipe, the same in all charts and tables."""
    return f"$series-{number % SERIES_COLOURS}"


def axis(**settings: Any) -> dict[str, Any]:
    """An axis in the page's colours; `settings` are Plotly's, with `title` as plain text."""
    base: dict[str, Any] = {
        "gridcolor": "$grid",
        "linecolor": "$rule",
        "zerolinecolor": "$rule",
        "tickfont": {"color": "$muted"},
        "automargin": True,
    }
    title = settings.pop("title", None)
    if title:
        base["title"] = {"text": title, "font": {"color": "$muted", "size": 12}, "standoff": 8}
    return {**base, **settings}


def framed(height: int, **settings: Any) -> dict[str, Any]:
    """A layout in the page's colours, `height` in pixels; `settings` are Plotly's."""
    return {
        "height": height,
        "margin": {"l": 8, "r": 12, "t": 12, "b": 8},
        "paper_bgcolor": "$clear",
        "plot_bgcolor": "$clear",
        "font": {"color": "$ink", "size": 12},
        "hoverlabel": {"bgcolor": "$surface", "bordercolor": "$rule", "font": {"color": "$ink"}},
        "legend": {"orientation": "h", "x": 0, "y": -0.16, "yanchor": "top", "font": {"color": "$ink"}},
        "showlegend": False,
        **settings,
    }


__all__ = ["Figure", "axis", "framed", "plain", "series_colour"]

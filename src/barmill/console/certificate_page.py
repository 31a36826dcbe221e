"""The certificate of a proof as a page: the verdict, what was measured where there is nothing to find, and where there is something."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from barmill.console.embedding import own_file
from barmill.console.figures import fixed, percent, plural, span, whole
from barmill.console.strips import Scale, Strip, strip
from barmill.console.templating import rendered

SECTIONS = (
    ("verdict", "Verdict"),
    ("null", "Without an edge"),
    ("promotion", "Promotions"),
    ("controls", "With a known edge"),
    ("overrides", "What was made smaller"),
    ("how", "How it was measured"),
    ("fingerprints", "Fingerprints"),
    ("markets", "Every market"),
)
HALF = 0.5
CLOUD = (1000, 120)  # width and height of the picture of all markets, in its own units
ROWS_OF_DOTS = 11

Certified = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class IntervalRow:
    """A line of the table of intervals; `tone` is "bad" where one half lies outside."""

    name: str
    under: str
    value: str
    interval: str
    n: str
    marks: Strip | None
    tone: str


@dataclass(frozen=True, slots=True)
class Dot:
    """A market in the picture of all of them; `said` on pointing at it."""

    x: float
    y: float
    series: int
    said: str


def render_certificate(content: Certified) -> bytes:
    """The certificate as one HTML file in UTF-8 that loads nothing. The same certificate gives the same bytes.

    Parameters
    ----------
    content : plain JSON, as certificate.json holds it
    """
    from barmill import __version__

    null = content["null"]
    scale = _scale(null)
    context = {
        "content": content,
        "granted": content["verdict"] == "granted",
        "sections": [(anchor, title) for anchor, title in SECTIONS if anchor != "controls" or content["controls"]],
        "headline": headline(content),
        "facts": _facts(content),
        "rows": interval_rows(null, content["demands"], scale),
        "scale": "" if scale is None else span(scale.low, scale.high, 3),
        "dots": dots(content["markets"]),
        "cloud": CLOUD,
        "promotions": [_promotion(kind, null, content["demands"]) for kind in ("net", "gross")],
        "controls": [(control, [_control(model) for model in control["models"]]) for control in content["controls"]],
        "overrides": [(each["key"], _plain(each["was"]), _plain(each["now"]), each["why"]) for each in content["overrides"]],
        "markets": [_market(each) for each in content["markets"]],
        "models": [model["name"] for model in null["models"]],
        "version": __version__,
    }
    return rendered("certificate.html.j2", context, styles=["report.css", "certificate.css"], scripts=[own_file("frame.js")])


def headline(content: Certified) -> str:
    """The verdict in one sentence."""
    if content["verdict"] == "granted":
        return "Granted: where there is nothing to find, this pipeline finds nothing."
    return "Refused: this pipeline cannot be trusted with what it reports."


def interval_rows(null: Certified, demands: Certified, scale: Scale | None) -> list[IntervalRow]:
    """The pipeline, its short folds, each model and each kind of market, on one scale."""
    level, family = percent(demands["level"]), percent(demands["family_level"])
    whole_row = _row("All markets", f"{level} interval", null["auc"], scale)
    sees = f"{level} interval of the witness; a shift of {fixed(null['border']['sees'], 3)} would be seen"
    border = _row("Next to training rows", sees, null["border"], scale)
    models = [_row(model["name"], f"{family} for all models and kinds together", model["auc"], scale) for model in null["models"]]
    kinds = [_row(kind["name"].replace("_", " "), kind["title"], kind["auc"], scale) for kind in null["kinds"]]
    return [whole_row, border, *models, *kinds]


def dots(markets: Sequence[Certified]) -> list[Dot]:
    """Each market without an edge by the mean AUC of its models, one beside another where they meet."""
    found = [(each, _mean([model["auc"] for model in each["models"].values()])) for each in markets if each["strength"] is None]
    known = [(each, auc) for each, auc in found if auc is not None]
    if not known:
        return []
    kinds = list(dict.fromkeys(each["kind"] for each, _ in known))
    reach = max(0.02, *(abs(auc - HALF) for _, auc in known)) * 1.05
    made: list[Dot] = []
    for place, (each, auc) in enumerate(known):
        x = CLOUD[0] * (0.5 + (auc - HALF) / (2 * reach))
        y = CLOUD[1] * (0.5 + (place % ROWS_OF_DOTS - ROWS_OF_DOTS // 2) / (ROWS_OF_DOTS + 1))
        said = f"{each['kind'].replace('_', ' ')} {each['number']}: AUC {fixed(auc, 4)}"
        made.append(Dot(round(x, 1), round(y, 1), kinds.index(each["kind"]), said))
    return made


def _scale(null: Certified) -> Scale | None:
    estimates = [null["auc"], null["border"], *(model["auc"] for model in null["models"]), *(kind["auc"] for kind in null["kinds"])]
    ends = [estimate[end] for estimate in estimates for end in ("low", "high")]
    return Scale.over([HALF, *ends])


def _row(name: str, under: str, estimate: Certified, scale: Scale | None) -> IntervalRow:
    interval = (estimate["low"], estimate["high"])
    told = span(*interval, 4)
    outside = None not in interval and not interval[0] <= HALF <= interval[1]
    marks = strip(scale, interval, estimate["value"], HALF, f"{fixed(estimate['value'], 4)}, {told}, reference 0.5")
    return IntervalRow(name, under, fixed(estimate["value"], 4), told, plural(estimate["n"], "market"), marks, "bad" if outside else "")


def _promotion(kind: str, null: Certified, demands: Certified) -> dict[str, str]:
    found = null["promotion"][kind]
    named = {"net": "net of costs, as a run judges", "gross": "before costs"}
    each = ", ".join(f"{model['name']} {model['promoted'][kind]}" for model in null["models"])
    return {
        "name": named[kind],
        "count": f"{whole(found['count'])} of {whole(found['n'])}",
        "share": percent(found["value"]),
        "band": f"{percent(found['low'])} to {percent(found['high'])}",
        "allowed": percent(demands["promoted"]),
        "each": each,
    }


def _control(model: Certified) -> dict[str, Any]:
    share = model["share"]
    value = share["value"]
    return {
        "name": model["name"],
        "auc": f"{fixed(model['auc']['value'], 3)} ({span(model['auc']['low'], model['auc']['high'], 3)})",
        "sharpe": fixed(model["sharpe"], 1),
        "share": percent(value),
        "interval": "n/a" if share["low"] is None else f"{percent(share['low'])} to {percent(share['high'])}",
        "width": 0 if value is None else round(100 * min(1.0, max(0.0, value)), 1),
    }


def _market(each: Certified) -> dict[str, Any]:
    name = each["kind"].replace("_", " ") if each["strength"] is None else f"strength {each['strength']:g}"
    return {
        "name": f"{name} {each['number']}",
        "seed": str(each["seed"]),
        "data": each["data"][:12],
        "bars": whole(each["n_bars"]),
        "aucs": [fixed(model["auc"], 4) for model in each["models"].values()],
    }


def _facts(content: Certified) -> list[tuple[str, str]]:
    null, settings = content["null"], content["settings"]
    return [
        ("Recipe", content["name"]),
        ("Markets are made like", f"{content['symbol']}, {content['timeframe']} bars"),
        ("Settings", f"{settings['name']}, seed {content['seed']}"),
        ("Without an edge", f"{plural(null['n_markets'], 'market')}, {whole(null['n_bars'])} bars"),
        ("Forecasts of each model", whole(null["n_labels"])),
        ("Horizon and embargo", f"{whole(content['horizon'])} and {whole(content['embargo_bars'])} bars"),
    ]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None and math.isfinite(value)]
    return sum(known) / len(known) if known else None


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


__all__ = ["render_certificate"]

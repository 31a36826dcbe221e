"""What /v1 tells of a model: who it is, what it takes and what it gives."""

import math
from collections.abc import Sequence
from typing import Any

from barmill.bundles import Bundle
from barmill.serving.aliases import AliasStatus
from barmill.serving.answers import Ask
from barmill.serving.contract import Forecasting
from barmill.serving.http.bodies import BAR_FIELDS
from barmill.serving.schema import FeatureSchema

_ANY_RANGE = 0.0  # the range that is told is training's own


def about(plane: Forecasting, ask: Ask) -> dict[str, Any]:
    """The version that answers, and what it forecasts."""
    with plane.lease(ask) as served:
        bundle, manifest = served.bundle, served.bundle.manifest
        return {
            "name": served.name,
            "version": manifest.version,
            "number": served.number,
            "digest": bundle.digest,
            "schema_hash": manifest.schema_hash,
            "symbol": manifest.symbol,
            "timeframe": manifest.timeframe,
            "outputs": list(bundle.outputs),
        }


def aliases_json(model: str, aliases: Sequence[AliasStatus]) -> dict[str, Any]:
    """What was given to each alias, and which version has it."""
    said = {
        one.alias: {
            "version": one.given.version,
            "share": one.given.share,
            "by": None if one.by is None else one.by._asdict(),
            "reason": one.reason,
        }
        for one in aliases
    }
    return {"model": model, "aliases": said}


def schema_json(plane: Forecasting, ask: Ask) -> dict[str, Any]:
    """What the version takes, in order, with units and the range of training, and what it gives."""
    said = about(plane, ask)
    with plane.lease(ask) as served:
        bundle = served.bundle
        schema = FeatureSchema.of(bundle, _ANY_RANGE)
        return said | {
            "features": [] if schema.needs_bars else _features(bundle, schema),
            "rows": schema.rows,
            "needs_bars": schema.needs_bars,
            "bars": [_bar_column(name) for name in (*BAR_FIELDS, *bundle.plan.sources)],
            "needed_bars": bundle.needed_bars,
            "settled_bars": bundle.settled_bars,
            "outputs": [{"name": name, "dtype": "float64"} for name in bundle.outputs],
        }


def _bar_column(name: str) -> dict[str, str]:
    return {"name": name, "dtype": "int64", "unit": "ms UTC"} if name == "open_time" else {"name": name, "dtype": "float64"}


def _features(bundle: Bundle, schema: FeatureSchema) -> list[dict[str, Any]]:
    entries = {entry["name"]: entry for entry in bundle.plan.schema}
    ranges = zip(schema.names, schema.low.tolist(), schema.high.tolist(), strict=True)
    return [
        {"name": name, "dtype": "float64", "unit": entries[name]["unit"], "timeframe": entries[name]["timeframe"]}
        | ({} if math.isnan(low) else {"min": low, "max": high})
        for name, low, high in ranges
    ]


__all__ = ["about", "aliases_json", "schema_json"]

"""What a graph says of itself, so that it can be used by somebody who has nothing but the file; no time, no machine."""

import json
from collections.abc import Mapping
from typing import Any

import barmill
from barmill.artefacts import sha256
from barmill.bundles import Bundle, EnsemblePipeline, ForecastPipeline, without_graphs
from barmill.bundles.manifest import MANIFEST
from barmill.bundles.needed_features import needed_features
from barmill.export.graph import ML_OPSET, OPSET
from barmill.export.pipeline_graph import FEATURES, WINDOW
from barmill.views import RobustScaler

_RETURN = "net log return from entry to the end of the label"
_UNITS = {
    "E_r": f"{_RETURN}, expected",
    "q05": f"{_RETURN}, 5% quantile",
    "q50": f"{_RETURN}, 50% quantile",
    "q95": f"{_RETURN}, 95% quantile",
    "lower": f"{_RETURN}, lower end of the conformal band",
    "upper": f"{_RETURN}, upper end of the conformal band",
}
_RAW_UNITS = {
    "logits": "log-odds of the last class of two, or a score of each class, before calibration",
    "expected": "expected net log return in units of the volatility known at the decision",
    "quantiles": "5, 50 and 95% quantiles of the same",
}


def forecast_metadata(bundle: Bundle) -> dict[str, str]:
    """Of a bundle's whole forecast."""
    pipeline = bundle.pipeline
    names = needed_features(pipeline)
    inputs: dict[str, Any] = {}
    if names:
        inputs[FEATURES] = {"names": list(names), "rows": pipeline.depth, "scaled": False}
    if isinstance(pipeline, EnsemblePipeline):
        inputs |= {f"{label}.{WINDOW}": _seen(member) for label, member in pipeline.members if member.sees_bars}
    elif pipeline.sees_bars:
        inputs[WINDOW] = _seen(pipeline)
    return _about(bundle, "forecast", inputs, {name: _unit(name) for name in pipeline.columns})


def model_metadata(bundle: Bundle, label: str, pipeline: ForecastPipeline) -> dict[str, str]:
    """Of one of its models alone."""
    return _about(bundle, "model", {WINDOW: _seen(pipeline)}, _RAW_UNITS) | {"model": label}


def _about(bundle: Bundle, graph: str, inputs: Mapping[str, Any], units: Mapping[str, str]) -> dict[str, str]:
    manifest = bundle.manifest
    return {
        "barmill": barmill.__version__,
        "bundle": sha256(without_graphs(bundle.files)[MANIFEST]),
        "graph": graph,
        "inputs": _json(inputs),
        "model": manifest.model.name,
        "name": manifest.name,
        "opset": _json({"ai.onnx": OPSET, "ai.onnx.ml": ML_OPSET}),
        "schema_hash": manifest.schema_hash,
        "symbol": manifest.symbol,
        "timeframe": manifest.timeframe,
        "units": _json(units),
        "version": manifest.version,
    }


def _seen(pipeline: ForecastPipeline) -> dict[str, Any]:
    """What one model sees, as its input `window`."""
    if isinstance(pipeline.scaler, RobustScaler):
        return {"names": list(pipeline.input_names), "rows": pipeline.width, "scaled": True}
    return {"rows": pipeline.width, **pipeline.scaler.to_json()}


def _unit(column: str) -> str:
    if column.startswith("p_"):
        return "probability"
    if "_kATR" in column:
        return "average true ranges"
    return _UNITS.get(column, "R" if column.startswith("rr_") else "1")


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


__all__ = ["forecast_metadata", "model_metadata"]

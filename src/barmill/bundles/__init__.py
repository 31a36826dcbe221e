"""Bundles: everything needed to forecast from raw bars, in one immutable folder with a digest of every byte.

`assemble` turns a fitted model, or an ensemble of some, and what belongs to it into named bytes, `publish` puts them on the disk whole or
not at all, `Bundle.load` verifies them in memory before anything parses them, and `ForecastPipeline` (of an ensemble, `EnsemblePipeline`)
is the one code that turns feature rows into forecasts, in training's judgement as in serving. Imports no torch, no training code and no
pickle. The format is described in docs/reference/bundle-format.md; what may be added is a part named in `manifest.PARTS`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from barmill.bundles.band_walk import BandWalk
    from barmill.bundles.bundle import Bundle
    from barmill.bundles.contents import BundleContents, EnsembleContents, MemberContents, assemble
    from barmill.bundles.ensemble_pipeline import EnsembleMember, EnsemblePipeline
    from barmill.bundles.folder import VerifiedFiles, read_bundle
    from barmill.bundles.forecast import Forecast
    from barmill.bundles.forecast_band import BandOutcomes, ForecastBand
    from barmill.bundles.forecasting import ForecastPipeline, Volatility
    from barmill.bundles.graphs import with_graphs, without_graphs
    from barmill.bundles.hot_path import HotPath
    from barmill.bundles.manifest import Manifest
    from barmill.bundles.publishing import promote, publish
    from barmill.bundles.stream import BundleStream
    from barmill.bundles.verifying import VerifyReport, verify

# Loaded when first asked for: publishing and verifying bytes must not wait for Polars, Numba and the boosters.
_PLACES = {
    "BandOutcomes": "forecast_band",
    "BandWalk": "band_walk",
    "Bundle": "bundle",
    "BundleContents": "contents",
    "BundleStream": "stream",
    "EnsembleContents": "contents",
    "EnsembleMember": "ensemble_pipeline",
    "EnsemblePipeline": "ensemble_pipeline",
    "Forecast": "forecast",
    "ForecastBand": "forecast_band",
    "ForecastPipeline": "forecasting",
    "HotPath": "hot_path",
    "Manifest": "manifest",
    "MemberContents": "contents",
    "VerifyReport": "verifying",
    "VerifiedFiles": "folder",
    "Volatility": "forecasting",
    "assemble": "contents",
    "promote": "publishing",
    "publish": "publishing",
    "read_bundle": "folder",
    "verify": "verifying",
    "with_graphs": "graphs",
    "without_graphs": "graphs",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)


__all__ = [
    "BandOutcomes",
    "BandWalk",
    "Bundle",
    "BundleContents",
    "BundleStream",
    "EnsembleContents",
    "EnsembleMember",
    "EnsemblePipeline",
    "Forecast",
    "ForecastBand",
    "ForecastPipeline",
    "HotPath",
    "Manifest",
    "MemberContents",
    "VerifiedFiles",
    "VerifyReport",
    "Volatility",
    "assemble",
    "promote",
    "publish",
    "read_bundle",
    "verify",
    "with_graphs",
    "without_graphs",
]

"""Every model of the catalogue as nodes of a graph: one function for each kind of forecaster, from the same bytes that it reads."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import TypeAlias

from barmill.errors import SchemaError
from barmill.export.booster_graphs import add_booster, add_entry, add_outcome_quantiles
from barmill.export.foundation_graph import add_foundation
from barmill.export.graph import GraphBuilder, Value
from barmill.export.linear_graph import add_linear
from barmill.export.network_graph import add_network, add_pattern_network
from barmill.export.values import RawValues
from barmill.models import MODELS
from barmill.models.boosting.flat_trees import FlatTrees
from barmill.models.boosting.lightgbm_text import read_lightgbm
from barmill.models.boosting.symmetric_trees import SymmetricTrees
from barmill.models.boosting.xgboost_ubj import read_xgboost


def _read_catboost(text: bytes) -> FlatTrees:
    return SymmetricTrees.read(text).flat()


ModelWriter: TypeAlias = Callable[[GraphBuilder, Mapping[str, bytes], Value], RawValues]

WRITERS: Mapping[str, ModelWriter] = MappingProxyType(
    {
        "barmill.models.linear.forecaster:LinearForecaster": add_linear,
        "barmill.models.boosting.forecasters:LightGBMForecaster": partial(add_booster, read=read_lightgbm, suffix=".txt"),
        "barmill.models.boosting.forecasters:XGBoostForecaster": partial(add_booster, read=read_xgboost, suffix=".ubj"),
        "barmill.models.boosting.catboost_forecaster:CatBoostForecaster": partial(add_booster, read=_read_catboost, suffix=".json"),
        "barmill.models.network_forecaster:NetworkForecaster": add_network,
        "barmill.models.foundation.forecaster:FoundationForecaster": add_foundation,
        "barmill.models.pattern.forecaster:PatternForecaster": add_pattern_network,
        "barmill.models.expert.forecasters:EntryForecaster": add_entry,
        "barmill.models.expert.forecasters:QuantileForecaster": add_outcome_quantiles,
    }
)


def add_model(graph: GraphBuilder, name: str, files: Mapping[str, bytes], x: Value) -> RawValues:
    """What the model says before calibration, as its forecaster does.

    Parameters
    ----------
    name : as in the catalogue
    files : what its fit gave
    x : float32, what the model sees: (batch, n_inputs), (batch, window, n_inputs), or images (batch, 3, side, side)

    Raises: SchemaError for a kind of model that has no graph; ValueError for bytes that are no such model.
    """
    writer = WRITERS.get(MODELS[name].forecaster)
    if writer is None:
        raise SchemaError(f"model '{name}'", "has no form as a graph", expected="a model that `barmill export` knows")
    return writer(graph, files, x)


__all__ = ["WRITERS", "ModelWriter", "add_model"]

"""The fit of a model that needs none: find the weights, cut the graph, and take off what trades cost it on average."""

import contextlib
import functools
import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import root_scalar
from torch import nn

from barmill.artefacts import cache_folder, canonical_json, sha256, write_bytes
from barmill.errors import StorageError
from barmill.models.admission import admit
from barmill.models.contract import OUTPUTS, FitContext, FittedModel, ModelSpec, Samples
from barmill.models.foundation.deciles import Float64Array, share_above
from barmill.models.foundation.forecaster import FoundationForecaster
from barmill.models.foundation.graph import exported
from barmill.models.foundation.params import FoundationParams
from barmill.models.foundation.weights import find_weights, weights_digest
from barmill.models.target_column import target_column


@dataclass(frozen=True, slots=True)
class Foreign:
    """Somebody else's network: deciles (B, steps, 9) of contexts (B, W), and how many steps ahead it can see."""

    network: nn.Module
    steps: int


WIDEST = 100.0  # volatilities
FORMAT = 2  # of the graph that is cut

Loader = Callable[[Path], Foreign]


def fit_zero_shot(
    spec: ModelSpec, params: FoundationParams, load: Loader, train: Samples, valid: Samples, context: FitContext
) -> FittedModel:
    """Files of a forecaster whose weights are foreign; of the training rows it learns two numbers.

    shift : mean of z less the mean of what the network says, over `recentre_rows` training rows: the network forecasts prices, and a
        label is a trade, which costs
    neither : for three classes the z within which a trade is neither, so that the share of such trades is that of the same rows

    Raises SetupError for weights that are not there, TrainingError for a graph that says something else than the network.
    """
    admit(spec, params, train, valid, context)
    target = target_column(spec.name, params.target, context.feature_names)
    folder = find_weights(spec.name, params.weights_id)
    digest = weights_digest(folder)
    graph, step = _graph(spec.name, load, folder, digest, params.seq_len, context.horizon)
    architecture = {
        "format": 1,
        "network": spec.name,
        "weights": digest,
        "window": params.seq_len,
        "n_features": len(context.feature_names),
        "target": target,
        "step": step,
        "n_classes": context.n_classes,
        "outputs": [output for output in OUTPUTS if output == "p_up" or output in context.outputs],
        "derived": [output for output in ("p_up", "E_r", "q05", "q95") if output in context.outputs],
        "params": params.model_dump(mode="json", exclude={"model_id"}),
    }
    files = {"model.onnx": graph, "architecture.json": canonical_json({**architecture, "shift": 0.0, "neither": 0.0})}
    shift, neither, n_rows = _recentred(FoundationForecaster.from_files(files), train, params.recentre_rows, context)
    files["architecture.json"] = canonical_json({**architecture, "shift": shift, "neither": neither})
    summary = {
        "zero_shot": True,
        "weights": digest,
        "step": step,
        "shift": shift,
        "recentred_on": n_rows,
        "derived": architecture["derived"],
    }
    context.progress.update(1, 1)
    return FittedModel(spec.name, files=files, summary=summary)


def _recentred(forecaster: FoundationForecaster, train: Samples, at_most: int, context: FitContext) -> tuple[float, float, int]:
    rows = np.unique(np.linspace(0, len(train) - 1, min(at_most, len(train))).astype(np.int64))
    if not rows.size:
        return 0.0, 0.0, 0
    deciles = forecaster.deciles(train.view.take(rows))
    shift = float(train.z[rows].mean() - deciles.mean())
    if context.n_classes == 2:
        return shift, 0.0, rows.size
    return shift, _neither(deciles + shift, float((train.y[rows] == 1).mean())), rows.size


def _neither(deciles: Float64Array, share: float) -> float:
    """The z within which, on average, as large a share lies."""

    def excess(z: float) -> float:
        level = np.full(len(deciles), z)
        return float((share_above(deciles, -level) - share_above(deciles, level)).mean()) - share

    if excess(0.0) >= 0 or excess(WIDEST) <= 0:
        return 0.0 if excess(0.0) >= 0 else WIDEST
    return float(root_scalar(excess, bracket=(0.0, WIDEST), xtol=1e-9).root)


@functools.lru_cache(maxsize=1)
def _graph(model: str, load: Loader, folder: Path, digest: str, window: int, horizon: int) -> tuple[bytes, int]:
    """The graph of these weights and its step ahead; made once for all folds and runs, and kept by what it is made of."""
    versions = {library: importlib.metadata.version(library) for library in ("torch", "onnxscript", "transformers")}
    made_of = canonical_json({"format": FORMAT, "model": model, "weights": digest, "window": window, "horizon": horizon, **versions})
    kept = cache_folder() / "graphs" / sha256(made_of)[:32]
    if kept.is_file():
        step, _, graph = kept.read_bytes().partition(b"\n")
        return graph, int(step)
    foreign = load(folder)
    step_ahead = min(horizon, foreign.steps)
    graph = exported(model, foreign.network, step_ahead, window)
    with contextlib.suppress(StorageError):  # a cache that cannot be written costs time and nothing else
        write_bytes(kept, str(step_ahead).encode() + b"\n" + graph)
    return graph, step_ahead

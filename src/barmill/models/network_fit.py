"""Fit any network: build it under the seed, hand it to the training loop, export it, and prove the export.

A family's module brings its trunk; everything else is the same for all of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from barmill.artefacts import canonical_json
from barmill.errors import ForecastError, TrainingError
from barmill.models.admission import admit
from barmill.models.class_weights import class_weights
from barmill.models.contract import QUANTILES, FitContext, FittedModel, ModelSpec, RawForecast, Samples, View
from barmill.models.heads import ForecastNetwork, HeadLayout, Layout, NamedOutputs, count_parameters, told
from barmill.models.network_explaining import explain_network
from barmill.models.network_forecaster import NetworkForecaster
from barmill.models.network_loss import ForecastLoss, Loss
from barmill.models.network_params import NetworkParams
from barmill.models.onnx_export import export_onnx
from barmill.views import MultiResolution, WindowTensor

PARITY_LIMIT = 1e-5  # both are float32 of the same sums in another order; measured 1e-7 for an LSTM with outputs near 1
PARITY_ROWS = 512

Trunk = Callable[[], tuple[nn.Module, int]]


@dataclass(frozen=True, slots=True)
class HeadDesign:
    """How the columns of the head are read, and what makes them right."""

    layout: Layout
    loss: Loss


def shared_head(params: NetworkParams, train: Samples, context: FitContext) -> HeadDesign:
    """The head that any trunk can have: what the context asks for, each by its own loss."""
    layout = HeadLayout(context.n_classes, returns="E_r" in context.outputs, quantiles=bool({*QUANTILES} & {*context.outputs}))
    weights = class_weights(train.y, context.n_classes, params.class_weight)
    return HeadDesign(layout, ForecastLoss(layout, torch.tensor(weights, dtype=torch.float32), params))


def fit_network(
    spec: ModelSpec,
    params: NetworkParams,
    make_trunk: Trunk,
    train: Samples,
    valid: Samples,
    context: FitContext,
    make_head: Callable[[NetworkParams, Samples, FitContext], HeadDesign] = shared_head,
) -> FittedModel:
    """Fit the network whose trunk `make_trunk` builds (it returns the module and the width of its vector).

    Raises
    ------
    TrainingError : a loss that is not finite, no training loop in the context, or an export that forecasts otherwise
    """
    admit(spec, params, train, valid, context)
    assert isinstance(valid.view, WindowTensor | MultiResolution)
    if context.train_network is None:
        mend = "Give the context train_network=barmill.training.train_network."
        raise TrainingError(f"model '{spec.name}'", "the context brings no training loop", mend=mend)
    head = make_head(params, train, context)
    layout = head.layout
    network = _build(make_trunk, layout, context.seed)
    trained = context.train_network(network, train, valid, head.loss, params, context)
    architecture = {
        "format": 1,
        "network": spec.name,
        "window": params.window,
        "resolutions": params.resolutions,
        "n_features": len(context.feature_names),
        "n_classes": context.n_classes,
        "outputs": ["p_up", *(["E_r"] if layout.returns else []), *(QUANTILES if layout.quantiles else [])],
        "params": params.model_dump(mode="json"),
    }
    made_of = (spec.name, params.model_dump_json(), context.feature_names, layout)
    onnx_bytes = export_onnx(NamedOutputs(trained.network, layout), params.window, len(context.feature_names), made_of)
    files = {"model.onnx": onnx_bytes, "architecture.json": canonical_json(architecture)}
    parity = prove_parity(spec.name, trained.network, layout, files, valid.view)
    summary = {**trained.summary, "n_parameters": count_parameters(trained.network), "export_parity": parity}
    state = {name: tensor.contiguous() for name, tensor in sorted(trained.network.state_dict().items())}
    training_files = {"weights.safetensors": safetensors.torch.save(state)}
    explanation = {} if context.explain is None else _explained(trained.network, layout, context.explain, params, context)
    return FittedModel(spec.name, files=files, training_files=training_files, summary=summary, explanation=explanation)


def _explained(network: nn.Module, layout: Layout, view: View, params: NetworkParams, context: FitContext) -> dict[str, Any]:
    """What the network looks at; a window of several timeframes is told timeframe by timeframe."""
    scales = [timeframe for timeframe, length in (params.resolutions or {}).items() for _ in range(length)]
    return explain_network(network, layout, view, context.feature_names, scales)


def prove_parity(name: str, network: nn.Module, layout: Layout, files: dict[str, bytes], view: WindowTensor | MultiResolution) -> float:
    """The largest difference between the network and its export on real windows of `view`.

    Raises TrainingError if it reaches 1e-5.
    """
    rows = np.unique(np.linspace(0, len(view) - 1, min(PARITY_ROWS, len(view))).astype(np.int64))
    sample = view.take(rows)
    with torch.no_grad():
        head = network.eval()(torch.from_numpy(sample.gather(np.arange(len(sample)))))
    place = f"model '{name}', export"
    try:
        exported = NetworkForecaster.from_files(files).raw(sample)
    except ForecastError as error:
        raise TrainingError(place, str(error)) from error
    difference = _largest_difference(exported, layout, head)
    if not difference < PARITY_LIMIT:
        found = f"differs from the fitted network by {difference:.2g} on {len(rows)} real windows"
        mend = "Lower the learning rate; outputs far from 1 lose digits."
        raise TrainingError(place, found, expected=f"less than {PARITY_LIMIT:g}", mend=mend)
    return difference


def _largest_difference(exported: RawForecast, layout: Layout, head_BK: Tensor) -> float:
    fitted = {name: column.double().numpy() for name, column in told(layout, head_BK).items()}
    again = {name: value for name, value in exported._asdict().items() if value is not None}
    return max(float(np.abs(again[name].reshape(values.shape) - values).max()) for name, values in fitted.items())


def _build(make_trunk: Trunk, layout: Layout, seed: int) -> ForecastNetwork:
    """The network with its first weights drawn from `seed`; torch's own random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        trunk, width = make_trunk()
        return ForecastNetwork(trunk, width, layout)

"""Fit any network: build it under the seed, hand it to the training loop, export it, and prove the export.

A family's module brings its trunk; everything else is the same for all of them.
"""

from collections.abc import Callable

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from barmill.artefacts import canonical_json
from barmill.errors import ForecastError, TrainingError
from barmill.models.admission import admit
from barmill.models.class_weights import class_weights
from barmill.models.contract import FitContext, FittedModel, ModelSpec, RawForecast, Samples
from barmill.models.heads import ForecastNetwork, HeadLayout, NamedOutputs, count_parameters
from barmill.models.network_forecaster import NetworkForecaster
from barmill.models.network_loss import ForecastLoss
from barmill.models.network_params import NetworkParams
from barmill.models.onnx_export import export_onnx
from barmill.views import WindowTensor

PARITY_LIMIT = 1e-5  # both are float32 of the same sums in another order; measured 1e-7 for an LSTM with outputs near 1
PARITY_ROWS = 512

Trunk = Callable[[], tuple[nn.Module, int]]


def fit_network(
    spec: ModelSpec, params: NetworkParams, make_trunk: Trunk, train: Samples, valid: Samples, context: FitContext
) -> FittedModel:
    """Fit the network whose trunk `make_trunk` builds (it returns the module and the width of its vector).

    Raises
    ------
    TrainingError : a loss that is not finite, no training loop in the context, or an export that forecasts otherwise
    """
    admit(spec, params, train, valid, context)
    assert isinstance(train.view, WindowTensor)
    assert isinstance(valid.view, WindowTensor)
    if context.train_network is None:
        mend = "Give the context train_network=barmill.training.train_network."
        raise TrainingError(f"model '{spec.name}'", "the context brings no training loop", mend=mend)
    layout = HeadLayout(context.n_classes, returns="E_r" in context.outputs)
    network = _build(make_trunk, layout, context.seed)
    weights = class_weights(train.y, context.n_classes, params.class_weight)
    loss = ForecastLoss(layout, torch.tensor(weights, dtype=torch.float32), params.huber_delta, params.return_loss_weight)
    trained = context.train_network(network, train, valid, loss, params, context)
    architecture = {
        "format": 1,
        "network": spec.name,
        "window": params.seq_len,
        "n_features": len(context.feature_names),
        "n_classes": context.n_classes,
        "outputs": ["p_up", "E_r"] if layout.returns else ["p_up"],
        "params": params.model_dump(mode="json"),
    }
    onnx_bytes = export_onnx(NamedOutputs(trained.network, layout), params.seq_len, len(context.feature_names))
    files = {"model.onnx": onnx_bytes, "architecture.json": canonical_json(architecture)}
    parity = prove_parity(spec.name, trained.network, layout, files, valid.view)
    summary = {**trained.summary, "n_parameters": count_parameters(trained.network), "export_parity": parity}
    state = {name: tensor.contiguous() for name, tensor in sorted(trained.network.state_dict().items())}
    return FittedModel(spec.name, files=files, training_files={"weights.safetensors": safetensors.torch.save(state)}, summary=summary)


def prove_parity(name: str, network: nn.Module, layout: HeadLayout, files: dict[str, bytes], view: WindowTensor) -> float:
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


def _largest_difference(exported: RawForecast, layout: HeadLayout, head_BK: Tensor) -> float:
    logits = layout.logits(head_BK).double().numpy()
    largest = float(np.abs(exported.logits.reshape(logits.shape) - logits).max())
    if exported.expected is not None:
        largest = max(largest, float(np.abs(exported.expected - layout.expected(head_BK).double().numpy()).max()))
    return largest


def _build(make_trunk: Trunk, layout: HeadLayout, seed: int) -> ForecastNetwork:
    """The network with its first weights drawn from `seed`; torch's own random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        trunk, width = make_trunk()
        return ForecastNetwork(trunk, width, layout)

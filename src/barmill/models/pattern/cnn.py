"""Fit the Pattern CNN: images drawn batch by batch, through the one training loop, to ONNX."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.torch
import torch

from barmill.artefacts import canonical_json
from barmill.errors import ForecastError, TrainingError
from barmill.models.class_weights import ClassWeighting, class_weights
from barmill.models.contract import FitContext, FittedModel, Float64Array, Samples
from barmill.models.heads import count_parameters
from barmill.models.network_fit import PARITY_LIMIT
from barmill.models.onnx_export import export_onnx_of
from barmill.models.pattern.admission import admit_patterns
from barmill.models.pattern.detectors import FLAG, PATTERNS
from barmill.models.pattern.explaining import explain_images
from barmill.models.pattern.forecaster import PatternForecaster
from barmill.models.pattern.loss import PatternLoss
from barmill.models.pattern.network import N_IMAGE_CHANNELS, NamedPatternOutputs, PatternNetwork, built
from barmill.models.pattern.params import PatternCNNParams
from barmill.models.pattern.specs import SPECS
from barmill.views import PatternImage
from barmill.views.pattern_image import SIDE

PARITY_ROWS = 128


def fit_pattern_cnn(params: PatternCNNParams, train: Samples, valid: Samples, context: FitContext) -> FittedModel:
    """Fit class, quality, pole and embedding on one trunk, with early stopping on `valid`.

    Raises
    ------
    TrainingError : a loss that is not finite, no training loop in the context, or an export that forecasts otherwise
    """
    admit_patterns(SPECS[0], train, valid, context)
    assert isinstance(valid.view, PatternImage)
    if context.train_network is None:
        mend = "Give the context train_network=barmill.training.train_network."
        raise TrainingError("model 'pattern_cnn'", "the context brings no training loop", mend=mend)
    is_flag = train.y == FLAG
    flag_share = float(train.weight[is_flag].sum() / train.weight.sum())
    mean_pole = float(train.targets["pole_kATR"][is_flag].mean()) if is_flag.any() else 0.0
    weights = torch.tensor(pattern_weights(train.y, params.class_weight), dtype=torch.float32)
    network = built(params, context.seed, mean_pole)
    loss = PatternLoss(weights, flag_share, params)
    trained = context.train_network(network, _with_targets(train), _with_targets(valid), loss, params, context)
    files = _files(trained.network, params)
    summary = {
        **trained.summary,
        "n_parameters": count_parameters(trained.network),
        "export_parity": prove_parity(trained.network, files, valid.view),
        "images": {name: int((train.y == number).sum()) for number, name in enumerate(PATTERNS)},
        "valid": _judged(files, valid),
    }
    explanation: dict[str, Any] = {}
    if context.explain is not None:
        assert isinstance(context.explain, PatternImage)
        explanation = explain_images(_pattern(trained.network), context.explain)
    state = {name: tensor.contiguous() for name, tensor in sorted(trained.network.state_dict().items())}
    training_files = {"weights.safetensors": safetensors.torch.save(state)}
    return FittedModel("pattern_cnn", files=files, training_files=training_files, summary=summary, explanation=explanation)


def pattern_weights(y: npt.NDArray[np.int8], weighting: ClassWeighting) -> Float64Array:
    """A factor for each pattern, as `class_weights`; patterns that no row has need none and get 1."""
    factors = np.ones(len(PATTERNS))
    seen, compact = np.unique(y, return_inverse=True)
    factors[seen] = class_weights(compact.astype(np.int8), seen.size, weighting)
    return factors


def prove_parity(network: torch.nn.Module, files: dict[str, bytes], view: PatternImage) -> float:
    """The largest difference between the network and its export on real images of `view`.

    Raises TrainingError if it reaches 1e-5 of the largest value said, or 1e-5 where all are below 1.
    """
    place = "model 'pattern_cnn', export"
    rows = np.unique(np.linspace(0, len(view) - 1, min(PARITY_ROWS, len(view))).astype(np.int64))
    with torch.no_grad():
        fitted = NamedPatternOutputs(_pattern(network)).eval()(torch.from_numpy(view.gather(rows)))
    try:
        raw = PatternForecaster.from_files(files).raw(view.take(rows))
    except ForecastError as error:
        raise TrainingError(place, str(error)) from error
    said = {"logits": raw.logits, **(raw.values or {})}
    difference = 0.0
    for name, tensor in zip(NamedPatternOutputs.names, fitted, strict=True):
        values = tensor.double().numpy()
        size = max(1.0, float(np.abs(values).max()))  # a pole of 8 ATRs has a digit less to give than a score near 1
        difference = max(difference, float(np.abs(said[name] - values).max()) / size)
    if not difference < PARITY_LIMIT:
        found = f"differs from the fitted network by {difference:.2g} on {len(rows)} real images"
        raise TrainingError(place, found, expected=f"less than {PARITY_LIMIT:g}", mend="Lower the learning rate.")
    return difference


def _with_targets(samples: Samples) -> Samples:
    """The samples with quality, pole and whether there is one as the columns of z, which the loop hands to the loss by rows."""
    is_flag = samples.y == FLAG
    pole = np.where(is_flag, samples.targets["pole_kATR"], 0.0)
    return replace(samples, z=np.column_stack([samples.targets["quality"], pole, is_flag.astype(np.float64)]))


def _judged(files: dict[str, bytes], valid: Samples) -> dict[str, float]:
    """What the fitted bytes get right of the validation images: the share of classes, and how far poles of flags are off in the mean."""
    raw = PatternForecaster.from_files(files).raw(valid.view)
    assert raw.values is not None
    told = {"accuracy": float(np.mean(raw.logits.argmax(axis=1) == valid.y))}
    is_flag = valid.y == FLAG
    if is_flag.any():
        told["pole_error_kATR"] = float(np.abs(raw.values["pole_kATR"] - valid.targets["pole_kATR"])[is_flag].mean())
    return told


def _files(network: torch.nn.Module, params: PatternCNNParams) -> dict[str, bytes]:
    architecture = {
        "format": 1,
        "network": "pattern_cnn",
        "patterns": list(PATTERNS),
        "image": [N_IMAGE_CHANNELS, SIDE, SIDE],
        "embedding": params.embedding_size,
        "params": params.model_dump(mode="json"),
    }
    exported = export_onnx_of(NamedPatternOutputs(_pattern(network)), "image", (N_IMAGE_CHANNELS, SIDE, SIDE), params.model_dump_json())
    return {"model.onnx": exported, "architecture.json": canonical_json(architecture)}


def _pattern(network: torch.nn.Module) -> PatternNetwork:
    assert isinstance(network, PatternNetwork)
    return network

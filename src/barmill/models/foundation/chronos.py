"""Chronos-Bolt, through the library of its authors.

Source: Ansari et al. (2024), Chronos: learning the language of time series, TMLR; the direct multi-step form is called Chronos-Bolt.
"""

from pathlib import Path
from typing import Any, cast

from torch import Tensor, nn

from barmill.errors import SetupError
from barmill.models.catalogue import spec_of
from barmill.models.contract import FitContext, FittedModel, Samples
from barmill.models.foundation.foreign import quiet_offline
from barmill.models.foundation.params import ChronosParams
from barmill.models.foundation.zero_shot import Foreign, fit_zero_shot


class ChronosBolt(nn.Module):
    """Deciles of all steps ahead, (B, steps, 9), of contexts (B, W)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, context_BW: Tensor) -> Tensor:
        said = self.network(context=context_BW)
        return said.quantile_preds.transpose(1, 2)


def load_chronos(folder: Path) -> Foreign:
    """The network with the weights of `folder`. Raises SetupError for a folder that holds another model."""
    from chronos import BaseChronosPipeline, ChronosBoltPipeline

    place = f"model 'chronos', {folder}"
    with quiet_offline():
        try:
            pipeline = BaseChronosPipeline.from_pretrained(str(folder), device_map="cpu")
        except (OSError, ValueError, RuntimeError, TypeError) as error:
            raise SetupError(place, f"cannot be read: {str(error).splitlines()[0]}", mend="Fetch the weights again.") from error
    if not isinstance(pipeline, ChronosBoltPipeline):
        raise SetupError(place, f"holds a {type(pipeline).__name__}", expected="Chronos-Bolt", mend="Take amazon/chronos-bolt-small.")
    network = cast(Any, pipeline.model).eval()
    for module in network.modules():  # the fused attention of torch has no form in ONNX for these shapes
        if hasattr(getattr(module, "config", None), "_attn_implementation"):
            module.config._attn_implementation = "eager"
    return Foreign(ChronosBolt(network), steps=int(network.chronos_config.prediction_length))


def fit_chronos(params: ChronosParams, train: Samples, valid: Samples, context: FitContext) -> FittedModel:
    """No fit but one number: see `fit_zero_shot`."""
    return fit_zero_shot(spec_of("chronos"), params, load_chronos, train, valid, context)

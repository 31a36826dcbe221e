"""TimesFM 2.5, through transformers.

Source: Das et al. (2024), A decoder-only foundation model for time-series forecasting, ICML; version 2.5, Google (2025).
"""

from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from barmill.errors import SetupError
from barmill.models.catalogue import spec_of
from barmill.models.contract import FitContext, FittedModel, Samples
from barmill.models.foundation.foreign import quiet_offline
from barmill.models.foundation.params import TimesFMParams
from barmill.models.foundation.zero_shot import Foreign, fit_zero_shot

MEDIAN = 5  # of the ten outputs: the mean, then the nine deciles


class TimesFM(nn.Module):
    """Deciles of all steps ahead, (B, steps, 9), of contexts (B, W) without holes, W a multiple of the patch.

    The library's own forward takes a list of series, which no graph can hold; this is its arithmetic for whole windows: standardised over
    the window, forecast as it is and upside down, the spread of the quantile head laid around the median of the point head. Levels of
    log prices may be below 0, so nothing is cut off there.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, context_BW: Tensor) -> Tensor:
        mean, spread = context_BW.mean(dim=1, keepdim=True), context_BW.std(dim=1, keepdim=True)
        revin = self.network.model._revin
        standard = revin(context_BW, mean, spread, reverse=False)
        points, spreads = self._decoded(standard)
        mirrored_points, mirrored_spreads = self._decoded(-standard)
        points = (points - _mirrored(mirrored_points)) / 2
        spreads = (spreads - _mirrored(mirrored_spreads)) / 2
        steps = min(points.shape[1], spreads.shape[1])
        median = points[:, :steps, MEDIAN : MEDIAN + 1]
        around = spreads[:, :steps] - spreads[:, :steps, MEDIAN : MEDIAN + 1] + median
        deciles = torch.cat([around[..., 1:MEDIAN], median, around[..., MEDIAN + 1 :]], dim=-1)
        return cast(Tensor, revin(deciles, mean, spread, reverse=True))

    def _decoded(self, standard_BW: Tensor) -> tuple[Tensor, Tensor]:
        points, spreads, _ = self.network._decode_and_project(standard_BW, torch.zeros_like(standard_BW))
        return points, spreads


def _mirrored(outputs: Tensor) -> Tensor:
    """The deciles of the mirrored series, of which the highest was the lowest."""
    return torch.cat([outputs[..., :1], torch.flip(outputs[..., 1:], dims=(-1,))], dim=-1)


def load_timesfm(folder: Path) -> Foreign:
    """The network with the weights of `folder`. Raises SetupError for a folder that holds another model."""
    from transformers import AutoConfig, TimesFm2_5Config, TimesFm2_5ModelForPrediction

    place = f"model 'timesfm', {folder}"
    with quiet_offline():
        try:
            config = AutoConfig.from_pretrained(str(folder))
            if not isinstance(config, TimesFm2_5Config):
                mend = "Take google/timesfm-2.5-200m-transformers."
                raise SetupError(place, f"holds a {config.model_type}", expected="TimesFM 2.5 as transformers writes it", mend=mend)
            network: Any = TimesFm2_5ModelForPrediction.from_pretrained(str(folder), attn_implementation="eager")
        except (OSError, ValueError, RuntimeError) as error:
            raise SetupError(place, f"cannot be read: {str(error).splitlines()[0]}", mend="Fetch the weights again.") from error
    return Foreign(TimesFM(network.eval()), steps=int(network.horizon_len))


def fit_timesfm(params: TimesFMParams, train: Samples, valid: Samples, context: FitContext) -> FittedModel:
    """No fit but one number: see `fit_zero_shot`."""
    return fit_zero_shot(spec_of("timesfm"), params, load_timesfm, train, valid, context)

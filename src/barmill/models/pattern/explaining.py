"""What the Pattern CNN looks at in an image: integrated gradients, added up by channel and by stretch of bars.

A pixel says nothing to a reader. What a channel shows of a bar is one column of pixels; the columns of sixteen bars are a stretch.
Axes: B images, C channels, H rows, W bars, S stretches, F features (a channel in a stretch).
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from barmill.models.contract import Float64Array
from barmill.models.explaining import evenly, explanation_of, output_explained
from barmill.models.integrated_gradients import METHOD, STEPS, attributed, on_one_thread, shares_by_position
from barmill.models.pattern.detectors import NONE
from barmill.models.pattern.network import N_IMAGE_CHANNELS, QUALITY, PatternNetwork
from barmill.views import ImageBars, PatternImage
from barmill.views.pattern_image import FIRST_END, SIDE

OUTPUT = "pattern"
EXPLAINS = "score of the clearest pattern less that of none"
BASELINE = "the image of a market that never moved"
MOST_IMAGES = 64
STRETCH = 16  # bars
CHANNELS = ("candles", "distance from the mean", "relative strength")  # in the order of the image
FEATURES = tuple(
    f"{channel}, {'last 16 bars' if back == 0 else f'{back} to {back + STRETCH - 1} bars back'}"
    for back in range(0, SIDE, STRETCH)
    for channel in CHANNELS
)


def explain_images(network: PatternNetwork, view: PatternImage) -> dict[str, Any]:
    """The explanation of `network`, fitted and on the CPU, on at most 64 images of `view`, which did not teach it.

    Each image is explained by the pattern that is clearest in it, whether or not it is called one. `by_position` has all channels of a bar
    together. The directions are those of a candle's height in the picture, of the close above its mean, and of a strong and rising RSI.
    """
    sample = evenly(view, MOST_IMAGES)
    assert isinstance(sample, PatternImage)
    with on_one_thread():
        x_BCHW = torch.from_numpy(sample.gather(slice(None)))
        network.eval()
        with torch.no_grad():
            clearest_B = network(x_BCHW)[:, NONE + 1 : QUALITY].argmax(dim=1) + NONE + 1

        def score(images: Tensor, rows: Tensor) -> Tensor:
            head_BK = network(images).double()
            return head_BK.gather(1, clearest_B[rows, None]) - head_BK[:, NONE, None]

        (found,) = attributed(score, x_BCHW, torch.from_numpy(still_image()).expand_as(x_BCHW))
    by_bar_BWC = found.attributions.sum(axis=2).transpose(0, 2, 1)
    output = output_explained(
        METHOD,
        EXPLAINS,
        FEATURES,
        _in_stretches(_shown(x_BCHW.numpy().astype(np.float64))),
        _in_stretches(by_bar_BWC),
        baseline=BASELINE,
        steps=STEPS,
        completeness=found.completeness,
        by_position=shares_by_position(by_bar_BWC),
    )
    return explanation_of(len(sample), {OUTPUT: output})


def still_image() -> np.ndarray[Any, np.dtype[np.float32]]:
    """The image (1, 3, 64, 64) of bars that all closed where they opened, at one price."""
    return ImageBars.of_prices(np.ones((FIRST_END + 1, 4))).samples([FIRST_END]).gather(slice(None))


def _shown(x_BCHW: Float64Array) -> Float64Array:
    """One number for what each channel shows of a bar, (B, W, C): the middle of its candle above the lowest row, and mean brightness."""
    shown_BCW = x_BCHW.mean(axis=2)
    candle_BHW = x_BCHW[:, 0]
    height_H = np.arange(SIDE - 1, -1, -1.0)
    shown_BCW[:, 0] = (candle_BHW * height_H[:, None]).sum(axis=1) / candle_BHW.sum(axis=1)
    return shown_BCW.transpose(0, 2, 1)


def _in_stretches(bars_BWC: Float64Array) -> Float64Array:
    """Numbers of each bar as (B, bars of a stretch, F): the newest stretch first among the features."""
    cut_BSWC = bars_BWC.reshape(len(bars_BWC), SIDE // STRETCH, STRETCH, N_IMAGE_CHANNELS)[:, ::-1]
    return cut_BSWC.transpose(0, 2, 1, 3).reshape(len(bars_BWC), STRETCH, len(FEATURES))


__all__ = ["BASELINE", "CHANNELS", "FEATURES", "OUTPUT", "explain_images", "still_image"]

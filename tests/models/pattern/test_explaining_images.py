"""What a network sees in images, against networks whose attributions are known on paper."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from barmill.models.pattern.explaining import BASELINE, CHANNELS, FEATURES, explain_images, still_image
from barmill.models.pattern.network import N_COLUMNS
from barmill.views import ImageBars

N = 90


def images(n: int = N) -> Any:
    """Images of a walk, no two of which share a bar."""
    rng = np.random.default_rng(0)
    close = 100.0 + np.cumsum(rng.normal(0.0, 0.1, 20 + 64 * n))
    opened = np.concatenate((close[:1], close[:-1]))
    prices = np.column_stack([opened, np.maximum(opened, close) + 0.05, np.minimum(opened, close) - 0.05, close])
    return ImageBars.of_prices(prices).samples(20 + 64 * np.arange(1, n + 1) - 1)


class Weighted(nn.Module):
    """The score of each class is a weighted sum of what its pixels are beyond those of the image that never moved."""

    def __init__(self, weights_CHW: dict[int, Tensor]) -> None:
        super().__init__()
        self.weights_CHW, self.still = weights_CHW, torch.from_numpy(still_image())

    def forward(self, x_BCHW: Tensor) -> Tensor:
        nothing = torch.zeros(3, 64, 64)
        moved = x_BCHW - self.still
        return torch.stack([(moved * self.weights_CHW.get(k, nothing)).sum(dim=(1, 2, 3)) for k in range(N_COLUMNS)], dim=1)


def of_any(weight_CHW: Tensor) -> Weighted:
    """All patterns have one score, so that it does not matter which is clearest."""
    return Weighted(dict.fromkeys(range(1, 5), weight_CHW))


def pixels(channel: int, bars: slice, value: float = 1.0) -> Tensor:
    weight_CHW = torch.zeros(3, 64, 64)
    weight_CHW[channel, :, bars] = value / 64
    return weight_CHW


def explained(network: Any, n: int = N) -> dict[str, Any]:
    return explain_images(network, images(n))["outputs"]["pattern"]


def test_a_channel_and_a_stretch_that_a_network_reads_have_all() -> None:
    shade = images(40).gather(slice(None))[:, 1, 0]  # the second channel is one shade a bar
    told = explained(of_any(pixels(1, slice(48, 64), 50.0)), 40)
    first, second = told["features"][:2]
    assert (first["feature"], first["share"]) == ("distance from the mean, last 16 bars", 1.0)
    assert first["direction"] == pytest.approx(1.0)
    assert first["size"] == pytest.approx(50 * np.abs(shade[:, 48:] - 0.5).mean(axis=0).sum(), rel=1e-4)
    assert second["share"] == 0.0
    assert told["baseline"] == BASELINE
    assert told["completeness"]["largest_error"] < 1e-4
    by_position = np.array(told["by_position"])
    assert by_position[:48].max() == 0.0
    assert by_position.sum() == pytest.approx(1.0, abs=1e-4)


def test_an_older_stretch_has_its_own_name_and_a_contribution_its_sign() -> None:
    first = explained(Weighted({0: pixels(2, slice(16, 32), 50.0)}))["features"][0]  # it speaks for none, and so against a pattern
    assert (first["feature"], first["share"]) == ("relative strength, 32 to 47 bars back", 1.0)
    assert first["direction"] < -0.9


def test_high_candles_are_more_than_low_ones() -> None:
    weight_CHW = pixels(0, slice(0, 64))
    weight_CHW[0] *= torch.arange(63, -1, -1)[:, None]
    assert next(one["direction"] for one in explained(of_any(weight_CHW))["features"] if one["feature"] == FEATURES[0]) > 0.5


def test_each_image_is_explained_by_the_pattern_that_is_clearest_in_it() -> None:
    shade = images(40).gather(slice(None))[:, 1, 0].mean(axis=1) - 0.5
    assert 10 < (shade > 0).sum() < 30  # above the mean one pattern is clearest, below it another
    above, below = pixels(1, slice(0, 64), 9.0), pixels(1, slice(0, 64), -9.0)
    told = explained(Weighted({1: above, 4: below}), 40)
    assert told["completeness"]["size"] == pytest.approx(64 * 9 * np.abs(shade).mean(), rel=1e-3)
    one, two = ({each["feature"]: each["direction"] for each in found["features"]} for found in (explained(of_any(above), 40), told))
    for feature in (feature for feature in FEATURES if CHANNELS[1] in feature):
        assert one[feature] == pytest.approx(1.0)
        assert abs(two[feature]) < 0.9  # near the mean speaks for neither, far from it on either side for one


def test_the_baseline_is_the_image_of_a_market_that_never_moved() -> None:
    (image,) = still_image()
    candles = np.zeros((64, 64), dtype=np.float32)
    candles[32] = 0.8
    np.testing.assert_array_equal(image[0], candles)
    np.testing.assert_array_equal(image[1], np.float32(0.5))
    assert np.unique(image[2]).tolist() == [0.0, np.float32(0.6)]
    assert ((image[2] > 0).sum(axis=0) == 33).all()


def test_the_thread_count_changes_nothing_and_is_put_back() -> None:
    before = torch.get_num_threads()
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 2, 5, stride=4), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 15 * 15, N_COLUMNS))
    found: list[dict[str, Any]] = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(explained(network, 20))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1]

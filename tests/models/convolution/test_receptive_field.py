"""The receptive field against what changes in an output when an input does, and what is said where it does not reach."""

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from barmill.errors import RecipeError
from barmill.models.convolution.params import CNN1DParams, InceptionTimeParams, ResNet1DParams, TCNParams
from barmill.models.convolution.receptive_field import Layer, inception_field, receptive_field, tcn_field, tcn_levels
from barmill.models.convolution.tcn import TCNTrunk
from barmill.pipeline.recipe_reading import recipe_from_text


def _seen(layers: list[nn.Module], at: int, window: int) -> int:
    """Bars that move the output at `at`, by the gradient."""
    x = torch.randn(1, 1, window, dtype=torch.float64, requires_grad=True)
    nn.Sequential(*layers).double()(x)[0, 0, at].backward()
    assert x.grad is not None
    return int((x.grad[0, 0] != 0).sum())


def test_equals_the_bars_that_move_an_output() -> None:
    layers = [Layer(3), Layer(2, stride=2), Layer(4, dilation=3), Layer(5)]
    built: list[nn.Module] = [nn.Conv1d(1, 1, k, stride=s, dilation=d) for k, d, s in layers]
    assert receptive_field(layers) == _seen(built, 3, 80) == 1 + 2 + 1 + 3 * 3 * 2 + 4 * 2


@pytest.mark.parametrize(("levels", "kernel"), [(1, 2), (3, 3), (4, 3), (3, 5)])
def test_a_tcn_sees_the_bars_that_it_is_said_to_see(levels: int, kernel: int) -> None:
    field = tcn_field(levels, kernel)
    trunk = TCNTrunk(1, [6] * levels, kernel, 0.0).double().eval()
    with torch.no_grad():
        for parameter in trunk.parameters():
            parameter.copy_(parameter.abs() + 0.1)  # no ReLU is off, so that nothing is hidden
    x = torch.rand(1, field + 5, 1, dtype=torch.float64, requires_grad=True)
    trunk(x).sum().backward()
    assert x.grad is not None
    moved = (x.grad[0, :, 0] != 0).nonzero()[:, 0]
    assert moved.tolist() == list(range(5, field + 5))


def test_the_figures_of_the_seeds_and_of_the_authors() -> None:
    assert (tcn_field(3, 3), tcn_field(4, 3), tcn_field(3, 5), tcn_field(3, 7)) == (29, 61, 57, 85)
    assert tcn_levels(60, 3) == 4
    assert (inception_field(6, 7), inception_field(6, 40)) == (37, 235)


def test_the_channels_of_the_seed_are_refused_with_what_reaches() -> None:
    told = (
        r"3 levels of num_channels with kernel_size 3 see 29 of the window's 60 bars; expected all of them\. "
        r"What reaches: 4 levels \(61 bars\), kernel_size 6 \(71 bars\), or seq_len 29"
    )
    with pytest.raises(ValidationError, match=told):
        TCNParams(num_channels=(64, 128, 256), kernel_size=3, seq_len=60)
    assert TCNParams(num_channels=(64, 128, 256), kernel_size=6, seq_len=60).channels == (64, 128, 256)
    assert TCNParams(num_channels=(64, 128, 256), kernel_size=3, seq_len=29).channels == (64, 128, 256)
    assert TCNParams(num_channels=(64, 64, 128, 256), seq_len=60).channels == (64, 64, 128, 256)


def test_the_kernels_of_the_seed_are_refused_where_they_do_not_reach() -> None:
    told = (
        r"kernel_sizes of up to 7 in 6 modules see 37 of the window's 60 bars; expected all of them\. "
        r"What reaches: a kernel of 11 \(61 bars\), depth 10 \(61 bars\), or seq_len 37"
    )
    with pytest.raises(ValidationError, match=told):
        InceptionTimeParams(kernel_sizes=(3, 5, 7))
    assert InceptionTimeParams(kernel_sizes=(3, 5, 7), depth=10).kernels == (3, 5, 7)


@pytest.mark.parametrize("window", [2, 3, 60, 235, 236, 1000, 4096])
def test_defaults_reach_over_every_window(window: int) -> None:
    tcn = TCNParams(seq_len=window)
    assert tcn_field(len(tcn.channels), tcn.kernel_size) >= window
    inception = InceptionTimeParams(seq_len=window)
    assert inception_field(inception.depth, max(inception.kernels)) >= window
    if window <= 235:
        assert inception.kernels == (40, 20, 10)


def test_bars_of_several_timeframes_must_be_seen_together() -> None:
    assert len(TCNParams(resolutions={"1m": 60, "5m": 12}).channels) == 5
    with pytest.raises(ValidationError, match="see 61 of the window's 72 bars"):
        TCNParams(resolutions={"1m": 60, "5m": 12}, num_channels=(8, 8, 8, 8))


def test_the_recipe_is_refused_at_the_line_of_its_config() -> None:
    text = "base_models:\n  - {name: lightgbm}\n  - name: tcn\n    config: {num_channels: [64, 128, 256], kernel_size: 3, seq_len: 60}\n"
    with pytest.raises(RecipeError, match=r"base_models\[1\]\.config.*see 29 of the window's 60 bars"):
        recipe_from_text(text, "trio.yaml")


def test_networks_that_average_over_the_window_are_not_refused() -> None:
    assert ResNet1DParams(seq_len=600).window == CNN1DParams(seq_len=600).window == 600

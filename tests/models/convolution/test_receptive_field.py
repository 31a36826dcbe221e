"""The receptive field against what changes in an output when an input does, and what is said where it does not reach."""

import pytest
import torch
from torch import nn

from barmill.models.catalogue import MODELS
from barmill.models.convolution.params import (
    CNN1DParams,
    InceptionTimeParams,
    ResNet1DParams,
    TCNParams,
    inceptiontime_notes,
    tcn_notes,
)
from barmill.models.convolution.receptive_field import Layer, inception_field, receptive_field, tcn_field, tcn_levels
from barmill.models.convolution.tcn import TCNTrunk


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


def test_the_channels_of_the_seed_are_told_with_what_reaches() -> None:
    told = (
        "3 levels of num_channels with kernel_size 3 see the last 29 of the window's 60 bars, and no bar before them. What sees all: "
        "4 levels (61 bars), or kernel_size 6 (71 bars). seq_len 29 would show what is seen, and no more."
    )
    assert tcn_notes(TCNParams(num_channels=(64, 128, 256), kernel_size=3, seq_len=60)) == (told,)
    assert tcn_notes(TCNParams(num_channels=(64, 128, 256), kernel_size=6, seq_len=60)) == ()
    assert tcn_notes(TCNParams(num_channels=(64, 128, 256), kernel_size=3, seq_len=29)) == ()
    assert tcn_notes(TCNParams(num_channels=(64, 64, 128, 256), seq_len=60)) == ()


def test_the_kernels_of_the_seed_are_told_where_they_do_not_reach() -> None:
    told = (
        "kernel_sizes of up to 7 in 6 modules see 37 of the window's 60 bars at once: what lies further apart meets in the mean over the "
        "window alone. What sees all: a kernel of 11 (61 bars), or depth 10 (61 bars)."
    )
    assert inceptiontime_notes(InceptionTimeParams(kernel_sizes=(3, 5, 7))) == (told,)
    assert inceptiontime_notes(InceptionTimeParams(kernel_sizes=(3, 5, 7), depth=10)) == ()


@pytest.mark.parametrize("window", [2, 3, 60, 235, 236, 1000, 4096])
def test_defaults_reach_over_every_window(window: int) -> None:
    tcn = TCNParams(seq_len=window)
    assert tcn_field(len(tcn.channels), tcn.kernel_size) >= window
    inception = InceptionTimeParams(seq_len=window)
    assert inception_field(inception.depth, max(inception.kernels)) >= window
    assert tcn_notes(tcn) == inceptiontime_notes(inception) == ()
    if window <= 235:
        assert inception.kernels == (40, 20, 10)


def test_bars_of_several_timeframes_are_counted_together() -> None:
    assert len(TCNParams(resolutions={"1m": 60, "5m": 12}).channels) == 5
    (told,) = tcn_notes(TCNParams(resolutions={"1m": 60, "5m": 12}, num_channels=(8, 8, 8, 8)))
    assert "see the last 61 of the window's 72 bars" in told


def test_networks_that_average_over_the_window_need_no_note() -> None:
    for spec, params in ((MODELS["resnet_1d"], ResNet1DParams(seq_len=600)), (MODELS["cnn_1d"], CNN1DParams(seq_len=600))):
        assert spec.notes(params) == ()

"""N-BEATS, N-HiTS, DLinear and NLinear: the same weights give the same output as in neuralforecast."""

from typing import Any

import pytest
import torch

from barmill.models.decomposition.dlinear import DLinearCore
from barmill.models.decomposition.nbeats import NBeatsCore
from barmill.models.decomposition.nhits import NHitsCore
from barmill.models.decomposition.nlinear import NLinearCore
from barmill.models.decomposition.residual_blocks import ResidualCore
from peers.copying import HORIZON, LIMIT, WINDOW, as_peer_sees, copy_dense, copy_linear, unsettled, windows

NAMES = {"identity": "generic", "trend": "trend", "seasonality": "seasonal"}


def difference(theirs: Any, ours: torch.nn.Module, x_BW: torch.Tensor) -> float:
    with torch.no_grad():
        expected, found = theirs(as_peer_sees(x_BW)), ours.eval()(x_BW)
    assert expected.abs().mean() > 0.1  # outputs near 0 would agree whatever the network
    return float((expected[:, :, 0] - found).abs().max())


def copy_blocks(theirs: Any, ours: ResidualCore) -> None:
    for there, (_, at) in zip(theirs.blocks, ours.order, strict=True):
        here: Any = ours.blocks[at]
        copy_dense(there.layers, here.dense, here.coefficients)


@pytest.mark.parametrize("kinds", [("trend", "seasonality"), ("identity", "trend", "seasonality"), ("identity",)], ids="+".join)
@pytest.mark.parametrize("shared", [True, False], ids=["shared", "own"])
@pytest.mark.parametrize(("window", "horizon", "degree", "harmonics"), [(60, 12, 2, 1), (37, 9, 3, 2)])
def test_nbeats(kinds: tuple[str, ...], shared: bool, window: int, horizon: int, degree: int, harmonics: int) -> None:
    from neuralforecast.models import NBEATS  # pyright: ignore[reportMissingImports]

    sizes: dict[str, Any] = {"mlp_units": [[32, 32]] * 3, "n_blocks": [2] * len(kinds), "shared_weights": shared}
    theirs = unsettled(NBEATS(h=horizon, input_size=window, stack_types=list(kinds), n_basis=degree, n_harmonics=harmonics, **sizes))
    ours = NBeatsCore(
        window,
        horizon,
        [NAMES[kind] for kind in kinds],
        blocks=2,
        layers=3,
        width=32,
        seasonal_width=32,
        degree=degree,
        harmonics=harmonics,
        shared=shared,
    )
    copy_blocks(theirs, ours)
    assert difference(theirs, ours, windows(window)) < LIMIT


@pytest.mark.parametrize(
    ("window", "horizon", "pooling", "downsampling"),
    [
        (60, 12, (2, 2, 1), (4, 2, 1)),
        (61, 12, (16, 8, 3), (24, 5, 1)),  # pools that do not divide the window, knots that do not divide the path, and one knot
    ],
)
@pytest.mark.parametrize("linear_start", [True, False])
def test_nhits(window: int, horizon: int, pooling: tuple[int, ...], downsampling: tuple[int, ...], linear_start: bool) -> None:
    from neuralforecast.models import NHITS  # pyright: ignore[reportMissingImports]

    sizes: dict[str, Any] = {"mlp_units": [[32, 32]] * 2, "n_blocks": [2] * 3, "stack_types": ["identity"] * 3}
    theirs = unsettled(NHITS(h=horizon, input_size=window, n_pool_kernel_size=list(pooling), n_freq_downsample=list(downsampling), **sizes))
    ours = NHitsCore(window, horizon, pooling, downsampling, blocks=2, layers=2, width=32, linear_start=linear_start)
    copy_blocks(theirs, ours)
    assert difference(theirs, ours, windows(window)) < LIMIT


@pytest.mark.parametrize("kernel", [25, 5, 75])
def test_dlinear(kernel: int) -> None:
    from neuralforecast.models import DLinear  # pyright: ignore[reportMissingImports]

    theirs = unsettled(DLinear(h=HORIZON, input_size=WINDOW, moving_avg_window=kernel))
    ours = DLinearCore(WINDOW, HORIZON, kernel)
    copy_linear(theirs.linear_trend, ours.trend)
    copy_linear(theirs.linear_season, ours.seasonal)
    assert difference(theirs, ours, windows()) < LIMIT


def test_nlinear() -> None:
    from neuralforecast.models import NLinear  # pyright: ignore[reportMissingImports]

    theirs, ours = unsettled(NLinear(h=HORIZON, input_size=WINDOW)), NLinearCore(WINDOW, HORIZON)
    copy_linear(theirs.linear, ours.linear)
    assert difference(theirs, ours, windows()) < LIMIT


def test_a_core_that_starts_from_nothing_is_told_apart() -> None:
    """The comparison itself: without the naive level the same weights give another output."""
    from neuralforecast.models import NHITS  # pyright: ignore[reportMissingImports]

    theirs = unsettled(NHITS(h=HORIZON, input_size=WINDOW, mlp_units=[[32, 32]] * 2))
    ours = NHitsCore(WINDOW, HORIZON, width=32, level="zero")
    copy_blocks(theirs, ours)
    assert difference(theirs, ours, windows()) > 0.1

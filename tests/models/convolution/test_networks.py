"""The convolutional networks against published sizes, their equations written out, and known traps."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from benchmarks.adding_problem import SAYS_ONE, squared_error
from torch import nn
from torch.nn import functional

from barmill.models.contract import FitContext, Samples
from barmill.models.convolution import cnn_1d, inceptiontime, resnet_1d, tcn
from barmill.models.convolution.channels_first import ChannelsFirst
from barmill.models.convolution.cnn_1d import CNN1DTrunk
from barmill.models.convolution.convolving import Convolution, same_convolution
from barmill.models.convolution.inceptiontime import InceptionModule
from barmill.models.convolution.params import CNN1DParams, InceptionTimeParams, ResNet1DParams, TCNParams
from barmill.models.convolution.readout import Readout
from barmill.models.convolution.tcn import TCNTrunk
from barmill.models.heads import ForecastNetwork, HeadLayout, count_parameters
from barmill.models.network_loss import ForecastLoss
from barmill.training import train_network
from barmill.views import WindowTensor

BUILDERS: dict[str, Any] = {
    "tcn": (tcn.build_trunk, TCNParams, {}),
    "inceptiontime": (inceptiontime.build_trunk, InceptionTimeParams, {"n_filters": 4, "kernel_sizes": (5, 2), "bottleneck": 3}),
    "resnet_1d": (resnet_1d.build_trunk, ResNet1DParams, {"channels": (4, 4), "kernel_sizes": (4, 3)}),
    "cnn_1d": (cnn_1d.build_trunk, CNN1DParams, {"channels": (4, 6)}),
    "cnn_1d dilated": (cnn_1d.build_trunk, CNN1DParams, {"channels": (4, 6), "variant": "dilated"}),
}
every_network = pytest.mark.parametrize("name", BUILDERS)


def _small(name: str, window: int = 9, **more: Any) -> tuple[nn.Module, int]:
    build, params, given = BUILDERS[name]
    narrow = {"width": 5} if name == "tcn" else {}
    return build(params(seq_len=window, **{**given, **narrow, **more}), 3)


@pytest.mark.parametrize(
    ("name", "given", "published"),
    [
        ("tcn", {"width": 64}, 93_829),
        ("inceptiontime", {"n_filters": 32, "bottleneck": 32, "kernel_sizes": None, "readout": "mean"}, 494_917),
        ("resnet_1d", {"channels": (64, 128, 128), "kernel_sizes": (8, 5, 3), "readout": "mean"}, 518_469),
        ("cnn_1d", {"channels": (32, 64, 128), "readout": "mean"}, 34_437),
        ("cnn_1d dilated", {"channels": (32, 64, 128), "readout": "mean"}, 34_437),
    ],
)
def test_number_of_parameters_of_the_published_size(name: str, given: dict[str, Any], published: int) -> None:
    # 25 features, 60 bars, p_up, E_r and three quantiles; the readout of the authors, the mean alone.
    build, params, own = BUILDERS[name]
    trunk, width = build(params(**{**own, **given}), 25)
    assert count_parameters(ForecastNetwork(trunk, width, HeadLayout(2, returns=True, quantiles=True))) == published


@every_network
def test_the_vector_has_the_width_that_is_told(name: str) -> None:
    for window in (2, 3, 4, 5, 9):
        trunk, width = _small(name, window)
        assert trunk.train()(torch.randn(1, window, 3)).shape == (1, width)


def test_a_tcn_equals_its_equations_written_out() -> None:
    trunk = TCNTrunk(2, [3, 4], 3, 0.0).double().eval()
    x = np.random.default_rng(0).standard_normal((2, 11, 2))
    weights = {name: value.detach().numpy() for name, value in trunk.named_parameters()}

    def convolution(bars: np.ndarray[Any, Any], at: str, dilation: int) -> np.ndarray[Any, Any]:
        g, v = (weights[f"{at}.conv.parametrizations.weight.original{i}"] for i in (0, 1))
        w = g * v / np.sqrt((v**2).sum(axis=(1, 2), keepdims=True))
        out = np.tile(weights[f"{at}.conv.bias"], (len(bars), 1))
        for bar in range(len(bars)):
            for tap in range(3):
                back = bar - (2 - tap) * dilation
                if back >= 0:
                    out[bar] += w[:, :, tap] @ bars[back]
        return np.maximum(out, 0)

    for row in range(2):
        bars = x[row]
        for level in range(2):
            block = f"blocks.{level}"
            inner = convolution(convolution(bars, f"{block}.convolutions.0", 2**level), f"{block}.convolutions.3", 2**level)
            bars = np.maximum(
                inner + bars @ weights[f"{block}.shortcut.conv.weight"][:, :, 0].T + weights[f"{block}.shortcut.conv.bias"], 0
            )
        np.testing.assert_allclose(trunk(torch.tensor(x))[row].detach().numpy(), bars[-1], rtol=0, atol=1e-12)


def test_first_weights_of_a_tcn_are_those_that_the_authors_code_has_and_not_those_that_it_asks_for() -> None:
    block: Any = TCNTrunk(30, [200], 3, 0.0).blocks[0]
    widest = 1 / math.sqrt(30 * 3)  # torch draws evenly up to it; N(0, 0.01), drawn after the norm was taken, is lost
    assert float(block.convolutions[0].conv.weight.detach().std()) == pytest.approx(widest / math.sqrt(3), rel=0.03)
    assert float(block.shortcut.conv.weight.detach().std()) == pytest.approx(0.01, rel=0.05)


def test_a_tcn_learns_what_stood_long_ago() -> None:
    assert squared_error(4_000, 6, seed=0, length=60) < SAYS_ONE / 10


@pytest.mark.parametrize(("kernel", "dilation"), [(8, 1), (40, 1), (5, 1), (3, 4), (1, 1)])
def test_a_same_convolution_keeps_the_length_and_reads_one_bar_more_after_than_before(kernel: int, dilation: int) -> None:
    convolution = same_convolution(1, 1, kernel, dilation=dilation, bias=False)
    with torch.no_grad():
        convolution.conv.weight.fill_(1.0)
    pulse = torch.zeros(1, 1, 101)
    pulse[0, 0, 50] = 1.0
    moved = convolution(pulse)[0, 0].nonzero()[:, 0]
    assert convolution(pulse).shape == pulse.shape
    spread = dilation * (kernel - 1)
    assert (50 - int(moved.min()), int(moved.max()) - 50) == (spread - spread // 2, spread // 2)


@pytest.mark.parametrize(("kernel", "dilation", "bias"), [(3, 2, True), (4, 1, False), (1, 1, True)])
def test_gradients_in_training_are_torchs_own(kernel: int, dilation: int, bias: bool) -> None:
    convolution = Convolution(3, 4, kernel, dilation=dilation, left=2, bias=bias).double().train()
    x, seed = torch.randn(5, 3, 12, dtype=torch.float64, requires_grad=True), torch.randn(5, 4, 14 - dilation * (kernel - 1)).double()
    (convolution(x) * seed).sum().backward()
    ours = [x.grad, *(parameter.grad for parameter in convolution.parameters())]
    again = x.detach().clone().requires_grad_()
    conv = convolution.conv
    theirs = torch.autograd.grad(
        (functional.conv1d(functional.pad(again, (2, 0)), conv.weight, conv.bias, dilation=dilation) * seed).sum(),
        [again, *conv.parameters()],
    )
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


@every_network
def test_gradients_do_not_depend_on_the_number_of_threads(name: str) -> None:
    def gradients(threads: int, rows: int) -> list[Any]:
        torch.set_num_threads(threads)
        trunk.zero_grad()
        trunk.train()(x[:rows]).square().sum().backward()
        return [parameter.grad.clone() for parameter in trunk.parameters() if parameter.grad is not None]

    trunk, _ = _small(name, dropout=0.0)
    x = torch.randn(64, 9, 3)
    before = torch.get_num_threads()
    try:
        for rows in (64, 6):  # below 16 rows torch takes another algorithm on one thread
            for one, two in zip(gradients(1, rows), gradients(2, rows), strict=True):
                assert torch.equal(one, two)
    finally:
        torch.set_num_threads(before)


def test_an_odd_window_is_halved_without_losing_its_newest_bar() -> None:
    trunk = CNN1DTrunk(1, 7, [2, 2], 2, dilated=False, readout="mean", dropout=0.0).eval()
    with torch.no_grad():
        for parameter in trunk.parameters():
            parameter.fill_(1.0)
    x = torch.zeros(1, 7, 1)
    before = trunk(x)
    x[0, -1, 0] = 5.0
    assert not torch.equal(trunk(x), before)


def test_the_mean_forgets_when_and_the_last_bar_does_not() -> None:
    early, late = torch.zeros(1, 1, 6), torch.zeros(1, 1, 6)
    early[0, 0, 0] = late[0, 0, -1] = 6.0
    assert torch.equal(Readout("mean", 0.0)(early), Readout("mean", 0.0)(late))
    assert Readout("mean_and_last", 0.0)(early).tolist() == [[1.0, 0.0]]
    assert Readout("mean_and_last", 0.0)(late).tolist() == [[1.0, 6.0]]


def test_the_shortcut_of_a_residual_block_is_normed_also_where_nothing_is_projected() -> None:
    block = resnet_1d.ResidualBlock(4, 4, (3,))
    assert [type(layer) for layer in block.shortcut] == [nn.BatchNorm1d]
    assert [type(layer) for layer in resnet_1d.ResidualBlock(3, 4, (3,)).shortcut] == [Convolution, nn.BatchNorm1d]


def test_inception_residuals_take_the_input_of_their_three_modules_and_one_channel_has_no_bottleneck() -> None:
    network: Any = inceptiontime.InceptionNetwork(5, 2, (4, 2), 7, 3)
    assert [type(layer).__name__ for layer in network.layers] == ["ResidualGroup", "ResidualGroup", "InceptionModule"]
    assert [group.shortcut[0].conv.in_channels for group in network.layers[:2]] == [5, 6]
    assert isinstance(InceptionModule(1, 2, (4, 2), 3).bottleneck, nn.Identity)


def test_networks_side_by_side_differ_and_are_joined() -> None:
    one, width = _small("inceptiontime")
    three, joined = _small("inceptiontime", n_networks=3)
    assert joined == 3 * width
    assert count_parameters(three) == 3 * count_parameters(one)
    vector = three.eval()(torch.randn(2, 9, 3))
    assert not torch.equal(vector[:, :width], vector[:, width : 2 * width])


@every_network
def test_longer_bars_are_read_first_and_the_decision_bar_last(name: str) -> None:
    x = torch.arange(10.0).reshape(1, 5, 2)
    assert ChannelsFirst((3, 2))(x)[0, 0].tolist() == [6.0, 8.0, 0.0, 2.0, 4.0]
    several, width = _small(name, resolutions={"1m": 6, "5m": 3})
    several.eval()
    windows = torch.randn(2, 9, 3)
    one, _ = _small(name)
    one.load_state_dict(several.state_dict())
    assert torch.equal(several(windows), one.eval()(torch.cat([windows[:, 6:], windows[:, :6]], dim=1)))
    assert several(windows).shape == (2, width)


def test_health_counts_channels_that_nothing_switches_on() -> None:
    trunk, _ = _small("cnn_1d", readout="mean")
    layers: Any = trunk.layers  # type: ignore[union-attr]
    with torch.no_grad():
        layers[1].weight.zero_()
        layers[1].bias.copy_(torch.tensor([-1.0, -1.0, 2.0, 2.0]))
    trunk.eval()
    health: Any = trunk.health  # type: ignore[union-attr]
    told = health(torch.randn(20, 9, 3))
    assert told["dead_units"] >= 2 / 10
    assert told["vector_norm"] > 0
    assert not [module for module in trunk.modules() if module._forward_hooks]
    alone = _small("tcn")[0].eval()
    assert 0 <= alone.health(torch.randn(20, 9, 3))["dead_units"] < 1  # type: ignore[operator,union-attr]


def _planted(window: int, n: int, n_valid: int) -> list[Samples]:
    rng = np.random.default_rng(0)
    base = rng.standard_normal((n + n_valid + window, 3)).astype(np.float32)
    z = base[:, 0] + 0.5 * rng.standard_normal(len(base))
    parts = [np.arange(window, window + n), np.arange(window + n, window + n + n_valid)]
    return [Samples(WindowTensor(base, at, window), (z[at] > 0).astype(np.int8), z[at], np.ones(at.size)) for at in parts]


def test_best_weights_carry_the_statistics_of_batch_normalisation() -> None:
    # At a rate that never falls the validation loss goes up and down, and the last epoch is not the best.
    train, valid = _planted(6, 130, 60)
    params = ResNet1DParams(seq_len=6, channels=(4,), kernel_sizes=(3,), epochs=7, batch_size=16, learning_rate=0.3, schedule="constant")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(1)
        trunk, width = resnet_1d.build_trunk(params, 3)
        network = ForecastNetwork(trunk, width, HeadLayout(2, returns=True))
    loss = ForecastLoss(HeadLayout(2, returns=True), torch.ones(2), params)
    context = FitContext(seed=1, n_classes=2, outputs=("p_up", "E_r"), feature_names=("a", "b", "c"))
    trained = train_network(network, train, valid, loss, params, context)
    history = trained.summary["history"]["valid"]
    assert trained.summary["best_epoch"] < len(history)  # otherwise nothing is proved
    assert isinstance(valid.view, WindowTensor)
    x = torch.from_numpy(valid.view.gather(np.arange(len(valid))))
    with torch.no_grad():
        y, z = torch.tensor(valid.y, dtype=torch.int64), torch.tensor(valid.z, dtype=torch.float32)
        sums = loss.sums(trained.network(x), y, z, torch.ones(len(valid)))
    again = sum(float(value) for value in sums.values()) / len(valid)
    assert again == pytest.approx(min(history), rel=1e-5)
    assert again != pytest.approx(history[-1], rel=1e-3)

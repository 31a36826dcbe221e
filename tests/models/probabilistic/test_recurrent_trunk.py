"""The trunk of DeepAR, the quantile RNN and the LSTM: its equations, its order of reading, its health."""

from typing import Literal

import numpy as np
import pytest
import torch

from barmill.models.heads import ForecastNetwork, HeadLayout, count_parameters
from barmill.models.probabilistic.deepar import distribution_of
from barmill.models.probabilistic.distribution_head import DistributionLayout
from barmill.models.probabilistic.params import DeepARParams
from barmill.models.recurrent.gates import recurrent_health
from barmill.models.recurrent.reading_order import coarse_to_fine
from barmill.models.recurrent.trunk import RecurrentTrunk

CELLS: list[Literal["lstm", "gru"]] = ["lstm", "gru"]


def _sigmoid(x: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    return 1 / (1 + np.exp(-x))


def test_gru_equals_the_equations_written_out() -> None:
    """Cho et al. (2014), with the reset gate after the product, as cuDNN and ONNX have it."""
    trunk = RecurrentTrunk("gru", 5, 7, 1, 0.0).eval()
    w_x, w_h, b_x, b_h = (tensor.detach().double().numpy() for tensor in trunk.layers[0].parameters())
    x = np.random.default_rng(0).standard_normal((3, 12, 5))
    with torch.no_grad():
        out = trunk(torch.tensor(x, dtype=torch.float32)).numpy()
    for row in range(3):
        h = np.zeros(7)
        for bar in x[row]:
            (r_x, z_x, n_x), (r_h, z_h, n_h) = np.split(w_x @ bar + b_x, 3), np.split(w_h @ h + b_h, 3)
            z = _sigmoid(z_x + z_h)
            h = (1 - z) * np.tanh(n_x + _sigmoid(r_x + r_h) * n_h) + z * h
        np.testing.assert_allclose(out[row], h, rtol=0, atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_states_before_a_bar_do_not_see_it(cell: Literal["lstm", "gru"]) -> None:
    trunk = RecurrentTrunk(cell, 4, 8, 2, 0.0).eval()
    x = torch.randn(2, 20, 4)
    changed = x.clone()
    changed[:, 13:] += 1
    with torch.no_grad():
        before, after = trunk.states(x), trunk.states(changed)
    assert torch.equal(before[:, :13], after[:, :13])
    assert not torch.equal(before[:, 13], after[:, 13])


def test_bars_of_several_timeframes_are_read_from_the_longest_to_the_shortest() -> None:
    np.testing.assert_array_equal(coarse_to_fine((4, 2, 1), 7), [6, 4, 5, 0, 1, 2, 3])
    np.testing.assert_array_equal(coarse_to_fine((), 5), np.arange(5))
    with torch.no_grad():
        several = RecurrentTrunk("gru", 3, 4, 1, 0.0, lengths=(4, 2, 1)).eval()
        one = RecurrentTrunk("gru", 3, 4, 1, 0.0).eval()
        one.load_state_dict(several.state_dict())
        x = torch.randn(2, 7, 3)
        assert torch.equal(several(x), one(x[:, [6, 4, 5, 0, 1, 2, 3]]))


def test_number_of_parameters_of_the_published_sizes() -> None:
    # On 25 features: the quantile RNN with five outputs 17,797, of which the head here has four; DeepAR with two 211,714.
    network = ForecastNetwork(RecurrentTrunk("gru", 25, 64, 1, 0.0), 64, HeadLayout(2, returns=False, quantiles=True))
    assert count_parameters(network) == 17_797 - 65
    layout = DistributionLayout(2, returns=True, quantiles=True, distribution=distribution_of(DeepARParams()))
    assert count_parameters(ForecastNetwork(RecurrentTrunk("lstm", 25, 128, 2, 0.1), 128, layout)) == 211_714


@pytest.mark.parametrize("cell", CELLS)
def test_saturated_gates_are_counted_as_they_are(cell: Literal["lstm", "gru"]) -> None:
    trunk = RecurrentTrunk(cell, 3, 5, 1, 0.0).eval()
    layer = trunk.layers[0]
    assert isinstance(layer, torch.nn.LSTM | torch.nn.GRU)
    x = torch.randn(4, 12, 3)
    with torch.no_grad():
        assert trunk.health(x)["saturated_gates"] < 0.2
        layer.get_parameter("bias_ih_l0").fill_(50.0)
        assert trunk.health(x)["saturated_gates"] == 1.0
        for parameter in layer.parameters():
            parameter.zero_()
        assert trunk.health(x)["saturated_gates"] == 0.0


def test_gates_are_those_of_the_equations() -> None:
    trunk = RecurrentTrunk("lstm", 3, 5, 1, 0.0).eval()
    layer = trunk.layers[0]
    assert isinstance(layer, torch.nn.LSTM)
    with torch.no_grad():
        x = torch.randn(4, 12, 3) * 5
        states, n_saturated = trunk.states(x), 0
        for bar in range(12):
            before = states[:, bar - 1] if bar else torch.zeros(4, 5)
            summed = x[:, bar] @ layer.weight_ih_l0.T + before @ layer.weight_hh_l0.T + layer.bias_ih_l0 + layer.bias_hh_l0  # type: ignore[union-attr, operator]
            gates = torch.sigmoid(summed[:, [*range(10), *range(15, 20)]])
            n_saturated += int(((gates < 0.1) | (gates > 0.9)).sum())
        health = recurrent_health(layer, x, states)
    assert health["saturated_gates"] == pytest.approx(n_saturated / (4 * 12 * 15))


def test_a_state_that_runs_away_is_seen_to_grow() -> None:
    layer = RecurrentTrunk("gru", 3, 5, 1, 0.0).layers[0]
    assert isinstance(layer, torch.nn.GRU)
    x = torch.zeros(2, 9, 3)
    growing = torch.arange(1.0, 10.0)[None, :, None].expand(2, 9, 5)
    with torch.no_grad():
        assert recurrent_health(layer, x, growing)["hidden_norm_growth"] == pytest.approx(9 / 5)
        assert recurrent_health(layer, x, torch.ones(2, 9, 5))["hidden_norm_growth"] == pytest.approx(1.0)

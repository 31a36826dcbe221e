"""The LSTM against its equations written out."""

import numpy as np
import torch

from barmill.models.heads import ForecastNetwork, HeadLayout, count_parameters
from barmill.models.recurrent.lstm import LSTMTrunk


def _sigmoid(x: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    return 1 / (1 + np.exp(-x))


def _by_hand(weights: dict[str, np.ndarray], x: np.ndarray, layers: int) -> np.ndarray:  # type: ignore[type-arg]
    """Hochreiter and Schmidhuber with forget gates, bar by bar, in float64."""
    for layer in range(layers):
        w_x, w_h = weights[f"{layer}.weight_ih_l0"], weights[f"{layer}.weight_hh_l0"]
        bias = weights[f"{layer}.bias_ih_l0"] + weights[f"{layer}.bias_hh_l0"]
        h = c = np.zeros(w_h.shape[1])
        states = []
        for bar in x:
            i, f, g, o = np.split(w_x @ bar + w_h @ h + bias, 4)
            c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
            h = _sigmoid(o) * np.tanh(c)
            states.append(h)
        x = np.array(states)
    return x[-1]


def test_equals_the_equations_written_out() -> None:
    trunk = LSTMTrunk(5, 7, 2, 0.2).eval()
    weights = {name.removeprefix("layers."): tensor.double().numpy() for name, tensor in trunk.state_dict().items()}
    x = np.random.default_rng(0).standard_normal((3, 12, 5))
    with torch.no_grad():
        out = trunk(torch.tensor(x, dtype=torch.float32)).numpy()
    for row in range(3):
        np.testing.assert_allclose(out[row], _by_hand(weights, x[row], 2), rtol=0, atol=1e-6)


def test_states_before_a_bar_do_not_see_it() -> None:
    trunk = LSTMTrunk(4, 8, 2, 0.0).eval()
    x = torch.randn(2, 20, 4)
    changed = x.clone()
    changed[:, 13:] = torch.randn(2, 7, 4)
    with torch.no_grad():
        before, after = trunk.states(x), trunk.states(changed)
    assert torch.equal(before[:, :13], after[:, :13])
    assert not torch.equal(before[:, 13], after[:, 13])


def test_forget_gates_start_with_bias_one_in_every_layer() -> None:
    weights = LSTMTrunk(4, 8, 3, 0.5).state_dict()
    for layer in range(3):
        bias = weights[f"layers.{layer}.bias_ih_l0"] + weights[f"layers.{layer}.bias_hh_l0"]
        assert torch.equal(bias[8:16], torch.ones(8))


def test_dropout_falls_between_layers_and_only_in_training() -> None:
    x = torch.randn(2, 20, 4)
    one, two = LSTMTrunk(4, 8, 1, 0.9), LSTMTrunk(4, 8, 2, 0.9)
    assert torch.equal(one(x), one(x))  # a single layer has no between
    assert not torch.equal(two(x), two(x))
    two.eval()
    assert torch.equal(two(x), two(x))


def test_equals_torchs_own_stack_with_the_same_weights() -> None:
    trunk, stack = LSTMTrunk(4, 8, 2, 0.0), torch.nn.LSTM(4, 8, 2, batch_first=True)
    with torch.no_grad():
        for name, parameter in stack.named_parameters():
            kind, layer = name.rsplit("_l", 1)
            parameter.copy_(trunk.state_dict()[f"layers.{layer}.{kind}_l0"])
        x = torch.randn(3, 15, 4)
        torch.testing.assert_close(trunk.states(x), stack(x)[0], rtol=0, atol=1e-7)


def test_number_of_parameters_of_the_published_size() -> None:
    # 2 x 128 on 25 features with five outputs has 212,101; the head here has two.
    network = ForecastNetwork(LSTMTrunk(25, 128, 2, 0.2), 128, HeadLayout(2, returns=True))
    assert count_parameters(network) == 212_101 - 3 * 129

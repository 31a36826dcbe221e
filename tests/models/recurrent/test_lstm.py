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
        w_x, w_h = weights[f"weight_ih_l{layer}"], weights[f"weight_hh_l{layer}"]
        bias = weights[f"bias_ih_l{layer}"] + weights[f"bias_hh_l{layer}"]
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
    weights = {name.removeprefix("lstm."): tensor.double().numpy() for name, tensor in trunk.state_dict().items()}
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
        before, after = trunk.lstm(x)[0], trunk.lstm(changed)[0]
    assert torch.equal(before[:, :13], after[:, :13])
    assert not torch.equal(before[:, 13], after[:, 13])


def test_forget_gates_start_with_bias_one_and_one_layer_has_no_dropout() -> None:
    trunk = LSTMTrunk(4, 8, 1, 0.5)
    bias = trunk.lstm.bias_ih_l0 + trunk.lstm.bias_hh_l0
    assert torch.equal(bias[8:16], torch.ones(8))
    assert trunk.lstm.dropout == 0.0


def test_number_of_parameters_of_the_published_size() -> None:
    # 2 x 128 on 25 features with five outputs has 212,101; the head here has two.
    network = ForecastNetwork(LSTMTrunk(25, 128, 2, 0.2), 128, HeadLayout(2, returns=True))
    assert count_parameters(network) == 212_101 - 3 * 129

"""The gates of recurrent layers: how they start, and whether they still move.

Axes: B batch, W window, F features, H hidden units, G gates times units.
Sources: Jozefowicz, Zaremba and Sutskever (2015), An empirical exploration of recurrent network architectures, ICML, section 4.2;
Karpathy, Johnson and Fei-Fei (2015), Visualizing and understanding recurrent networks, arXiv:1506.02078, section 4.2.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

SHUT, OPEN = 0.1, 0.9  # beyond these a gate counts as saturated


def open_forget_gates(module: nn.Module, hidden_size: int) -> None:
    """Set the forget gates of every LSTM layer in `module` half open towards remembering: a bias of 1.

    With torch's bias near 0 a signal from the window's far end has decayed before the network can learn to keep it.
    """
    with torch.no_grad():
        for name, bias in module.named_parameters():
            if "bias_ih" in name or "bias_hh" in name:  # gates in the order input, forget, cell, output; torch adds two biases
                bias[hidden_size : 2 * hidden_size] = 1.0 if "bias_ih" in name else 0.0


def recurrent_health(layer: nn.LSTM | nn.GRU, inputs_BWF: Tensor, states_BWH: Tensor) -> dict[str, float]:
    """Figures of one layer on real windows.

    Parameters
    ----------
    layer : LSTM or GRU of one layer, `batch_first`
    inputs_BWF, states_BWH : what it read, and the hidden states that it made of that

    Returns
    -------
    dict with "saturated_gates", the share of gates (LSTM: input, forget, output; GRU: reset, update) below 0.1 or above 0.9,
    which near 1 learn no more; and "hidden_norm_growth", the mean length of the hidden state at the last bar over that at
    the middle bar: near 1 where the state has settled, well above where it still runs away.
    """
    gates_BWG = torch.sigmoid(_before_activation(layer, inputs_BWF, states_BWH))
    norms_W = states_BWH.norm(dim=2).mean(dim=0)
    return {
        "saturated_gates": float(((gates_BWG < SHUT) | (gates_BWG > OPEN)).double().mean()),
        "hidden_norm_growth": float(norms_W[-1] / norms_W[(len(norms_W) - 1) // 2].clamp_min(torch.finfo(norms_W.dtype).tiny)),
    }


def _before_activation(layer: nn.LSTM | nn.GRU, inputs_BWF: Tensor, states_BWH: Tensor) -> Tensor:
    """The layer's sigmoid gates before the sigmoid, from each bar's input and the state of the bar before it."""
    before_BWH = functional.pad(states_BWH[:, :-1], (0, 0, 1, 0))  # the first bar finds a state of zeros
    from_input, from_state = (
        functional.linear(x, layer.get_parameter(f"weight_{part}_l0"), layer.get_parameter(f"bias_{part}_l0"))
        for x, part in ((inputs_BWF, "ih"), (before_BWH, "hh"))
    )
    summed_BWG = from_input + from_state
    size = layer.hidden_size
    if isinstance(layer, nn.GRU):  # reset, update, new
        return summed_BWG[..., : 2 * size]
    return torch.cat([summed_BWG[..., : 2 * size], summed_BWG[..., 3 * size :]], dim=-1)

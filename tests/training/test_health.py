from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from barmill.training.health import gradient_health, health_of, health_summary


def test_gradient_figures_are_of_the_norms_before_clipping_and_leave_skipped_steps_out() -> None:
    found = gradient_health([3.0, float("inf"), 1.0, 8.0], clip=2.0)
    assert found == {
        "gradient_norm_first": 3.0,
        "gradient_norm_median": 3.0,
        "gradient_norm_max": 8.0,
        "gradient_clipped_share": pytest.approx(2 / 3),
    }
    assert gradient_health([float("nan")], clip=2.0) == {}


def _half_dead() -> nn.Module:
    trunk = nn.Sequential(nn.Linear(2, 4), nn.ReLU())
    with torch.no_grad():
        trunk[0].weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.0, 0.0]]))
        trunk[0].bias.copy_(torch.tensor([0.0, 0.0, -1.0, 0.0]))
    return trunk


def test_a_unit_that_is_off_for_every_row_is_dead_and_one_that_is_on_once_is_not() -> None:
    x = torch.tensor([[1.0, -1.0], [-1.0, -1.0], [-1.0, 1.0]])
    assert health_of(_half_dead(), x) == {"dead_units": 0.5}
    assert health_of(_half_dead(), x[:2]) == {"dead_units": 0.75}


class Attentive(nn.Module):
    """A trunk that measures itself."""

    def __init__(self) -> None:
        super().__init__()
        self.modes: list[bool] = []

    def forward(self, x: Tensor) -> Tensor:
        return x

    def health(self, x: Tensor) -> dict[str, float]:
        self.modes.append(self.training or torch.is_grad_enabled())
        return {"attention_entropy": float(x.mean()), "share_of_nothing": float("nan")}


def test_a_trunk_measures_itself_without_gradients_in_evaluation_mode_and_training_goes_on() -> None:
    network = nn.Module()
    network.trunk = Attentive()
    assert health_of(network.train(), torch.ones(3, 2)) == {"attention_entropy": 1.0}
    assert network.trunk.modes == [False]
    assert network.training


def test_the_summary_has_the_figures_of_the_epoch_that_is_kept() -> None:
    history = {
        "valid": [2.0, 1.0, 1.5],
        "gradient_norm_first": [5.0, 4.0, 3.0],
        "gradient_norm_median": [2.0, 1.0, 4.0],
        "gradient_norm_max": [5.0, 9.0, 6.0],
        "gradient_clipped_share": [0.5, 0.25, 0.0],
    }
    of_gradients = {"gradient_norm_first": 5.0, "gradient_norm_median": 2.0, "gradient_norm_max": 9.0, "gradient_clipped_share": 0.25}
    found = health_summary(history, 1, {"dead_units": 1 / 3})
    assert found == {**of_gradients, "valid_loss_fall": 0.5, "dead_units": 0.333333}
    assert health_summary({"valid": [0.0]}, 0, {}) == {}


def test_a_training_tells_its_gradient_and_its_trunks_health(small: Any) -> None:
    trained = small.train()
    history, health = trained.summary["history"], trained.summary["health"]
    assert all(len(history[name]) == trained.summary["epochs"] for name in history)
    assert health["gradient_norm_max"] == pytest.approx(max(history["gradient_norm_max"]), rel=1e-5)
    assert 0 < health["gradient_norm_median"] <= health["gradient_norm_max"]
    assert health["valid_loss_fall"] == pytest.approx(1 - min(history["valid"]) / history["valid"][0], rel=1e-4)
    assert np.isfinite(list(health.values())).all()

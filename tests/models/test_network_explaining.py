"""Integrated gradients against networks whose attributions are known on paper."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from barmill.models.heads import ForecastNetwork, HeadLayout
from barmill.models.network_explaining import OTHERS, ZEROS, explain_network
from barmill.views import WindowTensor

NAMES = ("a", "b", "c")
WINDOW = 5


def view(n: int = 120) -> WindowTensor:
    base = np.random.default_rng(0).standard_normal((n + WINDOW, 3)).astype(np.float32)
    return WindowTensor(base, np.arange(WINDOW, n + WINDOW), WINDOW)


class Square(nn.Module):
    """(sum of weights times inputs)**2 / 2 + the plain sum: integrated gradients of the square share out what is known."""

    def __init__(self) -> None:
        super().__init__()
        weight_WF = torch.zeros(WINDOW, 3)
        weight_WF[-1, 1], weight_WF[1, 0] = 2.0, -1.0
        self.weight_WF = nn.Parameter(weight_WF)

    def forward(self, x_BWF: Tensor) -> Tensor:
        total_B = (x_BWF * self.weight_WF).sum(dim=(1, 2))
        return torch.stack([total_B, total_B**2 / 2], dim=1)


def network(trunk: nn.Module, width: int, weights: list[list[float]], n_classes: int = 2) -> ForecastNetwork:
    whole = ForecastNetwork(trunk, width, HeadLayout(n_classes, returns=False))
    with torch.no_grad():
        whole.head.weight.copy_(torch.tensor(weights))
        whole.head.bias.zero_()
    return whole


def explained(whole: ForecastNetwork, n_classes: int = 2, **more: Any) -> dict[str, Any]:
    return explain_network(whole, HeadLayout(n_classes, returns=False), view(), NAMES, **more)


def test_attributions_are_those_of_the_closed_form() -> None:
    windows = view().gather(np.arange(120)).astype(np.float64)
    part_b, part_a = 2 * windows[:, -1, 1], -windows[:, 1, 0]
    total = part_a + part_b
    for weights, of in (([[1.0, 0.0]], lambda part: part), ([[0.0, 1.0]], lambda part: part * total / 2)):
        told = explained(network(Square(), 2, weights))["outputs"]["p_up"]
        sizes = {feature["feature"]: feature["size"] for feature in told["features"]}
        assert sizes["b"] == pytest.approx(np.abs(of(part_b)).mean(), rel=1e-4)
        assert sizes["a"] == pytest.approx(np.abs(of(part_a)).mean(), rel=1e-4)
        assert sizes["c"] == 0
        assert told["completeness"]["largest_error"] < 1e-4
        assert told["baseline"] == ZEROS
        by_position = np.array(told["by_position"])
        assert by_position.sum() == pytest.approx(1, abs=1e-5)
        assert by_position[[0, 2, 3]].max() == 0
        assert by_position[4] == pytest.approx(sizes["b"] / (sizes["a"] + sizes["b"]), rel=1e-4)


def test_of_three_classes_up_against_down_is_explained() -> None:
    told = explained(network(Square(), 2, [[1.0, 0.0], [7.0, 7.0], [-1.0, 0.0]], n_classes=3), 3)["outputs"]["p_up"]
    assert told["explains"] == "score of up less score of down"
    directions = {feature["feature"]: feature["direction"] for feature in told["features"]}
    assert directions == {"a": pytest.approx(1), "b": pytest.approx(-1), "c": 0.0}


def test_the_expected_return_is_explained_beside_the_class_where_it_is_learned() -> None:
    layout = HeadLayout(2, returns=True)
    whole = ForecastNetwork(Square(), 2, layout)
    with torch.no_grad():
        whole.head.weight.copy_(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))  # the class takes the square, the return the plain sum
        whole.head.bias.zero_()
    outputs = explain_network(whole, layout, view(), NAMES)["outputs"]
    assert list(outputs) == ["p_up", "E_r"]
    returns = {feature["feature"]: feature for feature in outputs["E_r"]["features"]}
    assert outputs["E_r"]["explains"] == "expected return in units of volatility"
    assert returns["a"]["direction"] == pytest.approx(-1)
    assert returns["a"]["size"] == pytest.approx(np.abs(view().gather(np.arange(120))[:, 1, 0]).mean(), rel=1e-4)
    assert outputs["p_up"]["features"] != outputs["E_r"]["features"]
    assert "E_r" not in explained(network(Square(), 2, [[1.0, 0.0]]))["outputs"]


class Normalised(nn.Module):
    """Sees each window less its mean and over its deviation: the same on the whole way from zeros, but at zeros."""

    def forward(self, x_BWF: Tensor) -> Tensor:
        mean, deviation = x_BWF.mean(dim=1, keepdim=True), x_BWF.std(dim=1, unbiased=False, keepdim=True)
        return ((x_BWF - mean) / (deviation + 1e-5))[:, -1]


def test_a_network_that_normalises_its_windows_is_explained_from_other_windows() -> None:
    told = explained(network(Normalised(), 3, [[0.2, 1.0, 0.0]]))["outputs"]["p_up"]
    assert told["baseline"] == OTHERS
    assert told["completeness"]["mean_error"] < 0.1 * told["completeness"]["size"]
    assert told["features"][0]["feature"] == "b"
    assert told["features"][0]["direction"] > 0.8


class Telling(Square):
    """A trunk that reads out all that there is to read out."""

    def explained(self, x_BWF: Tensor) -> dict[str, Tensor]:
        n = len(x_BWF)
        assert not self.training
        assert not torch.is_grad_enabled()
        return {
            "variables": torch.tensor([0.2, 0.7, 0.1]).expand(n, 3),
            "attention": torch.arange(4.0).expand(n, 4) / 6,
            "trend": torch.stack([x_BWF[:, 0, 0].sign(), torch.full((n,), 2.0)], dim=1),
            "seasonal": torch.zeros(n, 2),
        }


def test_what_a_trunk_reads_out_is_told_by_means_over_the_sample() -> None:
    told = explained(network(Telling(), 2, [[1.0, 0.0]]).train())["read_out"]
    assert [(one["feature"], round(one["weight"], 6)) for one in told["variables"]] == [("b", 0.7), ("a", 0.2), ("c", 0.1)]
    assert told["attention"] == [0.0, pytest.approx(1 / 6, abs=1e-6), pytest.approx(1 / 3, abs=1e-6), 0.5]
    parts = told["components"]
    assert list(parts) == ["trend", "seasonal"]
    assert parts["trend"]["size"] == [1.0, 2.0]
    assert abs(parts["trend"]["mean"][0]) < 0.5
    assert parts["trend"]["mean"][1] == 2.0
    assert parts["seasonal"]["mean"] == [0.0, 0.0]
    assert explained(network(Square(), 2, [[1.0, 0.0]]))["read_out"] == {}


def test_positions_of_several_timeframes_keep_their_names() -> None:
    scales = ["1m", "1m", "1m", "5m", "5m"]
    told = explained(network(Square(), 2, [[1.0, 0.0]]), scales=scales)["outputs"]["p_up"]
    assert told["scales"] == scales


def test_the_thread_count_changes_nothing_and_is_put_back() -> None:
    before = torch.get_num_threads()
    whole = network(nn.Sequential(nn.Flatten(), nn.Linear(15, 2)), 2, [[1.0, 0.5]])
    found: list[dict[str, Any]] = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(explained(whole))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1]


def test_a_long_window_is_looked_at_in_fewer_samples() -> None:
    base = np.random.default_rng(1).standard_normal((800, 1)).astype(np.float32)
    last = network(nn.Sequential(nn.Flatten(), nn.Linear(300, 1)), 1, [[1.0]])
    found = explain_network(last, HeadLayout(2, returns=False), WindowTensor(base, np.arange(300, 800), 300), ("a",))
    assert found["rows"] == 64

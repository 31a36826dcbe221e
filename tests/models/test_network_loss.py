"""The network loss against its formulas in NumPy."""

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_pinball_loss

from barmill.models.contract import LEVELS
from barmill.models.heads import ForecastNetwork, HeadLayout, NamedOutputs, count_parameters
from barmill.models.network_loss import ForecastLoss, class_loss
from barmill.models.network_params import NetworkParams

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_parts_are_weighted_sums_of_cross_entropy_and_huber(n_classes: int) -> None:
    layout = HeadLayout(n_classes, returns=True)
    head = RNG.standard_normal((50, layout.n_columns)) * 3
    y, z, weight = RNG.integers(0, n_classes, 50), RNG.standard_normal(50) * 2, RNG.uniform(0, 2, 50)
    classes = np.arange(1, n_classes + 1) / 2
    loss = ForecastLoss(layout, torch.tensor(classes), NetworkParams(huber_delta=0.7, return_loss_weight=0.3))
    parts = loss.sums(torch.tensor(head), torch.tensor(y), torch.tensor(z), torch.tensor(weight))
    scores = np.column_stack([np.zeros(50), head[:, 0]]) if n_classes == 2 else head[:, :3]
    log_p = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    error = np.abs(head[:, layout.n_logits] - z)
    huber = np.where(error <= 0.7, error**2 / 2, 0.7 * (error - 0.35))
    assert float(parts["p_up"]) == pytest.approx(-(weight * classes[y] * log_p[np.arange(50), y]).sum(), rel=1e-6)
    assert float(parts["E_r"]) == pytest.approx((weight * huber).sum(), rel=1e-6)
    assert loss.scales == {"p_up": 1.0, "E_r": 0.3}


def test_without_returns_there_is_one_part_and_one_column() -> None:
    layout = HeadLayout(2, returns=False)
    loss = ForecastLoss(layout, torch.ones(2), NetworkParams())
    assert layout.n_columns == 1
    assert loss.scales == {"p_up": 1.0}
    assert set(loss.sums(torch.zeros(3, 1), torch.tensor([0, 1, 1]), torch.zeros(3), torch.ones(3))) == {"p_up"}


def test_head_columns_come_apart_under_their_names() -> None:
    layout = HeadLayout(3, returns=True)
    network = ForecastNetwork(torch.nn.Flatten(), 10, layout)
    named = NamedOutputs(network, layout)
    x = torch.randn(4, 5, 2)
    logits, expected = named(x)
    assert named.names == ["logits", "expected"]
    assert logits.shape == (4, 3)
    assert torch.equal(torch.column_stack([logits, expected]), network(x))
    assert count_parameters(network) == 11 * 4


def test_the_pinball_loss_is_that_of_scikit_learn_and_its_quantiles_cannot_cross() -> None:
    layout = HeadLayout(2, returns=True, quantiles=True)
    head, z, weight = RNG.standard_normal((200, layout.n_columns)) * 20, RNG.standard_normal(200), RNG.uniform(0, 2, 200)
    q = layout.quantiles_of(torch.tensor(head))
    assert (np.diff(q.numpy(), axis=1) >= 0).all()
    each = [mean_pinball_loss(z, q[:, k].numpy(), alpha=level, sample_weight=weight) for k, level in enumerate(LEVELS)]
    loss = ForecastLoss(layout, torch.ones(2), NetworkParams(quantile_loss_weight=0.5))
    parts = loss.sums(torch.tensor(head), torch.ones(200, dtype=torch.int64), torch.tensor(z), torch.tensor(weight))
    assert float(parts["quantiles"]) / weight.sum() == pytest.approx(np.mean(each), rel=1e-6)
    assert loss.scales == {"p_up": 1.0, "E_r": 1.0, "quantiles": 0.5}


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_focal_loss_counts_a_row_less_the_surer_it_is_of_its_class(n_classes: int) -> None:
    layout = HeadLayout(n_classes, returns=False)
    logits, y = RNG.standard_normal((40, layout.n_columns)) * 2, RNG.integers(0, n_classes, 40)
    scores = np.column_stack([np.zeros(40), logits[:, 0]]) if n_classes == 2 else logits
    p = (np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True))[np.arange(40), y]
    given = (torch.tensor(logits), torch.tensor(y), torch.ones(40, dtype=torch.float64), torch.ones(n_classes))
    assert float(class_loss(*given, focal_gamma=2.0)) == pytest.approx((-((1 - p) ** 2) * np.log(p)).sum(), rel=1e-6)
    assert float(class_loss(*given, focal_gamma=0.0)) == pytest.approx(-np.log(p).sum(), rel=1e-6)


def test_the_focal_loss_has_a_gradient_where_a_row_is_certain() -> None:
    logits = torch.tensor([[60.0], [-60.0]], requires_grad=True)
    class_loss(logits, torch.tensor([1, 0]), torch.ones(2), torch.ones(2), focal_gamma=0.5).backward()
    assert torch.isfinite(logits.grad).all()

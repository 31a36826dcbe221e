"""The distributions against SciPy's, far into the tails, and the head that reads everything off them."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from barmill.models.heads import ForecastNetwork, NamedOutputs
from barmill.models.network_params import NetworkParams
from barmill.models.probabilistic.distribution_head import SMALLEST_SCALE, DistributionLayout, LikelihoodLoss, turning_point
from barmill.models.probabilistic.distributions import FARTHEST_GAUSS, FARTHEST_T, Gaussian, StudentT

PAIRS: list[Any] = [
    pytest.param(StudentT(3), stats.t(3), FARTHEST_T, id="t3"),
    pytest.param(StudentT(4), stats.t(4), FARTHEST_T, id="t4"),
    pytest.param(StudentT(5), stats.t(5), FARTHEST_T, id="t5"),
    pytest.param(Gaussian(), stats.norm(), FARTHEST_GAUSS, id="gaussian"),
]


def _points(farthest: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    outwards = np.geomspace(1e-4, farthest, 2000)
    return np.concatenate([-outwards[::-1], [0.0], outwards])


@pytest.mark.parametrize(("ours", "theirs", "farthest"), PAIRS)
def test_density_quantile_and_log_odds_are_scipys(ours: Any, theirs: Any, farthest: float) -> None:
    x = _points(farthest)
    wanted = theirs.logcdf(x) - theirs.logsf(x)
    assert ours.q95 == pytest.approx(theirs.ppf(0.95), rel=1e-14)
    for dtype, tolerance in ((torch.float64, 1e-8), (torch.float32, 3e-6)):
        at = torch.tensor(x, dtype=dtype)
        np.testing.assert_allclose(ours.log_odds(at).double(), wanted, rtol=0, atol=tolerance)
        np.testing.assert_allclose(ours.negative_log_density(at).double(), -theirs.logpdf(x), rtol=1e-6, atol=tolerance)


@pytest.mark.parametrize(("ours", "theirs", "farthest"), PAIRS)
def test_log_odds_never_fall_and_stay_finite(ours: Any, theirs: Any, farthest: float) -> None:
    x = torch.cat([torch.tensor([-1e30, -1e6]), torch.tensor(_points(2 * farthest), dtype=torch.float32), torch.tensor([1e6, 1e30])])
    odds = ours.log_odds(x)
    assert torch.isfinite(odds).all()
    assert (odds.diff() >= -1e-6).all()
    torch.testing.assert_close(odds, -ours.log_odds(-x))


def test_a_difference_of_probabilities_would_have_lost_the_tail() -> None:
    x = torch.tensor([4.9])
    naive = torch.special.ndtr(x)
    wanted = stats.norm.logcdf(4.9) - stats.norm.logsf(4.9)
    assert abs(float(torch.log(naive / (1 - naive))) - wanted) > 1e-3
    assert abs(float(Gaussian().log_odds(x)) - wanted) < 1e-5


def _head(n: int, columns: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).standard_normal((n, columns)) * 3)


@pytest.mark.parametrize(("ours", "theirs", "farthest"), PAIRS)
def test_every_output_is_read_off_the_one_distribution(ours: Any, theirs: Any, farthest: float) -> None:
    layout = DistributionLayout(2, returns=True, quantiles=True, distribution=ours, threshold=0.3)
    head = _head(200, layout.n_columns)
    location, scale = (part.numpy() for part in layout.location_and_scale(head))
    assert (scale > SMALLEST_SCALE).all()
    # Where the log-odds stand still, SciPy's do not.
    near = np.abs(location - 0.3) / scale < farthest
    up = theirs.sf((0.3 - location) / scale)
    np.testing.assert_allclose(torch.sigmoid(layout.logits(head)[:, 0]).numpy()[near], up[near], rtol=0, atol=1e-8)
    quantiles = layout.quantiles_of(head).numpy()
    np.testing.assert_allclose(theirs.cdf((quantiles - location[:, None]) / scale[:, None]), [[0.05, 0.5, 0.95]] * 200, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(layout.expected(head).numpy(), location)
    assert (np.diff(quantiles, axis=1) > 0).all()


@pytest.mark.parametrize(("ours", "theirs", "farthest"), PAIRS)
def test_the_likelihood_is_scipys_by_weight(ours: Any, theirs: Any, farthest: float) -> None:
    layout = DistributionLayout(2, returns=True, quantiles=True, distribution=ours)
    head, rng = _head(200, 2), np.random.default_rng(1)
    z, weight = rng.standard_normal(200), rng.uniform(0, 2, 200)
    loss = LikelihoodLoss(layout, torch.ones(2), NetworkParams())
    parts = loss.sums(head, torch.zeros(200, dtype=torch.int64), torch.tensor(z), torch.tensor(weight))
    location, scale = (part.numpy() for part in layout.location_and_scale(head))
    assert set(parts) == set(loss.scales) == {"likelihood"}
    assert float(parts["likelihood"]) == pytest.approx(-(weight * (theirs.logpdf((z - location) / scale) - np.log(scale))).sum(), rel=1e-5)


def test_class_weights_shift_the_odds_as_a_weighted_cross_entropy_would() -> None:
    plain = DistributionLayout(2, returns=False, quantiles=False, distribution=StudentT(5))
    shifted = DistributionLayout(2, returns=False, quantiles=False, distribution=StudentT(5), shift=float(np.log(3.0)))
    head = _head(50, 2)
    up, lifted = torch.sigmoid(plain.logits(head)), torch.sigmoid(shifted.logits(head))
    # Rows of class up three times as heavy: 3 p / (3 p + 1 - p).
    torch.testing.assert_close(lifted, 3 * up / (3 * up + 1 - up))
    assert torch.equal(plain.expected(head), shifted.expected(head))


def test_three_classes_have_columns_of_their_own_beside_the_likelihood() -> None:
    layout = DistributionLayout(3, returns=True, quantiles=True, distribution=Gaussian())
    head = _head(40, layout.n_columns)
    assert layout.n_columns == 5
    assert torch.equal(layout.logits(head), head[:, 2:])
    loss = LikelihoodLoss(layout, torch.ones(3), NetworkParams(quantile_loss_weight=0.5))
    y = torch.arange(40) % 3
    parts = loss.sums(head, y, torch.zeros(40), torch.ones(40))
    assert loss.scales == {"p_up": 1.0, "likelihood": 0.5}
    assert float(parts["p_up"]) == pytest.approx(float(torch.nn.functional.cross_entropy(head[:, 2:].float(), y, reduction="sum")))


def test_outputs_come_under_the_shared_names() -> None:
    layout = DistributionLayout(2, returns=True, quantiles=True, distribution=StudentT(4))
    named = NamedOutputs(ForecastNetwork(torch.nn.Flatten(), 6, layout), layout)
    assert named.names == ["logits", "expected", "quantiles"]
    assert [tuple(part.shape) for part in named(torch.randn(4, 3, 2))] == [(4, 1), (4,), (4, 3)]


def test_a_row_counts_as_up_where_the_labels_turn() -> None:
    z = np.random.default_rng(0).standard_normal(1001)
    assert turning_point((z > 0).astype(np.int8), z) == 0.0
    assert turning_point((z > 1).astype(np.int8), z) == pytest.approx(1.0, abs=0.01)
    mixed = np.random.default_rng(1).permutation((z > 1).astype(np.int8))  # labels that are no function of z
    assert (z > turning_point(mixed, z)).sum() == mixed.sum()

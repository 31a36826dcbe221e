"""Hierarchical risk parity against the definition in plain loops, and against another library where the two agree."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from barmill.errors import ShapeError
from barmill.portfolio import hrp_weights


def slow_hrp(cov: np.ndarray, distance: str) -> np.ndarray:
    """Section 8 of the definitions, step by step."""
    n = cov.shape[0]
    rho = [[cov[i][j] / np.sqrt(cov[i][i] * cov[j][j]) for j in range(n)] for i in range(n)]
    d = np.array([[np.sqrt(max(0.0, (1 - rho[i][j]) / 2)) if i != j else 0.0 for j in range(n)] for i in range(n)])
    if distance == "afml":
        d = np.array([[np.sqrt(sum((d[k][i] - d[k][j]) ** 2 for k in range(n))) for j in range(n)] for i in range(n)])
    clusters = {i: [i] for i in range(n)}
    number = n
    while len(clusters) > 1:
        pairs = [(min(d[i][j] for i in clusters[a] for j in clusters[b]), a, b) for a in clusters for b in clusters if a < b]
        _, a, b = min(pairs)
        clusters[number] = clusters.pop(a) + clusters.pop(b)
        number += 1
    (leaves,) = clusters.values()

    def variance(part: list[int]) -> float:
        inverse = [1 / cov[i][i] for i in part]
        w = [each / sum(inverse) for each in inverse]
        return sum(w[a] * w[b] * cov[i][j] for a, i in enumerate(part) for b, j in enumerate(part))

    def share_out(part: list[int], weight: float, weights: dict[int, float]) -> None:
        if len(part) == 1:
            weights[part[0]] = weight
            return
        left, right = part[: len(part) // 2], part[len(part) // 2 :]
        share = 1 - variance(left) / (variance(left) + variance(right))
        share_out(left, weight * share, weights)
        share_out(right, weight * (1 - share), weights)

    weights: dict[int, float] = {}
    share_out(leaves, 1.0, weights)
    return np.array([weights[i] for i in range(n)])


def covariance(seed: int, n: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.cov(rng.normal(size=(60, n)) @ rng.normal(size=(n, n)), rowvar=False).reshape(n, n)


@pytest.mark.parametrize("distance", ["afml", "direct"])
@given(seed=st.integers(0, 10**6), n=st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_weights_are_those_of_the_definition(distance: str, seed: int, n: int):
    cov = covariance(seed, n)
    np.testing.assert_allclose(hrp_weights(cov, distance), slow_hrp(cov, distance), rtol=1e-10)


@given(factors=arrays(np.float64, (6, 6), elements=st.floats(-1, 1)))
@settings(max_examples=100, deadline=None)
def test_weights_are_positive_and_sum_to_one_even_without_an_inverse(factors: np.ndarray):
    cov = factors[:, :2] @ factors[:, :2].T + np.diag(np.full(6, 1e-6))
    weights = hrp_weights(cov)
    assert weights.sum() == pytest.approx(1)
    assert (weights >= 0).all()


def test_uncorrelated_assets_are_weighted_by_inverse_variance_when_halves_are_even():
    weights = hrp_weights(np.diag([1.0, 4.0]))
    np.testing.assert_allclose(weights, [0.8, 0.2])


def test_twins_share_one_weight():
    cov = np.array([[1.0, 0.999, 0.0, 0.0], [0.999, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.999], [0.0, 0.0, 0.999, 1.0]])
    np.testing.assert_allclose(hrp_weights(cov), [0.25] * 4)


def test_direct_distance_is_skfolios_rule_without_its_optimal_ordering():
    from skfolio.cluster import HierarchicalClustering, LinkageMethod
    from skfolio.optimization import HierarchicalRiskParity
    from skfolio.seriation import HierarchicalSeriation

    clustering = HierarchicalClustering(linkage_method=LinkageMethod.SINGLE)
    theirs = HierarchicalRiskParity(
        seriation_estimator=HierarchicalSeriation(hierarchical_clustering_estimator=clustering, optimal_ordering=False)
    )
    rng = np.random.default_rng(0)
    for n in (2, 5, 12):
        returns = rng.normal(size=(300, n)) @ rng.normal(size=(n, n)) * 0.01
        np.testing.assert_allclose(hrp_weights(np.cov(returns, rowvar=False), "direct"), theirs.fit(returns).weights_, rtol=1e-9)


@pytest.mark.parametrize(
    ("cov", "message"),
    [
        (np.ones((2, 3)), r"shape \(2, 3\); expected a finite matrix"),
        (np.empty((0, 0)), r"shape \(0, 0\)"),
        (1.0, r"shape \(\)"),
        ([[1.0, np.nan], [np.nan, 1.0]], "not finite"),
        ([[1.0, 0.5], [0.1, 1.0]], "not symmetric"),
        ([[1.0, 0.0], [0.0, 0.0]], r"cov\[1, 1\]: 0.0; expected a variance above 0"),
    ],
)
def test_what_is_no_covariance_is_refused(cov, message: str):
    with pytest.raises(ShapeError, match=message):
        hrp_weights(cov)


def test_an_unknown_distance_is_refused():
    with pytest.raises(ShapeError, match="'euclid'; expected 'afml' or 'direct'"):
        hrp_weights(np.eye(2), "euclid")

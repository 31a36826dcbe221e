"""Relative entropy and the Wasserstein distance against SciPy."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy, wasserstein_distance

from barmill.errors import ShapeError
from barmill.evaluation import kl_divergence, kl_divergence_samples, psi, wasserstein_1

numbers = st.lists(st.floats(-100, 100).map(lambda x: round(x, 2)), min_size=1, max_size=40)
weights = st.lists(st.tuples(st.floats(0, 10), st.floats(0.01, 10)), min_size=1, max_size=20).filter(
    lambda pairs: sum(p for p, _ in pairs) > 1e-6
)


@given(pairs=weights)
@settings(max_examples=200, deadline=None)
def test_relative_entropy_is_scipys(pairs: list[tuple[float, float]]):
    p, q = zip(*pairs, strict=True)
    assert kl_divergence(p, q) == pytest.approx(entropy(p, q), rel=1e-9, abs=1e-12)


def test_relative_entropy_at_the_edges():
    assert kl_divergence([1, 3], [2, 6]) == 0
    assert kl_divergence([0.0, 1.0], [0.5, 0.5]) == pytest.approx(math.log(2))
    assert kl_divergence([0.5, 0.5], [0.0, 1.0]) == math.inf
    assert kl_divergence([0.0, 1.0], [0.0, 1.0]) == 0


@given(u=numbers, v=numbers)
@settings(max_examples=200, deadline=None)
def test_the_area_between_distribution_functions_is_scipys(u: list[float], v: list[float]):
    assert wasserstein_1(u, v) == pytest.approx(wasserstein_distance(u, v), rel=1e-9, abs=1e-9)
    assert wasserstein_1(u, u) == 0


def test_a_shift_is_how_far_it_shifts():
    rows = np.random.default_rng(0).normal(size=500)
    assert wasserstein_1(rows + 3.5, rows) == pytest.approx(3.5)
    assert wasserstein_1([0, 0, 1], [1]) == pytest.approx(2 / 3)


def test_entropy_of_samples_goes_over_the_bins_of_psi():
    rng = np.random.default_rng(1)
    before, after = rng.normal(size=2000), rng.normal(0.4, 1.2, 1500)
    edges = np.quantile(before, np.arange(1, 10) / 10)
    r = np.bincount(np.searchsorted(edges, before), minlength=10) / before.size
    c = np.bincount(np.searchsorted(edges, after), minlength=10) / after.size
    assert kl_divergence_samples(after, before) == pytest.approx(entropy(c, r), rel=1e-9)
    # psi is the sum of both directions
    assert kl_divergence_samples(after, before) + entropy(r, c) == pytest.approx(psi(before, after), rel=1e-9)


def test_an_empty_bin_is_raised_to_eps_and_then_scaled():
    before, after = np.arange(100.0), np.full(50, 1000.0)
    c = np.array([0.01, 1.0]) / 1.01
    assert kl_divergence_samples(after, before, n_bins=2, eps=0.01) == pytest.approx(entropy(c, [0.5, 0.5]), rel=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kl_divergence([1.0], [0.5, 0.5]), "q: has 2 outcomes; expected 1"),
        (lambda: kl_divergence([-0.1, 1.1], [0.5, 0.5]), "p: weights from -0.1"),
        (lambda: kl_divergence([0.5, 0.5], [0.0, 0.0]), "q: weights from 0.0 that sum to 0.0"),
        (lambda: kl_divergence_samples([1.0], [1.0], n_bins=1), "kl_divergence_samples: n_bins 1"),
        (lambda: wasserstein_1([], [1.0]), "u: has shape"),
        (lambda: wasserstein_1([1.0], [math.nan]), "v: holds numbers that are not finite"),
    ],
)
def test_what_cannot_be_compared_is_refused(call, message: str):
    with pytest.raises(ShapeError, match=message):
        call()

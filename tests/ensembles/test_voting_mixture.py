import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from barmill.ensembles.mixture import KNOTS, LEVELS_AT_KNOTS, mixture_quantiles

LEVELS = (0.05, 0.5, 0.95)


def knots(low, middle, high):
    return middle + np.where(KNOTS < 0, middle - low, high - middle) * KNOTS


def level_at(x, row, weights):
    """The mixture's distribution function, member by member."""
    return sum(weight * np.interp(x, knots(*member), LEVELS_AT_KNOTS) for member, weight in zip(row, weights, strict=True))


def drawn(seed, n, m, apart=1.0):
    rng = np.random.default_rng(seed)
    said = [np.sort(rng.normal(rng.normal(0, apart), rng.uniform(0.2, 2), size=(n, 3)), axis=1) for _ in range(m)]
    return said, rng.dirichlet(np.ones(m)).tolist()


def test_a_half_holds_what_a_normal_one_holds():
    np.testing.assert_allclose(LEVELS_AT_KNOTS[1:-1], norm.cdf(KNOTS[1:-1] * norm.ppf(0.95)), atol=1e-6)
    assert norm.cdf(KNOTS[-1] * norm.ppf(0.95)) > 0.99  # what lies beyond the last knot is put before it


@given(seed=st.integers(0, 2**32 - 1), m=st.integers(1, 6), apart=st.sampled_from([0.0, 1.0, 30.0]))
def test_the_mixture_holds_each_level_below_its_quantile(seed, m, apart):
    said, weights = drawn(seed, 5, m, apart)
    q = mixture_quantiles(said, weights)
    for row in range(5):
        for column, level in enumerate(LEVELS):
            assert level_at(q[row, column], [member[row] for member in said], weights) == pytest.approx(level, abs=1e-7)


finite = st.floats(-1e9, 1e9)
triple = st.lists(finite, min_size=3, max_size=3).map(sorted)


@settings(max_examples=300)
@given(st.data())
def test_quantiles_never_cross_and_lie_between_those_of_the_members(data):
    m = data.draw(st.integers(1, 5))
    said = [np.array([data.draw(triple)]) for _ in range(m)]
    shares = np.array(data.draw(st.lists(st.floats(0, 1), min_size=m, max_size=m))) + 1e-3
    q = mixture_quantiles(said, (shares / shares.sum()).tolist())[0]
    assert np.isfinite(q).all()
    assert (np.diff(q) >= 0).all()
    members = np.concatenate(said)
    apart = 1e-8 * (1 + np.abs(members).max())
    assert (q >= members.min(axis=0) - apart).all()
    assert (q <= members.max(axis=0) + apart).all()


@given(triple, st.integers(1, 4))
def test_members_that_agree_keep_their_quantiles(row, m):
    q = mixture_quantiles([np.array([row])] * m, [1 / m] * m)
    np.testing.assert_allclose(q[0], row, rtol=0, atol=1e-8 * (1 + np.abs(row).max()))


@pytest.mark.parametrize("n_below", [1, 2, 3, 10])
def test_over_a_gap_where_no_member_has_mass_the_middle_is_taken_whatever_rounding_says(n_below):
    # half of all ends at 1 and the other begins at 9; ten shares of 0.05 sum to a little less than 0.5
    below, above = np.array([[-1.0, 0.0, 1 / KNOTS[-1]]]), np.array([[10 - 1 / KNOTS[-1], 10.0, 11.0]])
    weights = [0.5 / n_below] * n_below + [0.5]
    assert mixture_quantiles([below] * n_below + [above], weights)[0, 1] == pytest.approx(5.0, abs=1e-6)


def test_it_is_wider_than_the_average_where_members_disagree():
    said = [np.array([[-2.0, -1.0, 0.0]]), np.array([[0.0, 1.0, 2.0]])]
    low, _, high = mixture_quantiles(said, [0.5, 0.5])[0]
    average = np.mean(said, axis=0)[0]
    assert high - low > average[2] - average[0] + 1


@given(seed=st.integers(0, 2**32 - 1), m=st.integers(2, 4))
def test_mixtures_of_normals_are_met_within_a_hundredth(seed, m):
    rng = np.random.default_rng(seed)
    centres, spreads, weights = rng.normal(0, 0.3, m), np.exp(rng.normal(0, 0.5, m)), rng.dirichlet(np.ones(m))
    said = [norm.ppf(LEVELS, centre, spread)[None, :] for centre, spread in zip(centres, spreads, strict=True)]
    q = mixture_quantiles(said, weights.tolist())[0]
    np.testing.assert_allclose([weights @ norm.cdf(x, centres, spreads) for x in q], LEVELS, atol=0.01)


def test_a_row_alone_gives_the_same_bits_as_among_thousands():
    said, weights = drawn(0, 10_000, 3)
    together = mixture_quantiles(said, weights)
    for row in (0, 4095, 4096, 9999):
        np.testing.assert_array_equal(mixture_quantiles([member[row : row + 1] for member in said], weights)[0], together[row])

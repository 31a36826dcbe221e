"""Sample weights against the definitions, bar by bar and draw by draw."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barmill.errors import LabelError, ShapeError
from barmill.labels import (
    average_uniqueness,
    return_attribution_weights,
    sequential_bootstrap,
    sequential_bootstrap_sample,
    time_decay_weights,
)


@st.composite
def spans(draw):
    n_bars = draw(st.integers(1, 50))
    starts = np.array(draw(st.lists(st.integers(0, n_bars - 1), min_size=1, max_size=16)), dtype=np.int64)
    lengths = np.array(draw(st.lists(st.integers(0, 20), min_size=starts.size, max_size=starts.size)), dtype=np.int64)
    return starts, np.minimum(starts + lengths, n_bars - 1), n_bars


def slow_probabilities(t0, t1, drawn: list[int]) -> np.ndarray:
    """Section 6 of the definitions, bar by bar."""
    means = []
    for first, last in zip(t0, t1, strict=True):
        terms = [1 / (1 + sum(int(t0[k] <= t <= t1[k]) for k in drawn)) for t in range(first, last + 1)]
        means.append(math.fsum(terms) / len(terms))
    return np.array(means) / math.fsum(means)


@given(drawn_spans=spans(), data=st.data())
@settings(max_examples=100, deadline=None)
def test_the_next_draw_is_as_likely_as_the_definition_says(drawn_spans, data: st.DataObject):
    t0, t1, n_bars = drawn_spans
    drawn = data.draw(st.lists(st.integers(0, t0.size - 1), max_size=8))
    np.testing.assert_allclose(sequential_bootstrap(t0, t1, n_bars, drawn), slow_probabilities(t0, t1, drawn), rtol=1e-13)


def test_probabilities_of_the_book_by_hand():
    # Three labels over bars 0..2, 2..3 and 4..5; after the second was drawn the first shares one bar of three, the third none
    before = sequential_bootstrap([0, 2, 4], [2, 3, 5], 6, [])
    after = sequential_bootstrap([0, 2, 4], [2, 3, 5], 6, [1])
    np.testing.assert_allclose(before, [1 / 3] * 3)
    np.testing.assert_allclose(after, np.array([5 / 6, 1 / 2, 1]) / (5 / 6 + 1 / 2 + 1))


@given(drawn_spans=spans(), n_draws=st.integers(0, 20), seed=st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_draws_are_those_of_the_slow_way_by_the_same_random_numbers(drawn_spans, n_draws: int, seed: int):
    t0, t1, n_bars = drawn_spans
    drawn = sequential_bootstrap_sample(t0, t1, n_bars, n_draws, seed=seed).tolist()
    order = np.argsort(t0, kind="stable")
    for k, u in enumerate(np.random.Generator(np.random.PCG64(seed)).random(n_draws)):
        edges = np.cumsum(slow_probabilities(t0, t1, drawn[:k])[order])
        at = order.tolist().index(drawn[k])
        assert (edges[at - 1] if at else 0.0) - 1e-12 <= u <= edges[at] + 1e-12


def test_a_seed_gives_the_same_draws_and_another_gives_others():
    t0 = np.arange(500)
    first, again, other = (sequential_bootstrap_sample(t0, t0 + 9, 520, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert first.size == 500


def test_sequential_draws_overlap_less_than_plain_ones():
    rng = np.random.default_rng(0)
    n = 400
    t0 = np.sort(rng.integers(0, 1000, n))
    t1 = t0 + rng.integers(0, 15, n)

    def mean_uniqueness(drawn: np.ndarray) -> float:
        return float(average_uniqueness(t0[drawn], t1[drawn], 1020).mean())

    plain = np.array([mean_uniqueness(rng.integers(0, n, n)) for _ in range(100)])
    sequential = np.array([mean_uniqueness(sequential_bootstrap_sample(t0, t1, 1020, seed=seed)) for seed in range(100)])
    assert sequential.mean() - plain.mean() > 5 * np.sqrt((sequential.var(ddof=1) + plain.var(ddof=1)) / 100)


def test_many_labels_need_no_matrix():
    n = 100_000
    t0 = np.arange(n)
    drawn = sequential_bootstrap_sample(t0, t0 + 60, n + 60, seed=0)
    assert drawn.min() >= 0
    assert drawn.max() < n
    assert np.unique(drawn).size > 0.62 * n  # of plain draws 63.2% are different; long overlaps leave little room


@given(drawn_spans=spans(), seed=st.integers(0, 1000))
@settings(max_examples=150, deadline=None)
def test_a_return_is_shared_among_the_labels_alive(drawn_spans, seed: int):
    t0, t1, n_bars = drawn_spans
    close = np.exp(np.random.default_rng(seed).normal(scale=0.02, size=n_bars).cumsum())
    own = []
    for first, last in zip(t0, t1, strict=True):
        terms = []
        for t in range(first, last + 1):
            alive = sum(int(a <= t <= b) for a, b in zip(t0, t1, strict=True))
            terms.append(math.log(close[t] / close[t - 1]) / alive if t else 0.0)
        own.append(abs(math.fsum(terms)))
    weights = return_attribution_weights(close, t0, t1)
    if sum(own) == 0:
        assert np.isnan(weights).all()
        return
    np.testing.assert_allclose(weights, np.array(own) * t0.size / math.fsum(own), rtol=1e-9, atol=1e-12)


def test_attribution_by_hand():
    # ln 2 into bar 1 shared by both labels, ln 2 into bar 2 the second's alone; nothing is known before bar 0
    weights = return_attribution_weights([1.0, 2.0, 4.0], [0, 1], [1, 2])
    np.testing.assert_allclose(weights, [0.5, 1.5])


def test_without_a_move_there_is_nothing_to_attribute():
    assert np.isnan(return_attribution_weights([5.0, 5.0, 5.0], [0, 1], [1, 2])).all()
    assert return_attribution_weights([5.0], [], []).size == 0


@pytest.mark.parametrize(
    ("last_weight", "expected"),
    [
        (1.0, [1, 1, 1, 1]),
        (0.5, [0.625, 0.75, 0.875, 1]),
        (0.0, [0.25, 0.5, 0.75, 1]),
        (-0.5, [0, 0, 0.5, 1]),
    ],
)
def test_decay_by_hand(last_weight: float, expected: list[float]):
    np.testing.assert_allclose(time_decay_weights(np.full(4, 0.5), last_weight), expected, atol=1e-15)


@given(unique=st.lists(st.floats(0.01, 1), min_size=1, max_size=30), last_weight=st.floats(-0.95, 1))
@settings(max_examples=100, deadline=None)
def test_weights_never_fall_towards_the_newest_which_counts_whole(unique: list[float], last_weight: float):
    weights = time_decay_weights(unique, last_weight)
    assert weights[-1] == 1
    assert (np.diff(weights) >= -1e-15).all()
    assert (weights >= 0).all()
    if last_weight < 0:
        share = np.cumsum(unique) / np.sum(unique)
        assert (weights[share < -last_weight - 1e-9] == 0).all()


def test_no_evidence_has_no_age():
    assert np.isnan(time_decay_weights([0.0, 0.0], 0.5)).all()
    assert time_decay_weights([], 0.5).size == 0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: sequential_bootstrap([0, 3], [1, 2], 5, []), LabelError, "label 1: bars 3 to 2"),
        (lambda: sequential_bootstrap([0], [1], 5, [1]), LabelError, r"drawn\[0\]: 1; expected a label's position, from 0 to 0"),
        (lambda: sequential_bootstrap([0], [1], 5, [0.5]), ShapeError, "drawn: .*type float64"),
        (lambda: sequential_bootstrap_sample([], [], 5, 3, seed=0), LabelError, "3 draws from 0 labels"),
        (lambda: sequential_bootstrap_sample([0], [1], 5, -1, seed=0), LabelError, "-1 draws from 1 labels"),
        (lambda: return_attribution_weights([1.0, 0.0], [0], [1]), LabelError, r"close\[1\]: 0.0; expected a positive price"),
        (lambda: return_attribution_weights([1.0, 2.0], [0], [2]), LabelError, "label 0: bars 0 to 2"),
        (lambda: time_decay_weights([0.5], -1.0), LabelError, "last_weight: -1.0; expected above -1 and up to 1"),
        (lambda: time_decay_weights([0.5], 1.5), LabelError, "last_weight: 1.5"),
        (lambda: time_decay_weights([0.5, -0.1], 0.5), LabelError, r"uniqueness\[1\]: -0.1"),
    ],
)
def test_what_cannot_be_weighed_is_refused(call, error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        call()

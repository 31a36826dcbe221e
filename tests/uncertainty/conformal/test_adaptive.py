"""Adaptive bands: the recursion of the paper, late outcomes, nothing from the future, and a state that survives a restart."""

import heapq
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barmill.errors import BundleError, ForecastError, ShapeError, SplitError
from barmill.uncertainty.conformal import GAMMAS, AdaptiveConformal, AdaptiveState, adaptive_bands, conformal_rank, fit_cqr_band, read_band


def rows(n, seed=0, spread=1.0):
    rng = np.random.default_rng(seed)
    prediction = rng.normal(0, 0.3, n)
    return prediction + spread * rng.normal(size=n), prediction - 1.0, prediction + 1.0


def started(alpha=0.1, gammas=(0.01,), window=100, n=100, seed=9):
    return AdaptiveConformal(alpha, gammas, window).start(*rows(n, seed))


def delays(n, seed=0, longest=12):
    decided = np.cumsum(np.random.default_rng(seed).integers(1, 4, n))
    return decided, decided + np.random.default_rng(seed + 1).integers(1, longest, n)


def share_held(block, y, held=slice(None)):
    return np.mean((y >= block.lower)[held] & (y <= block.upper)[held])


def test_before_any_outcome_the_band_is_that_of_cqr():
    for alpha, n in ((0.1, 99), (0.1, 100), (0.05, 100), (0.3, 57)):
        y, lo, hi = rows(n)
        state = AdaptiveConformal(alpha).start(y, lo, hi)
        assert state.level == alpha
        assert state.q == fit_cqr_band(y, lo, hi, alpha).q
        np.testing.assert_array_equal(state.band(lo, hi), fit_cqr_band(y, lo, hi, alpha).apply(lo, hi))


def test_each_outcome_moves_the_level_as_the_paper_says():
    state = started()
    missed = state.decide(1, -1.0, 1.0).state.update(1, 50.0)
    held = state.decide(1, -1.0, 1.0).state.update(1, 0.0)
    assert missed.level == 0.1 + 0.01 * (0.1 - 1)
    assert held.level == 0.1 + 0.01 * 0.1
    assert missed.q >= state.q >= held.q
    assert state.pending == ()  # what was before stays as it was


def slow_adaptive(scores, alpha, gammas, lo, hi, y, decided, known):
    """The papers' formulas over events in time order, with the levels and ranks themselves; for levels that stay within (0, 1)."""
    window, alphas, weights, sigma = list(scores), [alpha] * len(gammas), [1.0] * len(gammas), 1 / 1000
    eta = math.sqrt(3 / 500 * (math.log(2 * len(gammas) * 500) + 1) / ((1 - alpha) ** 2 * alpha**3 + alpha**2 * (1 - alpha) ** 3))
    waiting, level, reach = [], [], []
    for i in range(len(y)):
        while waiting and waiting[0][0] <= decided[i]:
            _, j, then, ordered = heapq.heappop(waiting)
            score = max(lo[j] - y[j], y[j] - hi[j])
            inside = [score <= ordered[conformal_rank(len(ordered), a) - 1] for a in then]
            beta = 1 - sum(s < score for s in window) / (len(window) + 1)
            loss = [alpha * (beta - a) if beta >= a else (1 - alpha) * (a - beta) for a in then]
            grown = [w * math.exp(-eta * x) for w, x in zip(weights, loss, strict=True)]
            weights = [(1 - sigma) * w + sigma * sum(grown) / len(grown) for w in grown]
            alphas = [a + g * (alpha - (not ok)) for a, g, ok in zip(alphas, gammas, inside, strict=True)]
            window = [*window[1:], score]
        mean = sum(w * a for w, a in zip(weights, alphas, strict=True)) / sum(weights)
        level.append(mean)
        reach.append(sorted(window)[min(conformal_rank(len(window), mean), len(window)) - 1])
        heapq.heappush(waiting, (known[i], i, alphas, sorted(window)))
    return np.array(level), np.array(reach)


@pytest.mark.parametrize("gammas", [(0.01,), (0.001, 0.008, 0.03)])
def test_levels_and_bands_are_those_of_the_papers_formulas(gammas):
    state, (y, lo, hi), (decided, known) = started(0.2, gammas), rows(400, seed=3), delays(400)
    block = adaptive_bands(state, decided, known, lo, hi, y)
    level, reach = slow_adaptive(state.scores.tolist(), 0.2, gammas, lo, hi, y, decided, known)
    np.testing.assert_allclose(block.level, level, rtol=1e-9)
    np.testing.assert_allclose(block.upper, hi + reach, rtol=1e-12)
    assert block.level.std() > 0.005


def test_the_learning_rate_is_that_of_the_authors_code():
    from barmill.uncertainty.conformal.adaptive import _learning_rate

    assert _learning_rate(0.1, 8) == pytest.approx(2.72, abs=0.005)


def test_the_share_outside_is_exactly_what_the_levels_say():
    state, (y, lo, hi) = started(gammas=(0.02,)), rows(3000, seed=4, spread=np.linspace(0.5, 4, 3000))
    decided = np.arange(3000)
    block = adaptive_bands(state, decided, decided + 1, lo, hi, y)
    outside = 1 - share_held(block, y)
    last = block.state.update(2999, y[-1])
    assert outside == pytest.approx(0.1 + (0.1 - last.level) / (0.02 * 3000), abs=1e-9)


@pytest.mark.parametrize("gammas", [(0.01,), GAMMAS])
def test_where_the_variance_doubles_split_conformal_loses_its_level_and_the_adaptive_band_returns_to_it(gammas):
    spread = np.where(np.arange(4000) < 1000, 1.0, 2.0)
    y, lo, hi = rows(4000, seed=5, spread=spread)
    cal = rows(1000, seed=6)
    fixed, after = fit_cqr_band(*cal, 0.1).apply(lo, hi), np.arange(4000) >= 1000
    assert share_held(fixed, y, ~after) == pytest.approx(0.9, abs=0.03)
    assert share_held(fixed, y, after) < 0.65
    at = np.arange(4000)
    block = adaptive_bands(AdaptiveConformal(0.1, gammas, 1000).start(*cal), at, at + 5, lo, hi, y)
    assert share_held(block, y) == pytest.approx(0.9, abs=0.02)
    assert share_held(block, y, at >= 1500) == pytest.approx(0.9, abs=0.015)


def test_the_step_matters_and_not_only_the_window():
    spread, at = np.where(np.arange(3000) < 500, 1.0, 2.0), np.arange(3000)
    y, lo, hi = rows(3000, seed=7, spread=spread)
    held = [
        share_held(adaptive_bands(AdaptiveConformal(0.1, (gamma,), 3000).start(*rows(3000, seed=8)), at, at + 1, lo, hi, y), y)
        for gamma in (0.0, 0.02)
    ]
    assert held[0] < 0.85 < 0.89 < held[1] < 0.91


def test_several_steps_lean_to_the_quick_ones_after_a_break():
    y, lo, hi = rows(600, seed=5, spread=3.0)
    at = np.arange(600)
    state = adaptive_bands(AdaptiveConformal(0.1, (0.0, 0.05), 2000).start(*rows(2000, seed=6)), at, at + 1, lo, hi, y).state
    assert state.weights[1] > 0.9
    assert sum(state.weights) == pytest.approx(1.0)


def test_equal_steps_are_one_step():
    (y, lo, hi), (decided, known) = rows(300, seed=3), delays(300)
    one = adaptive_bands(started(gammas=(0.02,)), decided, known, lo, hi, y)
    two = adaptive_bands(started(gammas=(0.02, 0.02)), decided, known, lo, hi, y)
    np.testing.assert_allclose(two.level, one.level, rtol=1e-12)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(0, 60), st.sampled_from([(0.05,), (0.01, 0.1)]))
def test_what_becomes_known_later_changes_no_earlier_band(seed, cut, gammas):
    (y, lo, hi), (decided, known) = rows(60, seed), delays(60, seed)
    now = decided[cut] if cut < 60 else decided[-1]
    other = np.where(known > now, 1e3 * np.random.default_rng(seed + 2).normal(size=60), y)
    state = started(gammas=gammas, n=40)
    block, changed = (adaptive_bands(state, decided, known, lo, hi, outcome) for outcome in (y, other))
    seen = decided <= now
    for a, b in zip(block[:3], changed[:3], strict=True):
        np.testing.assert_array_equal(a[seen], b[seen])
    prefix = adaptive_bands(state, decided[seen], known[seen], lo[seen], hi[seen], y[seen])
    np.testing.assert_array_equal(prefix.upper, block.upper[seen])


@pytest.mark.parametrize("gammas", [(0.02,), (0.005, 0.05)])
def test_a_server_that_is_restarted_at_every_bar_says_what_the_block_says_to_the_bit(gammas):
    (y, lo, hi), (decided, known) = rows(120, seed=3, spread=2.0), delays(120)
    state = started(gammas=gammas)
    block = adaptive_bands(state, decided, known, lo, hi, y)
    lower, upper = np.empty(120), np.empty(120)
    for bar in range(int(decided[-1]) + 1):
        state = read_band(json.loads(json.dumps(state.to_json())))
        for row in np.flatnonzero(known == bar):
            state = state.update(int(decided[row]), y[row])
        for row in np.flatnonzero(decided == bar):
            state, lower[row], upper[row] = state.decide(bar, lo[row], hi[row])
    np.testing.assert_array_equal(block.lower, lower)
    np.testing.assert_array_equal(block.upper, upper)
    assert block.state.to_json() == state.to_json()


def test_one_by_one_is_all_at_once():
    _, lo, hi = rows(50)
    state = started()
    alone = [state.band(lo[i : i + 1], hi[i : i + 1]) for i in range(50)]
    np.testing.assert_array_equal(state.band(lo, hi), np.concatenate(alone, axis=1))
    assert state.decide(1, lo[0], hi[0])[1:] == (alone[0].lower[0], alone[0].upper[0])


def test_a_level_beyond_its_range_has_a_finite_band():
    state = started(gammas=(1.0,))
    missed = state.decide(1, 0.0, 0.0).state.update(1, 1e6)
    assert missed.level < 0
    assert missed.q == 1e6  # the largest score kept
    for at in range(2, 30):
        missed = missed.decide(at, -50.0, 50.0).state.update(at, 0.0)
    assert missed.level > 1
    assert missed.q == missed.scores.min()
    crossed = missed.band([0.0], [0.1])
    assert crossed.lower <= crossed.upper


def test_the_window_keeps_the_latest_scores_only():
    state = started(window=20, n=100)
    assert state.scores.size == 20
    for at in range(30):
        state = state.decide(at, 0.0, 0.0).state.update(at, float(at))
    np.testing.assert_array_equal(state.scores, np.arange(10.0, 30.0))


def test_an_outcome_that_never_comes_can_be_forgotten():
    state = started().decide(1, 0.0, 0.0).state.decide(2, 0.0, 0.0).state
    assert [made.at for made in state.forget(2).pending] == [2]
    y, lo, hi = rows(4)
    block = adaptive_bands(started(), [1, 2, 3, 4], [2, 3, 4, 5], lo, hi, [y[0], np.nan, y[2], y[3]])
    assert [made.at for made in block.state.pending] == [2, 4]


@pytest.mark.parametrize(
    "change",
    [
        {"method": "cqr"},
        {"alpha": 0.0},
        {"gammas": []},
        {"alphas": [0.1, 0.1]},
        {"weights": [-1.0]},
        {"scores": []},
        {"scores": [float("nan")]},
        {"scores": [0.0] * 101},
        {"pending": [[1, 0.0, 0.0, [0.1], [float("inf")]]]},
        {"pending": [[2, 0.0, 0.0, [0.1], [1.0]], [1, 0.0, 0.0, [0.1], [1.0]]]},
        {"pending": [[1, 0.0]]},
        {"window": 5},
    ],
)
def test_json_of_something_else_is_a_bundle_error(change):
    with pytest.raises(BundleError, match="conformal band: cannot be read"):
        AdaptiveState.from_json({**started().to_json(), **change})


def test_what_does_not_fit_is_refused():
    with pytest.raises(SplitError, match="conformal slice: has 8 rows, too few"):
        started(n=8)
    with pytest.raises(SplitError, match="window of scores: has 8 rows"):
        AdaptiveConformal(0.1, window=8)
    with pytest.raises(ShapeError, match="gammas"):
        AdaptiveConformal(0.1, (-1.0,))
    state = started().decide(5, 0.0, 1.0).state
    with pytest.raises(ForecastError, match="decides at 5 after 5; expected decisions in time order"):
        state.decide(5, 0.0, 1.0)
    with pytest.raises(ForecastError, match="has no pending decision of 4"):
        state.update(4, 0.0)
    with pytest.raises(ForecastError, match="outcome of 5: is nan"):
        state.update(5, math.nan)
    with pytest.raises(ForecastError, match="hi row 0: is not finite"):
        state.decide(6, 0.0, math.inf)
    y, lo, hi = rows(2)
    for decided, known, said in (
        ([1, 1], [2, 2], "decided_at row 1: is 1 after 1"),
        ([1, 2], [2, 2], "known_at row 1: is 2; expected later than its decision, 2"),
        ([1, 2], [2], "known_at: has 1 rows; expected 2"),
        ([1.0, 2.0], [2, 3], "decided_at: is float64"),
    ):
        with pytest.raises(ShapeError, match=said):
            adaptive_bands(started(), decided, known, lo, hi, y)

"""The coverage report: figures by hand, groups that fail are found, and what holds is left in peace."""

import json
import math

import numpy as np
import pytest

from barmill.errors import ShapeError
from barmill.evaluation import band_coverage, coverage_band, coverage_report, coverage_words, winkler_score

Z_90 = 1.6448536269514722  # norm.ppf(0.95)


def market(n=6000, seed=0):
    """Outcomes whose spread wanders, the spread, and the regime: 1 where it is wide."""
    rng = np.random.default_rng(seed)
    spread = np.exp(0.6 * np.sin(np.arange(n) / 300) + 0.1 * rng.normal(size=n))
    return spread * rng.normal(size=n), spread, (spread > 1.2).astype(int)


def test_figures_are_those_of_the_functions_on_the_rows_of_each_group():
    y, spread, regime = market(900)
    lower, upper = np.full(900, -1.5), spread
    report = coverage_report(y, lower, upper, 0.2, regime=regime, volatility=spread, overlap=3)
    for figure, held in ((report.overall, np.ones(900, dtype=bool)), (report.by_regime[1], regime == 1)):
        assert figure.n_rows == held.sum()
        assert figure.coverage == band_coverage(y[held], lower[held], upper[held])
        assert figure.winkler == winkler_score(y[held], lower[held], upper[held], 0.2)
        assert figure.mean_width == pytest.approx(np.mean(upper[held] - lower[held]))
    assert report.overall.chance == coverage_band(300, 0.8)
    assert report.by_regime[0].chance == coverage_band(np.sum(regime == 0) / 3, 0.8, 0.975)  # two regimes: 5 % among both
    assert [figure.group for figure in report.by_regime] == ["regime 0", "regime 1"]


def test_deciles_part_the_rows_by_volatility_and_ties_stay_together():
    y, spread, _ = market(1000)
    report = coverage_report(y, -spread, spread, volatility=spread)
    assert [figure.group for figure in report.by_volatility] == [f"volatility decile {k}" for k in range(1, 11)]
    assert [figure.n_rows for figure in report.by_volatility] == [100] * 10
    widths = [figure.mean_width for figure in report.by_volatility]
    assert widths == sorted(widths)
    tied = coverage_report(y, -spread, spread, volatility=np.where(spread > np.median(spread), 2.0, 1.0))
    assert [(figure.group, figure.n_rows) for figure in tied.by_volatility] == [("volatility decile 1", 500), ("volatility decile 6", 500)]


def test_rolling_coverage_is_the_slow_one_and_ends_with_the_last_row():
    y, spread, _ = market(731)
    times = 1_600_000_000_000 + 60_000 * np.arange(731)
    rolling = coverage_report(y, -spread, spread, window=60, times_ms=times).rolling
    assert (rolling.window, rolling.step, rolling.last_row[-1]) == (60, 15, 730)
    inside = np.abs(y) <= spread
    assert rolling.coverage == pytest.approx([inside[last - 59 : last + 1].mean() for last in rolling.last_row])
    assert rolling.time_ms == tuple(times[list(rolling.last_row)].tolist())
    assert min(rolling.last_row) >= 59


@pytest.mark.parametrize(("n", "overlap", "window"), [(5000, 1, 100), (5000, 4.7, 470), (200, 4, 50), (3, 1, 1)])
def test_a_window_holds_a_hundred_outcomes_of_its_own_or_a_quarter_of_all_rows(n, overlap, window):
    y, spread, _ = market(n)
    rolling = coverage_report(y, -spread, spread, overlap=overlap).rolling
    assert rolling.window == window
    assert len(rolling.coverage) <= 202


def test_a_band_that_knows_the_spread_holds_everywhere():
    y, spread, regime = market()
    report = coverage_report(y, -Z_90 * spread, Z_90 * spread, regime=regime, volatility=spread)
    assert report.holds
    words = coverage_words(report)
    assert "as it says (by chance 89.2 % to 90.8 %); over 100 rows at a time" in words
    assert words.endswith("which chance explains.")


def test_a_band_of_one_width_holds_overall_and_fails_where_the_market_is_wild():
    y, spread, regime = market()
    half = np.quantile(np.abs(y), 0.9)
    report = coverage_report(y, np.full(y.size, -half), np.full(y.size, half), regime=regime, volatility=spread)
    assert report.overall.holds
    assert report.holds is False
    assert [figure.holds for figure in report.by_regime] == [False, False]
    assert report.by_volatility[-1].coverage < report.by_volatility[-1].chance.low
    assert report.by_volatility[0].coverage > report.by_volatility[0].chance.high
    assert report.rolling.holds is False
    words = coverage_words(report)
    assert "; but not in volatility decile 10 (" in words
    assert words.endswith("which chance does not explain.")


def test_words_tell_too_narrow_from_too_wide():
    y, spread, _ = market()
    narrow, wide = (coverage_words(coverage_report(y, -k * spread, k * spread)) for k in (1.0, 3.0))
    assert narrow.startswith("The 90 % band held 68.8 % of 6,000 outcomes: it does not hold (by chance 89.2 % to 90.8 %); over 100")
    assert ": it is wider than it says (by chance" in wide


def test_too_few_outcomes_are_not_judged():
    y, spread, _ = market(5)
    report = coverage_report(y, -spread, spread, overlap=9)
    assert report.holds is None
    assert math.isnan(report.overall.chance.low)
    assert coverage_words(report).endswith("of 5 outcomes, 9 of which count as one: too few to judge it.")
    assert report.to_json()["overall"]["chance"] == [None, None]


def test_an_honest_band_is_called_wrong_in_no_more_than_one_report_of_twenty_for_each_kind():
    wrong = np.zeros(4)
    for seed in range(200):
        y, spread, regime = market(1500, seed)
        report = coverage_report(y, -Z_90 * spread, Z_90 * spread, regime=regime, volatility=spread)
        parts = ([report.overall], report.by_regime, report.by_volatility, [report.rolling])
        wrong += [any(part.holds is False for part in kind) for kind in parts]
    assert (wrong / 200 <= 0.05 + 0.035).all()  # two standard errors of 200 draws


def test_the_report_is_plain_json():
    y, spread, regime = market(300)
    told = coverage_report(y, -spread, spread, regime=regime, volatility=spread).to_json()
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["words"].startswith("The 90 % band held")
    assert set(told["overall"]) == {"group", "n_rows", "coverage", "chance", "mean_width", "winkler", "holds"}
    assert told["rolling"]["window"] == 75
    assert told["rolling"]["time_ms"] is None


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: coverage_report([], [], []),
        lambda: coverage_report([1.0], [2.0], [1.0]),
        lambda: coverage_report([1.0], [0.0, 0.0], [1.0]),
        lambda: coverage_report([1.0, np.nan], [0.0, 0.0], [1.0, 1.0]),
        lambda: coverage_report([1.0], [0.0], [1.0], 1.0),
        lambda: coverage_report([1.0], [0.0], [1.0], overlap=0.5),
        lambda: coverage_report([1.0], [0.0], [1.0], window=2),
        lambda: coverage_report([1.0], [0.0], [1.0], regime=[0.5]),
        lambda: coverage_report([1.0], [0.0], [1.0], volatility=[0.5, 1.0]),
    ],
)
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(ShapeError):
        wrong()

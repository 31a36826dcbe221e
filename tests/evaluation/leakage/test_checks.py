"""Each check: a fault that it catches, the clean sister that it leaves alone, and what it lacks to say anything."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barmill.errors import InputError, ShapeError
from barmill.evaluation import LEAKAGE_CHECKS, CallableTable, Dossier, Fitted, HigherTimeframe, SecondSeries, run_leakage_checks
from barmill.evaluation.leakage.borders import meeting
from barmill.evaluation.leakage.linkage import links

_spec = importlib.util.spec_from_file_location("leakage_experiments", Path(__file__).with_name("experiments.py"))
experiments = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(experiments)
bars, experiment, HORIZON, EMBARGO = experiments.bars, experiments.experiment, experiments.HORIZON, experiments.EMBARGO


def result(dossier, code, **more):
    return run_leakage_checks(dossier, (code,), **more).results[0]


def accused(dossier, code):
    said = result(dossier, code)
    assert all(one.reason and one.page.endswith(code.lower()) for one in said.findings)
    return {one.column for one in said.findings if one.severity == "critical"}


# ---- the whole


def test_an_honest_experiment_passes_everything_that_applies():
    report = run_leakage_checks(experiment())
    assert report.ok
    assert not [one for one in report.findings if one.severity != "info"]
    assert {one.code for one in report.results if one.status == "not applicable"} == {"L206", "L212", "L215", "L216"}


def test_an_empty_dossier_passes_nothing():
    report = run_leakage_checks(Dossier())
    assert {one.status for one in report.results} == {"not applicable"}
    assert report.to_json()["counts"] == {"passed": 0, "failed": 0, "not applicable": len(LEAKAGE_CHECKS)}


def test_codes_are_unique_and_in_order():
    codes = [check.code for check in LEAKAGE_CHECKS]
    assert codes == sorted(set(codes))
    assert all(check.means and check.found and check.false_alarms and check.mend for check in LEAKAGE_CHECKS)


def test_an_unknown_code_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="Did you mean 'L2"):
        run_leakage_checks(Dossier(), ("L20",))


def test_the_same_seed_gives_the_same_report():
    dossier = experiment(extra={"noise": np.random.default_rng(0).standard_normal(7_000)})
    assert run_leakage_checks(dossier, seed=4).to_json() == run_leakage_checks(dossier, seed=4).to_json()


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match=r"Dossier\.y"):
        Dossier(t0=np.arange(3), y=np.zeros(2, dtype=np.int64))


# ---- time and borders


def test_blocks_in_the_wrong_order_are_told_and_equal_times_are_not():
    made = experiment()
    rows = made.blocks
    assert accused(replace(made, blocks={"train": rows["test"], "test": rows["train"]}), "L201") == {"test"}
    twice = Dossier(known_at=np.array([5, 5, 6]))  # two instruments
    assert [one.severity for one in result(twice, "L201").findings] == ["info"]
    assert accused(Dossier(known_at=np.array([5, 7, 6])), "L201") == {""}


@pytest.mark.parametrize(("slip_minutes", "severity"), [(-1, "critical"), (60, "critical"), (7, "warning")])
def test_a_slipped_clock_is_told(slip_minutes, severity):
    made = experiment()
    said = result(replace(made, known_at=made.known_at + slip_minutes * 60_000), "L202")
    assert [one.severity for one in said.findings] == [severity]
    assert said.findings[0].evidence["slip_minutes"] == slip_minutes


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_embargo_is_kept_to_the_bar(gap, embargo):
    t0 = np.arange(0, 200)
    t1 = t0 + 10
    train = np.arange(0, 50)
    test = np.flatnonzero(t0 > t1[train].max() + gap)
    made = Dossier(t0=t0, t1=t1, blocks={"train": train, "test": test}, embargo_bars=embargo)
    assert bool(accused(made, "L203")) == (gap < embargo)


spans = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12)), min_size=1, max_size=30)


@given(spans, spans)
def test_overlap_is_that_of_all_pairs(one, other):
    every = np.array(one + other)
    t0, t1 = every[:, 0], every.sum(axis=1)
    rows, others = np.arange(len(one)), np.arange(len(one), len(every))
    pairs = (t0[rows][:, None] <= t1[others]) & (t1[rows][:, None] >= t0[others])
    np.testing.assert_array_equal(meeting(t0, t1, rows, others), pairs.any(axis=1))


def test_a_label_that_touches_the_test_is_told_and_one_bar_less_is_not():
    t0 = np.arange(0, 100)
    test = np.arange(60, 100)
    for length, caught in ((10, True), (9, False)):
        made = Dossier(t0=t0, t1=t0 + length, blocks={"train": np.arange(0, 51), "test": test})
        assert bool(accused(made, "L204")) is caught


def test_copies_of_training_rows_are_told_and_coarse_tables_are_not_applicable():
    made = experiment()
    X = made.X.copy()
    test, train = made.blocks["test"], made.blocks["train"]
    X[test[:5]] = X[train[:5]]
    assert accused(replace(made, X=X), "L205") == {"test"}
    coarse = np.round(made.X[:, :1] * 1_000)
    assert result(replace(made, X=coarse, columns=("coarse",), bars=None), "L205").status == "not applicable"


# ---- columns


def test_code_that_looks_ahead_is_told_with_bar_and_reach():
    made = experiment()
    leaky = CallableTable(lambda df: df[["close"]].rolling(5, center=True).mean(), frame="pandas")
    said = result(replace(made, feature_maker=leaky), "L206")
    assert said.findings[0].column == "close"
    assert said.findings[0].evidence["bars_ahead"] == 2
    assert said.findings[0].time.endswith(" UTC")
    honest = CallableTable(lambda df: df[["close"]].rolling(5).mean(), frame="pandas")
    assert result(replace(made, feature_maker=honest), "L206").status == "passed"


def test_the_label_is_found_whole_and_in_a_twentieth_of_the_rows():
    made = experiment()
    noise = np.random.default_rng(1).standard_normal(made.n) * made.outcome.std()
    part = np.where(np.arange(made.n) % 20 == 0, made.outcome, noise)
    X = np.column_stack([made.X, made.outcome * 3 + noise * 0.1, part])
    columns = (*made.columns, "scaled", "part")
    assert accused(replace(made, X=X, columns=columns), "L207") == {"scaled", "part"}


def test_a_coarse_tick_makes_no_return_an_outcome_and_hides_no_copy():
    ticks = 1000 + np.arange(40_000) // 1000 + np.random.default_rng(4).integers(0, 4, 40_000)  # four levels at a time
    bars = np.arange(100, 39_900, 20)
    outcome = ticks[bars + 5] / ticks[bars + 1] - 1
    X = np.column_stack([ticks[bars] / ticks[bars - 5] - 1, outcome])
    made = Dossier(columns=("return_5", "leak"), X=X, outcome=outcome, t0=bars, t1=bars + 5, blocks={"train": np.arange(bars.size)})
    assert accused(made, "L207") == {"leak"}


def test_power_beyond_the_plausible_is_told_and_that_of_the_oracle_is_not():
    from barmill.market import simulate

    market = simulate(12_000, seed=2, strength=3.0, horizon=HORIZON)
    made = experiment(market=market.bars, extra={"oracle": market.oracle})
    assert result(made, "L208").status == "passed"
    noise = np.random.default_rng(1).standard_normal(made.n) * made.outcome.std()
    X = np.column_stack([made.X, made.outcome + 0.5 * noise])
    assert accused(replace(made, X=X, columns=(*made.columns, "leak")), "L208") == {"leak"}


def test_a_column_made_from_training_labels_is_told():
    made = experiment(seed=5)
    random = np.random.default_rng(3)
    column = random.standard_normal(made.n)
    train = made.blocks["train"]
    column[train] += 2.0 * made.y[train]
    assert accused(replace(made, X=np.column_stack([made.X, column]), columns=(*made.columns, "fitted")), "L208") == {"fitted"}


@pytest.mark.parametrize("ahead", [1, 5, 30])
def test_a_mean_that_reaches_ahead_is_told(ahead):
    market = bars(2)
    price = np.log(market.close)
    mean = np.convolve(price, np.ones(60) / 60)[: price.size]
    later = np.concatenate([mean[ahead:], np.full(ahead, mean[-1])])
    made = experiment(market=market, extra={"trailing": mean - price, "ahead": later - price})
    assert accused(made, "L209") == {"ahead"}


@pytest.mark.parametrize("strength", [0.0, 1.0, 3.0])
def test_honest_columns_and_the_oracle_pass_the_time_shift(strength):
    from barmill.market import simulate

    market = simulate(9_000, seed=8, strength=strength)
    assert not accused(experiment(market=market.bars, extra={"oracle": market.oracle + 1e-12 * np.arange(9_000) % 7}), "L209")


def test_a_scaler_that_saw_all_rows_is_told_by_its_columns_alone():
    made = experiment()
    for rows, caught in ((np.arange(made.n), True), (made.blocks["train"], False)):
        scaled = (made.X - made.X[rows].mean(axis=0)) / made.X[rows].std(axis=0)
        assert accused(replace(made, X=scaled), "L210") == (set(made.columns) if caught else set())


def test_one_bounded_column_that_reaches_its_ends_late_is_left_alone():
    made = experiment()
    bounded = np.clip(np.random.default_rng(0).uniform(-0.01, 1.01, made.n), 0, 1)
    bounded[made.blocks["train"]] = np.clip(bounded[made.blocks["train"]], 0.001, 0.999)
    assert not accused(replace(made, X=np.column_stack([made.X, bounded]), columns=(*made.columns, "place")), "L210")


def test_counts_of_rows_and_time_are_told_and_a_trend_with_noise_is_not():
    made = experiment()
    trend = np.arange(made.n) + np.random.default_rng(0).standard_normal(made.n) * 20
    X = np.column_stack([made.X, made.t0 * 2.0 + 5, trend])
    assert accused(replace(made, X=X, columns=(*made.columns, "count", "trend")), "L213") == {"count"}


# ---- what was fitted


def test_what_was_fitted_on_its_judge_is_told_and_a_label_that_reaches_it_too():
    made = experiment()
    train, test = made.blocks["train"], made.blocks["test"]
    brim = np.arange(0, test[0] - 1)  # their labels of 30 bars reach the test block
    for rows, caught in ((train, False), (np.union1d(train, test[:1]), True), (brim, True)):
        assert bool(accused(replace(made, fitted=(Fitted(what="tuning", rows=rows),)), "L211")) is caught


def test_a_claim_is_disproved_and_the_rows_that_explain_it_are_named():
    made = experiment()
    train = made.blocks["train"]

    def refit(rows):
        return {"mean": made.X[rows].mean(axis=0)}

    lying = Fitted(what="scaler", rows=train, columns=made.columns, values=refit(np.arange(made.n)), refit=refit)
    said = result(replace(made, fitted=(lying,)), "L212")
    assert said.findings[0].evidence["explained_by"] == "all rows"
    honest = replace(lying, values=refit(train))
    assert result(replace(made, fitted=(honest,)), "L212").status == "passed"


def test_a_model_that_knows_the_labels_fails_the_permutation():
    made = experiment()
    truth = {made.X[row].tobytes(): made.y[row] for row in range(made.n)}

    def cheat(X_train, y_train, X_test, seed):
        return np.array([truth[row.tobytes()] for row in X_test]) * 0.5 + 0.2

    said = result(replace(made, fit_predict=cheat), "L214")
    assert said.findings[0].evidence["auc"] == 1.0
    assert result(made, "L214").status == "passed"


# ---- other clocks


def hourly(market, late):
    """The last hour's move, `late` ms after its close."""
    hour = 3_600_000
    ends = np.arange(market.open_time[0] // hour * hour + hour, market.close_time[-1], hour)
    at = np.searchsorted(market.close_time, ends, side="right") - 1
    values = np.diff(np.log(market.close[at]), prepend=np.nan)
    shown = np.searchsorted(ends + late, market.close_time, side="right") - 1
    return ends, values, np.where(shown >= 0, values[np.maximum(shown, 0)], np.nan)


@pytest.mark.parametrize(("late", "caught"), [(0, False), (-3_600_000, True), (-60_000, True)])
def test_a_higher_timeframe_may_show_what_has_closed(late, caught):
    market = bars(3)
    ends, values, column = hourly(market, late)
    made = experiment(market=market, extra={"move@1h": column})
    known = HigherTimeframe(minutes=60, close_time=ends, values=values)
    assert bool(accused(replace(made, higher_timeframes={"move@1h": known}), "L215")) is caught
    if late != -3_600_000:  # a whole hour early it changes where it may, and only its values tell
        assert bool(accused(replace(made, higher_timeframes={"move@1h": HigherTimeframe(minutes=60)}), "L215")) is caught


@pytest.mark.parametrize(("late", "caught"), [(0, False), (600_000, False), (-60_000 * 7, True)])
def test_a_second_series_may_show_what_was_known(late, caught):
    market = bars(3)
    ends, values, column = hourly(market, late)
    made = experiment(market=market, extra={"figure": column})
    series = SecondSeries(column="figure", known_at=ends[1:], values=values[1:])
    assert bool(accused(replace(made, second_series=(series,)), "L216")) is caught


# ---- chance


@pytest.mark.parametrize("seed", range(3))
def test_chance_is_as_rare_as_it_says(seed):
    """Persistent columns against overlapping outcomes: p values below 1 in 100 come about 1 in 100 times."""
    random = np.random.default_rng(seed)
    moves = random.standard_normal(6_030)
    outcome = np.convolve(moves, np.ones(30), mode="valid")[:6_000]
    steps = random.standard_normal((6_000, 300))
    columns = np.empty_like(steps)
    columns[0] = steps[0]
    for row in range(1, 6_000):
        columns[row] = 0.98 * columns[row - 1] + steps[row]
    p = links(columns, outcome, 200.0).p_values()
    assert (p < 0.01).mean() < 0.04
    assert not links(columns, outcome, 200.0).beyond_chance(1e-3 / 300).any()


@pytest.mark.parametrize("seed", range(12))
def test_no_random_walk_is_accused(seed):
    """Prices, slow means and other walks: what was fitted slowly turns back by itself, and must not be taken for the future.

    The seeds stand fast, since a walk in some thousands does look as if it knew; `python -m benchmarks.leakage --only walks` counts them.
    """
    from barmill.market import simulate

    market = simulate(7_000, seed=seed, strength=0.0).bars
    price = np.log(market.close)
    slow = np.convolve(price - price[0], np.ones(800) / 800)[: price.size]
    walk = np.cumsum(np.random.default_rng(seed).standard_normal(price.size))
    report = run_leakage_checks(experiment(market=market, extra={"price": market.close, "slow": slow, "walk": walk}))
    assert not [one for one in report.findings if one.severity != "info"]

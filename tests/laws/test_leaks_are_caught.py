"""Each planted leak is caught, with its column, a bar and a reason; its clean sister passes, and so does every clean column.

`planted_leaks` holds the cases. Where a leak can be proved from code or records, it is; a second test hands over the table
alone and asks for what numbers can tell.
"""

from functools import cache
from pathlib import Path

import pytest

from barmill.evaluation.leakage import LeakageFinding, LeakageReport, run_leakage_checks
from barmill.market import simulate
from planted_leaks.cases import IN_THE_TABLE, LEAKS, PlantedLeak, table_alone
from planted_leaks.clean_columns import SETS, bouncing, by_pandas, by_plan, led, with_oracle
from planted_leaks.markets import REAL, real, simulated
from planted_leaks.study import study

BY_NAME = {leak.name: leak for leak in LEAKS}
ON_REAL_BARS = (
    "move_15m",
    "viterbi",
    "place_in_hour",
    "next_return",
    "encoded_row",
    "analogues",
    "scaler",
    "selector",
    "fixed_purge",
    "duplicates",
    "row_index",
    "hour_early",
    "revision",
    "declared_1h",
)


@cache
def reported(name: str, kind: str) -> LeakageReport:
    return run_leakage_checks(getattr(BY_NAME[name], kind)(simulated()))


def caught(leak: PlantedLeak, report: LeakageReport) -> list[LeakageFinding]:
    """The critical findings that name the fault."""
    return [one for one in report.critical if not leak.columns or one.column in leak.columns]


def alarms(report: LeakageReport) -> list[str]:
    return [f"{one.code} {one.severity} {one.column}: {one.reason}" for one in report.findings if one.severity != "info"]


def check_caught(leak: PlantedLeak, report: LeakageReport) -> None:
    findings = caught(leak, report)
    assert findings, alarms(report)
    assert all(one.reason and one.page for one in findings)
    assert any(one.bar is not None and one.time for one in findings)
    if leak.columns:  # and nobody else is accused
        assert {one.column for one in report.findings if one.severity != "info"} <= set(leak.columns)


@pytest.mark.parametrize("leak", LEAKS, ids=str)
def test_a_planted_leak_is_caught_with_column_bar_and_reason(leak):
    check_caught(leak, reported(leak.name, "leaky"))


@pytest.mark.parametrize("leak", LEAKS, ids=str)
def test_its_clean_sister_passes(leak):
    report = reported(leak.name, "clean")
    assert not alarms(report)
    assert report.ok


def test_thirty_nine_of_forty_are_caught():
    missed = [leak.name for leak in LEAKS if not caught(leak, reported(leak.name, "leaky"))]
    assert len(LEAKS) >= 44
    assert len(missed) * 40 <= len(LEAKS), missed


def test_most_leaks_of_columns_show_in_the_table_alone():
    missed = [
        name
        for name in sorted(IN_THE_TABLE)
        if not caught(BY_NAME[name], run_leakage_checks(table_alone(BY_NAME[name].leaky(simulated()))))
    ]
    assert len(missed) <= len(IN_THE_TABLE) // 4, missed


@pytest.mark.parametrize("market", REAL)
@pytest.mark.parametrize("name", ON_REAL_BARS)
def test_on_real_bars_it_is_caught_and_its_sister_passes(name, market, real_data: Path):
    leak, bars = BY_NAME[name], real(market, real_data)
    check_caught(leak, run_leakage_checks(leak.leaky(bars)))
    assert not alarms(run_leakage_checks(leak.clean(bars)))


# ---- clean columns


@pytest.mark.parametrize("strength", [0.0, 1.0, 3.0])
def test_no_clean_column_of_pandas_is_accused(strength):
    made = by_pandas(simulated(seed=21, strength=strength)).dossier()
    assert len(made.columns) > 140
    assert not alarms(run_leakage_checks(made))


@pytest.mark.parametrize("name", SETS)
def test_no_column_of_a_set_of_ours_is_accused(name):
    assert not alarms(run_leakage_checks(by_plan(simulated(12_000), name)))


@pytest.mark.parametrize("strength", [1.0, 3.0])
def test_the_best_forecast_there_is_passes_since_it_is_honest(strength):
    market = simulated(seed=21, strength=strength)
    made = with_oracle(simulate(len(market.bars), seed=21, strength=strength), study(market))
    assert "oracle" in made.columns
    assert not alarms(run_leakage_checks(made))


def test_a_reversal_from_bar_to_bar_passes():
    assert not alarms(run_leakage_checks(by_pandas(bouncing(simulated())).dossier()))


def test_a_market_that_leads_ours_passes():
    assert not alarms(run_leakage_checks(by_pandas(led(simulated())).dossier()))


@pytest.mark.parametrize("market", REAL)
def test_no_clean_column_is_accused_on_real_bars(market, real_data: Path):
    bars = real(market, real_data)
    assert not alarms(run_leakage_checks(by_pandas(bars).dossier()))
    assert not alarms(run_leakage_checks(by_plan(bars, "charter")))

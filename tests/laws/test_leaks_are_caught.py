"""Each planted leak is caught, with its column, a bar and a reason; its clean sister passes, and so does every clean column.

`planted_leaks` holds the cases. Where a leak can be proved from code or records, it is; a second test hands over the table
alone and asks for what numbers can tell.
"""

from functools import cache
from pathlib import Path

import pytest

from barmill.evaluation.leakage import Dossier, LeakageReport, LeakageSettings, run_leakage_checks
from barmill.market import simulate
from planted_leaks.cases import COLUMN_LEAKS, IN_THE_TABLE, LEAKS, OTHER_LEAKS, PlantedLeak, alarms, all_columns, caught, table_alone
from planted_leaks.clean_columns import SETS, bouncing, by_pandas, by_plan, led, with_oracle
from planted_leaks.markets import REAL, Market, real, simulated
from planted_leaks.study import study

pytestmark = pytest.mark.xdist_group("planted leaks")  # one process, which looks at the table of all columns once

OTHERS = {leak.name: leak for leak in OTHER_LEAKS}
COLUMNS_ON_REAL_BARS = (
    "move_15m",
    "rsi_1h",
    "place_in_hour",
    "viterbi",
    "centred_mean",
    "back_filled",
    "bins",
    "vwap",
    "atr_entry",
    "low_pass",
    "next_return",
    "encoded_row",
)
ON_REAL_BARS = ("scaler", "selector", "fixed_purge", "duplicates", "row_index", "hour_early", "revision", "declared_1h")


FEW = LeakageSettings(audit_bars=3_000)  # two days of bars: enough for each of the columns, and the code runs dozens of times


@cache
def of_columns(kind: str) -> LeakageReport:
    """All leaks of columns in one table, or all clean sisters: a column is accused for what it is, not for its company."""
    return run_leakage_checks(all_columns(simulated(), kind), settings=FEW)


@cache
def reported(name: str, kind: str) -> LeakageReport:
    return run_leakage_checks(getattr(OTHERS[name], kind)(simulated()))


def report_of(leak: PlantedLeak) -> LeakageReport:
    return reported(leak.name, "leaky") if leak.name in OTHERS else of_columns("leaky")


@pytest.mark.parametrize("leak", LEAKS, ids=str)
def test_a_planted_leak_is_caught_with_column_bar_and_reason(leak):
    report = report_of(leak)
    findings = caught(leak, report)
    assert findings, alarms(report)
    assert all(one.reason and one.page for one in findings)
    assert any(one.bar is not None and one.time for one in findings)


def test_thirty_nine_of_forty_are_caught():
    missed = [leak.name for leak in LEAKS if not caught(leak, report_of(leak))]
    assert len(LEAKS) >= 44
    assert len(missed) * 40 <= len(LEAKS), missed


def test_no_column_is_accused_for_its_company():
    assert {one.column for one in of_columns("leaky").critical} == {leak.column for leak in COLUMN_LEAKS}


def test_the_clean_sisters_of_columns_pass_together():
    assert not alarms(of_columns("clean"))


@pytest.mark.parametrize("leak", OTHER_LEAKS, ids=str)
def test_its_clean_sister_passes(leak):
    assert not alarms(reported(leak.name, "clean"))


@pytest.mark.parametrize("leak", [leak for leak in OTHER_LEAKS if leak.columns], ids=str)
def test_no_column_beside_the_one_at_fault_is_accused(leak):
    assert {one.column for one in reported(leak.name, "leaky").findings if one.severity != "info"} <= set(leak.columns)


def test_without_code_and_records_the_numbers_still_show_half_of_them():
    report = run_leakage_checks(table_alone(all_columns(simulated(), "leaky")))
    shown = {one.column for one in report.critical}
    assert len(shown & IN_THE_TABLE) >= len(IN_THE_TABLE) // 2
    assert shown <= {leak.column for leak in COLUMN_LEAKS}


@pytest.mark.parametrize("market", REAL)
def test_on_real_bars_leaks_are_caught_and_sisters_pass(market, real_data: Path):
    bars = real(market, real_data)
    leaky = run_leakage_checks(all_columns(bars, "leaky", COLUMNS_ON_REAL_BARS), settings=FEW)
    assert {one.column for one in leaky.critical} == set(COLUMNS_ON_REAL_BARS)
    assert not alarms(run_leakage_checks(all_columns(bars, "clean", COLUMNS_ON_REAL_BARS), settings=FEW))
    for name in ON_REAL_BARS:
        assert caught(OTHERS[name], run_leakage_checks(OTHERS[name].leaky(bars))), name
        assert not alarms(run_leakage_checks(OTHERS[name].clean(bars))), name


# ---- clean columns; the audit runs their code once, the other checks look at their numbers on every market


def clean(market: Market, *, audited: bool = False) -> Dossier:
    made = by_pandas(market)
    return (made if audited else made.with_more(feature_maker=None)).dossier()


def test_no_clean_column_of_pandas_is_accused():
    dossier = clean(simulated(), audited=True)
    assert len(dossier.columns) > 140
    assert not alarms(run_leakage_checks(dossier, settings=FEW))


@pytest.mark.parametrize("strength", [0.0, 3.0])
def test_no_clean_column_is_accused_whatever_the_market_offers(strength):
    assert not alarms(run_leakage_checks(clean(simulated(seed=21, strength=strength))))


@pytest.mark.parametrize("name", SETS)
def test_no_column_of_a_set_of_ours_is_accused(name):
    assert not alarms(run_leakage_checks(by_plan(simulated(), name)))


@pytest.mark.parametrize("strength", [1.0, 3.0])
def test_the_best_forecast_there_is_passes_since_it_is_honest(strength):
    market = simulated(seed=21, strength=strength)
    made = with_oracle(simulate(len(market.bars), seed=21, strength=strength), study(market))
    assert "oracle" in made.columns
    assert not alarms(run_leakage_checks(made))


@pytest.mark.parametrize("odd", [bouncing, led])
def test_a_reversal_from_bar_to_bar_and_a_leading_market_pass(odd):
    assert not alarms(run_leakage_checks(clean(odd(simulated()))))


@pytest.mark.parametrize("market", REAL)
def test_no_clean_column_is_accused_on_real_bars(market, real_data: Path):
    bars = real(market, real_data)
    assert not alarms(run_leakage_checks(clean(bars)))
    assert not alarms(run_leakage_checks(by_plan(bars, "charter")))

"""The audit of callables and commands: what they may take and give, and each finding beside a case that it leaves alone."""

import dataclasses
import json
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barmill.errors import DataError, InputError
from barmill.evaluation import AUDIT_CODES, CallableTable, CommandTable, PlanTable, audit_features
from barmill.evaluation.audit.cuts import dense_probes, long_probes
from barmill.evaluation.audit.evidence import Sample, Tolerance
from barmill.evaluation.audit.other_futures import with_another_future
from barmill.evaluation.audit.user_code import load_function
from barmill.features import FeaturePlan
from barmill.market import Bars, simulate


@pytest.fixture(scope="module")
def bars() -> Bars:
    return simulate(1_500, seed=7).bars


def codes(function, bars, frame="pandas", **more) -> list[str]:
    return [finding.code for finding in audit_features(CallableTable(function, frame=frame), bars, **more).findings]


# ---- what a function may take


def takes_pandas(df: pd.DataFrame):
    assert str(df.index.dtype) == "datetime64[ms, UTC]"
    return df[["close"]].pct_change()


def takes_polars(df: pl.DataFrame):
    assert df.schema["open_time"] == pl.Datetime("ms", "UTC")
    return df.select("open_time", x=pl.col("close").pct_change())


def takes_dict(columns: dict[str, np.ndarray]):
    assert columns["open_time"].dtype == np.int64
    return np.diff(columns["close"], prepend=np.nan)


def takes_bars(bars: Bars):
    return {"x": bars.close - bars.open}


def takes_text(df: "pl.DataFrame") -> Any:
    return df["close"].rename("x")


@pytest.mark.parametrize(
    ("function", "names"),
    [(takes_pandas, ("close",)), (takes_polars, ("x",)), (takes_dict, ("feature_0",)), (takes_bars, ("x",)), (takes_text, ("x",))],
)
def test_a_function_gets_the_frame_that_it_is_annotated_with(bars, function, names):
    audit = audit_features(CallableTable(function), bars)
    assert audit.ok
    assert audit.features == names


def test_a_function_that_does_not_say_what_it_takes_is_asked(bars):
    with pytest.raises(InputError, match="--frame"):
        CallableTable(lambda frame: frame)
    with pytest.raises(InputError, match="'arrow'"):
        CallableTable(lambda frame: frame, frame="arrow")
    assert codes(lambda frame: frame["close"], bars) == []


@pytest.mark.parametrize(
    "made",
    [
        lambda df: df["close"],
        lambda df: df[["close"]].to_numpy(),
        lambda df: df["close"].to_numpy(),
        lambda df: {"x": df["close"]},
        lambda df: pl.from_pandas(df.reset_index(drop=True)),
        lambda df: df["close"].astype("float32").to_frame(),
        lambda df: pd.DataFrame({"up": df["close"] > df["open"], "word": np.where(df["close"] > df["open"], "up", "down")}),
        lambda df: FeaturePlan.build(timeframes=("1m",)).compute(Bars.read(df, symbol="SIM", timeframe="1m")) if len(df) > 1 else None,
    ],
)
def test_what_it_gives_may_be_a_frame_a_series_an_array_or_a_dict(bars, made):
    assert [code for code in codes(made, bars) if code != "F107"] == []


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (lambda df: "features", "str"),
        (lambda df: df.to_numpy()[None], "shape"),
        (lambda df: pd.DataFrame(index=df.index), "no features"),
        (lambda df: pd.concat([df, df], axis=1), "two columns called 'open'"),
        (lambda df: {"a": [1.0], "b": [1.0, 2.0]}, "1 to 2 rows"),
    ],
)
def test_what_is_no_table_is_refused(bars, made, expected):
    with pytest.raises(DataError, match=expected):
        codes(made, bars)


def test_a_function_that_writes_to_its_input_harms_nobody(bars):
    def careless(df):
        df["close"] = df["close"] - df["close"].shift(1)
        return df["close"]

    assert codes(careless, bars) == []


def test_what_a_function_prints_stays_off_the_standard_output(bars, capsys):
    def chatty(df):
        sys.stdout.write("working")
        return df["close"]

    assert codes(chatty, bars) == []
    assert capsys.readouterr().out == ""


# ---- findings, each with a case that is left alone


def test_random_numbers_are_told_apart_from_leaks(bars):
    random = np.random.default_rng(0)

    def noisy(df):
        return pd.DataFrame({"noise": random.normal(size=len(df)), "leak": df["close"].shift(-1)})

    def seeded(df):
        return pd.DataFrame({"noise": np.random.default_rng(0).normal(size=len(df))})

    found = {finding.feature: finding.code for finding in audit_features(CallableTable(noisy, frame="pandas"), bars).findings}
    assert found == {"noise": "F104", "leak": "F101"}
    assert codes(seeded, bars) == []


def test_dropped_rows_are_a_finding_and_no_crash(bars):
    (finding,) = audit_features(CallableTable(lambda df: df.pct_change().dropna(), frame="pandas"), bars).findings
    assert (finding.code, finding.found) == ("F105", "1,499 rows of 1,500 bars")


def test_rows_lost_only_when_there_is_no_future_are_found_too(bars):
    assert "F105" in codes(lambda df: df.iloc[: len(df) // 60 * 60] if len(df) < 1_500 else df, bars)


def test_columns_that_come_and_go_are_found(bars):
    def dummies(df):
        return pd.get_dummies((df["close"] / df["close"].iloc[0]).round(3).astype(str))

    def fixed(df):
        return pd.DataFrame({"high": df["close"] > 100, "low": df["close"] <= 100})

    assert "F106" in codes(dummies, bars)
    assert codes(fixed, bars) == []


def test_a_need_for_history_is_a_warning_and_other_failures_are_errors(bars):
    def needs_fifty(df):
        if len(df) < 50:
            raise ValueError("too short")
        return df["close"]

    def fails_at_the_end(df):
        if len(df) > 1_400 and len(df) < 1_500:
            raise ValueError("odd")
        return df["close"]

    audit = audit_features(CallableTable(needs_fifty, frame="pandas"), bars)
    (finding,) = audit.findings
    assert (finding.code, finding.severity, audit.ok) == ("F107", "warning", True)
    assert "too short" in finding.found
    (finding,) = audit_features(CallableTable(fails_at_the_end, frame="pandas"), bars).findings
    assert (finding.code, finding.severity) == ("F107", "error")


def test_a_need_for_more_than_the_short_sample_is_met_by_the_whole():
    def needs_ten_thousand(df):
        if len(df) < 10_000:
            raise ValueError("too short")
        return pd.DataFrame({"clean": df["close"].rolling(5).mean(), "leak": df["close"].shift(-4)})

    audit = audit_features(CallableTable(needs_ten_thousand, frame="pandas"), simulate(30_000, seed=1).bars)
    assert [(finding.code, finding.bars_ahead) for finding in audit.findings] == [("F101", 4), ("F107", None)]
    assert audit.clean == ("clean",)


def test_a_function_that_never_works_is_an_error(bars):
    def broken(df):
        raise ValueError("never")

    with pytest.raises(DataError, match="ValueError: never"):
        codes(broken, bars)


def test_a_column_without_any_value_is_said_to_be_unproved(bars):
    audit = audit_features(CallableTable(lambda df: df["close"].rolling(5_000).mean(), frame="pandas"), bars)
    assert [(finding.code, finding.severity) for finding in audit.findings] == [("F109", "info")]
    assert audit.ok


def test_every_code_has_a_name():
    assert list(AUDIT_CODES) == [f"F10{i}" for i in range(1, 10)]


# ---- look-back stated


def long_mean(df: pd.DataFrame):
    return pd.DataFrame({"short": df["close"].rolling(20).mean(), "long": df["close"].rolling(400).mean()})


def test_windows_catch_what_the_whole_would():
    bars = simulate(6_000, seed=1).bars

    def table(df):
        whole = (df["close"] - df["close"].mean()) / df["close"].std()
        return pd.DataFrame({"a": df["close"].rolling(9, center=True).mean(), "b": whole, "c": df["close"].rolling(50).mean()})

    audit = audit_features(CallableTable(table, frame="pandas"), bars, history=50)
    assert {finding.feature: finding.bars_ahead for finding in audit.findings} == {"a": 4, "b": None}
    assert audit.clean == ("c",)


def test_a_look_back_that_is_longer_than_stated_is_told():
    bars = simulate(6_000, seed=1).bars
    (finding,) = audit_features(CallableTable(long_mean), bars, history=100).findings
    assert (finding.code, finding.severity, finding.feature) == ("F108", "warning", "long")
    assert audit_features(CallableTable(long_mean), bars, history=400).findings == ()


# ---- reaches, for any window


@settings(max_examples=15, deadline=None)
@given(ahead=st.integers(1, 200), back=st.integers(0, 50), seed=st.integers(0, 100))
def test_the_reach_of_any_window_is_measured_exactly(ahead, back, seed):
    bars = simulate(1_200, seed=seed).bars

    def window(df):
        return df["close"].rolling(ahead + back + 1).mean().shift(-ahead).rename("x")

    (finding,) = audit_features(CallableTable(window, frame="pandas"), bars, seed=seed).findings
    assert (finding.code, finding.bars_ahead, finding.at_least) == ("F101", ahead, False)


def test_the_whole_is_cut_as_well_as_its_beginning():
    """A leak that begins after the bars that are cut densely."""
    bars = simulate(30_000, seed=3).bars

    def late(df):
        return df["close"].where(np.arange(len(df)) < 9_000, df["close"].shift(-3))

    (finding,) = audit_features(CallableTable(late, frame="pandas"), bars).findings
    assert (finding.code, finding.bars_ahead) == ("F101", 3)
    assert finding.row >= 9_000


def test_float_noise_is_forgiven_and_a_leak_of_its_size_times_a_thousand_is_not(bars):
    def noise(size):
        return lambda df: df["close"] * (1.0 + size * np.sin(len(df)))

    assert codes(noise(1e-11), bars) == []
    assert codes(noise(1e-7), bars) == ["F103"]
    assert codes(noise(1e-11), bars, rtol=0.0) == ["F103"]
    assert codes(noise(1e-7), bars, rtol=1e-5) == []


def test_numbers_out_of_range_are_refused(bars):
    maker = CallableTable(takes_pandas)
    for wrong in ({"rtol": -1.0}, {"cuts": -1}, {"history": 0}, {"history": 1_499}):
        with pytest.raises(InputError):
            audit_features(maker, bars, **wrong)
    with pytest.raises(InputError, match="5 bars"):
        audit_features(maker, bars.slice(0, 5))


# ---- where it cuts


@settings(max_examples=50, deadline=None)
@given(n_bars=st.integers(16, 4_000), seed=st.integers(0, 10_000), few=st.booleans())
def test_cuts_lie_within_the_sample(n_bars, seed, few):
    bars = simulate(n_bars, seed=1).bars
    probes = dense_probes(bars, seed, few=few)
    for cuts in (probes.lengths, probes.futures):
        assert list(cuts) == sorted(set(cuts))
        assert all(1 <= cut < n_bars for cut in cuts)
    assert probes == dense_probes(bars, seed, few=few)
    assert n_bars - 1 in probes.lengths


def test_cuts_fall_within_a_longer_bar_at_its_end_and_beside_breaks_of_the_session():
    bars = simulate(8_000, seed=1, symbol="ES").bars
    cuts = np.array(dense_probes(bars, 0, few=False).lengths)
    minutes = bars.open_time[cuts] // 60_000
    for timeframe in (5, 15, 60, 240):
        assert {0, timeframe - 1, 1} <= set((minutes % timeframe).tolist())
    opens = np.flatnonzero(np.diff(bars.open_time) > 5 * 60_000) + 1
    assert np.isin(cuts, opens).any()


def test_halves_of_halves_cost_one_more_run():
    bars = simulate(50_000, seed=1).bars
    probes = long_probes(bars, 8_192, 0, 0)
    assert sum(cut for cut in probes.lengths if cut <= 25_000) <= 50_000
    assert len(long_probes(bars, 8_192, 0, 3).lengths) == len(probes.lengths) + 3


# ---- other futures


@settings(max_examples=25, deadline=None)
@given(first=st.integers(0, 499), seed=st.integers(0, 1_000))
def test_another_future_leaves_the_past_and_makes_bars_that_are_bars(first, seed):
    bars = simulate(500, seed=2).bars
    other = with_another_future(bars, first, seed)
    assert other.slice(0, first) == bars.slice(0, first)
    assert (other.open_time == bars.open_time).all()
    assert (other.low <= np.minimum(other.open, other.close)).all()
    assert (other.high >= np.maximum(other.open, other.close)).all()
    assert (other.close[first:] != bars.close[first:]).all()


def test_columns_that_belong_together_keep_their_proportions(bars):
    frame = bars.frame.with_columns(taker_buy_base=pl.col("volume") * 0.4, bid_price=pl.col("close") - 0.01, basis=pl.lit(1.0))
    other = with_another_future(dataclasses.replace(bars, frame=frame), 700, 1)
    np.testing.assert_allclose(other.column("taker_buy_base"), other.volume * 0.4)
    assert (other.column("bid_price") < other.close).all()
    assert (other.column("basis")[700:] != 1.0).all()


# ---- tolerance


def test_without_a_tolerance_bits_are_compared():
    bits = Tolerance.of(0.0, np.zeros((3, 1)))
    ours, theirs = np.array([[1.0], [np.nan], [np.nan]]), np.array([[1.0 + 2**-52], [np.nan], [1.0]])
    assert bits.differ(ours, theirs)[:, 0].tolist() == [True, False, True]


def test_a_value_near_zero_is_measured_by_the_size_of_its_column():
    values = np.full((1000, 1), 10.0)
    near = Tolerance.of(1e-9, values)
    assert not near.differ(np.array([[1e-14]]), np.array([[-1e-14]]), [0]).any()
    assert near.differ(np.array([[1e-4]]), np.array([[-1e-4]]), [0]).all()
    assert near.differ(np.array([[np.inf]]), np.array([[1.0]]), [0]).all()


# ---- evidence


def test_the_earliest_change_and_the_furthest_reach_are_kept_whatever_the_order_of_the_cuts(bars):
    values = np.arange(100.0)[:, None]
    sample = Sample(0, bars.slice(0, 100), values, Tolerance.of(0.0, values), {})
    for cut, rows in ((50, [45]), (60, [10, 59]), (70, [65]), (80, [])):
        made = values.copy()
        made[rows] -= 0.5
        sample.compare(cut, made[:cut], altered=False)
    trace = sample.traces[0]
    assert (trace.first_row, trace.first_cut, trace.with_future, trace.without_future) == (10, 60, 10.0, 9.5)
    assert (trace.reach_row, trace.reach_cut, trace.reach) == (10, 60, 50)
    assert trace.shape.n_changed == 2
    assert not trace.shape.unbroken
    assert trace.pairs == [(50, 45), (60, 10), (70, 65)]


# ---- loading


def test_a_file_is_run_under_a_name_of_its_own(tmp_path):
    (tmp_path / "beside.py").write_text("SPAN = 3\n")
    (tmp_path / "errors.py").write_text(
        "import pandas as pd\nfrom beside import SPAN\ndef make(df: pd.DataFrame):\n    return df['close'] * SPAN\n"
    )
    before = sys.modules["barmill.errors"]
    function = load_function(f"{tmp_path / 'errors.py'}:make")
    assert function(pd.DataFrame({"close": [1.0]})).tolist() == [3.0]
    assert sys.modules["barmill.errors"] is before
    assert function.__module__ == "_audited_errors"


def test_what_cannot_be_loaded_is_told(tmp_path):
    (tmp_path / "features.py").write_text("def make(df):\n    return df\n")
    (tmp_path / "broken.py").write_text("x = 1\nraise RuntimeError('no licence')\n")
    with pytest.raises(InputError, match="Did you mean 'make'"):
        load_function(f"{tmp_path / 'features.py'}:mak")
    with pytest.raises(InputError, match="no such file"):
        load_function(f"{tmp_path / 'nothing.py'}:make")
    with pytest.raises(InputError, match="no such module"):
        load_function("no_such_module_here:make")
    with pytest.raises(InputError, match="module:function"):
        load_function("features")
    with pytest.raises(DataError, match=r"RuntimeError: no licence \(broken.py, line 2\)"):
        load_function(f"{tmp_path / 'broken.py'}:make")
    assert callable(load_function("json:dumps"))


def test_an_error_of_the_function_is_told_with_its_line(bars):
    def broken(df):
        return df["no_such_column"]

    with pytest.raises(DataError, match=r"broken on 1,500 bars: KeyError: 'no_such_column'") as caught:
        codes(broken, bars)
    assert isinstance(caught.value.__cause__, KeyError)


# ---- commands

PROGRAM = """
import csv, sys
rows = list(csv.DictReader(open(sys.argv[1])))
closes = [float(row["close"]) for row in rows]
with open(sys.argv[2], "w", newline="") as file:
    out = csv.writer(file)
    out.writerow(["open_time", "clean", "leak"])
    for i, row in enumerate(rows):
        out.writerow([row["open_time"], closes[i] - closes[i - 1] if i else "", closes[i + 2] if i + 2 < len(rows) else "nan"])
"""


def test_a_program_is_audited_by_its_files(tmp_path, monkeypatch):
    path, runs, run = tmp_path / "make.py", [], subprocess.run
    path.write_text(PROGRAM)
    monkeypatch.setattr(subprocess, "run", lambda *given, **more: runs.append(1) or run(*given, **more))
    audit = audit_features(CommandTable(f"{sys.executable} -S {path} {{bars}} {{features}}", "csv"), simulate(200, seed=1).bars)
    (finding,) = audit.findings
    assert (finding.feature, finding.bars_ahead) == ("leak", 2)
    assert audit.clean == ("clean",)
    assert len(runs) < 40


def test_a_program_may_read_and_write_parquet(tmp_path, bars):
    path = tmp_path / "copy.py"
    path.write_text("import shutil, sys\nshutil.copy(sys.argv[1], sys.argv[2])\n")
    made = CommandTable(f"{sys.executable} {path} {{bars}} {{features}}").make(bars)
    assert made.names == tuple(name for name in bars.frame.columns if name not in ("open_time", "close_time"))
    np.testing.assert_array_equal(made.values[:, 3], bars.close)


def test_a_program_that_fails_is_told_with_its_last_line(tmp_path, bars):
    path = tmp_path / "fails.py"
    path.write_text("import sys\nprint('first', file=sys.stderr)\nsys.exit('out of luck')\n")
    with pytest.raises(DataError, match="ended with code 1: out of luck"):
        audit_features(CommandTable(f"{sys.executable} {path} {{bars}} {{features}}"), bars)


def test_a_program_that_writes_nothing_or_nonsense_is_told(tmp_path, bars):
    path = tmp_path / "writes.py"
    path.write_text("import sys\nif sys.argv[3] == 'yes':\n    open(sys.argv[2], 'w').write('nonsense')\n")
    for says, expected in (("no", "wrote no features"), ("yes", "no readable parquet")):
        with pytest.raises(DataError, match=expected):
            audit_features(CommandTable(f"{sys.executable} {path} {{bars}} {{features}} {says}"), bars)


def test_a_command_without_placeholders_or_program_is_refused(bars):
    with pytest.raises(InputError, match=r"no \{features\}"):
        CommandTable("python make.py {bars}")
    with pytest.raises(InputError, match="'xml'"):
        CommandTable("make {bars} {features}", "xml")
    with pytest.raises(InputError, match="cannot be run"):
        audit_features(CommandTable("no-such-program-here {bars} {features}"), bars)


def test_the_report_is_plain_json(bars):
    audit = audit_features(CallableTable(lambda df: df["close"].shift(-1), frame="pandas"), bars)
    told = json.loads(json.dumps(audit.to_json(), allow_nan=False))
    assert told["ok"] is False
    assert told["findings"][0]["without_future"] is None
    assert told["findings"][0]["bars_ahead"] == 1


def test_progress_is_told_and_ends(bars):
    class Told:
        def __init__(self):
            self.steps = []

        def update(self, done, total, note=""):
            self.steps.append((done, total))

    told = Told()
    audit_features(PlanTable(FeaturePlan.build(timeframes=("1m",))), bars, progress=told)
    assert [done for done, _ in told.steps[:3]] == [0, 1, 2]
    assert all(done <= total for done, total in told.steps)
    assert told.steps[-1][0] == told.steps[-1][1]

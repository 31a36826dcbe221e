"""The bench of a bundle: percentiles of a known clock, all parts of a real bundle, and targets at their limits."""

import itertools
from pathlib import Path

import pytest

from barmill.bundles import benching
from barmill.bundles.benching import bench as benching_bench
from barmill.bundles.benching.clock import Clock, clocked
from barmill.bundles.benching.loading import bench_loading
from barmill.bundles.benching.rows import BATCHES
from barmill.bundles.benching.targets import asked_of, told
from barmill.errors import BundleError

TIMES = {"p50_us": 900.0, "p90_us": 1000.0, "p99_us": 5000.0, "p999_us": 9000.0, "n": 100}
LOADED = {"first_load_s": 1.0, "load_s": 0.5, "memory_mb": 500.0, "process_mb": 600.0}


def bench_of(model: str = "lstm", **changes: object) -> dict:
    batches = [{"rows": rows, "per_second": 10_000.0 if rows == 64 else 9_999.0} for rows in BATCHES]
    found = {"model": model, "row": TIMES, "bar": TIMES, "steps": {}, "members": {}, "batches": batches, "graphs": [], **LOADED}
    return found | changes


def test_percentiles_of_known_times() -> None:
    assert Clock.of([1000 * n for n in range(1, 1002)]) == Clock(501.0, 901.0, 991.0, 1000.0, 1001)


def test_calls_that_warm_up_are_not_counted() -> None:
    ticks, made = itertools.count(step=3000), []
    assert clocked(lambda: made.append(1), 50, now=lambda: next(ticks)) == Clock(3.0, 3.0, 3.0, 3.0, 50)
    assert len(made) == 70


def test_a_bundle_is_measured_in_all_its_parts(load_once, monkeypatch) -> None:
    monkeypatch.setattr("barmill.bundles.benching.rows.SECONDS", 0.0)
    bundle = load_once("logistic")
    found = benching.bench_bundle(bundle.folder, 30)
    assert (found["name"], found["digest"], found["row"]["n"], found["bar"]["n"]) == ("logistic", bundle.digest, 30, 30)
    assert [batch["rows"] for batch in found["batches"]] == list(BATCHES)
    assert found["bytes"] == sum(file.stat().st_size for file in bundle.folder.rglob("*") if file.is_file())
    assert found["weight_bytes"] == sum(file.stat().st_size for file in (bundle.folder / "weights").iterdir())
    assert (found["members"], found["graphs"], found["allocates"]) == ({}, [], "")
    assert min(found["load_s"], found["process_mb"], found["row"]["p50_us"], found["bar"]["p50_us"]) > 0
    assert found["row"]["p50_us"] <= found["row"]["p90_us"] <= found["row"]["p99_us"] <= found["row"]["p999_us"]


@pytest.mark.parametrize("kind", ["soft_voting", "pattern_cnn"])
def test_members_and_models_that_see_bars_are_measured_too(load_once, load_ensemble, monkeypatch, kind: str) -> None:
    monkeypatch.setattr(benching_bench, "bench_loading", lambda _folder: LOADED)
    monkeypatch.setattr("barmill.bundles.benching.rows.BATCHES", (1,))
    monkeypatch.setattr("barmill.bundles.benching.rows.SECONDS", 0.0)
    bundle = load_once(kind) if kind == "pattern_cnn" else load_ensemble(kind)
    found = benching.bench_bundle(bundle.folder, 25)
    members = list(found["members"])
    assert members == ([] if kind == "pattern_cnn" else ["logistic", "lightgbm"])
    assert set(found["steps"]) == (set() if kind == "pattern_cnn" else {"calibration", "combining"})
    assert bool(found["allocates"]) == (kind == "pattern_cnn")


def test_a_bundle_that_does_not_load_is_refused_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"does not load in a process of its own: .*manifest"):
        bench_loading(tmp_path)


def verdicts(benches: dict, signals: dict | None = None) -> dict[tuple[str, str], bool | None]:
    return {(one.of, one.what): one.met for one in asked_of(benches, signals)}


def test_a_target_is_met_at_its_limit_and_missed_beyond() -> None:
    graph = {"name": "model.onnx", "bytes": 1_000_001, "row": TIMES}
    met = verdicts({"one": bench_of(graphs=[graph])}, {"one": {"correlation": 0.1, "ic": 0.049, "turnover_per_bar": 0.2}})
    assert met["one", "one row, p50"] is True
    assert met["one", "one row, p99"] is True
    assert met["one", "rows a second, 64 at once"] is True
    assert met["one", "rows a second, 1 at once"] is False
    assert met["one", "memory that loading adds"] is True
    assert met["one", "ONNX graph"] is False, "one byte above 1 MB"
    assert met["all", "ONNX graphs"] is True
    assert [met["one", name] for name in ("correlation with returns", "information coefficient", "turnover")] == [True, False, True]


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    asked = asked_of({"one": bench_of("xgboost")})
    unknown = {one.what: one.why for one in asked if one.met is None}
    assert unknown["ONNX graph"] == "no graphs: barmill export"
    assert unknown["turnover"] == "no run judged it on returns"
    assert unknown["fusion, p99"] == "there is none"
    assert told(asked).endswith("missed: one (rows a second, 1 at once); not measured: 7")


def test_all_models_together_leave_ensembles_out() -> None:
    steps = {"calibration": {"p99_us": 11_000.0}, "combining": {"p99_us": 4_000.0}}
    both = {"one": bench_of(), "two": bench_of("tcn"), "vote": bench_of("soft_voting", members={"one": {}}, steps=steps)}
    by_name = {(one.of, one.what): one for one in asked_of(both)}
    assert by_name["all", "one row of each model, p99"].measured == 10.0
    assert by_name["all", "calibration, p99"].met is False
    assert by_name["all", "fusion, p99"].met is True
    assert ("two", "ONNX graph") not in by_name, "no charter limits its size"

"""The bench of a run: every bundle of it, what its judgement says of the signals, and a file that the report finds."""

import json
from pathlib import Path

import pytest

from barmill.errors import InputError
from barmill.pipeline import benching

MODEL = {
    "name": "lightgbm",
    "bundle": "bundle/lightgbm/1",
    "forecast": {"ic": 0.12, "rank_ic": 0.04},
    "trading": {"turnover": 52_560.0},  # of 525,600 minutes a year
}
TIMES = {"p50_us": 20.0, "p90_us": 21.0, "p99_us": 22.0, "p999_us": 23.0, "n": 100}


def measured(folder: Path, calls: int, _progress: object) -> dict:
    batches = [{"rows": 1, "per_second": 5.0}]
    clocks = {"row": TIMES, "bar": TIMES, "steps": {}, "members": {}, "batches": batches, "graphs": []}
    sized = {"load_s": 0.1, "memory_mb": 10.0, "bytes": 9, "calls": calls, "folder": folder.name}
    return {"name": "x", "model": "lightgbm", "bars_a_year": 525_600.0, **clocks, **sized}


@pytest.fixture
def run(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setattr(benching, "bench_bundle", measured)
    (tmp_path / "metrics").mkdir()
    experts = [{"name": "risk", "bundle": "bundle/risk/1"}]
    (tmp_path / "metrics" / "judgement.json").write_text(json.dumps({"models": [MODEL], "experts": experts}))
    (tmp_path / "fingerprints.json").write_text("{}")
    return tmp_path


def test_every_bundle_is_measured_and_held_against_what_the_test_block_said(run: Path) -> None:
    done = benching.bench(run, 30)
    assert json.loads((run / "metrics" / "bench.json").read_text()) == done
    assert {name: one["calls"] for name, one in done["bundles"].items()} == {"lightgbm": 30, "risk": 30}
    met = {(one["of"], one["what"]): one["met"] for one in done["targets"]}
    assert met["lightgbm", "correlation with returns"] is True
    assert met["lightgbm", "information coefficient"] is False
    assert met["lightgbm", "turnover"] is True
    assert met["risk", "turnover"] is None
    assert {one["what"]: one["measured"] for one in done["targets"] if one["of"] == "lightgbm"}["turnover"] == 0.1
    assert done["machine"]["cores"] >= 1


def test_a_bundle_alone_is_written_nowhere(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(benching, "bench_bundle", measured)
    (tmp_path / "manifest.json").touch()
    assert list(benching.bench(tmp_path, 20)["bundles"]) == ["x"]
    assert [file.name for file in tmp_path.iterdir()] == ["manifest.json"]


def test_a_folder_that_is_neither_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds neither a bundle nor a finished run"):
        benching.bench(tmp_path)

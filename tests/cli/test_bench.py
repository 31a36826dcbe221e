"""`barmill bench`: what it prints fits a terminal, and its JSON is the measurement."""

import json

import pytest
import typer
from typer.testing import CliRunner

from barmill.cli.bench import bench
from barmill.pipeline import benching

CLOCK = {"p50_us": 12.5, "p90_us": 14.0, "p99_us": 30.0, "p999_us": 12_345.6, "n": 100}
DONE = {
    "machine": {"processor": "Test CPU", "system": "Linux x86_64", "cores": 2, "load": 0.5, "python": "3.11.7"},
    "bundles": {
        "vote": {
            "row": CLOCK,
            "bar": CLOCK,
            "members": {"lstm": {"row": CLOCK}},
            "batches": [{"rows": 1, "per_second": 80_000.0}],
            "graphs": [{"name": "forecast.onnx", "bytes": 12_345, "row": CLOCK}],
            "load_s": 0.4,
            "memory_mb": 120.2,
            "bytes": 2_500_000,
            "weight_bytes": 0,
        }
    },
    "targets": [
        {"of": "vote", "what": "one row, p50", "limit": 1.0, "unit": "ms", "measured": 0.0125, "met": True, "least": False, "why": ""},
        {"of": "vote", "what": "turnover", "limit": 0.2, "unit": "/bar", "measured": None, "met": None, "least": False, "why": "unjudged"},
    ],
    "summary": "1 of 2 targets are met; not measured: 1",
}


@pytest.fixture
def invoke(monkeypatch):
    monkeypatch.setattr(benching, "bench", lambda *_: DONE)
    app = typer.Typer()
    app.command()(bench)
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


def test_the_text_has_every_clock_and_target_and_fits_a_terminal(invoke) -> None:
    result = invoke("runs/x")
    assert result.exit_code == 0
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0] == "Test CPU, 2 cores, load 0.5, Python 3.11.7; one thread"
    assert "vote: one row 12.5 14.0 30.0 12,345.6" in lines
    assert "member lstm 12.5 14.0 30.0 12,345.6" in lines
    assert "vote 0.40 s 120 MB 2,500 kB none 12 kB" in lines
    assert "one row, p50 vote <= 1 ms 0.0125 ms met" in lines
    assert "turnover vote <= 0.2/bar not measured: unjudged" in lines
    assert lines[-1] == "1 of 2 targets are met; not measured: 1"
    assert max(map(len, result.stdout.splitlines())) <= 100


def test_json_is_what_was_measured(invoke) -> None:
    assert json.loads(invoke("runs/x", "--json").stdout) == DONE

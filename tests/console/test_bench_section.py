"""The bench in the report: rows in words, and a section where a run has one."""

import json
from typing import Any

from barmill.console import render_report
from barmill.console.bench_section import asked_rows, bench_rows, bench_sentence
from barmill.console.judged_bench import Bench

NBSP = "\N{NO-BREAK SPACE}"
CLOCK = {"p50_us": 12.5, "p90_us": 14.0, "p99_us": 30.0, "p999_us": 99.9, "n": 100}
TARGETS = [
    {"of": "lstm", "what": "one row, p50", "limit": 1.0, "unit": "ms", "measured": 0.0125, "met": True},
    {"of": "lstm", "what": "rows a second, 64 at once", "limit": 10000.0, "unit": "/s", "measured": 900.0, "met": False, "least": True},
    {"of": "all", "what": "ONNX graphs", "limit": 5000.0, "unit": "kB", "measured": None, "met": None, "why": "no graphs: barmill export"},
]
FOUND = {
    "machine": {"processor": "Test CPU", "system": "Linux x86_64", "cores": 2, "load": 0.5, "python": "3.11.7"},
    "calls": 10_000,
    "bundles": {
        "vote": {
            "row": CLOCK,
            "bar": {**CLOCK, "p50_us": 40.0},
            "members": {"lstm": {"row": CLOCK}},
            "batches": [{"rows": 1, "per_second": 80_000.0}, {"rows": 8, "per_second": 1.0}, {"rows": 64, "per_second": 120_000.4}],
            "graphs": [{"name": "forecast.onnx", "bytes": 12_345, "row": CLOCK}],
            "load_s": 0.4,
            "memory_mb": 120.2,
            "bytes": 2_500_000,
        }
    },
    "targets": TARGETS,
    "summary": "1 of 3 targets are met; missed: lstm (rows a second, 64 at once); not measured: 1",
}


def test_each_bundle_its_members_and_its_graphs_have_a_row() -> None:
    rows = bench_rows(Bench.model_validate(FOUND))
    assert [row.name for row in rows] == ["vote, one row", "vote, one bar", "vote, member lstm", "vote, forecast.onnx"]
    assert rows[0].cells[:6] == (f"12.5{NBSP}us", f"14.0{NBSP}us", f"30.0{NBSP}us", f"99.9{NBSP}us", "80,000/s", "120,000/s")
    assert rows[0].cells[6:] == (f"0.400{NBSP}s", f"120{NBSP}MB", f"2,500{NBSP}kB")
    assert rows[3].cells[-1] == f"12{NBSP}kB"
    assert {len(row.cells) for row in rows} == {9}


def test_a_target_says_what_was_asked_and_made_of_it() -> None:
    met, missed, unknown = asked_rows(Bench.model_validate(FOUND))
    assert (met.limit, met.measured, met.verdict, met.tag) == (f"at most 1.00{NBSP}ms", f"0.0125{NBSP}ms", "met", "passed")
    assert (missed.limit, missed.verdict, missed.tag) == ("at least 10,000/s", "missed", "error")
    assert (unknown.measured, unknown.verdict, unknown.why) == ("n/a", "not measured", "no graphs: barmill export")


def test_the_machine_is_named() -> None:
    told = bench_sentence(Bench.model_validate(FOUND))
    assert told.startswith(
        "Measured on Test CPU, 2 cores, Linux x86_64, Python 3.11.7: one thread, with a load of 0.5 when it began, 10,000"
    )
    assert (bench_rows(None), asked_rows(None), bench_sentence(None)) == ((), (), "")


def test_a_run_shows_the_section_once_it_was_benched(make_run: Any, judgement: dict[str, Any]) -> None:
    folder = make_run(judgement)
    assert b'id="bench"' not in render_report(folder)
    (folder / "metrics" / "bench.json").write_text(json.dumps(FOUND))
    page = render_report(folder).decode()
    assert 'href="#bench"' in page
    assert "Cost to serve" in page
    assert "Test CPU" in page

"""The leaderboard in rows and words: shared ranks are seen as such, clocks come from the timings, what was not tested has no rank."""

from pathlib import Path
from typing import Any

import pytest

from barmill.artefacts import read_json, write_json
from barmill.console import leaderboard_notes, leaderboard_rows, render_report
from barmill.console.judgement import Judgement, Timings
from barmill.console.leaderboard_sections import latency, leader_rows, size
from console.chromium import CHROMIUM, browser, opens_cleanly

MODELS = (("lightgbm", 1, True), ("xgboost", 1, False), ("lstm", 1, False), ("logistic", 2, False))


def board(**changes: Any) -> dict[str, Any]:
    models = [
        {
            "name": name,
            "rank": rank,
            "net_rank": 1,
            "model": name,
            "family": "boosting",
            "selected": selected,
            "inputs": 205,
            "log_loss": 0.69 + 0.001 * place,
            "auc": 0.53 - 0.01 * place,
            "ece": 0.01,
            "ic": 0.02,
            "coverage_90": 0.9 if place else 0.71,
            "sharpe": -1.0 * place,
            "interval": [-2.0 - place, 2.0 - place],
            "dsr": 0.97 if place == 0 else 0.2,
            "turnover": 2841.0,
            "max_drawdown": -0.1,
            "size_bytes": 812_000 * (place + 1),
            "beaten_by": [] if rank == 1 else ["lightgbm", "xgboost"],
        }
        for place, (name, rank, selected) in enumerate(MODELS)
    ]
    pairs = [{"a": "lightgbm", "b": "logistic", "loss": {"p_adjusted": 0.001}}]
    told = {"block": "cross_validation", "n_labels": 8000, "n_bars": 120_000, "alpha": 0.05, "coverage_band": [0.88, 0.92], "pbo": 0.4}
    return {**told, "models": models, "pairs": pairs, **changes}


@pytest.fixture
def told(make_run: Any, judgement: dict[str, Any]) -> Path:
    """A run with a leaderboard, made under a profile."""
    judgement["leaderboard"] = board()
    judgement["profile"] = {"names": ["cpu"], "changes": ["labels.every = 15", "chronos taken out"]}
    judgement["notes"] = [{"model": "tcn", "text": "sees the last 29 of the window's 60 bars"}]
    run: Path = make_run(judgement)
    timings = read_json(run / "timings.json")
    timings["stages"]["fit lstm"] = 83.0
    timings["latency"] = {"lstm": {"p50_us": 143.2, "p99_us": 400.0}}
    write_json(run / "timings.json", timings)
    return run


def rows_of(folder: Path):
    judgement = Judgement.model_validate(read_json(folder / "metrics" / "judgement.json"))
    return leader_rows(judgement, Timings.model_validate(read_json(folder / "timings.json")))


def test_models_that_share_a_rank_are_seen_to_share_it(told: Path) -> None:
    rows = rows_of(told)
    assert [row.rank for row in rows] == ["1 =", "1 =", "1 =", "2"]
    assert [row.first for row in rows] == [True, False, False, True]
    assert rows[3].beaten_by == "beaten by lightgbm and xgboost"


def test_an_ensemble_tells_its_members_and_a_model_its_inputs(make_run: Any, judgement: dict[str, Any]) -> None:
    told = board()
    told["models"][0] |= {"family": "ensemble", "model": told["models"][0]["name"], "inputs": None, "members": ["lstm", "logistic"]}
    judgement["leaderboard"] = told
    rows = rows_of(make_run(judgement))
    assert [row.detail for row in rows[:2]] == ["ensemble of lstm and logistic", "boosting, 205 inputs"]


def test_clocks_come_from_the_timings(told: Path) -> None:
    lstm = rows_of(told)[2]
    assert [cell.text for cell in lstm.cells[-3:-1]] == ["1\N{NO-BREAK SPACE}min 23\N{NO-BREAK SPACE}s", "143\N{NO-BREAK SPACE}µs"]
    assert [cell.key for cell in lstm.cells[-3:-1]] == ["83.0", "143.2"]


def test_what_chance_does_not_explain_stands_out(told: Path) -> None:
    rows = rows_of(told)
    assert [row.cells[4].odd for row in rows] == [True, False, False, False]
    assert [row.cells[7].real for row in rows] == [True, False, False, False]


def test_the_page_has_the_section_the_profile_and_no_program_from_elsewhere(told: Path) -> None:
    page = render_report(told).decode()
    assert '<section id="leaderboard"' in page
    assert "under the profile <b>cpu</b>" in page
    assert "<p><b>tcn</b>: sees the last 29 of the window&#39;s 60 bars</p>" in page
    assert "<b>1 =</b>" in page
    assert "src=" not in page.split('id="leaderboard"')[1].split("</section>")[0]


def test_a_run_without_a_leaderboard_has_no_such_section(usual_run: Path) -> None:
    assert 'id="leaderboard"' not in render_report(usual_run).decode()


def test_in_text_too() -> None:
    headings, rows = leaderboard_rows(board())
    assert headings[:3] == ["rank", "model", "log loss"]
    assert [row[:2] for row in rows] == [["1 =", "lightgbm *"], ["1 =", "xgboost"], ["1 =", "lstm"], ["2", "logistic"]]
    assert all(len(row) == len(headings) for row in rows)


def test_notes_say_what_must_be_known_before_ranks_are_read() -> None:
    assert "Holm for 1 pair at 5\N{NO-BREAK SPACE}%" in " ".join(leaderboard_notes(board()))
    unpaired = leaderboard_notes(board(differs=["bars", "labels"], paired=False))
    assert unpaired[0] == "The runs differ in bars and labels, so their models were not tested against each other and have no ranks."
    assert "may be one of these" in leaderboard_notes(board(differs=["seed"]))[0]
    assert "too few rows" in leaderboard_notes(board(paired=False))[0]


def test_small_units_are_written_small() -> None:
    assert (latency(2310.0), latency(None)) == ("2.31\N{NO-BREAK SPACE}ms", "n/a")
    assert (size(812 * 1024), size(3_250_586)) == ("812\N{NO-BREAK SPACE}KiB", "3.10\N{NO-BREAK SPACE}MiB")


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_headings_sort_by_figures_and_nothing_is_wider_than_a_phone(told: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_bytes(render_report(told))
    names = "[...document.querySelectorAll('table.leaders tbody tr')].map((row) => row.dataset.name).join()"
    with browser(tmp_path / "chromium") as tab:
        opens_cleanly(tab, page, 390, True, ready="document.querySelector('table.leaders thead button') !== null")
        assert tab.value(names) == "lightgbm,xgboost,lstm,logistic"
        tab.value("document.querySelectorAll('table.leaders thead button')[3].click()")  # AUC, the least first
        assert tab.value(names) == "logistic,lstm,xgboost,lightgbm"
        tab.value("document.querySelectorAll('table.leaders thead button')[12].click()")  # training: only one is known
        assert tab.value(names).startswith("lstm,")

"""The section on ensembles: the sentence first, each member with what it brings, and what is not known left out."""

from pathlib import Path
from typing import Any

import pytest

from barmill.artefacts import read_json, write_json
from barmill.console import Judgement, leaderboard_notes, render_report
from barmill.console.chart_frame import series_colour
from barmill.console.ensemble_charts import regime_title, weights_chart
from barmill.console.ensemble_fits import fit_sentences
from barmill.console.ensemble_sections import ensemble_parts, points
from barmill.console.judged_ensembles import ThroughTime
from barmill.console.judgement import Timings
from console.chromium import CHROMIUM, browser, opens_cleanly
from console.combined import MEMBERS, combined, comparison
from console.test_leaderboard_sections import board
from console.test_page import Page


@pytest.fixture
def combined_run(make_run: Any, judgement: dict[str, Any]) -> Path:
    run: Path = make_run(combined(judgement))
    timings = read_json(run / "timings.json")
    timings["ensembles"] = {"hmm_gating": {"own_s": 1.5, "members_s": 100.0, "share": 0.015, "evidence_s": 4.0}}
    write_json(run / "timings.json", timings)
    return run


@pytest.fixture
def parts(judgement: dict[str, Any]):
    return ensemble_parts(Judgement.model_validate(combined(judgement)), None)


def test_the_sentence_stands_first_and_is_told_as_the_run_said_it(combined_run: Path) -> None:
    page = render_report(combined_run).decode()
    section = page.split('<section id="ensembles"')[1].split("</section>")[0]
    said = Page(page).text
    assert section.index("what the run said of it") < section.index("<table")
    assert "It is ahead of lightgbm on 1 of 3 paths by log loss, on 1 by net return." in said
    assert "20 fits in 5 folds, and judged on 40,757 rows out of fold" in said
    assert "Refitting moved xgboost.p_up more than 2 times" in said
    assert "took 1.50 s, 1.50 % of the 1 min 40 s that those of its members took; what stands here took 4.00 s more" in said


def test_a_run_without_ensembles_has_no_such_section(usual_run: Path) -> None:
    assert 'id="ensembles"' not in render_report(usual_run).decode()


def test_gains_stand_out_beyond_chance_and_shifts_beyond_the_usual(parts: Any) -> None:
    gains, shifts = ([row.cells[place] for row in parts[0].rows] for place in (1, 3))
    assert [(cell.real, cell.odd) for cell in gains] == [(True, False), (False, True), (False, False)]
    assert [cell.odd for cell in shifts] == [False, False, True]
    assert [cell.text for cell in gains] == ["+0.0021", "\N{MINUS SIGN}0.0012", "+0.0001"]
    assert [row.number for row in parts[0].rows] == [0, 1, 2]


def test_pairs_are_told_for_every_block_of_rows(parts: Any) -> None:
    blocks = [block for block, _ in parts[0].pairs]
    assert blocks == ["out of fold, 40,757 rows", "splits of the cross-validation, 90,000 rows", "test block, 8,406 rows"]
    assert [pairs[0][:2] for _, pairs in parts[0].pairs] == [("logistic, lightgbm", text) for text in ("0.910", "0.900", "0.890")]


def test_weights_that_move_have_a_chart_and_meta_features_have_bars(parts: Any) -> None:
    gate, stack = parts
    assert (gate.weights_place, stack.weights_place) == ("weights-4", "")
    assert "logistic from 20.0\N{NO-BREAK SPACE}% to 40.0\N{NO-BREAK SPACE}%" in gate.weights_said
    assert gate.shares == ()
    assert [(bar.name, bar.number, bar.width) for bar in stack.shares[:2]] == [("lightgbm.p_up", 1, 100.0), ("logistic.p_up", 0, 50.0)]
    assert stack.shares[-1].number == 5  # a regime belongs to no member: the ensemble's own colour


def test_a_stacking_with_a_gate_shows_what_the_gate_weighs_beside_its_own_inputs(judgement: dict[str, Any]) -> None:
    told = combined(judgement)
    gate, stack = (one["weights"] for one in told["ensembles"][:2])
    stack |= {"n_bars": gate["n_bars"], "through_time": gate["through_time"]}
    part = ensemble_parts(Judgement.model_validate(told), None)[1]
    assert part.shares
    assert part.weights_place
    assert "its gate's weights, whose blend is one input, go: logistic from" in part.weights_said


def test_the_chart_stacks_members_in_their_colours_above_what_tells_the_regime(judgement: dict[str, Any]) -> None:
    found = Judgement.model_validate(combined(judgement)).ensembles[0].weights.through_time
    assert found is not None
    figure = weights_chart(found, {label: number for number, label in enumerate(MEMBERS)})
    assert figure is not None
    areas, lines = figure["data"][:3], figure["data"][3:]
    assert [area["line"]["color"] for area in areas] == [series_colour(number) for number in range(3)]
    assert {area["stackgroup"] for area in areas} == {"weights"}
    assert [line["name"] for line in lines] == ["probability of regime 1"]
    assert len(figure["x"]) == len(lines[0]["y"]) == len(found.open_time)
    assert weights_chart(ThroughTime(), {}) is None
    assert regime_title("trend_regime_20") == "trend_regime_20"


def test_what_is_not_known_is_left_out(judgement: dict[str, Any]) -> None:
    told = combined(judgement)
    told["ensembles"] = [
        {"name": "hmm_gating", "members": list(MEMBERS), "comparison": None},
        {"name": "ridge_stacking", "members": list(MEMBERS), "comparison": comparison(n_paths=1)},
    ]
    told["ensembles"][1]["out_of_fold"] = {"diversity": {"not_left_out": "gate: 40 rows to fit on; expected 50 or more."}}
    bare, short = ensemble_parts(Judgement.model_validate(told), Timings.model_validate({}))
    assert bare.verdict == "It was not compared with its members."
    assert (bare.notes, bare.pairs, bare.paths, bare.ahead) == ((), (), (), "")
    assert bare.rows[0].cells[1].text == "n/a"
    assert short.ahead == ""
    assert short.notes == ("No member could be left out: gate: 40 rows to fit on; expected 50 or more.",)


def test_a_difference_of_returns_is_in_points_with_its_sign() -> None:
    assert [points(value) for value in (0.0123, -0.0123, 0.0, None)] == ["+1.23 points", "\N{MINUS SIGN}1.23 points", "0.00 points", "n/a"]


def test_what_came_of_a_fit_is_told_in_sentences(combined_run: Path) -> None:
    fits = [model["fit"] for model in read_json(combined_run / "metrics" / "judgement.json")["models"][-2:]]
    gate, stack = (fit_sentences(fit) for fit in fits)
    assert gate[0] == "Learned from 40,757 rows out of fold, forecast in 5 folds; 12 rows out of some member's reach left out."
    assert gate[2].startswith("Regime 1 (300 rows): logistic 25.0")
    assert gate[2].endswith("regime 2 (12 rows): as all rows.")
    assert stack[1] == "The meta-learner's log loss is 0.6875."
    training = render_report(combined_run).decode().split('<section id="training"')[1].split("</section>")[0]
    assert "The meta-learner&#39;s log loss is 0.6875." in training
    assert fit_sentences({}) == ()


def test_a_vote_and_a_fusion_are_told_by_what_they_chose() -> None:
    loss = {"name": "log loss", "members": {"a": 0.69, "b": 0.68}, "equal": 0.685, "ensemble": 0.679}
    vote = fit_sentences({"weights": {"a": 0.25, "b": 0.75}, "weighted_by": "fitted", "loss": loss})
    assert vote[0].startswith("Weights, fitted: a 25.0")
    assert vote[1].startswith("On these rows, which its weights have seen, its log loss is 0.6790, with equal weights 0.6850")
    assert fit_sentences({"C": 0.1, "cv": [{}, {}]}) == ("Of 2 penalties C = 0.1 lost least over the folds.",)


def test_the_leaderboard_names_the_members_and_the_terminal_what_they_come_to() -> None:
    told = board()
    told["models"][0] |= {"name": "gate", "model": "hmm_gating", "family": "ensemble", "inputs": 0, "members": ["lstm", "logistic"]}
    assert "gate combines lstm and logistic." in leaderboard_notes(told)
    told["ensembles"] = {"gate": "gate is not better than its best member, lstm."}
    assert leaderboard_notes(told)[-1] == "gate is not better than its best member, lstm."


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_the_section_fits_a_phone_and_draws_its_chart(combined_run: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_bytes(render_report(combined_run))
    with browser(tmp_path / "chromium") as tab:
        opens_cleanly(tab, page, 390, True)
        assert tab.value("document.querySelectorAll('#weights-4 .scatterlayer .trace').length") == 4

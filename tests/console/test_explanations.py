"""What the report says of what the models look at, and of their health."""

import json
from pathlib import Path
from typing import Any

import pytest

from barmill.console import render_report
from barmill.console.explain_sections import explained_models
from barmill.console.health_table import health_table
from barmill.console.judgement import Judgement
from console.chromium import CHROMIUM, browser, opens_cleanly
from console.conftest import equity, usual_judgement, write_run
from console.explained import explained, output
from console.test_page import Page
from console.validated import path_curves, validated

NAMES = ["logistic", "lightgbm", "xgboost", "lstm"]


@pytest.fixture(scope="module")
def explained_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = write_run(tmp_path_factory.mktemp("explained") / "run", explained(validated(usual_judgement())), equity(NAMES, 3_000))
    path_curves().write_parquet(run / "metrics" / "paths.parquet")
    return run


def parsed(judgement: dict[str, Any]) -> Judgement:
    return Judgement.model_validate(json.loads(json.dumps(judgement)))


def test_every_explained_output_has_a_figure_and_an_older_run_has_no_section(explained_run: Path, usual_run: Path) -> None:
    page = Page(render_report(explained_run).decode())
    assert "What the models look at" in page.text
    assert page.ids.index("explanations") < page.ids.index("importance")
    assert "Health of the fits" in page.text
    assert "Its own selection of variables" in page.text
    assert "components-3" in page.ids
    before = Page(render_report(usual_run).decode())
    assert "explanations" not in before.ids
    assert "Health of the fits" not in before.text


def test_figures_say_which_way_how_concentrated_how_exact_and_how_stable(explained_run: Path) -> None:
    said = Page(render_report(explained_run).decode()).text
    for words in (
        "integrated gradients, on 256 rows; they miss what they explain by 0.27 % in the mean",
        "Gini of importances 0.71 over 20 features",
        "Over 15 splits the ranks correlate by 0.74 (at least 0.51), and 83 % of the top 10 stay (50 % would by chance)",
        "Half of it comes from the last 7 of 60 bars",
        "8 further features with less",
    ):
        assert words in said.replace("\N{NO-BREAK SPACE}", " "), words


def test_a_bar_is_as_long_as_its_share_and_marked_by_gain_deviation_and_direction() -> None:
    judgement = usual_judgement()
    names = judgement["features"]["names"]
    found = output(names, 0, "tree_shap")
    found["features"] = [
        {"feature": "a", "share": 0.5, "direction": 0.9, "gain": 0.25},
        {"feature": "b", "share": 0.3, "direction": -0.9, "gain": 0.75},
        {"feature": "c", "share": 0.2, "direction": 0.1, "gain": 0.0},
    ]
    judgement["models"][1]["explanation"] = {"rows": 9, "outputs": {"p_up": found}}
    (one,) = explained_models(parsed(judgement))
    assert [bar.width for bar in one.bars] == [66.67, 40.0, 26.67]
    assert [bar.gain for bar in one.bars] == [33.33, 100.0, 0.0]
    assert [bar.arrow for bar in one.bars] == ["↑", "↓", "↕"]
    assert one.bars[0].whisker is None
    assert (one.strips, one.variables, one.components) == ((), (), "")


def test_a_strip_goes_from_the_oldest_bar_to_the_decision_and_long_windows_are_put_together() -> None:
    judgement = usual_judgement()
    names = judgement["features"]["names"]
    shares = [0.0] * 511 + [1.0]
    judgement["models"][3]["explanation"] = {"rows": 9, "outputs": {"p_up": output(names, 0, "integrated_gradients", by_position=shares)}}
    (one,) = explained_models(parsed(judgement))
    (strip,) = one.strips
    assert (strip.first, strip.last) == ("511 bars back", "decision bar")
    assert len(strip.cells) == 57
    assert strip.cells[-1].heat == 100.0
    assert {cell.heat for cell in strip.cells[:-1]} == {0.0}
    assert "Half of it or more comes from the decision bar" in one.facts


def test_timeframes_have_a_strip_each_on_one_scale() -> None:
    judgement = usual_judgement()
    names = judgement["features"]["names"]
    told = output(names, 0, "integrated_gradients", by_position=[0.1, 0.2, 0.4, 0.3], scales=["1m", "1m", "5m", "5m"])
    judgement["models"][3]["explanation"] = {"rows": 9, "outputs": {"p_up": told}}
    (one,) = explained_models(parsed(judgement))
    assert [strip.title for strip in one.strips] == ["By bar of 1m", "By bar of 5m"]
    assert [[cell.heat for cell in strip.cells] for strip in one.strips] == [[25.0, 50.0], [100.0, 75.0]]


def test_health_is_a_column_for_each_fit_with_what_is_usual_and_figures_that_nobody_named() -> None:
    table = health_table(parsed(explained(usual_judgement())))
    assert table is not None
    assert [name for _, name in table.columns] == ["logistic", "lightgbm, p_up", "lightgbm, E_r", "xgboost, p_up", "xgboost, E_r", "lstm"]
    rows = {title: (usual, cells) for title, usual, cells in table.rows}
    usual, cells = rows["Entropy of attention, nats"]
    assert usual == "0.50 to 2.0"
    assert (cells[5].text, cells[5].outside) == ("3.20", True)
    assert (cells[0].text, cells[0].outside) == ("", False)
    assert rows["Gradient norm, median"][1][5].outside is False
    assert rows["Condition of the features"][1][0].outside is True
    assert rows["Some figure"][1][5].text == "4.00"
    assert health_table(parsed(usual_judgement())) is None


def test_health_is_no_part_of_the_learning_curves(explained_run: Path) -> None:
    assert "lstm, health" not in Page(render_report(explained_run).decode()).text


def test_unknown_and_empty_explanations_still_render(make_run: Any, judgement: dict[str, Any]) -> None:
    explained(judgement)
    judgement["models"][0]["explanation"] = {}
    judgement["models"][1]["explanation"]["outputs"]["p_up"] |= {"features": [], "gini": None, "method": "", "completeness": {}}
    judgement["models"][2]["explanation"]["outputs"]["p_up"]["features"][0] |= {"share": None, "direction": None, "gain": None}
    judgement["models"][3]["explanation"]["outputs"]["p_up"]["by_position"] = [0.0] * 60
    said = Page(render_report(make_run(judgement)).decode()).text
    assert "not said how" in said
    assert "None" not in said.replace("None were", "").replace("None of", "")


def test_hostile_names_stay_words(make_run: Any, judgement: dict[str, Any]) -> None:
    attack = "</script><img src=x onerror=alert(1)>{{ 7*7 }}"
    explained(judgement)
    told = judgement["models"][3]["explanation"]
    told["outputs"]["p_up"]["features"][0]["feature"] = told["outputs"]["p_up"]["baseline"] = attack
    told["read_out"]["variables"][0]["feature"] = attack
    told["outputs"][attack] = told["outputs"]["p_up"]
    judgement["models"][3]["fit"]["health"][attack] = 1.0
    page = Page(render_report(make_run(judgement)).decode())
    assert "img" not in page.tags
    assert page.text.count(attack) >= 5


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_opens_without_errors_and_fits_a_phone_in_light_and_a_screen_in_dark(explained_run: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_bytes(render_report(explained_run))
    with browser(tmp_path / "chromium") as tab:
        for width, dark in ((390, False), (1280, True)):
            opens_cleanly(tab, page, width, dark)
            assert tab.value("document.querySelectorAll('#components-3 .scatterlayer .trace').length") == 4

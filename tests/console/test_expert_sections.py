"""The experts in the report: each says in words whether it is better than a naive baseline, and a run without experts has no section."""

import json
from pathlib import Path
from typing import Any

import pytest

from barmill.console import render_report
from barmill.console.expert_sections import expert_parts
from barmill.console.health_table import health_table
from barmill.console.judgement import Judgement
from console.chromium import CHROMIUM, browser, opens_cleanly
from console.conftest import equity, usual_judgement, write_run
from console.explained import output
from console.test_page import Page

PATTERNS = ["none", "flag", "wedge", "blow_off", "wick_exhaustion"]


def gain(loss: str, level: float | None, better_by: float, interval: list[float | None], **more: Any) -> dict[str, Any]:
    told = {"loss": loss, "level": level, "model": 0.66, "baseline": 0.66 + better_by, "better_by": better_by, "interval": interval}
    return {**told, "n": 900, **more}


def expert(name: str, question: str, scores: dict[str, Any], **more: Any) -> dict[str, Any]:
    names = usual_judgement()["features"]["names"]
    return {
        "name": name,
        "model": name,
        "question": question,
        "asked": "What becomes of a long trade.",
        "outputs": ["said"],
        "answers": {"n": {"train": 5000, "test": 900}, "first_time": "2024-01-05 04:24 UTC", "last_time": "2024-01-07 20:09 UTC"},
        "scores": scores,
        "explanation": {"rows": 75, "outputs": {"said": output(names, 0, "tree_shap")}},
        **more,
    }


def experts() -> list[dict[str, Any]]:
    """One that is better, one that is not shown to be, one that is worse, one with too few rows; patterns among them."""
    entry = {
        "gains": [gain("log loss", None, 0.031, [0.012, 0.051])],
        "figures": {"auc": 0.612, "ece": 0.021, "mean_R_above_0.7": None, "precision_at_3": 0.6, "new_figure": 4.0},
        "confusion": [[400, 100], [200, 200]],
    }
    covered = {"coverage": 0.71, "baseline_coverage": 0.66}
    levels = [gain("pinball", level, by, [-0.01, 0.02], **covered) for level, by in ((0.6, 0.001), (0.7, 0.004))]
    reward = {
        "online": 0.7,
        "gains": levels,
        "figures": {"uplift_R": 0.123, "uplift_interval": [-0.1, 0.3], "best_uplift_R": 0.4, "best_uplift_interval": [0.1, 0.7]},
    }
    risk = {"online": 0.7, "gains": [gain("pinball", 0.7, -0.02, [-0.03, -0.01], **covered)], "figures": {"stop_hit_rate": 0.31}}
    cnn = {
        "gains": [gain("log loss", None, 0.2, [None, None])],
        "figures": {"macro_f1": 0.4, "flags": 13},
        "per_class": [
            {"name": name, "precision": None, "recall": 0.5, "f1": 0.25, "n": 9 - place, "said": place}
            for place, name in enumerate(PATTERNS)
        ],
        "confusion": [[9 - abs(row - column) for column in range(5)] for row in range(5)],
    }
    return [
        expert("entry", "outcomes", entry, class_names=["not reached", "reached"], calibration={"ece_before": 0.09, "ece": 0.021}),
        expert("reward", "outcomes", reward),
        expert("risk", "outcomes", risk),
        expert("pattern_cnn", "patterns", cnn, class_names=PATTERNS),
    ]


@pytest.fixture(scope="module")
def expert_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    judgement = usual_judgement() | {"experts": experts()}
    return write_run(tmp_path_factory.mktemp("experts") / "run", judgement, equity([model["name"] for model in judgement["models"]], 500))


def parts() -> dict[str, Any]:
    judgement = Judgement.model_validate(json.loads(json.dumps(usual_judgement() | {"experts": experts()})))
    return {part.name: part for part in expert_parts(judgement)}


def test_an_expert_is_called_better_only_where_its_interval_is_above_nothing() -> None:
    found = parts()
    assert {name: part.better for name, part in found.items()} == {"entry": True, "reward": False, "risk": False, "pattern_cnn": False}
    said = {name: part.verdict.replace("\N{NO-BREAK SPACE}", " ") for name, part in found.items()}
    assert (
        said["entry"] == "Better than the naive baseline: log loss 0.660 against 0.691, better by 0.0310 (0.0120 to 0.0510, 95 % interval)."
    )
    assert said["reward"].startswith("Not shown to be better than the naive baseline: pinball loss at 0.7 0.660 against 0.664")
    assert said["risk"].startswith("Worse than the naive baseline")
    assert said["pattern_cnn"].startswith("Too few rows to say")


def test_figures_stand_in_words_with_their_intervals() -> None:
    found = {name: dict(part.facts) for name, part in parts().items()}
    assert found["entry"]["AUC"] == "0.612"
    assert found["entry"]["ECE, before calibration and after"] == "0.090, 0.021"
    assert found["entry"]["Mean where p is 0.7 or more"] == "n/a"
    assert found["entry"]["new figure"] == "4.00"
    assert found["reward"]["Over a fixed target of 2 R"].replace("\N{NO-BREAK SPACE}", " ") == "0.123 R (\N{MINUS SIGN}0.100 to 0.300)"
    assert list(found["reward"]) == ["Over a fixed target of 2 R", "The same, fifth with the highest targets"]


def test_the_section_holds_losses_patterns_confusion_and_what_they_look_at(expert_run: Path, usual_run: Path) -> None:
    page = Page(render_report(expert_run).decode())
    assert page.ids.index("importance") < page.ids.index("experts") < page.ids.index("provenance")
    for words in (
        "Other questions",
        "Pinball loss at 0.7",
        "blow off",
        "was / said",
        "entry, said",
        "5,000 answers taught it and 900 judge it, from 2024-01-05 04:24 UTC",
        "The baseline always says the training rows' own quantile of each level",
    ):
        assert words in page.text, words
    before = Page(render_report(usual_run).decode())
    assert "experts" not in before.ids
    assert "Other questions" not in before.text


def test_health_and_losses_of_a_fit_are_shown_as_those_of_models() -> None:
    told = experts()
    told[0]["fit"] = {"p_entry": {"health": {"trees": 41, "leaf_depth_mean": 9.5}}}
    told[3]["fit"] = {"history": {"train": [1.2, 1.0], "valid": [1.3, 1.1]}}
    judgement = Judgement.model_validate(json.loads(json.dumps(usual_judgement() | {"experts": told})))
    table = health_table(judgement)
    assert table is not None
    assert [name for _, name in table.columns][-1] == "entry, p_entry"
    assert table.columns[-1][0] == len(judgement.models)
    depth = next(cells for title, _, cells in table.rows if title == "Depth of leaves, mean")
    assert depth[-1].outside
    assert [part.learned for part in expert_parts(judgement)] == [False, False, False, True]


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
@pytest.mark.parametrize(("width", "dark"), [(360, False), (1280, True)])
def test_the_page_opens_cleanly_on_a_phone_and_on_a_screen(expert_run: Path, width: int, dark: bool, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_bytes(render_report(expert_run))
    with browser(tmp_path / "chromium") as tab:
        opens_cleanly(tab, page, width, dark)

"""What the sections on paths, luck, leakage and tuning say, and what they leave unsaid where it is not known."""

import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from barmill.artefacts import write_json
from barmill.console import Judgement, render_report
from barmill.console.judged_luck import Pbo
from barmill.console.judged_paths import CrossValidation
from barmill.console.luck_charts import degradation, logit_histogram
from barmill.console.luck_sections import pbo_facts
from barmill.console.path_charts import MOST_POINTS, fans
from barmill.console.path_sections import cut_sentences, path_rows
from console.test_page import Page
from console.validated import MODELS, path_curves, validated


def text_of(run: Path) -> str:
    return Page(render_report(run).decode()).text


def test_the_paths_are_told_with_their_spread_and_their_integrity(validated_run: Path) -> None:
    said = text_of(validated_run)
    assert "cut into 10 groups in time order; every choice of 2 of them judges once while the others teach" in said
    assert "45 splits, whose forecasts make up 9 paths" in said
    assert "each of 150,000 labels once on 9 paths; 59 labels out of its window's reach; 36 decisions without a label" in said
    assert "Loses out of sample: no ratio is defined, and none is needed." in said


def test_a_figure_stands_out_only_where_nearly_all_paths_beat_no_skill(judgement: dict[str, Any]) -> None:
    rows = path_rows(Judgement.model_validate(validated(judgement)))
    sharpes = [row.cells[0] for row in rows]
    assert [cell.real for cell in sharpes] == [False, True, False, False]
    assert all(cell.strip is not None and len(cell.strip.dots) == 9 for cell in sharpes)
    assert all(0 <= place <= 100 for cell in sharpes if cell.strip for place in cell.strip.dots)


def test_one_path_has_a_figure_and_no_spread(judgement: dict[str, Any]) -> None:
    proved = validated(judgement)
    for model in proved["cross_validation"]["models"]:
        model["paths"] = model["paths"][:1]
    cell = path_rows(Judgement.model_validate(proved))[1].cells[0]
    assert cell.note == "one path"
    assert not cell.real


@pytest.mark.parametrize(
    ("method", "words"), [("purged_kfold", "5 folds in time order"), ("walk_forward", "judged in 5 steps"), ("new", "judged in 5 splits")]
)
def test_each_method_is_told_in_its_own_words(method: str, words: str) -> None:
    assert words in cut_sentences(CrossValidation(method=method, n_splits=5))[0]


def test_holes_in_the_paths_are_marked(make_run: Any, judgement: dict[str, Any]) -> None:
    proved = validated(judgement)
    proved["cross_validation"]["models"][0]["oof"] |= {"complete": False}
    text = render_report(make_run(proved)).decode()
    assert '<span class="tag error">not complete: some labels lack a forecast, or have two</span>' in text


def test_luck_is_told_with_the_trials_of_other_ledgers(validated_run: Path) -> None:
    said = text_of(validated_run)
    for words in (
        "Of other ledgers on the same time 7",
        "Trials counted 41",
        "lightgbm : DSR 0.120: cannot be told from the luck of 41 trials.",
        "PBO 41%: high overfitting risk",
        "12,870 of 16 blocks",
        "Hansen's test for superior predictive ability over 41 configurations: p-value 0.382. The best is not told from doing nothing.",
        "never enough",
        "Other ledgers whose bars share this time",
    ):
        assert words in said


def test_passed_failed_and_not_applicable_are_told_apart(validated_run: Path) -> None:
    said = text_of(validated_run)
    assert "4 checks before anything was trained: 2 passed, 1 failed, 1 not applicable, for lack of what they look at" in said
    assert "L209 is allowed by the recipe. The reason given: the column is a deliberate control" in said
    text = render_report(validated_run).decode()
    assert re.findall(r'<span class="tag (passed|failed|not-applicable)">', text.split('id="leakage"')[1]) == [
        "passed",
        "passed",
        "failed",
        "not-applicable",
    ]


def test_a_tuning_is_told_with_what_was_stopped_and_what_was_best(validated_run: Path) -> None:
    said = text_of(validated_run)
    assert "30 trials, 8 stopped early, 1 failed; best log loss 0.691" in said
    assert "learning_rate 0.02130" in said


def test_intervals_stand_beside_the_headline_figures(validated_run: Path) -> None:
    said = text_of(validated_run)
    assert "inside the random band: −7.10 to 2.80; interval −6.10 to 0.90" in said
    assert "interval −27.0 % to −11.0 %" in said


def test_what_is_not_known_of_the_proof_says_so(make_run: Any, judgement: dict[str, Any]) -> None:
    judgement |= {"cross_validation": {"method": "cpcv"}, "overfitting": {}, "leakage": {}, "tuning": [{"model": "lightgbm"}]}
    said = text_of(make_run(judgement))
    assert "No model has paths." in said
    assert "0 checks before anything was trained" in said
    assert re.search(r"\b(nan|None(?! were| of)|inf|undefined)\b", said) is None


def test_hostile_words_stay_words_in_every_section(make_run: Any, judgement: dict[str, Any]) -> None:
    attack = "</script><img src=x onerror=alert(1)>\"'{{ 7*7 }}"
    proved = validated(judgement)
    name = proved["models"][1]["name"] = attack
    for part in (proved["cross_validation"]["models"][1], proved["overfitting"]["models"][1]):
        part["name"] = name
    proved["cross_validation"] |= {"method": attack, "first_time": attack}
    proved["overfitting"]["pbo"]["words"] = proved["overfitting"]["models"][0]["words"] = attack
    proved["overfitting"]["reality_check"] |= {"method": attack, "words": attack}
    proved["leakage"]["findings"][0] |= {"column": attack, "reason": attack, "severity": attack}
    proved["leakage"]["allowed"][0]["reason"] = proved["leakage"]["checks"][0]["message"] = attack
    proved["tuning"][0] |= {"model": name, "metric": attack, "best": {attack: attack}}
    proved["ledger"]["overlapping"][0]["fingerprint"] = attack
    text = render_report(make_run(proved)).decode()
    page = Page(text)
    assert "img" not in page.tags
    assert page.tags.count("script") == 3
    assert page.text.count(attack) > 12
    drawn = json.loads(text.split('id="chart-data">')[1].split("</script>")[0])
    assert "<" not in drawn["tuning-0"]["layout"]["yaxis"]["title"]["text"]


def test_a_certificate_in_the_run_folder_is_told_and_linked(make_run: Any, judgement: dict[str, Any]) -> None:
    run = make_run(judgement)
    estimate = {"value": 0.5004, "low": 0.4961, "high": 0.5047, "n": 60}
    null = {"n_markets": 60, "auc": estimate, "promotion": {"net": {"count": 2, "value": 0.0083, "n": 240}}}
    write_json(run / "prove" / "certificate.json", {"verdict": "refused", "reasons": ["the AUC is not one half"], "null": null})
    text = render_report(run).decode()
    assert '<span class="tag failed">refused</span>' in text
    assert '<a href="prove/certificate.html">' in text
    assert "The AUC is not one half." in text
    assert "AUC there 0.5004 (0.4961 to 0.5047)" in Page(text).text


def test_a_fan_has_every_path_and_their_median_and_few_points() -> None:
    found = fans(MODELS, path_curves())
    assert list(found) == list(MODELS)
    figure = found["lstm"]
    assert len(figure["x"]) == MOST_POINTS
    assert len(figure["data"]) == 10
    assert {len(curve["y"]) for curve in figure["data"]} == {MOST_POINTS}
    columns = sorted(curve["y"][-1] for curve in figure["data"][:-1])
    assert figure["data"][-1]["y"][-1] == columns[4]
    assert len({json.dumps(one["layout"]["yaxis"]["range"]) for one in found.values()}) == 1


def test_a_fan_survives_models_whose_names_begin_alike_and_holes() -> None:
    frame = pl.DataFrame({"open_time": [0, 60_000], "a|0": [1.0, None], "a|b|0": [1.0, 1.5], "a|b|1": [1.0, 0.5]})
    found = fans(("a", "a|b", "c"), frame)
    assert list(found) == ["a", "a|b"]
    assert found["a"]["data"][0]["y"] == [0.0, None]
    assert found["a|b"]["data"][-1]["y"] == [0.0, 0.0]
    assert fans(("a",), None) == {}


@pytest.mark.parametrize(("configurations", "share"), [(2, "50.0"), (3, "66.7"), (4, "50.0"), (5, "60.0")])
def test_what_a_lot_would_show_is_told_beside_the_pbo(configurations: int, share: str) -> None:
    facts = dict(pbo_facts(Pbo(pbo=0.7, n_configurations=configurations)))
    assert facts["If the choice were drawn by lot"].startswith(share)


def test_the_shares_of_the_histogram_are_all_of_the_logits(judgement: dict[str, Any]) -> None:
    overfitting = Judgement.model_validate(validated(judgement)).overfitting
    assert overfitting is not None
    pbo = overfitting.pbo
    assert pbo is not None
    figure = logit_histogram(pbo)
    assert figure is not None
    assert sum(share for side in figure["data"] for share in side["y"]) == pytest.approx(1, abs=2e-3)
    known = [value for value in pbo.logits if value is not None]
    assert sum(figure["data"][0]["y"]) == pytest.approx(sum(value <= 0 for value in known) / len(known), abs=2e-3)
    thirds = logit_histogram(pbo.model_copy(update={"logits": (-1.1, 0.0, 1.1), "pbo": 2 / 3}))
    assert thirds is not None
    assert sum(thirds["data"][0]["y"]) == pytest.approx(2 / 3, abs=1e-3)
    drawn = degradation(pbo)
    assert drawn is not None
    line = drawn["data"][-1]
    assert (line["y"][1] - line["y"][0]) / (line["x"][1] - line["x"][0]) == pytest.approx(-0.61, abs=0.01)

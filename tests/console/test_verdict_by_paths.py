"""The verdict where there are paths and a count of trials: they have the first word, and a flattering test block has not."""

from typing import Any

import pytest

from barmill.console import Judgement, Verdict, verdict_on
from console.validated import validated

SPACE = "\N{NO-BREAK SPACE}"
ABOVE = {"sharpe": 6.0, "above_chance": True, "total_return": 0.2}


def verdict(judgement: dict[str, Any], dsr: float = 0.12, sharpe: float = 1.3, **trading: Any) -> Verdict:
    judgement["models"][1]["trading"] |= trading
    sharpes = {"logistic": -1.4, "lightgbm": sharpe, "xgboost": -0.6, "lstm": -3.2}
    return verdict_on(Judgement.model_validate(validated(judgement, sharpes, {"lightgbm": dsr})))


def test_no_more_than_luck_is_said_first_with_its_figures(judgement: dict[str, Any]) -> None:
    said = verdict(judgement)
    assert said.headline == "Over 9 paths lightgbm earned no more after costs than 41 trials would by luck."
    assert said.figures.startswith("Over 9 paths: median net Sharpe 1.34 (0.58 to 2.06), DSR 0.120 after 41 trials, PBO 41")
    assert said.figures.endswith("On the test block: AUC 0.513 (0.501 to 0.525), net Sharpe −2.60 against a random band of −7.10 to 2.80.")
    assert said.standing == "within"


def test_a_success_on_the_test_block_alone_is_called_luck(judgement: dict[str, Any]) -> None:
    said = verdict(judgement, **ABOVE)
    assert said.standing == "luck"
    assert "earned no more after costs than 41 trials would by luck" in said.headline
    assert any(remark.startswith("On the test block alone lightgbm beat chance. One in twenty") for remark in said.remarks)


def test_a_promotion_that_the_test_block_bears_out_is_a_success(judgement: dict[str, Any]) -> None:
    said = verdict(judgement, dsr=0.97, **ABOVE)
    assert said.standing == "above"
    assert said.headline.endswith("earned more after costs than 41 trials would by luck, and the test block bears it out.")
    assert not any("luck alone puts one in twenty" in remark for remark in said.remarks)


def test_a_promotion_that_the_test_block_does_not_bear_out_is_none(judgement: dict[str, Any]) -> None:
    said = verdict(judgement, dsr=0.97)
    assert said.headline.endswith("but the test block does not bear it out.")
    assert said.standing == "within"


def test_a_loss_over_the_paths_is_a_loss(judgement: dict[str, Any]) -> None:
    assert verdict(judgement, sharpe=-0.4).headline == "Over 9 paths lightgbm did not earn its costs."


@pytest.mark.parametrize(("block", "paths", "where"), [("test", 9, "On the test block"), ("cross_validation", 1, "Out of fold")])
def test_it_says_on_what_it_rests(judgement: dict[str, Any], block: str, paths: int, where: str) -> None:
    proved = validated(judgement)
    proved["overfitting"]["block"] = block
    proved["cross_validation"]["n_paths"] = paths
    assert verdict_on(Judgement.model_validate(proved)).headline.startswith(f"{where} lightgbm earned no more")


def test_without_a_deflated_sharpe_ratio_the_verdict_is_that_of_the_test_block(judgement: dict[str, Any]) -> None:
    proved = validated(judgement)
    proved["overfitting"]["models"][1]["dsr"] = None
    assert verdict_on(Judgement.model_validate(proved)).headline == "On the test block no model beat chance after costs."


def test_what_the_recipe_lets_pass_stands_in_the_verdict(judgement: dict[str, Any]) -> None:
    said = verdict(judgement)
    assert "The recipe lets the leakage finding L209 pass: the column is a deliberate control." in said.remarks
    proved = validated(judgement)
    proved["leakage"]["allowed"][0]["found"] = False
    assert not any("L209" in remark for remark in verdict_on(Judgement.model_validate(proved)).remarks)


def test_paths_with_holes_are_told(judgement: dict[str, Any]) -> None:
    proved = validated(judgement)
    proved["cross_validation"]["models"][1]["oof"]["complete"] = False
    assert any("not whole" in remark for remark in verdict_on(Judgement.model_validate(proved)).remarks)


def test_a_promoted_model_that_was_not_selected_is_not_chosen_afterwards(judgement: dict[str, Any]) -> None:
    proved = validated(judgement, dsr={"xgboost": 0.99})
    remarks = verdict_on(Judgement.model_validate(proved)).remarks
    assert "xgboost stood above luck, but was not selected: to choose it now is one more trial." in remarks

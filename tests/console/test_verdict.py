from typing import Any

import pytest

from barmill.console import Judgement, verdict_on
from barmill.console.verdict import random_band_sentence, standing_of


def verdict(judgement: dict[str, Any]):
    return verdict_on(Judgement.model_validate(judgement))


def test_no_model_above_chance_is_said_plainly_with_its_figures(judgement: dict[str, Any]) -> None:
    said = verdict(judgement)
    assert said.standing == "within"
    assert said.headline == "On the test block no model beat chance after costs."
    assert (
        said.figures == "Best by selection: lightgbm, AUC 0.513 (0.501 to 0.525), net Sharpe −2.60 against a random band of −7.10 to 2.80."
    )
    assert said.remarks == ("It does rank outcomes better than a coin, but not by enough to pay for its trades.",)


def test_an_interval_that_holds_one_half_is_no_better_than_a_coin(judgement: dict[str, Any]) -> None:
    judgement["models"][1]["classification"]["auc_interval"] = [0.499, 0.527]
    assert "Its ranking of outcomes cannot be told from a coin's." in verdict(judgement).remarks


def test_a_success_is_called_one_and_set_against_the_number_of_trials(judgement: dict[str, Any]) -> None:
    judgement["models"][1]["trading"] |= {"sharpe": 5.0, "above_chance": True, "total_return": 0.2}
    said = verdict(judgement)
    assert (said.standing, said.headline) == ("above", "On the test block lightgbm beat chance after costs.")
    assert any("12 trials" in remark for remark in said.remarks)


def test_losing_less_than_random_signals_is_no_success(judgement: dict[str, Any]) -> None:
    trading = judgement["models"][1]["trading"]
    trading |= {"sharpe": -3.0, "above_chance": False}
    trading["random"] |= {"p05": -20.0, "p95": -8.0}
    said = verdict(judgement)
    assert said.standing == "less_loss"
    assert "no model beat chance" in said.headline
    assert any("only lost less" in remark for remark in said.remarks)


def test_below_the_band_is_no_hidden_skill(judgement: dict[str, Any]) -> None:
    judgement["models"][1]["trading"]["sharpe"] = -30.0
    assert verdict(judgement).standing == "below"


def test_a_model_that_was_not_selected_is_not_chosen_afterwards(judgement: dict[str, Any]) -> None:
    judgement["models"][3]["trading"] |= {"sharpe": 9.0, "above_chance": True}
    said = verdict(judgement)
    assert said.headline == "On the test block the selected model, lightgbm, did not beat chance after costs."
    assert any(remark.startswith("lstm came out above chance, but was not selected") for remark in said.remarks)


def test_no_trade_no_comparison(judgement: dict[str, Any]) -> None:
    judgement["models"][1]["trading"] |= {"n_trades": 0, "sharpe": None}
    said = verdict(judgement)
    assert said.standing == "unknown"
    assert "made no trade" in said.headline


@pytest.mark.parametrize("models", [[], None])
def test_without_a_selected_model_there_is_nothing_to_judge(judgement: dict[str, Any], models: list[Any] | None) -> None:
    judgement["models"] = models if models is not None else [{**judgement["models"][0], "selected": False}]
    assert verdict(judgement).standing == "unknown"
    assert verdict(judgement).figures == ""


def test_the_share_of_a_planted_edge_is_told(judgement: dict[str, Any]) -> None:
    judgement["oracle"] = {"auc": 0.61, "share_found": {"lightgbm": 0.71}}
    assert "planted edge allows an AUC of 0.610, and lightgbm found 71\N{NO-BREAK SPACE}% of it" in verdict(judgement).remarks[-1]


def test_the_random_band_is_explained_in_one_sentence(judgement: dict[str, Any]) -> None:
    model = Judgement.model_validate(judgement).models[1]
    said = random_band_sentence(model)
    assert "200 random signals" in said
    assert said.count(". ") == 0
    assert standing_of(model) == "within"

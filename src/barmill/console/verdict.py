"""What the run came to, in plain words. Honest is the feature: a result that luck could have given is called one.

Where there are paths and a count of trials they have the first word, since they decide; the test block only confirms.
"""

from dataclasses import dataclass
from typing import Literal

from barmill.console.figures import SPACE, fixed, listed, percent, plural, span
from barmill.console.judgement import Judgement, ModelResult
from barmill.console.verdict_by_paths import figures_of_proof, headline_by_proof, is_promoted, remarks_on_proof

FEW_TRADES = 50  # below this a single trade moves the result by more than a fiftieth

Standing = Literal["above", "less_loss", "within", "below", "unknown", "luck"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A headline, the figures behind it, and what else must be said with them.

    standing : where the selected model's net Sharpe ratio lies in its random band on the test block; "less_loss" is beyond its upper
        end, but not above 0; "luck" where the paths or the trials speak against a success there
    """

    standing: Standing
    headline: str
    figures: str
    remarks: tuple[str, ...]

    @property
    def text(self) -> str:
        """Headline and figures, for a terminal."""
        return f"{self.headline} {self.figures}".strip()


def standing_of(model: ModelResult) -> Standing:
    """Where the model's net Sharpe ratio lies in its random band."""
    trading, band = model.trading, model.trading.random
    if trading.sharpe is None or band.p05 is None or band.p95 is None or trading.n_trades == 0:
        return "unknown"
    if trading.above_chance:
        return "above"
    if trading.sharpe > band.p95:
        return "less_loss"
    return "below" if trading.sharpe < band.p05 else "within"


def ranks_better_than_chance(model: ModelResult) -> bool:
    """Whether the whole interval of the AUC lies above one half."""
    interval = model.classification.auc_interval
    return interval is not None and interval[0] is not None and interval[0] > 0.5


def verdict_on(judgement: Judgement) -> Verdict:
    """The verdict on a run; the selected model is the one chosen before the test block was opened."""
    chosen = judgement.selected
    if chosen is None:
        found = "No model was selected, so there is nothing to judge." if judgement.models else "No model was judged."
        return Verdict("unknown", found, "", ())
    standing = standing_of(chosen)
    others = [model.name for model in judgement.models if model is not chosen and standing_of(model) == "above"]
    remarks = (*_remarks(judgement, chosen, standing, others), *remarks_on_proof(judgement, chosen, confirmed=standing == "above"))
    proof = headline_by_proof(judgement, chosen, confirmed=standing == "above")
    if proof is None:
        figures = f"Best by {chosen_by(judgement)}: {chosen.name}, {_on_test(chosen)}."
        return Verdict(standing, _headline(judgement, chosen, standing, others), figures, remarks)
    shown: Standing = "luck" if standing == "above" and not is_promoted(judgement, chosen) else standing
    return Verdict(shown, proof, f"{figures_of_proof(judgement, chosen)} On the test block: {_on_test(chosen)}.", remarks)


def _headline(judgement: Judgement, chosen: ModelResult, standing: Standing, others: list[str]) -> str:
    if standing == "above":
        loss = chosen.trading.total_return is not None and chosen.trading.total_return <= 0
        return f"On the test block {chosen.name} beat chance after costs{', but still lost money' if loss else ''}."
    if standing == "unknown":
        if chosen.trading.n_trades == 0:
            return f"{chosen.name} made no trade on the test block, so its net result cannot be set against chance."
        return f"The net result of {chosen.name} on the test block cannot be set against chance."
    if others:
        return f"On the test block the selected model, {chosen.name}, did not beat chance after costs."
    if len(judgement.models) == 1:
        return f"On the test block {chosen.name} did not beat chance after costs."
    return "On the test block no model beat chance after costs."


def chosen_by(judgement: Judgement) -> str:
    """What chose among the models, before the test block was opened."""
    return "selection" if judgement.cross_validation is None else "cross-validation"


def _on_test(chosen: ModelResult) -> str:
    classes, trading, band = chosen.classification, chosen.trading, chosen.trading.random
    said = [f"AUC {fixed(classes.auc, 3)}"]
    if classes.auc_interval is not None and None not in classes.auc_interval:
        said[0] += f" ({span(*classes.auc_interval, decimals=3)})"
    if trading.sharpe is not None:
        against = "" if band.p05 is None or band.p95 is None else f" against a random band of {span(band.p05, band.p95, 2)}"
        said.append(f"net Sharpe {fixed(trading.sharpe, 2)}{against}")
    return ", ".join(said)


def _remarks(judgement: Judgement, chosen: ModelResult, standing: Standing, others: list[str]) -> list[str]:
    remarks: list[str] = []
    if judgement.labels.shuffle is not None:
        remarks.append("The outcomes of its labels were dealt out at random (labels.shuffle): whatever it shows, it is chance, or a leak.")
    skilled = ranks_better_than_chance(chosen)
    if standing in ("within", "below") and skilled:
        remarks.append("It does rank outcomes better than a coin, but not by enough to pay for its trades.")
    elif chosen.classification.auc is not None and not skilled:
        remarks.append("Its ranking of outcomes cannot be told from a coin's.")
    if standing == "less_loss":
        remarks.append(
            "Its timing was better than that of random signals, but it only lost less than they did: the trades do not pay for themselves."
        )
    if standing == "below":
        remarks.append(
            "It did worse than almost all random signals, which is no hidden skill: turned round, it would pay the same costs again."
        )
    counted = judgement.overfitting is not None and judgement.overfitting.of(chosen.name) is not None
    if standing == "above" and not counted and judgement.ledger.trials is not None and judgement.ledger.trials > 1:
        trials = plural(judgement.ledger.trials, "trial")
        remarks.append(
            f"The ledger counts {trials} on these bars: luck alone puts one in twenty above the band, so this is a lead, not a proof."
        )
    trades = chosen.trading.n_trades
    if standing == "above" and trades is not None and trades < FEW_TRADES:
        remarks.append(f"It rests on {plural(trades, 'trade')}, which is few: a handful of lucky ones would do.")
    if others and standing != "above":
        who = listed(others)
        was = "was not selected: to choose it" if len(others) == 1 else "were not selected: to choose one of them"
        remarks.append(f"{who} came out above chance, but {was} now would be to choose on the test block.")
    found = judgement.oracle.share_found.get(chosen.name) if judgement.oracle else None
    if judgement.oracle and judgement.oracle.auc is not None and found is not None:
        allowed = fixed(judgement.oracle.auc, 3)
        remarks.append(
            f"The market is simulated: its planted edge allows an AUC of {allowed}, and {chosen.name} found {percent(found, 2)} of it."
        )
    return remarks


def random_band_sentence(model: ModelResult | None) -> str:
    """What the random band is, in one sentence; nothing where there is none."""
    if model is None or model.trading.random.p05 is None:
        return ""
    count = model.trading.random.n
    signals = f"{count:,} random signals" if count else "random signals"
    return (
        f"The random band holds the middle 90{SPACE}% of the net Sharpe ratios of {signals} with the model's own exposure, sides, holding "
        "times and costs, only at other times: what luck alone would have earned."
    )

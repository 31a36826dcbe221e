"""The cards at the top: what the selected model came to, each with the figure that it must be read against."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from barmill.console.figures import basis_points, fixed, listed, percent, plural, whole
from barmill.console.judgement import Judgement, ModelResult, Trading
from barmill.console.model_table import auc_cell, auc_scale, sharpe_cell, sharpe_scale
from barmill.console.strips import Strip
from barmill.console.verdict import Standing, ranks_better_than_chance, standing_of

Tone = Literal["", "good", "doubt"]

STANDINGS: dict[Standing, str] = {
    "above": "above the random band",
    "less_loss": "above the random band, yet a loss",
    "within": "inside the random band",
    "below": "below the random band",
    "unknown": "no random band",
}


@dataclass(frozen=True, slots=True)
class Card:
    """A figure, what it is, and what it is read against."""

    title: str
    figure: str
    against: str
    tone: Tone = ""
    strip: Strip | None = None


def key_figures(judgement: Judgement) -> tuple[Card, ...]:
    """Cards of the selected model, and of the run."""
    chosen = judgement.selected
    cards = () if chosen is None else _of_model(judgement, chosen)
    trials = judgement.ledger.trials
    counted = Card("Trials on these bars", whole(trials), plural(judgement.ledger.test_openings, "opening") + " of the test block")
    return (*cards, counted)


def _of_model(judgement: Judgement, model: ModelResult) -> tuple[Card, ...]:
    trading, standing = model.trading, standing_of(model)
    auc, sharpe = auc_cell(model, auc_scale(judgement)), sharpe_cell(model, sharpe_scale(judgement))
    held = judgement.baselines.get("buy_and_hold")
    skilled = ranks_better_than_chance(model)
    ranks = "" if model.classification.auc is None else f", {'above' if skilled else 'not told from'} 0.5"
    idle = "no trades" if trading.n_trades == 0 else ""
    ece = model.calibration.ece
    interval = interval_text(trading, "sharpe", two_places)
    holding = "" if held is None else f", holding {percent(held.total_return)}"
    return (
        Card(
            "Net Sharpe",
            sharpe.text,
            joined(f"{STANDINGS[standing]}: {sharpe.note}" if trading.sharpe is not None else sharpe.note, interval),
            _tone(standing),
            sharpe.strip,
        ),
        Card(
            "AUC", auc.text, f"{auc.note}{ranks}", "good" if skilled else "doubt" if model.classification.auc is not None else "", auc.strip
        ),
        Card(
            "Net return",
            percent(trading.total_return),
            idle or joined(f"before costs {percent(trading.gross_total_return)}{holding}", interval_text(trading, "total_return", percent)),
        ),
        Card(
            "Largest drawdown",
            percent(trading.max_drawdown),
            idle or joined(f"{percent(trading.exposure)} of the bars with a position", interval_text(trading, "max_drawdown", percent)),
        ),
        Card(
            "Trades",
            whole(trading.n_trades),
            "" if idle else f"{percent(trading.win_rate)} of them won, {percent(trading.cost_paid)} of capital paid in costs",
        ),
        Card("Calibration error (ECE)", fixed(ece, 4), "no forecasts to judge" if ece is None else calibration_gain(model)),
        Card("Round trip", basis_points(judgement.costs.round_trip_bps), "fees and slippage, in and out"),
    )


def interval_text(trading: Trading, figure: str, say: Callable[[float | None], str]) -> str:
    """Where a figure of the trading rule lies by its bootstrap interval; nothing where it has none."""
    low, high = trading.intervals.get(figure) or (None, None)
    return "" if low is None or high is None else f"interval {say(low)} to {say(high)}"


def two_places(value: float | None) -> str:
    return fixed(value, 2)


def joined(*parts: str) -> str:
    """What there is to say, in one line."""
    return "; ".join(part for part in parts if part)


def calibration_gain(model: ModelResult) -> str:
    """What calibration did to the calibration error, for better or worse, and whether that is more than chance."""
    calibration = model.calibration
    if not calibration.methods:
        tried = calibration.chosen_by.tried if calibration.chosen_by else ()
        return f"not calibrated: of {plural(len(tried), 'calibration')} tried none helped for sure" if tried else "not calibrated"
    how = listed([name.replace("_", " ") for name in calibration.methods])
    before = fixed(calibration.ece_before, 4)
    told = f"{how}, {before} without" if calibration.ece_before is not None else f"by {how}"
    return told if calibration.gain is None else f"{told}: {calibration.gain.verdict}"


def _tone(standing: Standing) -> Tone:
    return "good" if standing == "above" else "" if standing == "unknown" else "doubt"

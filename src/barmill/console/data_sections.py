"""What the run stood on, in words and rows: bars, blocks, labels, costs."""

from collections.abc import Mapping
from dataclasses import dataclass

from barmill.console.figures import basis_points, duration, instant, listed, percent, plural, whole
from barmill.console.judgement import Block, Judgement

PURPOSES = {
    "train": "fits the models, the scaler and everything else that learns",
    "early_stopping": "decides when a fit stops",
    "calibration": "fits calibrators and quantiles",
    "ensemble": "fits calibrators and quantiles of ensembles, whose members are calibrated by then",
    "conformal": "fits conformal bands",
    "selection": "chooses among the models and sets the thresholds of the trading rule",
    "test": "judges; nothing was fitted or chosen on it",
}
CLASS_ORDER = ("down", "not up", "neither", "up")


def data_facts(judgement: Judgement) -> list[tuple[str, str]]:
    """The bars and features, as (name, text)."""
    data, features = judgement.data, judgement.features
    first, last = instant(data.first), instant(data.last)
    length = "" if first is None or last is None else f" ({duration((last - first).total_seconds())})"
    warmup = "" if features.warmup_bars is None else f", ready after {plural(features.warmup_bars, 'bar')}"
    return [
        ("Instrument", judgement.symbol or "n/a"),
        ("Bars", f"{whole(data.rows)} of {judgement.timeframe or 'n/a'}"),
        ("First", data.first or "n/a"),
        ("Last", f"{data.last or 'n/a'}{length}"),
        ("Features", f"{whole(features.n)}{warmup}"),
        ("Bars before features were ready", whole(features.not_ready)),
        ("Horizon", plural(judgement.horizon_bars, "bar")),
    ]


@dataclass(frozen=True, slots=True)
class BlockRow:
    """A block, as a row of the table below the map."""

    name: str
    first: str
    last: str
    rows: str
    share: str
    purpose: str


def block_rows(judgement: Judgement) -> list[BlockRow]:
    """The blocks in time order."""
    total = sum(block.n or 0 for block in judgement.splits.blocks)
    purposes = PURPOSES if judgement.cross_validation is None else PURPOSES | {"selection": "sets the thresholds of the trading rule"}
    return [_block_row(block, total, purposes) for block in judgement.splits.blocks]


def _block_row(block: Block, total: int, purposes: Mapping[str, str]) -> BlockRow:
    share = percent(block.n / total) if block.n is not None and total else "n/a"
    name = block.name.replace("_", " ")
    return BlockRow(name, block.first_time or "n/a", block.last_time or "n/a", whole(block.n), share, purposes.get(block.name, ""))


@dataclass(frozen=True, slots=True)
class BalanceBar:
    """One block's labels; parts are (class, rows, share in percent of the bar's width)."""

    name: str
    total: str
    parts: tuple[tuple[str, str, float], ...]


def balance_bars(judgement: Judgement) -> list[BalanceBar]:
    """The classes of each block, in one order."""
    bars: list[BalanceBar] = []
    for name, counts in judgement.labels.balance.items():
        total = sum(counts.values())
        order = sorted(counts, key=lambda kind: (CLASS_ORDER.index(kind) if kind in CLASS_ORDER else 9, kind))
        parts = tuple((kind, whole(counts[kind]), round(100 * counts[kind] / total, 2) if total else 0.0) for kind in order)
        bars.append(BalanceBar(name.replace("_", " "), whole(total), parts))
    return bars


def cost_sentences(judgement: Judgement) -> list[str]:
    """What a decision costs, what a label brings, and what the selected model paid."""
    costs, labels = judgement.costs, judgement.labels
    told = [f"{name} {value}" for name, value in (("fee", costs.fee), ("slippage", costs.slippage)) if value is not None]
    sentences = [f"A round trip costs {basis_points(costs.round_trip_bps)}{f' (per side: {listed(told)})' if told else ''}."]
    if labels.mean_net_return_bps is not None and labels.mean_cost_bps is not None:
        gross = labels.mean_net_return_bps + labels.mean_cost_bps
        sentences.append(
            f"Going long at each label would bring {basis_points(gross)} in the mean and pay {basis_points(labels.mean_cost_bps)} for it: "
            f"{basis_points(labels.mean_net_return_bps)} net. That is what no skill earns here."
        )
    if labels.median_move_bps is not None and costs.round_trip_bps is not None and labels.median_move_bps > 0:
        share = percent(costs.round_trip_bps / labels.median_move_bps, 2)
        sentences.append(f"The median label moves {basis_points(labels.median_move_bps)} either way, of which the round trip is {share}.")
    chosen = judgement.selected
    if chosen is not None and chosen.trading.n_trades and chosen.trading.cost_paid is not None:
        trading = chosen.trading
        sentences.append(
            f"{chosen.name} made {plural(trading.n_trades, 'trade')} on the test block and paid {percent(trading.cost_paid)} "
            f"of its capital for them: {percent(trading.gross_total_return)} before costs became {percent(trading.total_return)} after."
        )
    return sentences

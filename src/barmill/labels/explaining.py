"""Explaining one label: the trade re-enacted bar by bar, each figure with the numbers that it was made of.

The arithmetic is written out here as a spreadsheet would have it, and then held against what `make_labels` gives:
`LabelExplanation.as_made` says whether the two are the same to the last digit.
"""

from dataclasses import replace

import numpy as np

from barmill.errors import LabelError
from barmill.labels.config import LabelConfig
from barmill.labels.explanation import LabelExplanation, LabelOutcome, LabelWeight, Step, TestedBar
from barmill.labels.make import NO_ATR, NO_ROOM, NO_ROOM_FOR_PROFIT, NOT_COVERED, decision_bars, make_labels
from barmill.labels.outcomes import CLASS_NAMES, Labels
from barmill.labels.uniqueness import average_uniqueness, concurrency
from barmill.market import Bars
from barmill.market.costs import BPS
from barmill.market.times import row_at


def explain_label(when: str | int, bars: Bars, config: LabelConfig, *, weight: bool = False) -> LabelExplanation:
    """Explain the label of the decision that falls at a time.

    Parameters
    ----------
    when : a row of the bars (negative counts from the end), or a time such as "2023-03-14T14:30" (UTC unless it says otherwise):
        explained is the decision at the close of the last bar that has closed by it
    bars : Bars
    config : LabelConfig
    weight : also how much the label counts, which takes all labels of these bars. In a run fewer rows may have a label,
        because features are not ready, and weights differ accordingly

    Returns
    -------
    LabelExplanation. A decision without a label says why.

    Timing: the label is known at the close of its exit bar; nothing after it is read, but for the weight.
    Raises: LabelError for shuffled labels, which no bar explains; DataError for a time before the first bar has closed or a row that
        does not exist; InputError for a time that is none.
    """
    if config.shuffle is not None:
        raise LabelError("labels.shuffle", "outcomes dealt out at random, which no bar explains", mend="Explain the labels without it.")
    told = _Trade(bars, config, row_at(bars.close_time, when)).explained()
    return replace(told, weight=_weight(told, bars)) if weight and told.outcome is not None else told


class _Trade:
    """One decision with everything that its outcome depends on."""

    def __init__(self, bars: Bars, config: LabelConfig, row: int) -> None:
        self.bars, self.config, self.row = bars, config, row
        self.side = config.side_sign
        self.steps: list[Step] = []
        self.tested: list[TestedBar] = []
        self.entry = float(bars.open[row + 1]) if row + 1 < len(bars) else None

    def explained(self) -> LabelExplanation:
        why_not, outcome = self._enacted()
        entry = None if self.entry is None else self.row + 1
        return LabelExplanation(
            symbol=self.bars.instrument.symbol,
            config=self.config,
            row=self.row,
            open_time=int(self.bars.open_time[self.row]),
            decided_at=int(self.bars.close_time[self.row]),
            why_not=why_not,
            entry_row=entry,
            entry_time=None if entry is None else int(self.bars.open_time[entry]),
            entry_price=self.entry,
            steps=tuple(self.steps),
            bars=tuple(self.tested),
            outcome=outcome,
            as_made=self._as_made(outcome),
            weight=None,
        )

    def _enacted(self) -> tuple[str, LabelOutcome | None]:
        """Why there is no label, or what became of the decision. The reasons come in the order of `make_labels`."""
        config, by_barriers = self.config, self.config.method == "triple_barrier"
        if not decision_bars(self.bars, config.every)[self.row]:
            return f"no decision falls here: labels.every is {config.every}, and {self._next_decision()}", None
        if by_barriers and self.row < config.atr_window:
            missing = config.atr_window - self.row
            return f"{NO_ATR}: {missing} more bar{'' if missing == 1 else 's'} of {config.atr_window} are needed", None
        atr = self._atr() if by_barriers else None
        if self.entry is None:
            return f"{NOT_COVERED}: this is the last bar, so there is no entry yet", None
        cost = self._cost(self.entry)
        if atr is None:
            return self._at_the_horizon(cost)
        if not atr > 0 or not (config.k_down if config.cost_mode == "net" else config.k_up) - cost / atr > 0:
            return self._no_room(cost, atr), None
        return self._to_the_touch(cost, *self._levels(self.entry, atr, cost))

    def _next_decision(self) -> str:
        later = np.flatnonzero(decision_bars(self.bars, self.config.every)[self.row :])
        return f"the next one falls at row {self.row + int(later[0]):,}" if later.size else "no later one falls on these bars"

    def _step(self, name: str, formula: str, filled: str, value: float) -> float:
        self.steps.append(Step(name, formula, filled, value))
        return value

    def _atr(self) -> float:
        """The ATR at the decision, from the one a bar before; its first value is a plain mean."""
        from barmill.features import atr as average_true_range  # compiles kernels; see `_kernels`

        known = self.bars.slice(0, self.row + 1)
        high, low, before = float(known.high[-1]), float(known.low[-1]), float(known.close[-2])
        true_range = max(high - low, abs(high - before), abs(low - before))
        filled = f"max({high!r} - {low!r}, abs({high!r} - {before!r}), abs({low!r} - {before!r}))"
        self._step("true range", "max(H - L, abs(H - B), abs(L - B)), B the close before", filled, true_range)
        n = self.config.atr_window
        atrs = average_true_range(known.high, known.low, known.close, n)
        value = float(atrs[-1])
        if self.row == n:
            ranges = np.maximum(known.high[1:-1] - known.low[1:-1], np.abs(known.high[1:-1] - known.close[:-2]))
            ranges = np.maximum(ranges, np.abs(known.low[1:-1] - known.close[:-2]))
            total = float(np.cumsum(ranges)[-1]) if ranges.size else 0.0
            return self._step("ATR", "(S + T)/n, S the sum of the true ranges before", f"({total!r} + {true_range!r})/{n}", value)
        old = float(atrs[-2])
        return self._step("ATR", "(A*(n - 1) + T)/n, A the ATR a bar before", f"({old!r}*({n} - 1) + {true_range!r})/{n}", value)

    def _cost(self, price: float) -> float:
        """The round trip, in price units."""
        from barmill.market import fee_per_side, round_trip_cost, slippage_per_side

        instrument = self.bars.instrument
        fee, slippage = float(fee_per_side(instrument, price)), float(slippage_per_side(instrument, price))
        charged, slipped = instrument.fee, instrument.slippage
        if charged.bps is not None:
            self._step("fee of a side", "p*(bps*0.0001)", f"{price!r}*({charged.bps!r}*{BPS!r})", fee)
        else:
            filled = f"{charged.per_contract or 0.0!r}/{instrument.multiplier!r}"
            self._step("fee of a side", "fee of a contract/multiplier", filled, fee)
        if slipped.bps is not None:
            self._step("slippage of a side", "p*(bps*0.0001)", f"{price!r}*({slipped.bps!r}*{BPS!r})", slippage)
        else:
            self._step("slippage of a side", "ticks*tick size", f"{slipped.ticks or 0.0!r}*{instrument.tick_size!r}", slippage)
        cost = float(round_trip_cost(instrument, price))
        return self._step("cost of the round trip", "2*(fee + slippage)", f"2*({fee!r} + {slippage!r})", cost)

    def _no_room(self, cost: float, atr: float) -> str:
        config = self.config
        if not atr > 0:
            return f"{NO_ROOM}: prices stood still, and the ATR is {atr!r}"
        share = self._step("cost in ATRs", "c/a", f"{cost!r}/{atr!r}", cost / atr)
        net = config.cost_mode == "net"
        reason, key, limit = (NO_ROOM, "k_down", config.k_down) if net else (NO_ROOM_FOR_PROFIT, "k_up", config.k_up)
        return f"{reason}: the round trip costs {share!r} ATR, and labels.{key} is {limit!r}"

    def _levels(self, p: float, a: float, c: float) -> tuple[float, float]:
        """Profit and stop level. In the charter's formula the cost stands with the other sign."""
        s, k_up, k_down = self.side, self.config.k_up, self.config.k_down
        up, down = ("+", "-") if self.config.cost_mode == "net" else ("-", "+")
        cost = c / a if self.config.cost_mode == "net" else -(c / a)
        profit, stop = p + s * (k_up + cost) * a, p - s * (k_down - cost) * a
        filled = f"{p!r} + {s}*({k_up!r} {up} {c!r}/{a!r})*{a!r}"
        self._step("profit level", f"p + s*(k_up {up} c/a)*a", filled, profit)
        filled = f"{p!r} - {s}*({k_down!r} {down} {c!r}/{a!r})*{a!r}"
        self._step("stop level", f"p - s*(k_down {down} c/a)*a", filled, stop)
        return profit, stop

    def _test(self, row: int, tested: str) -> None:
        bars = self.bars
        first, high, low, last = (float(column[row]) for column in (bars.open, bars.high, bars.low, bars.close))
        self.tested.append(TestedBar(row, int(bars.open_time[row]), first, high, low, last, tested))

    def _to_the_touch(self, cost: float, profit: float, stop: float) -> tuple[str, LabelOutcome | None]:
        last = self.row + self.config.horizon
        for row in range(self.row + 1, min(last, len(self.bars) - 1) + 1):
            tested, label, price = self._touch(row, profit, stop)
            ends = label is None and row == last
            self._test(row, "between the levels; time is up: leaves at the close" if ends else tested)
            if label is not None:
                return "", self._settled(row, label, price, cost)
            if ends:
                return "", self._settled(row, 0, float(self.bars.close[row]), cost)
        return self._not_covered("no level was touched, and "), None

    def _touch(self, row: int, profit: float, stop: float) -> tuple[str, int | None, float]:
        """What the bar did, the label that this gives, and at which price."""
        s, bars = self.side, self.bars
        first, best, worst = float(bars.open[row]), *_extremes(bars, row, s)
        at_or = "at or below" if s > 0 else "at or above"
        beyond = "at or above" if s > 0 else "at or below"
        if s * first <= s * stop:
            return f"opens {at_or} the stop: leaves at the open", -1, first
        if s * first >= s * profit:
            return f"opens {beyond} the profit level: leaves at the open", 1, first
        to_profit, to_stop = ("high", "low") if s > 0 else ("low", "high")
        if s * worst <= s * stop:
            both = " (and the profit level too: the stop counts)" if s * best >= s * profit else ""
            return f"the {to_stop} reaches the stop{both}", -1, stop
        if s * best >= s * profit:
            return f"the {to_profit} reaches the profit level", 1, profit
        return "between the levels", None, 0.0

    def _at_the_horizon(self, cost: float) -> tuple[str, LabelOutcome | None]:
        last = self.row + self.config.horizon
        for row in range(self.row + 1, min(last, len(self.bars) - 1) + 1):
            self._test(row, "time is up: leaves at the close" if row == last else "held")
        if last >= len(self.bars):
            return self._not_covered(""), None
        return "", self._settled(last, None, float(self.bars.close[last]), cost)

    def _not_covered(self, lead: str) -> str:
        missing = self.row + self.config.horizon - (len(self.bars) - 1)
        return f"{NOT_COVERED}: {lead}the data end {missing} bar{'' if missing == 1 else 's'} before the horizon"

    def _settled(self, row: int, label: int | None, x: float, c: float) -> LabelOutcome:
        """The returns; without barriers the label is the sign of the net one."""
        assert self.entry is not None
        p, s = self.entry, self.side
        gross = self._step("gross return", "s*(x/p - 1)", f"{s}*({x!r}/{p!r} - 1)", s * (x / p - 1.0))
        net = self._step("net return", "gross - c/p", f"{gross!r} - {c!r}/{p!r}", gross - c / p)
        by_barriers = label is not None
        outcome = label if label is not None else int(np.sign(net))
        up = outcome == 1 or (outcome == 0 and net > 0)
        names = CLASS_NAMES[self.config.classes]
        return LabelOutcome(
            label=outcome,
            barrier={1: "profit", -1: "stop", 0: "time"}[outcome] if by_barriers else "time",
            exit_row=row,
            exit_time=int(self.bars.open_time[row]),
            exit_price=x,
            gross_return=gross,
            net_return=net,
            class_name=names[int(up)] if self.config.classes == 2 else names[outcome + 1],
        )

    def _as_made(self, outcome: LabelOutcome | None) -> bool:
        """Whether `make_labels` gives the same; of bars that end with the exit, since it depends on nothing later."""
        until = self.row + self.config.horizon + 1 if outcome is None else outcome.exit_row + 1
        made = _made(self.bars.slice(0, min(until, len(self.bars))), self.config, self.row)
        if outcome is None or made is None:
            return outcome is None and made is None
        i = int(np.searchsorted(made.t0, self.row))
        mine = (outcome.exit_row, outcome.label, self.entry, outcome.exit_price, outcome.gross_return, outcome.net_return)
        return mine == (made.t1[i], made.label[i], made.entry_price[i], made.exit_price[i], made.gross_return[i], made.net_return[i])


def _extremes(bars: Bars, row: int, side: int) -> tuple[float, float]:
    """The best and the worst price of a bar, for that side."""
    high, low = float(bars.high[row]), float(bars.low[row])
    return (high, low) if side > 0 else (low, high)


def _made(bars: Bars, config: LabelConfig, row: int) -> Labels | None:
    """The labels if the decision at `row` is among them."""
    try:
        labels = make_labels(bars, config, np.arange(len(bars)) == row)
    except LabelError:
        return None
    return labels if row in labels.t0 else None


def _weight(told: LabelExplanation, bars: Bars) -> LabelWeight:
    labels = make_labels(bars, told.config)
    uniqueness = average_uniqueness(labels.t0, labels.t1, len(bars))
    i = int(np.searchsorted(labels.t0, told.row))
    alive = concurrency(labels.t0, labels.t1, len(bars))[labels.t0[i] : labels.t1[i] + 1]
    return LabelWeight(tuple(alive.tolist()), float(uniqueness[i]), float(uniqueness.mean()), float(labels.weight[i]), len(labels))


__all__ = ["explain_label"]

"""Explaining one value of a feature: the bars that it was computed from, what the kernel made of them, and whether they suffice."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from barmill.errors import InputError
from barmill.features.arithmetic import Given, Written, write_out
from barmill.features.computing import check_bars, new_reader, new_scan
from barmill.features.explanation import Explanation, ShownBar, running_names
from barmill.features.kernels import timeframes
from barmill.features.kernels.kernel import BAR_ROWS, CLOSE, CLOSE_TIME, HIGH, LOW, OPEN_TIME, Float64Array
from barmill.features.naming import parse_feature
from barmill.features.plan import Anchor, FeaturePlan
from barmill.features.spec import Feature
from barmill.market import Bars
from barmill.market.times import row_at, time_ms

LIGHT = 0.01  # bars are shown until those before them weigh less than this, where the value never forgets them
MOST_SHOWN = 500
MOST_UNASKED = 60  # of a value that comes from the whole history
_NUDGE = 0.01  # by how much a column without a tick, or an argument, is moved: a share of itself
_TIMES = ("open_time", "close_time")


def explain_feature(
    name: str,
    when: str | int,
    bars: Bars,
    *,
    shown: int | None = None,
    anchor: Anchor = "epoch",
    fit_until: str | None = None,
    plan: FeaturePlan | None = None,
) -> Explanation:
    """Explain the value of a feature at a time.

    Parameters
    ----------
    name : of the feature, such as "rsi_14@5m"
    when : a row of the bars (negative counts from the end), or a time such as "2023-03-14T14:30" (UTC unless it says otherwise);
        explained is what is known then, that is, at the last bar that has closed by it
    shown : how many bars to show; None: those of its window, or for recursions until 1% of the weight lies before them
    anchor : from where longer bars are counted, as in a plan
    fit_until : features that learn do so on the bars that have closed by this time
    plan : one that brings fitted numbers, in place of `fit_until`; its anchor and calendar are taken too

    Raises: RecipeError for a name that does not exist; SchemaError for bars that lack its columns; DataError for a time before
    the first bar has closed; InputError for a feature that must be fitted where nothing says on what.
    """
    feature = parse_feature(name, bars.timeframe)
    row = row_at(bars.close_time, when)
    whole = FeaturePlan(bars.timeframe, (feature,), (), bars.instrument.calendar, anchor)
    if plan is not None:
        whole = replace(whole, calendar=plan.calendar, anchor=plan.anchor, fitted=plan.fitted)
    check_bars(whole, bars)
    return _Work(_fitted(whole, bars, fit_until), bars.slice(0, row + 1)).explain(shown)


class _Work:
    """The bars of the feature's own timeframe as its kernel reads them, arguments included."""

    def __init__(self, plan: FeaturePlan, bars: Bars) -> None:
        self.plan, self.bars = plan, bars
        self.feature = plan.features[0]
        self.spec = self.feature.spec
        self.timeframe = self.feature.timeframe or plan.base
        self.further = plan.further_inputs
        self.columns = (*BAR_ROWS, *self.further)
        self.rows = self._with_arguments(_own_rows(plan, bars))
        self.n_bars = self.rows.shape[1]
        fitted = plan.fitted.get(self.feature.name, ())
        places = [self.columns.index(column) for column in self.spec.further_inputs]
        places += range(self.rows.shape[0] - len(self.feature.args), self.rows.shape[0])
        self.own = (*self.spec.kernel_params(self.feature.params), *fitted)
        self.params = np.array([*self.own, *places], dtype=np.float64)
        self.output = self.spec.kernel.outputs.index(self.spec.output)

    def _with_arguments(self, rows: Float64Array) -> Float64Array:
        """The columns, then a row for each argument: its value at the close of each bar."""
        args = self.feature.args
        if not args:
            return rows
        if self.feature.timeframe is None:  # they may stand on any timeframe
            plan = replace(self.plan, features=args, columns=())
        else:
            fitted = {_on_base(one).name: self.plan.fitted[one.name] for one in self.feature.learned if one.name in self.plan.fitted}
            plan = FeaturePlan(self.timeframe, tuple(map(_on_base, args)), (), self.plan.calendar, "epoch", fitted)
        read = [self.columns.index(name) for name in (*BAR_ROWS, *plan.further_inputs)]
        values = np.empty((rows.shape[1], len(args)))
        for _ in new_scan(plan).advance(rows[read], values):
            pass
        return np.vstack([rows, values.T])

    def explain(self, shown: int | None) -> Explanation:
        """Everything that is told."""
        state = self.spec.kernel.new_state(self.own)
        out = self._run(self.rows, state)
        value = float(out[self.output, -1]) if self.n_bars else math.nan
        needed = self._bars_needed(value) if math.isfinite(value) else None
        count = min(self.n_bars, shown or self._usual_shown(needed))
        recent = self.rows[:, self.n_bars - count :]
        alone = self._run(recent)
        moved, influence = self._influence(count)
        return Explanation(
            feature=self.feature,
            row=len(self.bars) - 1,
            open_time=int(self.bars.open_time[-1]),
            known_at=int(self.bars.close_time[-1]),
            timeframe=self.timeframe,
            value=value,
            waiting="" if math.isfinite(value) else self._waiting(),
            bars=self._shown_bars(recent, influence),
            n_bars=self.n_bars,
            running=self._running(state, out) if math.isfinite(value) else {},
            written=self._written(state, out, value),
            recomputed=float(alone[self.output, -1]) if count else math.nan,
            weight_before=self._weight_before(count),
            bars_needed=needed,
            moved=moved,
        )

    def _run(self, rows: Float64Array, state: Float64Array | None = None) -> Float64Array:
        out = np.empty((len(self.spec.kernel.outputs), rows.shape[1]))
        self.spec.kernel.compiled(self.params, self.spec.kernel.new_state(self.own) if state is None else state, rows, out)
        return out

    @property
    def _factors(self) -> tuple[float, ...]:
        return tuple(factor for factor in self.spec.fades(self.feature.params) if factor > 0.0)

    def _usual_shown(self, needed: int | None) -> int:
        """Its window; more where the value comes from before it, by a recursion or because it adds up a day or a history."""
        window = self.spec.lookback(self.feature.params) + 1
        fading = [math.ceil(math.log(LIGHT) / math.log(factor)) for factor in self._factors]
        if not fading and needed is not None:
            fading = [min(needed, MOST_UNASKED)]
        return min(max([window, *fading]), MOST_SHOWN)

    def _weight_before(self, count: int) -> float | None:
        """The slowest recursion's: the others have forgotten more."""
        factors = self._factors
        return max(factors) ** count if factors and count < self.n_bars else None

    def _bars_needed(self, value: float) -> int:
        """The fewest last bars that give the value to the bit: twice as many until they do, then halving what is between."""
        few, enough = 0, min(self.spec.lookback(self.feature.params) + 1, self.n_bars)
        while enough < self.n_bars and not self._gives(enough, value):
            few, enough = enough, min(2 * enough, self.n_bars)
        while enough - few > 1:
            middle = (few + enough) // 2
            few, enough = (few, middle) if self._gives(middle, value) else (middle, enough)
        return enough

    def _gives(self, count: int, value: float) -> bool:
        return float(self._run(self.rows[:, self.n_bars - count :])[self.output, -1]) == value

    def _influence(self, count: int) -> tuple[str, list[float]]:
        """What is moved, and for each of the last `count` bars how much the value changes by it."""
        start = self.n_bars - count
        before = self.spec.kernel.new_state(self.own)
        self._run(self.rows[:, :start], before)
        recent = np.ascontiguousarray(self.rows[:, start:])
        value = self._run(recent, before.copy())[self.output, -1] if count else math.nan
        told, row, tick = self._what_to_move()
        changes: list[float] = []
        for i in range(count):
            moved = recent.copy()
            moved[row, i] += tick or _NUDGE * abs(moved[row, i]) or _NUDGE
            if row in (CLOSE, HIGH, LOW):  # a bar stays a bar
                moved[HIGH, i] = max(moved[HIGH, i], moved[row, i])
                moved[LOW, i] = min(moved[LOW, i], moved[CLOSE, i]) if row == CLOSE else moved[LOW, i]
            changes.append(float(self._run(moved, before.copy())[self.output, -1] - value))
        return told, changes

    def _what_to_move(self) -> tuple[str, int, float]:
        """In words, its row, and by how much; 0 for a share of itself."""
        inputs, tick = self.spec.inputs, self.bars.instrument.tick_size
        price = next((name for name in ("close", "high", "low", "open") if name in inputs), None)
        if price is not None:
            return f"{price} by one tick, {tick:g}", BAR_ROWS.index(price), tick
        if self.feature.args:
            return f"{self.feature.args[0].name} by 1%", self.rows.shape[0] - len(self.feature.args), 0.0
        name = next((name for name in inputs if name not in _TIMES), "close_time")
        place = self.columns.index(name)
        return (f"{name} by a minute", place, 60_000.0) if name.endswith("_time") else (f"{name} by 1%", place, 0.0)

    def _shown_bars(self, recent: Float64Array, influence: Sequence[float]) -> tuple[ShownBar, ...]:
        names = [name for name in self.spec.inputs if name not in _TIMES]
        places = [self.columns.index(name) for name in names]
        first = recent.shape[0] - len(self.feature.args)
        return tuple(
            ShownBar(
                int(bar[OPEN_TIME]),
                int(bar[CLOSE_TIME]),
                {name: float(bar[place]) for name, place in zip(names, places, strict=True)},
                {arg.name: float(bar[first + i]) for i, arg in enumerate(self.feature.args)},
                influence[i_bar],
            )
            for i_bar, bar in enumerate(recent.T)
        )

    def _running(self, state: Float64Array, out: Float64Array) -> dict[str, float]:
        """The leading cells of the state under the names that the kernel's docstring gives them, and the other outputs."""
        if not self.n_bars:
            return {}
        running = {name: float(state[i]) for i, name in running_names(self.spec.kernel.function.__doc__ or "") if i < state.size}
        outputs = self.spec.kernel.outputs
        return running | {name: float(out[i, -1]) for i, name in enumerate(outputs) if i != self.output}

    def _written(self, state: Float64Array, out: Float64Array, value: float) -> Written | None:
        if not math.isfinite(value):
            return None
        columns = {name: self.rows[i] for i, name in enumerate(self.columns)}
        outputs = self.spec.kernel.outputs
        before = {name: float(out[i, -2]) if self.n_bars > 1 else math.nan for i, name in enumerate(outputs)}
        inputs = [columns[name] for name in self.spec.inputs if name not in _TIMES]
        args = list(self.rows[self.rows.shape[0] - len(self.feature.args) :])
        given = Given(columns, inputs, args, self.params, state, before)
        return write_out(self.spec.kernel.name, self.spec.output, given, value)

    def _waiting(self) -> str:
        """How many more bars are needed, or what it lacks."""
        late = [name for name in self.further if self.n_bars and not math.isfinite(self.rows[self.columns.index(name), -1])]
        if late:
            return f"{', '.join(late)} {'has' if len(late) == 1 else 'have'} no value yet"
        have = int(np.isfinite(self.rows[: len(self.columns)]).all(axis=0).sum())
        if self.feature.timeframe is None:
            need = self.feature.warmup_bars(self.plan.base) + 1
        else:
            need = _on_base(self.feature).warmup_bars(self.timeframe) + 1
        more = max(need - have, 1)
        return f"it is in its warm-up: {more} more bar{'' if more == 1 else 's'} of {self.timeframe} {'is' if more == 1 else 'are'} needed"


def _on_base(feature: Feature) -> Feature:
    """The same feature of the same bars, for which their timeframe is the base."""
    return replace(feature, timeframe=None, args=tuple(_on_base(arg) for arg in feature.args))


def _own_rows(plan: FeaturePlan, bars: Bars) -> Float64Array:
    """The bars of the feature's timeframe that have closed, float64 (7 + n_further, n), made by the engine's own aggregator."""
    reader = new_reader(plan)
    n_rows, n_base = reader.n_rows, len(bars)
    timeframe = plan.features[0].timeframe
    if timeframe is None:
        rows = np.empty((n_rows, n_base))
        reader.read(bars, 0, n_base, rows)
        return rows
    sheet = np.empty((2 * n_rows, n_base + 1))  # one bar more can close than went in
    reader.read(bars, 0, n_base, sheet[:n_rows, :n_base])
    counts = np.array([n_base, 0])
    timeframes.aggregate.compiled(
        np.array([1]),
        np.array([0.0, timeframe.ms]),
        np.array([0, n_rows]),
        plan.program.sums,
        *plan.program.anchor,
        np.zeros((2, timeframes.FORMING + n_rows)),
        sheet,
        n_base,
        np.zeros((2, n_base), dtype=np.int64),
        counts,
    )
    return np.ascontiguousarray(sheet[n_rows:, : counts[1]])


def _fitted(plan: FeaturePlan, bars: Bars, until: str | None) -> FeaturePlan:
    if not plan.unfitted:
        return plan
    if until is None:
        names = ", ".join(feature.name for feature in plan.unfitted)
        raise InputError(
            f"feature '{plan.features[0].name}'", f"{names} must be fitted", mend="Say --fit-until TIME, on the bars before it."
        )
    last = int(np.searchsorted(bars.close_time, time_ms(until), side="right")) - 1
    return plan.fit(bars, [(0, last)] if last >= 0 else [])


__all__ = ["explain_feature"]

"""All models side by side. No winner is marked: a figure stands out only where it beats chance by more than its noise."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from barmill.console.figures import NOT_AVAILABLE, basis_points, fixed, percent, significant, span, whole
from barmill.console.judgement import Judgement, ModelResult, Trading
from barmill.console.strips import Scale, Strip, strip
from barmill.console.verdict import ranks_better_than_chance, standing_of


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure. `note` stands small beside it; `real` says that it beats chance by more than its noise."""

    text: str
    note: str = ""
    real: bool = False
    strip: Strip | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One model or baseline."""

    name: str
    detail: str
    selected: bool
    colour: int | None
    cells: tuple[Cell, ...]


HEADINGS = (
    ("AUC", "interval"),
    ("Log loss", "base rate"),
    ("ECE", ""),
    ("IC", ""),
    ("Coverage", "of 90 %"),
    ("Net Sharpe", "random band"),
    ("Net return", "gross"),
    ("Drawdown", "largest"),
    ("Trades", "turnover"),
)
BASELINE_NAMES = {"buy_and_hold": "Buy and hold", "always_flat": "Always flat"}


def model_rows(judgement: Judgement) -> tuple[Row, ...]:
    """A row per model, in the order of the recipe."""
    aucs, sharpes = auc_scale(judgement), sharpe_scale(judgement)
    return tuple(
        Row(model.name, _detail(model), model.selected, number, _cells(model, aucs, sharpes))
        for number, model in enumerate(judgement.models)
    )


def _detail(model: ModelResult) -> str:
    """What kind of model it is; its catalogue name where the run calls it otherwise."""
    return ", ".join(
        word for word in (model.model if model.model != model.name else "", model.family, model.view.replace("_", " ")) if word
    )


def baseline_rows(judgement: Judgement) -> tuple[Row, ...]:
    """A row per baseline; they forecast nothing, so only trading has figures."""
    empty = Cell("")
    return tuple(
        Row(
            BASELINE_NAMES.get(name, name),
            "baseline",
            False,
            None,
            (*[empty] * 5, Cell(_sharpe(trading), why_no_sharpe(trading) if trading.sharpe is None else ""), *_outcome(trading)),
        )
        for name, trading in sorted(judgement.baselines.items(), reverse=True)
    )


def auc_scale(judgement: Judgement) -> Scale | None:
    """The scale that all AUC strips share."""
    return Scale.over(
        [0.5, *(end for model in judgement.models for end in (model.classification.auc, *(model.classification.auc_interval or ())))]
    )


def sharpe_scale(judgement: Judgement) -> Scale | None:
    """The scale that all strips of the net Sharpe ratio share."""
    bands = [model.trading.random for model in judgement.models]
    return Scale.over(
        [0.0, *(model.trading.sharpe for model in judgement.models), *(end for band in bands for end in (band.p05, band.p95))]
    )


def auc_cell(model: ModelResult, scale: Scale | None) -> Cell:
    """The AUC with its interval, real where the whole interval lies above one half."""
    classes = model.classification
    if classes.auc is None:
        return Cell(NOT_AVAILABLE, "one class only")
    interval = classes.auc_interval or (None, None)
    said = f"interval {span(*interval, decimals=3)}; a coin has 0.5"
    return Cell(
        fixed(classes.auc, 3), span(*interval, decimals=3), ranks_better_than_chance(model), strip(scale, interval, classes.auc, 0.5, said)
    )


def sharpe_cell(model: ModelResult, scale: Scale | None) -> Cell:
    """The net Sharpe ratio with its random band, real where it is above chance."""
    trading, band = model.trading, model.trading.random
    if trading.sharpe is None:
        return Cell(NOT_AVAILABLE, why_no_sharpe(trading))
    said = f"random band {span(band.p05, band.p95, 2)}"
    note = span(band.p05, band.p95, 2)
    mark = strip(scale, (band.p05, band.p95), trading.sharpe, 0.0, said)
    return Cell(_sharpe(trading), "no random band" if note == NOT_AVAILABLE else note, standing_of(model) == "above", mark)


def why_no_sharpe(trading: Trading) -> str:
    """Why there is no Sharpe ratio."""
    return "no trades" if trading.n_trades == 0 else "no variation"


def _sharpe(trading: Trading) -> str:
    return fixed(trading.sharpe, 2)


def _cells(model: ModelResult, aucs: Scale | None, sharpes: Scale | None) -> tuple[Cell, ...]:
    classes, forecast = model.classification, model.forecast
    return (
        auc_cell(model, aucs),
        Cell(fixed(classes.log_loss, 4), fixed(classes.log_loss_base, 4)),
        Cell(fixed(model.calibration.ece, 4)),
        Cell(fixed(forecast.ic, 3), "" if "E_r" in model.outputs or forecast.ic is None else "of q50"),
        Cell(percent(forecast.coverage_90)),
        sharpe_cell(model, sharpes),
        *_outcome(model.trading),
    )


def _outcome(trading: Trading) -> tuple[Cell, ...]:
    return (
        Cell(percent(trading.total_return), percent(trading.gross_total_return)),
        Cell(percent(trading.max_drawdown)),
        Cell(whole(trading.n_trades), NOT_AVAILABLE if trading.turnover is None else f"{significant(trading.turnover)}×"),
    )


Figure = Callable[[ModelResult], str]

ALL_FIGURES: tuple[tuple[str, tuple[tuple[str, Figure], ...]], ...] = (
    (
        "Classification",
        (
            ("Rows judged", lambda m: whole(m.classification.n)),
            ("Base rate of up", lambda m: percent(m.classification.base_rate)),
            ("PR-AUC", lambda m: fixed(m.classification.pr_auc, 3)),
            ("Brier score", lambda m: fixed(m.classification.brier, 4)),
            ("MCC", lambda m: fixed(m.classification.mcc, 3)),
            ("F1", lambda m: fixed(m.classification.f1, 3)),
        ),
    ),
    (
        "Calibration",
        (
            ("Calibrated by", lambda m: ", ".join(name.replace("_", " ") for name in m.calibration.methods) or "nothing"),
            ("Did it help on the test block?", lambda m: m.calibration.gain.verdict if m.calibration.gain else NOT_AVAILABLE),
            ("ECE, bins of equal width", lambda m: fixed(m.calibration.ece, 4)),
            ("ECE, bins of equal mass", lambda m: fixed(m.calibration.ece_equal_mass, 4)),
            ("Root mean square error, bias removed", lambda m: fixed(m.calibration.rmsce_debiased, 4)),
            ("Largest calibration gap (MCE)", lambda m: fixed(m.calibration.mce, 3)),
            ("Reliability, of the Brier score (0 is honest)", lambda m: fixed(m.calibration.brier_parts.reliability, 5)),
            ("Resolution (0 tells nothing apart)", lambda m: fixed(m.calibration.brier_parts.resolution, 5)),
            ("Uncertainty (of what came)", lambda m: fixed(m.calibration.brier_parts.uncertainty, 5)),
        ),
    ),
    (
        "Return forecast",
        (
            ("IC", lambda m: fixed(m.forecast.ic, 3)),
            ("Rank IC", lambda m: fixed(m.forecast.rank_ic, 3)),
            ("Pinball loss of q05", lambda m: _pinball(m, "q05")),
            ("Pinball loss of q50", lambda m: _pinball(m, "q50")),
            ("Pinball loss of q95", lambda m: _pinball(m, "q95")),
        ),
    ),
    (
        "Trading, net of costs",
        (
            (
                "Long above / short below p_up",
                lambda m: f"{_threshold(m.trading.long_above, 1.0)} / {_threshold(m.trading.short_below, 0.0)}",
            ),
            ("Interval of the net Sharpe", lambda m: span(*m.trading.intervals.get("sharpe", (None, None)), decimals=2)),
            ("Random signals below it", lambda m: percent(m.trading.random.share_below)),
            ("Median of the random band", lambda m: fixed(m.trading.random.p50, 2)),
            ("Sortino", lambda m: _with_interval(_ratio(m.trading, m.trading.sortino), m.trading, "sortino")),
            ("Calmar", lambda m: _with_interval(_ratio(m.trading, m.trading.calmar), m.trading, "calmar")),
            ("Win rate", lambda m: _with_interval(percent(m.trading.win_rate), m.trading, "win_rate")),
            ("Profit factor", lambda m: _with_interval(_ratio(m.trading, m.trading.profit_factor), m.trading, "profit_factor")),
            ("Recovery factor", lambda m: _ratio(m.trading, m.trading.recovery_factor)),
            ("Exposure", lambda m: percent(m.trading.exposure)),
            ("Cost paid, of capital", lambda m: percent(m.trading.cost_paid)),
        ),
    ),
)


def _threshold(value: float | None, unreachable: float) -> str:
    """No probability lies beyond `unreachable`: such a threshold says that this side is never taken."""
    return "never" if value == unreachable else fixed(value, 3)


def _pinball(model: ModelResult, level: str) -> str:
    loss = model.forecast.pinball.get(level)
    return basis_points(None if loss is None else 1e4 * loss)


def _ratio(trading: Trading, value: float | None) -> str:
    if value is None:
        return f"{NOT_AVAILABLE} ({why_no_sharpe(trading)})" if trading.n_trades == 0 else NOT_AVAILABLE
    return f"{fixed(value, 2)} (no loss)" if value == float("inf") else fixed(value, 2)


def _with_interval(text: str, trading: Trading, figure: str) -> str:
    low, high = trading.intervals.get(figure) or (None, None)
    if low is None or high is None:
        return text
    return f"{text} ({percent(low)} to {percent(high)})" if figure == "win_rate" else f"{text} ({span(low, high, 2)})"


def all_figures(models: Sequence[ModelResult]) -> tuple[tuple[str, tuple[tuple[str, tuple[str, ...]], ...]], ...]:
    """Everything that was measured and is not in the table of models: group -> (figure, a text per model)."""
    return tuple((group, tuple((title, tuple(say(model) for model in models)) for title, say in figures)) for group, figures in ALL_FIGURES)

"""The page of a backtest of a bundle, and the folder that it lies in."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from barmill.artefacts import new_folder, readable_json, write_new
from barmill.console.backtest_charts import backtest_charts, rolling_window
from barmill.console.embedding import chart_library, embedded_json, own_file
from barmill.console.figures import NOT_AVAILABLE, duration, fixed, percent, significant, whole
from barmill.console.templating import rendered

if TYPE_CHECKING:
    import polars as pl

    from barmill.evaluation import BacktestResult, Sensitivity, TradeRecord
    from barmill.pipeline.bundle_backtest import BundleBacktest, Part

MOST_POINTS = 2_000  # of the equity curve in backtest.json; equity.parquet has every bar
MOST_TRADES = 10
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
SECTIONS = (
    ("verdict", "Result"),
    ("figures", "Figures"),
    ("equity-section", "Equity"),
    ("months", "Months"),
    ("rolling-section", "Rolling Sharpe"),
    ("trades", "Trades"),
    ("groups", "Regimes and hours"),
    ("sensitivity", "Sensitivity"),
    ("config", "Config"),
)


def write_backtest(done: "BundleBacktest", folder: Path) -> None:
    """backtest.json, trades and equity as Parquet, and backtest.html, as the new folder `folder`, whole or not at all."""
    with new_folder(folder) as staging:
        write_new(staging / "backtest.json", readable_json(done.to_dict(MOST_POINTS)))
        write_new(staging / "trades.parquet", _parquet(done.trades_frame()))
        write_new(staging / "equity.parquet", _parquet(done.equity_frame()))
        write_new(staging / "backtest.html", render_backtest(done))


def _parquet(frame: "pl.DataFrame") -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd")
    return buffer.getvalue()


def render_backtest(done: "BundleBacktest") -> bytes:
    """The page as one HTML file in UTF-8 that loads nothing. The same backtest gives the same bytes."""
    from barmill import __version__

    drawn = backtest_charts(done)
    result, judged = done.whole, done.judged.result
    window = rolling_window(result)
    context = {
        "done": done,
        "judged": done.judged,
        "sections": SECTIONS,
        "headline": _headline(done),
        "tone": "unknown" if done.judged.name != "out-of-sample" else "above" if done.judged.result.metrics["net_total_pnl"] > 0 else "",
        "facts": _facts(done),
        "cards": _cards(done.judged),
        "part_rows": _part_rows(done.parts),
        "months": _months(judged),
        "month_names": MONTHS,
        "rolling_days": None if window is None else duration(window * 365 / result.periods_per_year * 86_400),
        "best": _extreme(judged, best=True),
        "worst": _extreme(judged, best=False),
        "reasons": _reasons(judged),
        "grid": _grid(done.sensitivity),
        "config_lines": _config_lines(result),
        "drawn": drawn,
        "version": __version__,
    }
    scripts = (chart_library(), own_file("frame.js") + own_file("report.js"))
    styles = ["report.css", "backtest.css"]
    return rendered("backtest.html.j2", context, styles=styles, scripts=scripts, markup={"chart_data": embedded_json(drawn)})


def _headline(done: "BundleBacktest") -> str:
    part, metrics = done.judged, done.judged.result.metrics
    did = "earned" if metrics["net_total_pnl"] > 0 else "lost"
    where = {"out-of-sample": "On bars that it had not seen", "in-sample": "On bars that it had seen"}.get(part.name, "On these bars")
    if not metrics["n_trades"]:
        return f"{where} it made no trade."
    return f"{where} it {did} {percent(abs(metrics['net_return']))} net of costs, in {whole(metrics['n_trades'])} trades."


def _facts(done: "BundleBacktest") -> list[tuple[str, str]]:
    result = done.whole
    config = result.config
    return [
        ("Bundle", f"{done.bundle} ({done.digest[:12]})"),
        ("Bars", f"{whole(result.raw_rows)} of {result.timeframe}, {result.symbol}"),
        ("Account", f"{whole(config.account_size)} at the start, sized by {config.sizing}"),
        ("Fills", {"next_open": "at the next open", "next_close": "at the next close"}[config.fill]),
    ]


@dataclass(frozen=True, slots=True)
class Card:
    """A figure and what it is held against."""

    title: str
    figure: str
    against: str
    tone: str = ""


def _cards(part: "Part") -> list[Card]:
    m = part.result.metrics
    tone = "good" if m["net_total_pnl"] > 0 else "doubt"
    return [
        Card("Net profit", significant(m["net_total_pnl"], 4), f"{significant(m['gross_total_pnl'], 4)} before costs", tone),
        Card("Costs", significant(m["cost_total"], 4), f"{significant(m['cost_per_trade'])} a trade"),
        Card("Sharpe net", fixed(m["sharpe"], 2), f"{fixed(m['gross_sharpe'], 2)} gross, for a year", tone),
        Card("Drawdown", percent(m["max_drawdown"]), f"{percent(m['time_under_water'])} of the bars under water"),
        Card("Hit rate", percent(m["hit_rate"]), f"average win {significant(m['avg_win'])}, loss {significant(m['avg_loss'])}"),
        Card("Profit factor", fixed(m["profit_factor"], 2), f"recovery factor {fixed(m['recovery_factor'], 2)}"),
        Card("Trades", whole(m["n_trades"]), f"held {duration(m['avg_duration_minutes'] * 60)} on average"),
        Card("Exposure", percent(m["exposure"]), f"turnover {whole(m['turnover'])} times equity a year"),
    ]


_PART_ROWS = (
    ("Net profit", "net_total_pnl", lambda value: significant(value, 5)),
    ("Gross profit", "gross_total_pnl", lambda value: significant(value, 5)),
    ("Costs", "cost_total", lambda value: significant(value, 5)),
    ("of which fees", "fees", lambda value: significant(value, 5)),
    ("of which slippage", "slippage", lambda value: significant(value, 5)),
    ("of which funding", "funding", lambda value: significant(value, 5)),
    ("Net return", "net_return", percent),
    ("Sharpe net", "sharpe", lambda value: fixed(value, 2)),
    ("Sharpe gross", "gross_sharpe", lambda value: fixed(value, 2)),
    ("Sortino", "sortino", lambda value: fixed(value, 2)),
    ("Calmar", "calmar", lambda value: significant(value)),
    ("Volatility a year", "volatility", percent),
    ("Drawdown net", "max_drawdown", percent),
    ("Drawdown gross", "gross_max_drawdown", percent),
    ("Days under water, longest", "longest_under_water_days", lambda value: fixed(value, 1)),
    ("Trades", "n_trades", whole),
    ("long", "n_long", whole),
    ("short", "n_short", whole),
    ("Hit rate", "hit_rate", percent),
    ("Average trade", "avg_trade_pnl", significant),
    ("Average R", "avg_r", lambda value: fixed(value, 2)),
    ("Cost per trade", "cost_per_trade", significant),
    ("Turnover a year", "turnover", whole),
    ("Exposure", "exposure", percent),
)


def _part_rows(parts: "tuple[Part, ...]") -> list[tuple[str, list[str]]]:
    return [(title, [form(part.result.metrics[key]) for part in parts]) for title, key, form in _PART_ROWS]


def _months(result: "BacktestResult") -> list[tuple[int, list[tuple[str, str]], str]]:
    """Year, a (text, class) for each month, and the whole year."""
    from barmill.evaluation import monthly_returns

    years: dict[int, dict[int, float]] = {}
    for month in monthly_returns(result):
        years.setdefault(month.year, {})[month.month] = month.net_return
    rows: list[tuple[int, list[tuple[str, str]], str]] = []
    for year, months in years.items():
        cells = [
            (percent(months[number]), "gain" if months[number] > 0 else "loss" if months[number] < 0 else "")
            if number in months
            else ("", "")
            for number in range(1, 13)
        ]
        rows.append((year, cells, percent(float(np.prod([1 + value for value in months.values()]) - 1))))
    return rows


def _extreme(result: "BacktestResult", *, best: bool) -> "list[TradeRecord]":
    order = np.argsort(result.trades.net, kind="stable")
    chosen = order[::-1] if best else order
    return [result.trades[int(i)] for i in chosen[:MOST_TRADES]]


def _reasons(result: "BacktestResult") -> list[tuple[str, int]]:
    from barmill.evaluation.backtesting import REASONS

    counts = np.bincount(result.trades.reason, minlength=len(REASONS))
    return [(name, int(count)) for name, count in zip(REASONS, counts, strict=True) if count]


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure of the grid, and how strongly it is coloured (0 to 100)."""

    text: str
    small: str
    kind: str
    share: int


@dataclass(frozen=True, slots=True)
class Grid:
    """Costs by their multiple, and slippage against least confidence."""

    scales: list[str]
    costs: list[Cell]
    unit: str
    confidence: list[str]
    rows: list[tuple[str, list[Cell]]]


def _grid(found: "Sensitivity") -> Grid:
    every = [*found.costs, *(cell for row in found.grid for cell in row)]
    most = max((abs(row["net_return"]) for row in every), default=0.0) or 1.0
    return Grid(
        scales=[f"{scale:g} times" for scale in found.cost_scales],
        costs=[_cell(row, most) for row in found.costs],
        unit="ticks" if found.slippage_field == "slippage_ticks" else "bps",
        confidence=[fixed(level, 3) for level in found.confidence],
        rows=[(f"{level:g}", [_cell(cell, most) for cell in row]) for level, row in zip(found.slippage, found.grid, strict=True)],
    )


def _cell(row: dict[str, float], most: float) -> Cell:
    value = row["net_return"]
    kind = "gain" if value > 0 else "loss" if value < 0 else ""
    return Cell(percent(value), f"{whole(row['n_trades'])} trades", kind, round(100 * min(1.0, abs(value) / most)))


def _config_lines(result: "BacktestResult") -> str:
    given = result.config.model_dump(mode="json")
    return "\n".join(f"{name}: {NOT_AVAILABLE if value is None else value}" for name, value in given.items() if value is not None)


__all__ = ["render_backtest", "write_backtest"]

"""`barmill backtest`: trade the forecasts of a bundle on bars."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from barmill.evaluation import GroupFigures, Sensitivity
    from barmill.pipeline.bundle_backtest import BundleBacktest, Part

_ROWS = (
    ("net", "net_total_pnl", "{:,.2f}"),
    ("gross", "gross_total_pnl", "{:,.2f}"),
    ("costs", "cost_total", "{:,.2f}"),
    ("net return", "net_return", "{:.2%}"),
    ("Sharpe net", "sharpe", "{:.2f}"),
    ("Sharpe gross", "gross_sharpe", "{:.2f}"),
    ("Sortino", "sortino", "{:.2f}"),
    ("drawdown", "max_drawdown", "{:.2%}"),
    ("under water", "time_under_water", "{:.1%}"),
    ("trades", "n_trades", "{:.0f}"),
    ("hit rate", "hit_rate", "{:.1%}"),
    ("average win", "avg_win", "{:,.2f}"),
    ("average loss", "avg_loss", "{:,.2f}"),
    ("profit factor", "profit_factor", "{:.2f}"),
    ("cost per trade", "cost_per_trade", "{:,.2f}"),
    ("minutes held", "avg_duration_minutes", "{:.1f}"),
    ("turnover a year", "turnover", "{:,.0f}"),
    ("exposure", "exposure", "{:.1%}"),
)


def backtest(
    bundle: Annotated[Path, typer.Argument(help="Folder of a bundle's version, or of a model (its current version).")],
    bars: Annotated[Path, typer.Option(help="A file of bars, with the history that warms up the features.")],
    symbol: Annotated[str | None, typer.Option(help="What these bars are of, if the file's name does not say it.")] = None,
    config: Annotated[Path | None, typer.Option(help="A YAML file of backtest fields; the rule of the bundle if left out.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Lay a value over the config.")] = None,
    funding: Annotated[Path | None, typer.Option(help="A file of funding settlements: times and rates.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="A new folder for backtest.json, trades and equity as Parquet, and backtest.html.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Trade the forecasts of a bundle on bars, net of fees and slippage, and say what of it the bundle had seen before.

    A decision at a bar's close fills at the next open. What the config leaves out is the bundle's own rule: thresholds, holding period.

    Example: barmill backtest runs/quickstart/bundle/lightgbm --bars bars.parquet --set stop_atr=2 --out backtests/first
    """
    import json

    from barmill.bundles import Bundle
    from barmill.bundles.bars_for import read_bars_for
    from barmill.cli.progress_line import ProgressLine
    from barmill.evaluation import FundingRates
    from barmill.pipeline.bundle_backtest import backtest_bundle, bundle_config, check_new_folder

    if out is not None:
        check_new_folder(out)
    loaded = Bundle.load(bundle)
    rules = bundle_config(loaded, config, set_ or ())
    rates = None if funding is None else FundingRates.read(funding)
    progress = ProgressLine()
    done = backtest_bundle(loaded, read_bars_for(loaded, bars, symbol), rules, funding=rates, progress=progress)
    progress.end()
    if out is not None:
        from barmill.console.backtest_page import write_backtest

        write_backtest(done, out)
    if json_:
        print(json.dumps(done.to_dict(most_points=2_000), indent=2, ensure_ascii=False))
    else:
        _print(done, out)


def _print(done: "BundleBacktest", out: Path | None) -> None:

    from rich.table import Table

    from barmill.cli.terminal import output_console

    whole = done.whole
    title = f"{done.bundle} on {whole.symbol} {whole.timeframe}, {whole.raw_rows:,} bars, account {whole.config.account_size:,.0f}"
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for part in done.parts:
        table.add_column(f"{part.name}\n{part.first_time}\nto {part.last_time}", justify="right")
    for name, key, form in _ROWS:
        table.add_row(name, *(_figure(part, key, form) for part in done.parts))
    console = output_console(120)
    console.print(table)
    console.print(_groups(f"{done.judged.name}, by regime and hour (UTC) of the decision", (*done.regimes, *done.hours)))
    console.print(_costs(done.sensitivity))
    for part in done.parts:
        if part.result.stopped:
            print(f"{part.name}: {part.result.stopped}")
    if done.warning:
        print(f"note: {done.warning}")
    if out is not None:
        print(f"page     {out / 'backtest.html'}")


def _figure(part: "Part", key: str, form: str) -> str:
    import math

    value = part.result.metrics[key]
    return "n/a" if math.isnan(value) else form.format(value)


def _groups(title: str, groups: "tuple[GroupFigures, ...]") -> object:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for heading in ("", "bars", "trades", "net", "costs", "hit rate"):
        table.add_column(heading, justify="right" if heading else "left")
    for group in groups:
        hits = f"{group.hit_rate:.1%}" if group.n_trades else "n/a"
        table.add_row(group.name, f"{group.bar_share:.0%}", f"{group.n_trades}", f"{group.net_pnl:,.2f}", f"{group.cost:,.2f}", hits)
    return table


def _costs(found: "Sensitivity") -> object:
    from rich.table import Table

    table = Table(title="net return if costs, or slippage and least confidence, were others", title_justify="left")
    table.add_column("")
    width = max(len(found.cost_scales), len(found.confidence))
    for _ in range(width):
        table.add_column("", justify="right")
    table.add_row("costs times", *(f"{scale:g}" for scale in found.cost_scales))
    table.add_row("", *(f"{row['net_return']:.2%}" for row in found.costs), end_section=True)
    table.add_row("least confidence", *(f"{level:.4g}" for level in found.confidence))
    for level, row in zip(found.slippage, found.grid, strict=True):
        table.add_row(f"{found.slippage_field} {level:g}", *(f"{cell['net_return']:.2%}" for cell in row))
    return table

"""Many backtests on the same bars: figures for each, no paths, so memory does not grow with their number."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from barmill.errors import InputError, ShapeError
from barmill.evaluation.backtesting import tally as sums
from barmill.evaluation.backtesting.config import BacktestConfig
from barmill.evaluation.backtesting.engine import checked_signals, run_rules, stop_words
from barmill.evaluation.backtesting.funding import FundingRates
from barmill.evaluation.backtesting.market_arrays import SHARED_FIELDS, MarketArrays, market_arrays
from barmill.evaluation.backtesting.rule_vector import rule_vector
from barmill.evaluation.backtesting.signals import Signals
from barmill.market.bars import Bars

Float64Array = npt.NDArray[np.float64]
NAN = float("nan")


def config_grid(config: BacktestConfig, **values: Sequence[Any]) -> list[BacktestConfig]:
    """Every combination of `values` (field to its values) laid over `config`, the last field running fastest; each is checked.

    Raises: InputError for a field that there is not; pydantic's ValidationError for a value that cannot be.
    """
    unknown = sorted(set(values) - set(BacktestConfig.model_fields))
    if unknown:
        raise InputError("config_grid", f"no field named {', '.join(unknown)}", expected="fields of BacktestConfig")
    base = config.model_dump()
    return [BacktestConfig.model_validate(base | dict(zip(values, chosen, strict=True))) for chosen in product(*values.values())]


def backtest_many(
    bars: Bars,
    signals: Signals | npt.ArrayLike | Sequence[Signals],
    configs: BacktestConfig | Sequence[BacktestConfig],
    *,
    cost_scales: npt.ArrayLike = 1.0,
    funding: FundingRates | None = None,
    threads: int = 1,
) -> pl.DataFrame:
    """Backtest columns of signals, or of configs, or of both side by side.

    Parameters
    ----------
    bars : Bars of shape (n_bars,)
    signals : one `Signals` or array of shape (n_bars,) for all columns; or a sequence of k of them, or an array of shape (n_bars, k) of
        +1, -1 and 0
    configs : one for all columns, or k, see `config_grid`; equal in the fields of `SHARED_FIELDS`, and none with `sizing: share`
    cost_scales : a number, or k of them, by which fees and slippage are multiplied
    threads : columns that are run at a time; the loop holds no lock

    Returns
    -------
    Polars frame of k rows, in order: net_return, net_total_pnl, gross_total_pnl, sharpe, sortino, calmar, max_drawdown, n_trades, hit_rate,
    profit_factor, recovery_factor, avg_trade_pnl, cost_per_trade, fees, slippage, funding, turnover, exposure, final_equity, stopped
    (words). Each is what `BacktestEngine.run` gives for that column, to rounding.

    Raises: as `BacktestEngine.run`; InputError for configs that need different arrays.
    Cost: one pass per column, about 10 ms for a million bars; no path is stored.
    """
    columns = _signal_columns(signals)
    rules_of = [configs] if isinstance(configs, BacktestConfig) else list(configs)
    scales = np.atleast_1d(np.asarray(cost_scales, dtype=np.float64))
    k = _one_number_of_columns(columns=len(columns), configs=len(rules_of), cost_scales=scales.size)
    _check_shared(rules_of)
    market = market_arrays(bars, rules_of, funding)

    def work(i: int) -> tuple[Float64Array, str]:
        config = rules_of[i % len(rules_of)]
        said = checked_signals(columns[i % len(columns)], len(bars), config)
        rules = rule_vector(config, bars.instrument, bars.timeframe, float(scales[i % scales.size]))
        tally = run_rules(market, said, rules, None)
        return tally, stop_words(tally, market)

    with ThreadPoolExecutor(max(1, min(threads, os.cpu_count() or 1))) as pool:
        done = list(pool.map(work, range(k)))
    sizes = np.array([rules_of[i % len(rules_of)].account_size for i in range(k)])
    tallies = np.array([tally for tally, _ in done]).reshape(k, sums.N_SUMS)
    return pl.DataFrame({**_figures(tallies, sizes, market), "stopped": pl.Series([words for _, words in done], dtype=pl.String)})


def _signal_columns(signals: Signals | npt.ArrayLike | Sequence[Signals]) -> list[Signals]:
    if isinstance(signals, Signals):
        return [signals]
    if isinstance(signals, list | tuple) and signals and all(isinstance(one, Signals) for one in signals):
        return [one for one in signals if isinstance(one, Signals)]
    array = np.asarray(signals)
    if array.ndim == 1:
        return [Signals.of(array)]
    if array.ndim != 2:
        raise ShapeError("signals", f"have shape {array.shape}", expected="(n_bars,) or (n_bars, k)")
    if array.dtype == np.int8:  # column after column in memory, a byte each: nothing larger is ever made of them
        if array.size and (array.min() < -1 or array.max() > 1):
            raise ShapeError("signals", f"hold {array.min()} to {array.max()}", expected="+1, -1 or 0")
        return [Signals(column) for column in np.ascontiguousarray(array.T)]
    return [Signals.of(array[:, i]) for i in range(array.shape[1])]


def _one_number_of_columns(**counts: int) -> int:
    k = max(counts.values())
    if any(count not in (1, k) for count in counts.values()):
        said = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items())
        raise ShapeError("backtest_many", said, expected="one of each, or as many as of the others")
    return k


def _check_shared(configs: list[BacktestConfig]) -> None:
    for name in SHARED_FIELDS:
        values = {getattr(config, name) for config in configs}
        if len(values) > 1:
            said = ", ".join(sorted(str(value) for value in values))
            raise InputError(f"backtest_many:{name}", f"differs among the configs: {said}", mend="Call it once for each value.")
    if any(config.sizing == "share" for config in configs):
        raise InputError("backtest_many:sizing", "share", expected="lots, fraction, volatility or kelly", mend="Use BacktestEngine.")


def _figures(tally: Float64Array, capital: Float64Array, market: MarketArrays) -> dict[str, Float64Array]:
    """The figures that sums give, by the formulas of definitions.md, section 2."""
    column = tally.T
    n, periods = column[sums.N_BARS], market.periods_per_year
    final, trades = column[sums.FINAL_EQUITY], column[sums.N_TRADES]
    cost = column[sums.COST_FEES] + column[sums.COST_SLIPPAGE] + column[sums.COST_FUNDING]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        mean = column[sums.SUM_RETURNS] / n
        variance = (column[sums.SUM_SQUARES] - n * mean**2) / (n - 1)
        downside = np.sqrt(column[sums.SUM_DOWNSIDE] / n)
        fall = np.minimum(column[sums.MAX_FALL], 0.0)
        growth = np.where(final >= 0, np.power(np.maximum(final, 0.0) / capital, periods / n) - 1.0, NAN)
        mean_equity = column[sums.SUM_EQUITY] / n
        return {
            "net_return": final / capital - 1.0,
            "net_total_pnl": final - capital,
            "gross_total_pnl": column[sums.GROSS],
            "sharpe": np.where(variance > 0, np.sqrt(periods) * mean / np.sqrt(variance), NAN),
            "sortino": _to_loss(np.sqrt(periods) * mean, downside),
            "calmar": np.where(np.isnan(growth), NAN, _to_loss(growth, -fall)),
            "max_drawdown": fall,
            "n_trades": trades,
            "hit_rate": column[sums.WINS] / trades,
            "profit_factor": np.where(trades > 0, _to_loss(column[sums.GAINS], column[sums.LOSSES]), NAN),
            "recovery_factor": np.where(trades > 0, _to_loss(column[sums.PROFIT], column[sums.DEEPEST_FALL]), NAN),
            "avg_trade_pnl": column[sums.PROFIT] / trades,
            "cost_per_trade": cost / trades,
            "fees": column[sums.COST_FEES],
            "slippage": column[sums.COST_SLIPPAGE],
            "funding": column[sums.COST_FUNDING],
            "turnover": np.where(mean_equity > 0, column[sums.TRADED_VALUE] / mean_equity / (n / periods), NAN),
            "exposure": column[sums.BARS_HELD] / n,
            "final_equity": final,
        }


def _to_loss(gain: Float64Array, loss: Float64Array) -> Float64Array:
    """A ratio to a loss: without one +inf for a gain, NaN otherwise."""
    return np.where(loss > 0, gain / loss, np.where(gain > 0, np.inf, NAN))


__all__ = ["backtest_many", "config_grid"]

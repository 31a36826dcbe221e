"""Speed and memory of many backtests against vectorbt: the same signals on the same bars, each in a process of its own, in turns.

    python -m benchmarks.backtest [--bars 1000000] [--columns 50] [--rounds 3]

A column is a signal every 150 bars or so: long or short by chance, at the open of the next bar, left after a holding period of the
column's own, one unit, 5 bps a side. vectorbt gets what its users write: `Portfolio.from_signals` on frames, and from it total return,
Sharpe ratio, drawdown and the number of trades. Barmill gets the signals as bytes and the rules as configs. Compiling is done before the
clock starts, on few bars. Time is that of the processor, which other work on the machine moves little; the figures are checked equal.
Memory is the peak of the process over what it held before.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

MINUTE_MS = 60_000
CASH = 1_000_000.0
FEE_BPS = 5.0
EVERY = 150
WARM_BARS = 2_000
WHO = ("barmill", "vectorbt")

Market = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def make_market(n_bars: int) -> Market:
    """Open, high, low, close of a random walk."""
    rng = np.random.default_rng(0)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 5e-4, n_bars)))
    opened = np.concatenate([close[:1], close[:-1]])
    high = np.maximum(opened, close) * (1.0 + np.abs(rng.normal(0.0, 2e-4, n_bars)))
    low = np.minimum(opened, close) * (1.0 - np.abs(rng.normal(0.0, 2e-4, n_bars)))
    return opened, high, low, close


def make_signals(n_bars: int, n_columns: int) -> tuple[np.ndarray, np.ndarray]:
    """int8 (n_bars, n_columns) of +1 and -1 that never overlap, and how long each column holds."""
    rng = np.random.default_rng(1)
    holds = np.linspace(10, 120, n_columns).astype(np.int64)
    signals = np.zeros((n_bars, n_columns), dtype=np.int8)
    for column in range(n_columns):
        at = np.arange(column % EVERY, n_bars - 1, EVERY)
        signals[at, column] = rng.choice(np.array([1, -1], dtype=np.int8), at.size)
    return signals, holds


def with_barmill(n_bars: int, n_columns: int) -> Callable[[], np.ndarray]:
    from barmill.evaluation import BacktestConfig, backtest_many, config_grid
    from barmill.market import Bars, Fee, Instrument, Slippage

    free = Instrument(symbol="T", tick_size=0.01, multiplier=1.0, fee=Fee(bps=FEE_BPS), slippage=Slippage(bps=0))
    times = MINUTE_MS * np.arange(n_bars)
    bars = Bars.from_columns(free, "1m", times, *make_market(n_bars), np.ones(n_bars))
    signals, holds = make_signals(n_bars, n_columns)
    configs = config_grid(BacktestConfig(sizing="lots", account_size=CASH), holding_bars=[int(hold) for hold in holds])

    def work() -> np.ndarray:
        return backtest_many(bars, signals, configs).select("net_return", "sharpe", "max_drawdown", "n_trades").to_numpy()

    return work


def with_vectorbt(n_bars: int, n_columns: int) -> Callable[[], np.ndarray]:
    import pandas as pd
    import vectorbt as vbt

    vbt.settings.returns["year_freq"] = "365 days"
    opened, _, _, close = make_market(n_bars)
    index = pd.to_datetime(MINUTE_MS * np.arange(n_bars), unit="ms")
    signals, holds = make_signals(n_bars, n_columns)
    after = np.zeros_like(signals)
    after[1:] = signals[:-1]
    leave = np.zeros_like(signals)
    for column, hold in enumerate(holds):
        leave[hold + 1 :, column] = np.abs(signals[: -hold - 1, column])
    frames = {
        "entries": pd.DataFrame(after == 1, index),
        "exits": pd.DataFrame(leave != 0, index),
        "short_entries": pd.DataFrame(after == -1, index),
        "short_exits": pd.DataFrame(leave != 0, index),
    }
    closes, opens = pd.Series(close, index), pd.Series(opened, index)

    def work() -> np.ndarray:
        portfolio = vbt.Portfolio.from_signals(
            closes, **frames, price=opens, size=1.0, size_type="amount", fees=FEE_BPS * 1e-4, init_cash=CASH, freq="1min"
        )
        figures = (portfolio.total_return(), portfolio.sharpe_ratio(), portfolio.max_drawdown(), portfolio.trades.count())
        return np.column_stack([np.asarray(figure, dtype=np.float64) for figure in figures])

    return work


def kib(name: str) -> int:
    """A figure of this process's memory, as the system keeps it."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1])


def child(who: str, n_bars: int, n_columns: int) -> None:
    """Compile on few bars, then do the work once; say the seconds, the peak over what was held before, and the figures."""
    make = with_barmill if who == "barmill" else with_vectorbt
    make(WARM_BARS, 2)()
    work = make(n_bars, n_columns)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of making the inputs
    before = kib("VmRSS")
    began = time.process_time()
    figures = work()
    took = time.process_time() - began
    print(json.dumps({"seconds": took, "mib": (kib("VmHWM") - before) / 1024, "figures": figures.tolist()}))


def measured(who: str, n_bars: int, n_columns: int) -> dict[str, object]:
    arguments = ["--child", who, "--bars", str(n_bars), "--columns", str(n_columns)]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.backtest", *arguments], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bars", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", choices=WHO, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        child(asked.child, asked.bars, asked.columns)
        return
    print(f"{asked.columns} columns of {asked.bars:,} bars, {asked.rounds} rounds in turns")
    rounds = [{who: measured(who, asked.bars, asked.columns) for who in WHO} for _ in range(asked.rounds)]
    ours, theirs = (np.array(rounds[0][who]["figures"]) for who in WHO)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)
    for who in WHO:
        seconds, mib = ([one[who][key] for one in rounds] for key in ("seconds", "mib"))
        print(f"  {who:<10} {median(seconds):8.3f} s   peak {median(mib):8.0f} MiB over the inputs")
    for key, title in (("seconds", "time"), ("mib", "memory")):
        ratios = sorted(float(one["vectorbt"][key]) / max(float(one["barmill"][key]), 1.0 if key == "mib" else 1e-9) for one in rounds)
        print(f"  vectorbt / barmill, {title}: {median(ratios):.0f} ({ratios[0]:.0f} to {ratios[-1]:.0f})")
    print("  figures agree: net return, Sharpe ratio, drawdown, number of trades of every column")


if __name__ == "__main__":
    main()

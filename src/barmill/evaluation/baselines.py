"""What a model has to beat: holding, doing nothing, and the same trading at the wrong times."""

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from barmill.errors import ShapeError
from barmill.evaluation.backtest import JudgedPath, Path, backtest
from barmill.evaluation.backtesting.bar_return import net_of_bar
from barmill.evaluation.performance import sharpe_ratio

Float64Array = npt.NDArray[np.float64]

CHANCE_PERCENTILE = 95.0


@dataclass(frozen=True, slots=True)
class RandomBand:
    """Net Sharpe ratios of the model's own path of positions, turned round in time by random amounts.

    Each random signal has the model's exposure, sides, holding times and number of trades, and pays costs like it; only
    its timing has nothing to do with the market. NaN throughout where the path never varies, for then a turn changes nothing.

    p05, p50, p95 : percentiles of the random Sharpe ratios
    share_below : share of them below the model's
    n : how many there were
    sharpe : the model's own
    """

    p05: float
    p50: float
    p95: float
    share_below: float
    n: int
    sharpe: float

    @property
    def above_chance(self) -> bool:
        """The model's net Sharpe is above the 95th percentile of the band, and it earned something (is positive).

        Both, because in a market with heavy costs the whole band may lie far below 0: to lose less than a random signal
        is no success.
        """
        return bool(self.sharpe > 0 and self.sharpe > self.p95)

    def to_json(self) -> dict[str, float | int]:
        """The keys of a judgement's `random`."""
        return {"p05": self.p05, "p50": self.p50, "p95": self.p95, "share_below": self.share_below, "n": self.n}


@dataclass(frozen=True, slots=True)
class Baselines:
    """buy_and_hold, always_flat : what they came to, at the same costs; random : the band; above_chance : its verdict"""

    buy_and_hold: JudgedPath
    always_flat: JudgedPath
    random: RandomBand

    @property
    def above_chance(self) -> bool:
        return self.random.above_chance


def baselines(
    bars_open: npt.ArrayLike, position: npt.ArrayLike, cost_rate: npt.ArrayLike, periods_per_year: float, seed: int, n_random: int = 200
) -> Baselines:
    """Judge the three baselines of a path of positions; parameters as in `backtest`, `random_band`."""
    n_bars = np.asarray(bars_open).size
    return Baselines(
        buy_and_hold=backtest(bars_open, np.ones(n_bars), cost_rate, periods_per_year),
        always_flat=backtest(bars_open, np.zeros(n_bars), cost_rate, periods_per_year),
        random=random_band(bars_open, position, cost_rate, periods_per_year, seed, n_random),
    )


def random_band(
    bars_open: npt.ArrayLike, position: npt.ArrayLike, cost_rate: npt.ArrayLike, periods_per_year: float, seed: int, n_random: int = 200
) -> RandomBand:
    """Sharpe ratios of `n_random` circular shifts of the position path, drawn evenly with `seed`.

    The n - 2 judged positions are a ring that is turned by 1 .. n - 3 bars; prices and costs stay in their place. Where the market has
    no memory of the signal, the model's own Sharpe is as likely in any place among them (the seam of the ring, one trade, aside).

    Parameters
    ----------
    bars_open, position, cost_rate, periods_per_year : as in `backtest`
    seed : int; n_random : int, 0 for no band; drawn without repetition while there are enough shifts

    Cost: n_random passes over the bars without copies, about 3 ms per pass for a million bars.
    """
    if n_random < 0:
        raise ShapeError("n_random", f"is {n_random}", expected="0 or more")
    path = Path.of(bars_open, position, cost_rate)
    own = sharpe_ratio(path.gross - path.cost, periods_per_year)
    n_shifts = path.position.size - 1
    nan = float("nan")
    if n_random == 0 or n_shifts < 2 or path.position.max() == path.position.min():
        return RandomBand(nan, nan, nan, nan, 0, own)
    draw = np.random.default_rng(seed)
    shifts = 1 + draw.choice(n_shifts, size=n_random, replace=n_random > n_shifts)
    random = np.sqrt(periods_per_year) * _shifted_sharpes(path.position, path.market, path.rate, shifts.astype(np.int64))
    random = random[np.isfinite(random)]
    if random.size == 0:
        return RandomBand(nan, nan, nan, nan, 0, own)
    p05, p50, p95 = (float(value) for value in np.percentile(random, [5.0, 50.0, CHANCE_PERCENTILE]))
    return RandomBand(p05, p50, p95, float(np.mean(random < own)), random.size, own)


@numba.njit(cache=True)
def _shifted_sharpes(position: Float64Array, market: Float64Array, rate: Float64Array, shifts: npt.NDArray[np.int64]) -> Float64Array:
    """Sharpe per bar of the path turned by each of `shifts`: the arithmetic of `backtest_net_returns`, nothing stored."""
    n = position.size
    result = np.empty(shifts.size)
    for i in range(shifts.size):
        total, squares, before = 0.0, 0.0, 0.0
        source = n - shifts[i]
        for t in range(n):
            held = position[source]
            net = net_of_bar(held, before, market[t], rate[t])
            total += net
            squares += net * net
            before = held
            source += 1
            if source == n:
                source = 0
        mean = total / n
        variance = (squares - n * mean * mean) / (n - 1)
        result[i] = mean / np.sqrt(variance) if variance > 0.0 else np.nan
    return result


__all__ = ["Baselines", "RandomBand", "baselines", "random_band"]

"""A market with what real one-minute bars have, and a predictable part that is known exactly.

Log returns of bar t are `mu + sigma * z` and, rarely, a jump. The volatility sigma clusters (a slow and a fast
autoregression of its logarithm) and follows the hour of the day; z has a Student distribution, so tails are fat.
Volume and trades rise with volatility and with the size of the return; the takers' share leans with the close's place
in the bar's range.

The planted part, `mu`, depends on *past bars* alone. With x the logarithm of the close (as written, rounded to ticks):

    d[t] = x[t] - e[t],  e[t] = e[t-1] + a (x[t] - e[t-1])              distance from the moving average, a = 2 / (SPAN + 1)
    f[t] = p f[t-1] + (1 - p) (2 x[t] - ln high[t] - ln low[t])         where closes lie in the range: flow
    mu[t+1] = strength * (-REVERSION d[t] + FLOW f[t])

Both are linear. Highs and lows overshoot alike on both sides, so 2 x - ln high - ln low of a bar has the same expectation
as the return from its open to its close. Therefore the expected return of the next `horizon` bars is linear in (d, f), with weights
that `oracle_weights` works out by recursion. Nothing in the bars beyond d and f helps to forecast the direction.
"""

import io
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from barmill.artefacts import write_bytes
from barmill.errors import InputError
from barmill.market.bars import Bars
from barmill.market.calendar import Calendar
from barmill.market.instrument import Instrument
from barmill.market.timeframe import Timeframe

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

SPAN = 60  # bars of the moving average that prices revert to
REVERSION = 0.035  # of the distance d, per bar, at strength 1
FLOW_MEMORY = 0.9
FLOW = 0.30  # of the flow f, per bar, at strength 1
MINUTE_SIGMA = 6e-4  # typical volatility of a minute: 44% a year
TAIL_DF = 5.0  # Student degrees of freedom; kurtosis 9 before volatility clusters
JUMPS_A_DAY = 0.5
JUMP_SIGMAS = 8.0
MAX_STRENGTH = 3.0  # beyond this the reversion would overshoot


@dataclass(frozen=True, slots=True)
class Simulation:
    """Simulated bars with what could at best be known of them.

    bars : as if read from a file, with quote_volume, trades, taker_buy_base and taker_buy_quote
    oracle : float64 (n_bars,), at t the expected log return from open[t+1] to close[t+horizon] given bars up to t
    strength, horizon : of the planted part
    """

    bars: Bars
    oracle: Float64Array
    strength: float
    horizon: int


def simulate(
    n_bars: int,
    seed: int,
    strength: float = 1.0,
    horizon: int = 60,
    symbol: str = "SIM",
    start: str | date = "2024-01-01",
    timeframe: Timeframe | str = "1m",
    missing_share: float = 0.0,
) -> Simulation:
    """Draw a market. The same arguments give the same bars, to the bit.

    Parameters
    ----------
    n_bars : how many bars there are, at least 2
    seed : of NumPy's PCG64, at least 0
    strength : of the planted part, 0 (none) to 3; at 1 a forecast by the oracle has an AUC of about 0.6
    horizon : bars that the oracle looks ahead
    symbol : built-in instrument; its tick size and its calendar (nights and weekends are then gaps) are used
    start : day of the first bar, UTC
    missing_share : share of the bars, drawn at random, that a thin market leaves out, 0 to 0.9
    """
    from barmill.market.simulator_kernel import advance  # Numba is loaded only by those who simulate

    length = Timeframe.parse(timeframe) if isinstance(timeframe, str) else timeframe
    _check(n_bars, seed, strength, horizon, missing_share)
    instrument = Instrument.builtin(symbol)
    random = np.random.Generator(np.random.PCG64(seed))
    times = open_times(random, n_bars, _start_ms(start), length, Calendar.named(instrument.calendar), missing_share)
    pauses = pauses_before(times, length)
    season = hourly_volatility(times)
    made = advance(
        random.standard_normal((2, n_bars)),
        random.standard_t(TAIL_DF, n_bars) * np.sqrt((TAIL_DF - 2.0) / TAIL_DF),  # of unit variance
        random.standard_exponential((2, n_bars)),
        _jumps(random, n_bars, length),
        random.standard_normal(n_bars) * 0.02 + np.sqrt(pauses) * 0.25 * random.standard_normal(n_bars),
        season,
        _parameters(instrument, length, strength),
    )
    decimals = max(0, -int(np.floor(np.log10(instrument.tick_size)))) + 2
    prices, sigma, states = np.round(made[:4], decimals), made[4], made[5:]  # 1000.03, not 1000.0300000000001
    bars = with_volume(random, instrument, length, times, prices, sigma, season)
    weights = oracle_weights(strength, horizon)
    return Simulation(bars, weights[0] * states[0] + weights[1] * states[1], strength, horizon)


def write_oracle(simulation: Simulation, path: str | Path) -> None:
    """Write open_time and oracle to a Parquet file, at once. Raises StorageError."""
    buffer = io.BytesIO()
    frame = pl.DataFrame({"open_time": simulation.bars.open_time, "oracle": simulation.oracle})
    frame.write_parquet(buffer, compression="zstd")
    write_bytes(Path(path), buffer.getvalue())


def oracle_weights(strength: float, horizon: int) -> tuple[float, float]:
    """Weights of (d, f) in the expected log return of the next `horizon` bars.

    One bar ahead the expectation is m = strength (-REVERSION d + FLOW f); after it, in expectation, d becomes
    (1 - a)(d + m) and f becomes p f + (1 - p) m. Summed over the horizon, by linearity, for d = 1 and f = 1 apart.
    """
    a = 2.0 / (SPAN + 1)
    weights: list[float] = []
    for d, f in ((1.0, 0.0), (0.0, 1.0)):
        total = 0.0
        for _ in range(horizon):
            expected = strength * (-REVERSION * d + FLOW * f)
            total += expected
            d, f = (1.0 - a) * (d + expected), FLOW_MEMORY * f + (1.0 - FLOW_MEMORY) * expected
        weights.append(total)
    return weights[0], weights[1]


def _check(n_bars: int, seed: int, strength: float, horizon: int, missing_share: float) -> None:
    limits = [
        ("n_bars", n_bars, 2, 100_000_000),
        ("seed", seed, 0, 2**63),
        ("strength", strength, 0.0, MAX_STRENGTH),
        ("horizon", horizon, 1, 100_000),
        ("missing_share", missing_share, 0.0, 0.9),
    ]
    problems = [
        InputError(f"simulate:{name}", f"{value:g}", expected=f"{low:g} to {high:g}")
        for name, value, low, high in limits
        if not low <= value <= high
    ]
    if problems:
        raise InputError.gathered(problems)


def _start_ms(start: str | date) -> int:
    try:
        moment = datetime.fromisoformat(str(start))
    except ValueError as error:
        raise InputError("simulate:start", f"'{start}' is no date", expected="a day such as 2024-01-01") from error
    return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()) * 1000


def open_times(
    random: np.random.Generator, n_bars: int, start_ms: int, timeframe: Timeframe, calendar: Calendar, missing_share: float
) -> Int64Array:
    """The first `n_bars` open times of the calendar, after a share of them was left out."""
    wanted = int(np.ceil(n_bars / (1.0 - missing_share) * 1.01)) + 100 if missing_share else n_bars
    density = calendar.periods_per_year(timeframe) * timeframe.ms / (365.0 * 86_400_000)
    span = int(wanted / density * 1.05) * timeframe.ms + 21 * 86_400_000
    times = calendar.expected(start_ms, start_ms + span, timeframe)
    if missing_share:
        times = times[random.random(times.size) >= missing_share]
    return times[:n_bars]


def pauses_before(times: Int64Array, timeframe: Timeframe) -> Float64Array:
    """Bars without trading before each bar, a day of minutes at most."""
    return np.concatenate([[0.0], np.minimum(np.diff(times) / timeframe.ms - 1.0, 1440.0)])


def hourly_volatility(times: Int64Array) -> Float64Array:
    """Volatility of the hour: quiet in the Asian night, busiest at the American open; its mean square over a day is near 1."""
    hour = times % 86_400_000 / 3_600_000.0
    european = 0.25 * np.exp(-0.5 * ((hour - 8.0) / 1.5) ** 2)
    american = 0.85 * np.exp(-0.5 * ((hour - 14.5) / 2.0) ** 2)
    return 0.75 + european + american


def _jumps(random: np.random.Generator, n_bars: int, timeframe: Timeframe) -> Float64Array:
    """Jumps in units of sigma: 0 in most bars."""
    at = random.random(n_bars) < JUMPS_A_DAY * timeframe.minutes / 1440
    return np.where(at, JUMP_SIGMAS * random.standard_normal(n_bars), 0.0)


def _parameters(instrument: Instrument, timeframe: Timeframe, strength: float) -> Float64Array:
    """What the kernel takes, in its order."""
    sigma = MINUTE_SIGMA * np.sqrt(timeframe.minutes)
    first_price = 100_000.0 * instrument.tick_size
    return np.array([first_price, instrument.tick_size, sigma, 2.0 / (SPAN + 1), FLOW_MEMORY, strength * REVERSION, strength * FLOW])


def with_volume(
    random: np.random.Generator,
    instrument: Instrument,
    timeframe: Timeframe,
    times: Int64Array,
    prices: Float64Array,
    sigma: Float64Array,
    season: Float64Array,
) -> Bars:
    """Volume, trades and taker flow that go with the prices."""
    opens, highs, lows, closes = prices
    usual = MINUTE_SIGMA * np.sqrt(timeframe.minutes)
    move = np.abs(np.log(closes / opens)) / sigma
    busy = 1.1 * np.log(sigma / usual) + 0.35 * np.minimum(move, 6.0) + 0.3 * np.log(season)
    volume = np.round(250.0 * timeframe.minutes * np.exp(busy + 0.45 * random.standard_normal(times.size)), 3) + 0.001
    trades = np.ceil(volume / 2.5 * np.exp(0.2 * random.standard_normal(times.size)))
    lean = (2.0 * closes - highs - lows) / (sigma * closes)
    share = 0.5 + 0.5 * np.tanh(0.35 * lean + 0.25 * random.standard_normal(times.size))
    taker = np.minimum(np.round(volume * share, 3), volume)
    average = (opens + highs + lows + closes) / 4.0
    extras = {"quote_volume": volume * average, "trades": trades, "taker_buy_base": taker, "taker_buy_quote": taker * average}
    return Bars.from_columns(instrument, timeframe, times, opens, highs, lows, closes, volume, **extras)

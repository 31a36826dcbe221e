"""Order flow of the microstructure family: who crossed the spread, and how one-sided and how busy trading was.

Where the source says what takers bought (`taker_buy_base`) that is used; else the change of the close tells, by its sign (tick rule) or
by its size (bulk volume classification). Both kinds have features of their own, so that a name never changes its meaning with the data.
"""

import math
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from barmill.errors import InputError
from barmill.features import history
from barmill.features.kernels import order_flow, window_sums
from barmill.features.kernels import vpin as buckets
from barmill.features.kernels.kernel import VOLUME, Float64Array
from barmill.features.params import NoParams, VpinParams, WindowParams
from barmill.features.spec import FeatureSpec

MOST_BUCKETS = 10**8


def tick_rule(price: npt.ArrayLike, b0: float = 1.0) -> Float64Array:
    """The side of each trade: the sign of the change, of no change the side before.

    Parameters
    ----------
    price : float64 array of shape (n,), of trades or of closes
    b0 : float, side of the first one, 1 for bought or -1 for sold

    Returns
    -------
    float64 array of shape (n,), 1 or -1 (b0 until the first change).

    Timing: row t uses prices 0 .. t.
    Raises: ShapeError unless price has one axis.
    Source: Lee & Ready (1991), Journal of Finance 46(2), 733-746.
    """
    return order_flow.tick_rule.run((b0,), close=history.columns("tick_rule", price=price)["price"])[0].copy()


def bulk_volume_classification(close: npt.ArrayLike, sigma: npt.ArrayLike) -> Float64Array:
    """Share of each bar's volume that was bought: Φ((C - C₋₁)/σ), 0.5 on the first bar.

    Parameters
    ----------
    close : float64 array of shape (n_bars,), prices
    sigma : float64 array of shape (n_bars,), the standard deviation of changes of the close; row t must be known at t itself: one of
        the whole sample leaks. A single number is taken for all rows

    Returns
    -------
    float64 array of shape (n_bars,), 0 to 1; NaN where sigma is NaN, or 0 while the close stood still.

    Timing: row t uses closes t - 1 and t and sigma t.
    Raises: ShapeError if the lengths differ; InputError naming the first row with a negative sigma.
    Source: Easley, López de Prado & O'Hara (2012), Review of Financial Studies 25(5), 1457-1493.
    """
    from scipy.special import ndtr  # loaded by those who ask alone

    function = "bulk_volume_classification"
    given = history.columns(function, close=close, sigma=np.broadcast_to(sigma, np.shape(close)) if np.ndim(sigma) == 0 else sigma)
    negative = np.flatnonzero(given["sigma"] < 0.0)
    if negative.size:
        row = int(negative[0])
        raise InputError(f"{function}: row {row}", f"sigma is {given['sigma'][row]}", expected="0 or more")
    share = np.full(len(given["close"]), 0.5)
    with np.errstate(divide="ignore", invalid="ignore"):
        share[1:] = ndtr(np.diff(given["close"]) / given["sigma"][1:])
    return share


class Vpin(NamedTuple):
    """Full buckets in time order, each of shape (n_full,).

    bucket_bar : int64, the bar that completed the bucket; at its close the bucket is known
    imbalance : float64, |bought - sold| in the bucket, in units of the volume
    vpin : float64, 0 to 1; NaN before `n_buckets` are full
    """

    bucket_bar: npt.NDArray[np.int64]
    imbalance: Float64Array
    vpin: Float64Array


def vpin(volume: npt.ArrayLike, buy_volume: npt.ArrayLike, bucket_volume: float, n_buckets: int) -> Vpin:
    """Volume-synchronised probability of informed trading: the sum of the last imbalances over what was traded in their buckets.

    Buckets of exactly `bucket_volume` are filled in time order. A bar across a boundary is split pro rata with one share bought for all
    its parts, and may complete several buckets; an unfinished bucket counts for nothing. A bucket that lacks less than 1e-10 of its
    volume lacks it by rounding, and is full.

    Parameters
    ----------
    volume, buy_volume : float64 arrays of shape (n_bars,), 0 <= buy_volume <= volume; what takers bought where the source says it, else
        by `bulk_volume_classification`
    bucket_volume : float, above 0, in units of the volume; it must itself be known before the first bar
    n_buckets : int, at least 1

    Returns
    -------
    bucket_bar, imbalance, vpin : arrays of shape (n_full,)

    Timing: a bucket is known at the close of its `bucket_bar`, and does not change with later bars.
    Raises: ShapeError if the lengths differ; InputError for a bucket_volume that is not above 0 or so small that there would be more than
        10⁸ buckets, an n_buckets below 1, or naming the first row with a negative volume or more bought than traded.
    Source: Easley, López de Prado & O'Hara (2012), Review of Financial Studies 25(5), 1457-1493.
    """
    history.whole("vpin", n_buckets=n_buckets)
    given = history.columns("vpin", volume=volume, buy_volume=buy_volume)
    history.not_negative("vpin", given, "volume")
    history.not_negative("vpin", given, "buy_volume")
    history.not_above("vpin", given, "buy_volume", "volume")
    total = float(given["volume"].sum())
    if not (math.isfinite(bucket_volume) and bucket_volume > 0.0 and total / bucket_volume <= MOST_BUCKETS):
        expected = f"a number above 0, and at least {total / MOST_BUCKETS:g} for a volume of {total:g}"
        raise InputError("vpin: bucket_volume", f"is {bucket_volume!r}", expected=expected)
    share = np.divide(given["buy_volume"], given["volume"], out=np.full(len(given["volume"]), 0.5), where=given["volume"] > 0.0)
    bar, imbalance = np.empty((2, int(total / bucket_volume) + 2))
    count = np.empty(1)
    buckets.fill_buckets.compiled(given["volume"].copy(), 2.0 * share - 1.0, float(bucket_volume), bar, imbalance, count)
    full = int(count[0])
    value = np.full(full, np.nan)
    if full >= n_buckets:
        value[n_buckets - 1 :] = sliding_window_view(imbalance[:full], n_buckets).sum(axis=1) / (n_buckets * bucket_volume)
    return Vpin(bar[:full].astype(np.int64), imbalance[:full].copy(), value)


_feature = partial(FeatureSpec, family="microstructure", version=1)
_window = partial(_feature, params=WindowParams, usual=WindowParams(window=60))
_intensity = partial(
    _window,
    kernel=window_sums.rate,
    output="rate",
    lookback=lambda p: p.window,
    unit="1 is usual",
    source="Engle & Russell (1998), Econometrica 66(5)",
)
_vpin = partial(
    _feature,
    params=VpinParams,
    usual=VpinParams(bucket_bars=10, n_buckets=50),
    kernel=buckets.vpin,
    output="vpin",
    unit="0 to 1",
    source="Easley, López de Prado & O'Hara (2012), Review of Financial Studies 25(5)",
)

_BULK = "with (2Φ(z) - 1)V bought less sold in a bar, z = (C - C₋₁)/σ, σ² the mean of the last {} squared changes of the close"
_VPIN = (
    "Σ|bought - sold| of the buckets/ΣV over the last n = bucket_bars·n_buckets bars, poured in time order into n_buckets buckets of one "
    "n_buckets-th of their volume (the mean volume of these bars times bucket_bars), a bar across a boundary split pro rata, {}; made "
    "anew at each bar with whose close a stretch of bucket_bars bars ends, counted from the Unix epoch, and held between; 0 where none "
    "was traded"
)

FEATURES = (
    _feature(
        name="tick_direction",
        params=NoParams,
        usual=NoParams(),
        inputs=("close",),
        kernel=order_flow.tick_rule,
        output="direction",
        kernel_params=lambda _: (0.0,),
        lookback=lambda _: 1,
        unit="-1 or 1",
        formula="sign of C - C₋₁; where it stood still, of the last change before; 0 before the first",
        source="Lee & Ready (1991), Journal of Finance 46(2)",
    ),
    _window(
        name="tick_imbalance",
        inputs=("close",),
        kernel=order_flow.tick_imbalance,
        output="tick_imbalance",
        kernel_params=lambda p: (p.window,),
        lookback=lambda p: p.window,
        unit="-1 to 1",
        formula="mean of tick_direction over n bars",
        source="López de Prado (2018), Advances in Financial Machine Learning, 2.3.2",
    ),
    _feature(
        name="close_location",
        params=NoParams,
        usual=NoParams(),
        inputs=("high", "low", "close"),
        kernel=order_flow.close_location,
        output="close_location",
        kernel_params=lambda _: (0.0,),
        lookback=lambda _: 0,
        unit="-1 at the low, 1 at the high",
        formula="((C - L) - (H - C))/(H - L); 0 where the bar has no range",
        source="Chaikin's close location value, in Colby (2003), The Encyclopedia of Technical Market Indicators",
    ),
    _window(
        name="bulk_imbalance",
        inputs=("close", "volume"),
        kernel=window_sums.imbalance,
        output="imbalance",
        kernel_params=lambda p: (p.window, 0.0, window_sums.BULK),
        lookback=lambda p: 2 * p.window - 1,
        unit="-1 to 1",
        formula=f"Σ(bought - sold)/ΣV over n bars, {_BULK.format('n')}; 0 where none was traded",
        source="Easley, López de Prado & O'Hara (2012), Review of Financial Studies 25(5)",
    ),
    _window(
        name="taker_imbalance",
        inputs=("volume", "taker_buy_base"),
        kernel=window_sums.imbalance,
        output="imbalance",
        kernel_params=lambda p: (p.window, 0.0, window_sums.TAKERS),
        lookback=lambda p: p.window - 1,
        unit="-1 to 1",
        formula="Σ(2·taker_buy_base - V)/ΣV over n bars; 0 where none was traded",
        source="Chordia & Subrahmanyam (2004), Journal of Financial Economics 72(3)",
    ),
    _intensity(
        name="trade_intensity",
        inputs=("close_time", "trades"),
        kernel_params=lambda p: (p.window, 1.0, window_sums.PER_TIME),
        formula="trades per time since the close before, as a multiple of that of the last n bars together; 1 where they had none",
    ),
    _intensity(
        name="volume_intensity",
        inputs=("close_time", "volume"),
        kernel_params=lambda p: (p.window, 1.0, window_sums.PER_TIME, VOLUME),
        formula="volume per time since the close before, as a multiple of that of the last n bars together; 1 where they had none. Without "
        "gaps it is volume_ratio; after a gap the missing bars count as time without trades",
    ),
    _window(
        name="trade_size",
        inputs=("volume", "trades"),
        kernel=window_sums.rate,
        output="rate",
        kernel_params=lambda p: (p.window, 1.0, window_sums.PER_TRADE),
        lookback=lambda p: p.window - 1,
        unit="1 is usual",
        formula="volume per trade, as a multiple of that of the last n bars together; 1 where the bar or they had none",
        source="Easley & O'Hara (1987), Journal of Financial Economics 19(1)",
    ),
    _vpin(
        name="vpin",
        inputs=("open_time", "close_time", "close", "volume"),
        kernel_params=lambda p: (p.bucket_bars, p.n_buckets, 0.0, buckets.BULK),
        lookback=lambda p: p.bucket_bars * p.n_buckets + p.n_buckets + p.bucket_bars - 2,
        formula=_VPIN.format(_BULK.format("n_buckets")),
    ),
    _vpin(
        name="taker_vpin",
        inputs=("open_time", "close_time", "volume", "taker_buy_base"),
        kernel_params=lambda p: (p.bucket_bars, p.n_buckets, 0.0, buckets.TAKERS),
        lookback=lambda p: p.bucket_bars * p.n_buckets + p.bucket_bars - 2,
        formula=_VPIN.format("with 2·taker_buy_base - V bought less sold in a bar"),
    ),
)

__all__ = ["FEATURES", "Vpin", "bulk_volume_classification", "tick_rule", "vpin"]

"""Pictures of bars against a slow drawing, one drawn by hand, and what may not change them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barmill.errors import DataError, InputError, ShapeError
from barmill.features import ema, rsi
from barmill.market import Bars, Instrument
from barmill.views import PatternImage

FIRST_END = 83  # 20 bars before the mean has a value, then 64


def slow_row(price: float, highest: float, lowest: float) -> int:
    return 32 if highest == lowest else math.floor((highest - price) / (highest - lowest) * 63 + 0.5 + 1e-9)


def slow_image(bars: Bars, end: int) -> np.ndarray:
    """One image, pixel by pixel, from the bars up to `end` alone."""
    known = bars.slice(0, end + 1)
    means, strengths = ema(known.close, 21), rsi(known.close, 14)
    strengths[14:] = np.where(np.isnan(strengths[14:]), 50.0, strengths[14:])
    window = range(end - 63, end + 1)
    highest, lowest = max(known.high[t] for t in window), min(known.low[t] for t in window)
    image = np.zeros((3, 64, 64))
    for column, t in enumerate(window):
        opened, closed = known.open[t], known.close[t]
        for row in range(slow_row(known.high[t], highest, lowest), slow_row(known.low[t], highest, lowest) + 1):
            image[0, row, column] = 0.3
        for row in range(slow_row(max(opened, closed), highest, lowest), slow_row(min(opened, closed), highest, lowest) + 1):
            image[0, row, column] = 1.0 if closed > opened else 0.6 if closed < opened else 0.8
        distance = min(max(math.log(closed / means[t]), -0.1), 0.1)
        image[1, :, column] = 0.5 + math.copysign(math.log(1 + abs(distance) * 10_000), distance) / (2 * math.log(1001))
        slope = min(max(strengths[t] - strengths[t - 1], -10.0), 10.0)
        filled = 1 + math.floor(63 * strengths[t] / 100 + 0.5 + 1e-9)
        image[2, 64 - filled :, column] = 0.6 + 0.04 * slope
    return image


@given(seed=st.integers(0, 100), gaps=st.booleans(), end=st.integers(FIRST_END, 299))
@settings(max_examples=30)
def test_an_image_is_what_a_slow_drawing_gives(make_bars, seed, gaps, end):
    bars = make_bars(300, seed, gaps=gaps)
    (image,) = PatternImage.of(bars, [end]).gather([0])
    np.testing.assert_allclose(image, slow_image(bars, end), rtol=0, atol=1e-6)


def bars_of(prices: np.ndarray) -> Bars:
    opened, high, low, close = prices.T
    return Bars.from_columns(
        Instrument.builtin("SIM"), "1m", np.arange(len(prices)) * 60_000, opened, high, low, close, np.ones(len(prices))
    )


def test_sixty_four_bars_drawn_by_hand():
    """A long still stretch at 132, then 64 bars within 100..163, so that a price p lies on row 163 - p."""
    prices = np.full((120, 4), 132.0)
    prices[-64] = [100.0, 163.0, 100.0, 163.0]  # the whole height, rising
    prices[-63] = [163.0, 163.0, 100.0, 100.0]  # and falling
    prices[-62] = [130.0, 140.0, 120.0, 130.0]  # closes as it opened, with wicks
    prices[-61] = [110.0, 150.0, 105.0, 112.0]
    prices[-60] = [112.4, 112.4, 110.6, 110.6]  # to the nearest rows: 112 and 111
    view = PatternImage.of(bars_of(prices))
    candles = view.gather([-1])[0, 0]
    assert (candles[:, 0] == 1.0).all()
    assert (candles[:, 1] == np.float32(0.6)).all()
    drawn = {
        2: {**dict.fromkeys(range(23, 44), 0.3), 33: 0.8},
        3: {**dict.fromkeys(range(13, 59), 0.3), 51: 1.0, 52: 1.0, 53: 1.0},
        4: {51: 0.6, 52: 0.6},
        63: {31: 0.8},
    }
    for column, rows in drawn.items():
        expected = np.array([rows.get(row, 0.0) for row in range(64)], dtype=np.float32)
        np.testing.assert_array_equal(candles[:, column], expected)


def test_the_second_channel_tells_the_distance_from_the_mean():
    prices = np.full((150, 4), 100.0)
    prices[-1, 3] = prices[-1, 1] = 150.0
    close = prices[:, 3]
    channel = PatternImage.of(bars_of(prices)).gather([-1])[0, 1]
    assert (channel[:, :63] == 0.5).all()  # on the mean
    assert (channel[:, 63] == 1.0).all()  # further above it than is told
    prices[-1] = [100.0, 101.0, 100.0, 101.0]
    channel = PatternImage.of(bars_of(prices)).gather([-1])[0, 1]
    distance = math.log(101.0 / ema(np.append(close[:-1], 101.0), 21)[-1])
    np.testing.assert_allclose(channel[:, 63], 0.5 + math.log(1 + distance / 1e-4) / (2 * math.log(1001)), rtol=1e-6)


def test_the_third_channel_tells_strength_by_height_and_its_slope_by_shade():
    rising, falling = (np.tile((100.0 + step * np.arange(150.0))[:, None], 4) for step in (0.1, -0.1))
    up, down = (PatternImage.of(bars_of(prices)).gather([-1])[0, 2] for prices in (rising, falling))
    assert (up == np.float32(0.6)).all()  # RSI 100, standing still
    assert (down[63] == np.float32(0.6)).all()  # RSI 0: the lowest row alone
    assert (down[:63] == 0.0).all()
    falling[-1] = falling[-2] + 5.0
    turned = PatternImage.of(bars_of(falling)).gather([-1])[0, 2]
    assert turned[63, 63] == 1.0  # up by more than ten points
    assert (turned[:, 63] > 0).sum() > 50


@pytest.mark.parametrize("times", [10.0, 0.001, 7.0, 4096.0])
def test_multiplied_prices_give_the_same_picture(make_bars, times):
    one, other = (PatternImage.of(make_bars(600, 4, times=factor)).gather(slice(None)) for factor in (1.0, times))
    np.testing.assert_array_equal(one[:, 0], other[:, 0])
    np.testing.assert_array_equal(one[:, 2] > 0, other[:, 2] > 0)
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)


@given(cut=st.integers(1, 400))
@settings(max_examples=30)
def test_a_history_that_is_cut_gives_the_same_bits(make_bars, cut):
    bars = make_bars(400, 9, gaps=True)
    whole, part = PatternImage.of(bars), PatternImage.of(bars.slice(0, cut))
    assert len(part) == max(0, cut - FIRST_END)
    np.testing.assert_array_equal(part.gather(slice(None)), whole.gather(whole.ends < cut))


def test_the_future_changes_no_image(make_bars):
    bars = make_bars(300, 2)
    factor = np.where(np.arange(300) < 200, 1.0, 2.0)
    other = Bars.from_columns(
        bars.instrument, "1m", bars.open_time, *(column * factor for column in (bars.open, bars.high, bars.low, bars.close)), bars.volume
    )
    now, then = PatternImage.of(bars), PatternImage.of(other)
    past = now.ends < 200
    np.testing.assert_array_equal(now.gather(past), then.gather(past))
    assert not np.array_equal(now.gather(~past), then.gather(~past))


def test_what_lies_before_the_window_is_seen_through_the_indicators_alone(make_bars):
    bars = make_bars(300, 2)
    cut = bars.slice(150, 300)
    candles, shorter = PatternImage.of(bars, [299]).gather([0]), PatternImage.of(cut, [149]).gather([0])
    np.testing.assert_array_equal(candles[:, 0], shorter[:, 0])
    np.testing.assert_allclose(candles[:, 1:], shorter[:, 1:], atol=0.05)


@pytest.mark.parametrize("price", [1e-8, 3.21, 50_000.0])
def test_a_market_that_never_moves_is_one_line(price):
    image = PatternImage.of(bars_of(np.full((200, 4), price))).gather([0, -1])
    np.testing.assert_array_equal(image[0], image[1])
    assert (image[0, 0, 32] == np.float32(0.8)).all()
    assert (np.delete(image[0, 0], 32, axis=0) == 0.0).all()
    assert (image[0, 1] == 0.5).all()
    assert (image[0, 2, 31:] == np.float32(0.6)).all()  # RSI 50, standing still
    assert (image[0, 2, :31] == 0.0).all()


@given(
    moves=st.lists(st.sampled_from([0.0, 1e-12, -0.3, 0.4, 5.0, -4.9, 30.0]), min_size=84, max_size=120),
    reach=st.floats(0.0, 3.0),
)
@settings(max_examples=60)
def test_every_value_lies_between_nothing_and_one_in_any_market(moves, reach):
    close = np.exp(np.clip(np.cumsum(moves), -40.0, 40.0))
    opened = np.concatenate([close[:1], close[:-1]])
    prices = np.column_stack([opened, np.maximum(opened, close) * math.exp(reach), np.minimum(opened, close) / math.exp(reach), close])
    images = PatternImage.of(bars_of(prices)).gather(slice(None))
    assert np.isfinite(images).all()
    assert images.min() >= 0.0
    assert images.max() <= 1.0
    assert (images[:, 0] > 0).any(axis=1).all()  # every bar leaves a mark


def test_both_layouts_hold_the_same_picture(make_bars):
    view = PatternImage.of(make_bars(200))
    first, last = view.gather([3, 0, 9]), view.gather([3, 0, 9], layout="channels_last")
    assert (first.shape, last.shape) == ((3, 3, 64, 64), (3, 64, 64, 3))
    assert first.flags.c_contiguous
    assert last.flags.c_contiguous
    assert first.dtype == last.dtype == np.float32
    np.testing.assert_array_equal(first, last.transpose(0, 3, 1, 2))


def test_noise_comes_from_its_seed_and_is_clipped(make_bars):
    view = PatternImage.of(make_bars(200))
    clean, noisy, again = (
        view.gather([0, 1]),
        view.gather([0, 1], jitter=0.02, rng=7),
        view.gather([0, 1], jitter=0.02, rng=np.random.default_rng(7)),
    )
    np.testing.assert_array_equal(noisy, again)
    assert noisy.min() == 0.0
    assert noisy.max() <= 1.0
    inside = (clean > 0.1) & (clean < 0.9)
    assert (noisy - clean)[inside].std() == pytest.approx(0.02, rel=0.05)
    generator = np.random.default_rng(7)
    assert not np.array_equal(view.gather([0], jitter=0.01, rng=generator), view.gather([0], jitter=0.01, rng=generator))
    np.testing.assert_array_equal(view.gather([0, 1]), clean)


def test_a_buffer_is_used_again(make_bars):
    view = PatternImage.of(make_bars(200))
    out = np.full((4, 3, 64, 64), np.nan, dtype=np.float32)
    images = view.gather([5, 2], out=out)
    assert np.shares_memory(images, out)
    np.testing.assert_array_equal(images, view.gather([5, 2]))
    with pytest.raises(ShapeError, match="for 2 or more samples"):
        view.gather([5, 2], layout="channels_last", out=out)


def test_samples_are_taken_over_the_same_bars(make_bars):
    view = PatternImage.of(make_bars(200))
    taken = view.take([7, 2])
    assert (len(view), len(taken)) == (200 - FIRST_END, 2)
    assert taken.prices is view.prices
    np.testing.assert_array_equal(taken.gather([0, 1]), view.gather([7, 2]))
    assert len(view.take(view.ends > 150)) == 49


def test_what_cannot_be_drawn_is_refused_by_name(make_bars):
    bars = make_bars(100)
    view = PatternImage.of(bars)
    with pytest.raises(ShapeError, match=r"ends\[0\]: 82; expected a position from 83 to 99. The indicators have values from bar 20 on"):
        PatternImage.of(bars, [82])
    with pytest.raises(ShapeError, match=r"prices: an array of shape \(100, 3\)"):
        PatternImage(view.prices[:, :3], view.signals, view.ends)
    with pytest.raises(ShapeError, match=r"signals: .* float64; expected float32"):
        PatternImage(view.prices, view.signals.astype(np.float64), view.ends)
    with pytest.raises(DataError, match="bar 0: low -"):
        PatternImage.of(bars_of(view.prices - 200.0))
    with pytest.raises(InputError, match="layout: is 'nchw'"):
        view.gather([0], layout="nchw")
    with pytest.raises(InputError, match="rng: is missing"):
        view.gather([0], jitter=0.01)
    with pytest.raises(InputError, match="jitter: is -1"):
        view.gather([0], jitter=-1.0, rng=0)


def test_real_bars_of_futures_and_crypto(real_data):
    for file in ("futures/CL_5m_2023-10_2024-12.parquet", "crypto/FILUSDT_um_1m_2023-08_2023-11.parquet"):
        bars = Bars.read(real_data / file).slice(0, 3_000)
        view = PatternImage.of(bars)
        images = view.gather(slice(None, None, 7))
        assert images.min() >= 0.0
        assert images.max() <= 1.0
        np.testing.assert_allclose(view.gather([1234])[0], slow_image(bars, int(view.ends[1234])), rtol=0, atol=1e-6)

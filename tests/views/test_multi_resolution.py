"""Windows of several timeframes against a slow reading of the bars, and against the future."""

import math
import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from barmill.errors import DataError, InputError, InstrumentError, RecipeError, SchemaError, ShapeError
from barmill.features import FeaturePlan, rsi
from barmill.market import Bars, Timeframe, resample
from barmill.views import MultiResolution, Resolution, RobustScaler, fit_scalers

CHARTER = {"1m": 60, "5m": 12, "15m": 4}
SMALL = {"1m": 5, "5m": 3, "15m": 2}
COLUMNS = ("open", "high", "low", "close", "volume")


def slow_window(bars: Bars, end: int, minutes: int, length: int, sessions: np.ndarray | None = None) -> list[list[float]] | None:
    """The last closed bars of a timeframe at the close of base bar `end`, reading the base bars up to it one by one.

    sessions : (n, 2), the opens and closes that buckets are counted from; None counts them from the epoch
    """
    step = minutes * 60_000
    buckets: dict[int, list[int]] = {}
    for row in range(end + 1):
        time = int(bars.open_time[row])
        opens, closes = (0, 1 << 62) if sessions is None else next((o, c) for o, c in sessions if o <= time < c)
        bucket_end = min(opens + ((time - opens) // step + 1) * step, closes)
        buckets.setdefault(int(bucket_end), []).append(row)
    now = int(bars.close_time[end])
    closed = [rows for bucket_end, rows in buckets.items() if bucket_end <= now]
    if len(closed) < length:
        return None
    return [
        [
            float(bars.open[rows[0]]),
            max(float(bars.high[row]) for row in rows),
            min(float(bars.low[row]) for row in rows),
            float(bars.close[rows[-1]]),
            sum(float(bars.volume[row]) for row in rows),
        ]
        for rows in closed[-length:]
    ]


def slow_log(window: list[list[float]], reference: float) -> list[list[float]]:
    """Prices in logs of the reference, volume against its mean."""
    mean = sum(bar[4] for bar in window) / len(window)
    volumes = [math.log((bar[4] + mean) / (2.0 * mean)) if mean else 0.0 for bar in window]
    return [[*(math.log(price / reference) for price in bar[:4]), volume] for bar, volume in zip(window, volumes, strict=True)]


@given(n_bars=st.integers(1, 120), seed=st.integers(0, 50), gaps=st.booleans(), offset=st.integers(0, 20))
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_each_sample_holds_what_a_slow_reading_of_its_past_finds(make_bars, n_bars, seed, gaps, offset):
    bars = make_bars(n_bars, seed, gaps=gaps, start_ms=1_704_067_200_000 + offset * 60_000)
    raw, log = (MultiResolution.of(bars, SMALL, normalise=kind) for kind in ("raw", "log"))
    windows = [[slow_window(bars, end, Timeframe.parse(one).minutes, SMALL[one]) for one in SMALL] for end in range(n_bars)]
    ready = [all(window is not None for window in of_bar) for of_bar in windows]
    assert raw.ready.tolist() == ready
    np.testing.assert_array_equal(raw.ends, np.flatnonzero(ready))
    if not raw.ends.size:
        assert raw.concatenated(slice(None)).shape == (0, 10, 5)
        return
    expected = np.array([[bar for window in windows[end] for bar in window] for end in raw.ends])
    np.testing.assert_allclose(raw.concatenated(slice(None)), expected.astype(np.float32), rtol=1e-7)
    in_logs = np.array([[bar for window in windows[end] for bar in slow_log(window, bars.close[end])] for end in raw.ends])
    np.testing.assert_allclose(log.concatenated(slice(None)), in_logs, rtol=1e-6, atol=1e-9)


@given(cut=st.integers(1, 600), gaps=st.booleans(), normalise=st.sampled_from(["raw", "log"]))
@settings(max_examples=40)
def test_a_history_that_is_cut_gives_the_same_bits(make_bars, cut, gaps, normalise):
    bars = make_bars(600, 3, gaps=gaps)
    names = (*COLUMNS, "rsi_14")
    whole, part = (MultiResolution.of(some, SMALL, names=names, normalise=normalise) for some in (bars, bars.slice(0, cut)))
    np.testing.assert_array_equal(part.ready, whole.ready[:cut])
    np.testing.assert_array_equal(part.concatenated(slice(None)), whole.concatenated(whole.ends < cut))


def with_other_future(bars: Bars, first: int) -> Bars:
    """The same bars up to `first`, and from there other prices and volumes at the same times."""
    factor = np.where(np.arange(len(bars)) < first, 1.0, 1.5)
    columns = (column * factor for column in (bars.open, bars.high, bars.low, bars.close, bars.volume))
    return Bars.from_columns(bars.instrument, bars.timeframe, bars.open_time, *columns)


def changed_before(view: MultiResolution, other: MultiResolution, first: int) -> bool:
    """Whether any sample that ended before bar `first` differs."""
    past = view.ends < first
    return not np.array_equal(view.concatenated(past), other.concatenated(past))


def test_the_future_changes_no_sample(make_bars):
    bars = make_bars(900, 5, gaps=True)
    for first in (200, 451, 452, 453, 454, 455, 800):
        for kind in ("raw", "log"):
            now, then = (MultiResolution.of(some, SMALL, normalise=kind) for some in (bars, with_other_future(bars, first)))
            assert not changed_before(now, then, first)


def test_the_check_of_the_future_finds_a_bar_shown_while_it_forms(make_bars):
    bars = make_bars(900, 5)

    def leaking(some: Bars) -> MultiResolution:
        honest = MultiResolution.of(some, {"1m": 5, "15m": 2}, normalise="raw")
        forming = np.searchsorted(resample(some, "15m").open_time, some.open_time, side="right") - 1
        minutes, quarters = honest.resolutions
        faulty = Resolution("15m", 2, quarters.base, forming)
        return MultiResolution((minutes, faulty), honest.names, honest.ends)

    assert changed_before(leaking(bars), leaking(with_other_future(bars, 455)), 455)


def test_a_longer_bar_is_seen_with_the_base_bar_that_closes_with_it_and_not_before(make_bars):
    view = MultiResolution.of(make_bars(100), {"1m": 1, "15m": 1}, normalise="raw")
    fifteen = resample(make_bars(100), "15m")
    assert view.ends[0] == 14
    np.testing.assert_array_equal(view.concatenated([0])[0, 1, 3], np.float32(fifteen.close[0]))
    np.testing.assert_array_equal(view.concatenated([14])[0, 1, 3], np.float32(fifteen.close[0]))  # minute 28
    np.testing.assert_array_equal(view.concatenated([15])[0, 1, 3], np.float32(fifteen.close[1]))  # minute 29 closes with it


def test_a_bar_that_ended_within_a_gap_is_seen_with_the_next_base_bar(make_bars):
    whole = make_bars(100)
    keep = np.r_[0:12, 40:100]  # the quarter that begins at 0 loses its last minutes, the next one all of them
    bars = Bars(whole.instrument, whole.timeframe, whole.frame[keep.tolist()])
    view = MultiResolution.of(bars, {"1m": 1, "15m": 1}, normalise="raw")
    assert view.ends[0] == 12
    first = resample(bars, "15m")
    assert view.concatenated([0])[0, 1, 3] == np.float32(whole.close[11]) == np.float32(first.close[0])


def new_york_bars(make_bars, n_days: int) -> Bars:
    """Five-minute bars of some New York sessions in February 2024, 09:30 to 16:00."""
    opens = [datetime(2024, 2, day, 14, 30, tzinfo=UTC) for day in (5, 6, 7, 8, 9, 12, 13)][:n_days]
    times = np.concatenate([int(one.timestamp()) * 1000 + np.arange(78) * 300_000 for one in opens])
    made = make_bars(len(times), 6)
    market = made.instrument.model_copy(update={"calendar": "XNYS"})
    return Bars.from_columns(market, "5m", times, made.open, made.high, made.low, made.close, made.volume)


def test_longer_bars_are_counted_from_the_open_of_each_session_if_asked(make_bars):
    bars = new_york_bars(make_bars, 4)
    sessions = bars.calendar.open_intervals(int(bars.open_time[0]), int(bars.open_time[-1]))
    lengths = {"5m": 4, "1h": 3, "2h": 2}  # the last hour of a session is half an hour long
    view = MultiResolution.of(bars, lengths, normalise="raw", anchor="session")
    windows = [
        [slow_window(bars, end, minutes, length, sessions) for minutes, length in ((5, 4), (60, 3), (120, 2))] for end in range(len(bars))
    ]
    assert view.ready.tolist() == [all(window is not None for window in of_bar) for of_bar in windows]
    expected = np.array([[bar for window in windows[end] for bar in window] for end in view.ends])
    np.testing.assert_allclose(view.concatenated(slice(None)), expected.astype(np.float32), rtol=1e-7)
    assert not np.array_equal(view.ready, MultiResolution.of(bars, lengths, normalise="raw").ready)


@pytest.mark.parametrize("anchor", ["epoch", "session"])
def test_features_of_longer_bars_are_those_that_the_engine_shows_beside_the_base_bars(make_bars, anchor):
    names = ("rsi_14", "atr_14", "log_return_1")
    bars = new_york_bars(make_bars, 7)
    ladder = {"5m": 1, "1h": 1}
    view = MultiResolution.of(bars, ladder, names=names, normalise="raw", anchor=anchor)
    shown = FeaturePlan.build("5m", [], add=[f"{name}@1h" for name in names], needs=(), calendar="XNYS", anchor=anchor).compute(bars)
    np.testing.assert_array_equal(shown.ready, view.ready)
    np.testing.assert_array_equal(view.concatenated(slice(None))[:, 1], shown.values[view.ends].astype(np.float32))


@given(cut=st.integers(1, 545))
@settings(max_examples=25)
def test_a_history_that_is_cut_gives_the_same_bits_counted_from_sessions(make_bars, cut):
    bars = new_york_bars(make_bars, 7)
    names = (*COLUMNS, "rsi_14")
    whole, part = (MultiResolution.of(some, {"5m": 6, "1h": 2}, names=names, anchor="session") for some in (bars, bars.slice(0, cut)))
    np.testing.assert_array_equal(part.ready, whole.ready[:cut])
    np.testing.assert_array_equal(part.concatenated(slice(None)), whole.concatenated(whole.ends < cut))


def test_the_shapes_are_those_of_the_charter(make_bars):
    bars = make_bars(400)
    view = MultiResolution.of(bars, CHARTER)
    assert view.concatenated_shape == (len(view), 76, 5) == view.concatenated(slice(None)).shape
    assert view.stacked_shape == (len(view), 3, 60, 5) == view.stacked(slice(None))[0].shape
    with_hour = MultiResolution.of(bars, {**CHARTER, "1h": 1})
    assert with_hour.concatenated(slice(None)).shape == (len(with_hour), 77, 5)
    assert with_hour.timeframes == ("1m", "5m", "15m", "1h")
    assert view.ends[0] == 59
    assert with_hour.n_features == 5


def test_the_timeframes_stand_shortest_first_however_they_were_given(make_bars):
    bars = make_bars(300)
    given = {"15m": 4, Timeframe.parse("1m"): 60, "5m": 12}
    np.testing.assert_array_equal(MultiResolution.of(bars, given).concatenated([3]), MultiResolution.of(bars, CHARTER).concatenated([3]))


def test_a_stack_holds_the_concatenated_windows_behind_its_padding(make_bars):
    view = MultiResolution.of(make_bars(400, 2), CHARTER)
    values, mask = view.stacked([5, 0, 77])
    joined = view.concatenated([5, 0, 77])
    assert mask.shape == (3, 3, 60)
    assert mask.dtype == np.bool_
    assert mask.sum(axis=2).tolist() == [[60, 12, 4]] * 3
    assert mask[:, :, -4:].all()
    np.testing.assert_array_equal(values[mask].reshape(3, 76, 5), joined)
    assert (values[~mask] == 0.0).all()
    np.testing.assert_array_equal(mask[0], view.stacked_mask)


def test_a_buffer_is_used_again_and_a_short_batch_takes_its_beginning(make_bars):
    view = MultiResolution.of(make_bars(400), CHARTER)
    for gather, shape in (
        (view.concatenated, view.concatenated_shape),
        (lambda idx, out: view.stacked(idx, out)[0], view.stacked_shape),
    ):
        out = np.full((8, *shape[1:]), np.nan, dtype=np.float32)
        full = gather(np.arange(8), out)
        assert np.shares_memory(full, out)
        np.testing.assert_array_equal(full, gather(np.arange(8), None))
        short = gather([9, 3], out)
        assert len(short) == 2
        assert np.shares_memory(short, out)
        np.testing.assert_array_equal(short, gather([9, 3], None))


@pytest.mark.parametrize(
    "out",
    [
        np.empty((3, 76, 5)),
        np.empty((1, 76, 5), np.float32),
        np.empty((3, 75, 5), np.float32),
        np.empty((3, 76, 10), np.float32)[:, :, ::2],
    ],
)
def test_a_buffer_that_does_not_fit_is_refused(make_bars, out):
    view = MultiResolution.of(make_bars(300), CHARTER)
    with pytest.raises(ShapeError, match="float32, C-contiguous and writable, for 2 or more"):
        view.concatenated([0, 1], out)


def test_gathering_takes_the_memory_of_the_batch_alone(make_bars):
    view = MultiResolution.of(make_bars(50_000), CHARTER)
    view.concatenated([0])
    tracemalloc.start()
    batch = view.concatenated(np.arange(256))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.5 * batch.nbytes


def test_samples_are_taken_over_the_same_bars(make_bars):
    view = MultiResolution.of(make_bars(400), CHARTER)
    taken = view.take([7, 2])
    assert len(taken) == 2
    assert taken.resolutions is view.resolutions
    np.testing.assert_array_equal(taken.concatenated(slice(None)), view.concatenated([7, 2]))
    np.testing.assert_array_equal(view.take(slice(3, 5)).ends, view.ends[3:5])


def test_multiplied_prices_give_the_same_logs(make_bars):
    one, ten = (MultiResolution.of(make_bars(400, 4, times=times), CHARTER).concatenated(slice(None)) for times in (1.0, 10.0))
    np.testing.assert_allclose(one, ten, rtol=1e-6, atol=1e-12)
    assert (one[:, 59, 3] == 0.0).all()  # the close of the decision bar, against itself


def test_logs_of_high_prices_keep_the_digits_that_float32_would_lose(make_bars):
    bars = make_bars(200, 4, times=1_000.0)
    view = MultiResolution.of(bars, {"1m": 3})
    exact = np.log(bars.close[view.ends - 2] / bars.close[view.ends])
    np.testing.assert_allclose(view.concatenated(slice(None))[:, 0, 3], exact, rtol=1e-6, atol=1e-12)


def test_windows_without_volume_show_none_and_stay_finite(make_bars):
    bars = make_bars(200)
    silent = Bars.from_columns(bars.instrument, "1m", bars.open_time, bars.open, bars.high, bars.low, bars.close, np.zeros(200))
    batch = MultiResolution.of(silent, CHARTER).concatenated(slice(None))
    assert np.isfinite(batch).all()
    assert (batch[:, :, 4] == 0.0).all()


def test_features_are_computed_on_the_closed_bars_of_each_timeframe(make_bars):
    bars = make_bars(700, 6)
    view = MultiResolution.of(bars, {"1m": 4, "5m": 3}, names=("rsi_14", "close"))
    fives = resample(bars, "5m")
    assert view.ends[0] == 17 * 5 - 1  # the RSI of fives begins on the fifteenth, and three are asked for
    batch = view.concatenated([0])[0]
    np.testing.assert_array_equal(batch[:4, 0], rsi(bars.close, 14)[81:85].astype(np.float32))
    np.testing.assert_array_equal(batch[4:, 0], rsi(fives.close, 14)[14:17].astype(np.float32))


def test_scalers_are_fitted_on_bars_that_closed_by_the_last_training_row_and_on_no_other(make_bars):
    bars = make_bars(900, 8)
    train = np.arange(500)
    scalers = fit_scalers(bars, list(CHARTER), train)
    np.testing.assert_equal(
        [one.to_json() for one in fit_scalers(with_other_future(bars, 500), list(CHARTER), train).values()],
        [one.to_json() for one in scalers.values()],
    )
    fifteen = resample(bars, "15m")
    known = np.flatnonzero(fifteen.close_time <= bars.close_time[499])
    np.testing.assert_array_equal(scalers["15m"].center[3], np.median(fifteen.close[known]))
    view = MultiResolution.of(bars, CHARTER, normalise=scalers)
    base = np.column_stack([fifteen.column(name) for name in COLUMNS])
    np.testing.assert_array_equal(view.concatenated([0])[0, -4:], scalers["15m"].transform(base)[:4])


def test_a_scaler_that_is_missing_or_of_other_columns_is_refused(make_bars):
    bars = make_bars(300)
    scalers = fit_scalers(bars, ["1m", "5m"], np.arange(200))
    with pytest.raises(SchemaError, match=r"none for 15m; expected one of 1m, 5m"):
        MultiResolution.of(bars, SMALL, normalise=scalers)
    with pytest.raises(SchemaError, match=r"scaler of 1m: is of open, high, low, close, volume; expected close"):
        MultiResolution.of(bars, {"1m": 3}, names=("close",), normalise=scalers)
    with pytest.raises(ShapeError, match="at none of the 1 rows a bar of 15m is ready"):
        fit_scalers(bars, ["15m"], [3])
    assert isinstance(scalers["1m"], RobustScaler)


def test_a_sample_that_is_not_ready_is_refused_with_what_it_lacks(make_bars):
    bars = make_bars(300)
    with pytest.raises(ShapeError, match=r"ends\[1\]: base bar 40 has 41 of 60 closed bars of 1m"):
        MultiResolution.of(bars, CHARTER, ends=[70, 40])
    with pytest.raises(ShapeError, match=r"ends\[0\]: base bar 40 has 2 of 4 closed bars of 15m"):
        MultiResolution.of(bars, {"1m": 5, "15m": 4}, ends=[40])
    with pytest.raises(ShapeError, match="base bar 30 has bars of 5m whose values are not all finite yet"):
        MultiResolution.of(bars, {"1m": 5, "5m": 4}, ends=[30], names=("rsi_14",))
    with pytest.raises(ShapeError, match=r"ends\[0\]: 300; expected a position from 0 to 299"):
        MultiResolution.of(bars, CHARTER, ends=[300])


def test_what_cannot_be_made_is_refused_by_name(make_bars):
    bars = make_bars(100)
    with pytest.raises(InstrumentError, match="multiple of 5m"):
        MultiResolution.of(resample(bars, "5m"), {"5m": 2, "12m": 2})
    with pytest.raises(InputError, match="'60m' and '1h' are one timeframe"):
        MultiResolution.of(bars, {"60m": 1, "1h": 1})
    with pytest.raises(InputError, match="0 timeframes of 5 columns"):
        MultiResolution.of(bars, {})
    with pytest.raises(InputError, match="expected 'raw', 'log' or scalers"):
        MultiResolution.of(bars, SMALL, normalise="zscore")
    with pytest.raises(RecipeError, match="rsi_14"):
        MultiResolution.of(bars, SMALL, names=("rsj_14",))
    with pytest.raises(ShapeError, match="expected at least 1 bar"):
        MultiResolution.of(bars, {"1m": 0})
    below = Bars.from_columns(bars.instrument, "1m", bars.open_time, *[bars.close - 200.0] * 4, bars.volume)
    with pytest.raises(DataError, match="bar 0 of 1m: open -"):
        MultiResolution.of(below, SMALL)
    assert len(MultiResolution.of(below, SMALL, normalise="raw")) > 0


def test_arrays_that_do_not_fit_together_are_refused(make_bars):
    view = MultiResolution.of(make_bars(100), SMALL)
    minutes = view.resolutions[0]
    with pytest.raises(ShapeError, match="float64 of 2 columns over 100 base bars; expected float64 of 5"):
        replace(view, resolutions=(Resolution("1m", 1, np.zeros((100, 2)), minutes.last),))
    with pytest.raises(ShapeError, match="expected float32"):
        replace(view, reference=None)
    with pytest.raises(ShapeError, match=r"reference: an array of shape \(99,\)"):
        replace(view, reference=np.zeros(99))
    with pytest.raises(ShapeError, match="0 timeframes"):
        MultiResolution((), ("close",), np.arange(0))
    with pytest.raises(ShapeError, match="C-contiguous"):
        Resolution("1m", 1, np.zeros((4, 3)).T, np.arange(3))
    with pytest.raises(ShapeError, match=r"last\[1\]: 4; expected a position from -1 to 3"):
        Resolution("1m", 1, np.zeros((4, 3)), np.array([0, 4]))


def test_real_futures_with_their_daily_break(real_data):
    bars = Bars.read(real_data / "futures/ES_1m_2025-07_2025-10.parquet").slice(0, 20_000)
    view = MultiResolution.of(bars, {**CHARTER, "1h": 1})
    raw = MultiResolution.of(bars, {**CHARTER, "1h": 1}, ends=view.ends, normalise="raw")
    assert np.isfinite(view.concatenated(slice(0, 2_000))).all()
    for sample in np.linspace(0, len(view) - 1, 12).astype(int):
        end = int(view.ends[sample])
        first = max(0, end - 3_000)
        recent = bars.slice(first, end + 1)
        ladder = ((1, 60), (5, 12), (15, 4), (60, 1))
        expected = [bar for minutes, length in ladder for bar in slow_window(recent, end - first, minutes, length)]
        np.testing.assert_allclose(raw.concatenated([sample])[0], np.array(expected, dtype=np.float32), rtol=1e-7)


def in_units(bars: Bars, unit: np.ndarray) -> MultiResolution:
    """Every ready bar of `bars`, in units of `unit` (n_bars,)."""
    plain = MultiResolution.of(bars, SMALL)
    return plain.samples(plain.ends, unit[plain.ends])


def test_prices_in_units_of_volatility_are_moves_over_the_window_of_their_timeframe(make_bars):
    bars = make_bars(300, 4, gaps=True)
    unit = np.random.default_rng(0).uniform(5e-4, 2e-3, 300)
    plain, scaled = MultiResolution.of(bars, SMALL), in_units(bars, unit)
    lengths = np.repeat([5, 15, 30], list(SMALL.values()))  # base bars of each timeframe's window, for each of its bars
    expected = plain.concatenated(slice(None)).astype(np.float64)
    expected[:, :, :4] /= unit[plain.ends, None, None] * np.sqrt(lengths)[None, :, None]
    np.testing.assert_allclose(scaled.concatenated(slice(None)), np.clip(expected, -8, 8), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(scaled.take([5, 2]).concatenated([1, 0]), scaled.concatenated([2, 5]))
    values, mask = scaled.stacked([5, 2])
    np.testing.assert_array_equal(values[mask].reshape(2, 10, 5), scaled.concatenated([5, 2]))


def test_neither_the_price_level_nor_the_size_of_moves_is_seen_in_units_of_volatility(make_bars):
    bars = make_bars(200, 4)
    unit = np.full(200, 1e-3)
    logs = [np.log(column) for column in (bars.open, bars.high, bars.low, bars.close)]
    wilder = Bars.from_columns(bars.instrument, "1m", bars.open_time, *(np.exp(3.0 * column + 1.0) for column in logs), bars.volume)
    now, then = in_units(bars, unit), in_units(wilder, 3.0 * unit)
    np.testing.assert_allclose(now.concatenated(slice(None)), then.concatenated(slice(None)), rtol=1e-5, atol=1e-6)


def test_a_wild_bar_is_held(make_bars):
    view = in_units(make_bars(100, 4), np.full(100, 1e-9))
    assert np.abs(view.concatenated(slice(None))).max() == 8.0


def test_a_sample_without_a_volatility_is_refused(make_bars):
    view = MultiResolution.of(make_bars(100, 4), SMALL)
    for wrong in (np.nan, 0.0, -1.0, np.inf):
        with pytest.raises(ShapeError, match=r"unit\[1\]: .* for the sample at base bar 41; expected a number above 0"):
            view.samples([50, 41], np.array([1e-3, wrong]))
    with pytest.raises(ShapeError, match=r"unit: an array of shape \(3,\)"):
        view.samples([50, 41], np.ones(3))
    with pytest.raises(ShapeError, match="beside a reference"):
        MultiResolution.of(make_bars(100, 4), SMALL, normalise="raw").samples([50], np.ones(1))


def test_gathered_windows_are_samples_again(make_bars):
    view = MultiResolution.of(make_bars(200, 4), SMALL)
    windows = view.gather([7, 3, 50])
    again = MultiResolution.of_windows(windows, view.lengths)
    assert (again.lengths, again.window, again.names, len(again)) == (view.lengths, 10, COLUMNS, 3)
    np.testing.assert_array_equal(again.gather(slice(None)), windows)
    with pytest.raises(ShapeError, match=r"expected \(n, 10, 5\)"):
        MultiResolution.of_windows(windows[:, 1:], view.lengths)

"""Leaks of columns that are made of the bars: each as people write it, beside the same column without the fault.

A function takes the frame of all bars (`markets.frame_of`) and gives a value per bar.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pywt
from hmmlearn.hmm import GaussianHMM
from numba import njit
from scipy.signal import butter, filtfilt, lfilter, savgol_filter
from scipy.sparse import diags, eye
from scipy.sparse.linalg import spsolve

HORIZON = 60  # bars of the labels of every study
Column = Callable[[pd.DataFrame], pd.Series]


@dataclass(frozen=True)
class ColumnLeak:
    """A column with a fault, and its clean sister; both go by the same name in the table.

    table_shows : whether the fault shows in the table alone; else the code has to be run on fewer bars to see it
    """

    name: str
    family: str
    leaky: Column
    clean: Column
    table_shows: bool = True

    @property
    def column(self) -> str:
        return self.name


def log_close(df: pd.DataFrame) -> pd.Series:
    return np.log(df["close"])


def returns(df: pd.DataFrame) -> pd.Series:
    return log_close(df).diff()


def future_return(df: pd.DataFrame, bars: int = HORIZON) -> pd.Series:
    """From the next bar's open to the close `bars` later: what the label says."""
    return np.log(df["close"].shift(-bars)) - np.log(df["open"].shift(-1))


def past_return(df: pd.DataFrame, bars: int = HORIZON) -> pd.Series:
    """The label's return, of the last decision whose outcome is known."""
    return future_return(df, bars).shift(bars)


def clock_noise(df: pd.DataFrame, times: float, seed: int = 7) -> pd.Series:
    """Noise drawn by the clock time, so that fewer bars give the same, `times` the spread of a label's return."""
    stamps = df.index.as_unit("s").asi8.astype(np.uint64)
    mixed = (stamps + np.uint64(seed)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    uniform = ((mixed ^ (mixed >> np.uint64(32))) >> np.uint64(11)).astype(np.float64) / 2.0**53
    scale = returns(df).rolling(500, min_periods=20).std() * np.sqrt(HORIZON)
    return pd.Series((uniform - 0.5) * np.sqrt(12.0) * times, index=df.index) * scale


def known_after(series: pd.Series, rule: str, df: pd.DataFrame) -> pd.Series:
    """A value per bucket, stamped at its start, shown from the bar that closes with the bucket."""
    late = series.copy()
    late.index = late.index + pd.Timedelta(rule) - pd.Timedelta("1min")
    return late.reindex(df.index, method="ffill")


def at_label(series: pd.Series, df: pd.DataFrame) -> pd.Series:
    """The usual mistake: stamped at the start of its bucket, joined on that stamp, filled forward."""
    return series.reindex(df.index, method="ffill")


# ---- a bar of a higher timeframe, shown before its close


def bars_of(df: pd.DataFrame, rule: str) -> pd.DataFrame:
    how = {"open": "first", "high": "max", "low": "min", "close": "last"}
    return df.resample(rule).agg(how).dropna()


def move_of(rule: str) -> Callable[[pd.DataFrame], pd.Series]:
    return lambda df: np.log(bars_of(df, rule)["close"]).diff()


def rsi_of(rule: str) -> Callable[[pd.DataFrame], pd.Series]:
    def made(df: pd.DataFrame) -> pd.Series:
        change = bars_of(df, rule)["close"].diff()
        up, down = change.clip(lower=0).ewm(alpha=1 / 6).mean(), (-change).clip(lower=0).ewm(alpha=1 / 6).mean()
        return up / (up + down)

    return made


def joined(name: str, made: Callable[[pd.DataFrame], pd.Series], rule: str) -> ColumnLeak:
    return ColumnLeak(name, "higher timeframe", lambda df: at_label(made(df), df), lambda df: known_after(made(df), rule, df))


def hour_two_bars_early(df: pd.DataFrame) -> pd.Series:
    """Labelled right, yet shown from the last bar but two of its hour on: two bars of the future, every twentieth decision."""
    hourly = move_of("1h")(df)
    hourly.index = hourly.index + pd.Timedelta("57min")
    return hourly.reindex(df.index, method="ffill")


def forming_range_of_hour(df: pd.DataFrame) -> pd.Series:
    hour = df.groupby(df.index.floor("h"))
    return (df["close"] - hour["low"].transform("min")) / (hour["high"].transform("max") - hour["low"].transform("min") + 1e-9)


def range_of_hour_so_far(df: pd.DataFrame) -> pd.Series:
    hour = df.groupby(df.index.floor("h"))
    return (df["close"] - hour["low"].cummin()) / (hour["high"].cummax() - hour["low"].cummin() + 1e-9)


# ---- states that were told by what came after


def _chain() -> GaussianHMM:
    """Up, flat and down, 1 bar in 30 changes; parameters of a textbook, so nothing is fitted."""
    model = GaussianHMM(3, covariance_type="diag")
    model.startprob_ = np.full(3, 1 / 3)
    model.transmat_ = np.array([[0.97, 0.02, 0.01], [0.01, 0.98, 0.01], [0.01, 0.02, 0.97]])
    model.means_ = np.array([[-0.7], [0.0], [0.7]])
    model.covars_ = np.ones((3, 1))
    return model


def _standard_returns(df: pd.DataFrame) -> np.ndarray:
    moves = returns(df)
    return (moves / moves.rolling(500, min_periods=20).std()).fillna(0.0).clip(-5, 5).to_numpy()[:, None]


def viterbi_states(df: pd.DataFrame) -> pd.Series:
    return pd.Series(_chain().predict(_standard_returns(df)).astype(float), index=df.index)


def smoothed_states(df: pd.DataFrame) -> pd.Series:
    belief = _chain().predict_proba(_standard_returns(df))
    return pd.Series(belief[:, 2] - belief[:, 0], index=df.index)


def filtered_belief(df: pd.DataFrame) -> pd.Series:
    """The forward pass alone."""
    model, moves = _chain(), _standard_returns(df)
    return pd.Series(_forward(np.exp(-0.5 * (moves - model.means_[:, 0]) ** 2), model.transmat_), index=df.index)


@njit(cache=True)
def _forward(density: np.ndarray, steps: np.ndarray) -> np.ndarray:
    belief, told = np.full(3, 1.0 / 3.0), np.empty(len(density))
    for t in range(len(density)):
        new = np.zeros(3)
        for i in range(3):
            new += belief[i] * steps[i]
        new *= density[t]
        belief = new / new.sum()
        told[t] = belief[2] - belief[0]
    return told


def filtered_state(df: pd.DataFrame) -> pd.Series:
    return np.sign(filtered_belief(df).round(1))


# ---- windows that reach ahead


def centred_slope(df: pd.DataFrame) -> pd.Series:
    return log_close(df).rolling(21, center=True, min_periods=11).mean() - log_close(df)


def trailing_slope(df: pd.DataFrame) -> pd.Series:
    return log_close(df).rolling(21).mean() - log_close(df)


def mean_one_bar_ahead(df: pd.DataFrame) -> pd.Series:
    return log_close(df).shift(-1) - log_close(df).rolling(60).mean()


def mean_to_now(df: pd.DataFrame) -> pd.Series:
    return log_close(df) - log_close(df).rolling(60).mean()


def savitzky_golay(df: pd.DataFrame) -> pd.Series:
    return pd.Series(savgol_filter(log_close(df), 31, 2, deriv=1) if len(df) > 31 else np.nan, index=df.index)


def slope_of_last_parabola(df: pd.DataFrame) -> pd.Series:
    """The same polynomial at the end of its window."""
    weights = np.linalg.pinv(np.vander(np.arange(-30.0, 1.0), 3))[1]
    return pd.Series(lfilter(weights[::-1], [1.0], log_close(df)), index=df.index).where(np.arange(len(df)) >= 30)


def swing_high(df: pd.DataFrame) -> pd.Series:
    """Bars since the last swing, a swing being told by ten bars on both sides at once."""
    is_swing = df["high"] == df["high"].rolling(21, center=True).max()
    is_low = df["low"] == df["low"].rolling(21, center=True).min()
    return (is_low.astype(float) - is_swing.astype(float)).replace(0.0, np.nan).ffill().fillna(0.0)


def swing_high_confirmed(df: pd.DataFrame) -> pd.Series:
    return swing_high(df).shift(10).fillna(0.0)


# ---- filled from the future


def every_half_hour(df: pd.DataFrame) -> pd.Series:
    """A figure published each half hour: the move of the market over the last hour."""
    return log_close(df).diff(60).where(df.index.minute % 30 == 0)


def back_filled(df: pd.DataFrame) -> pd.Series:
    return every_half_hour(df).bfill()


def forward_filled(df: pd.DataFrame) -> pd.Series:
    return every_half_hour(df).ffill()


def interpolated(df: pd.DataFrame) -> pd.Series:
    return every_half_hour(df).interpolate(limit_area="inside")


def lost_bars(df: pd.DataFrame) -> pd.Series:
    """The hour's move, of which the feed lost twelve minutes in two hours: a tenth of the rows."""
    return log_close(df).where((df.index.hour * 60 + df.index.minute) % 120 >= 12)


def gap_filled_backwards(df: pd.DataFrame) -> pd.Series:
    return lost_bars(df).bfill() - log_close(df).shift(12)


def gap_filled_forwards(df: pd.DataFrame) -> pd.Series:
    return lost_bars(df).ffill() - log_close(df).shift(12)


# ---- numbers of the whole sample


def whole_bins(df: pd.DataFrame) -> pd.Series:
    return pd.qcut(log_close(df), min(10, len(df)), labels=False, duplicates="drop").astype(float)


def trailing_bins(df: pd.DataFrame) -> pd.Series:
    return (log_close(df).rolling(1440, min_periods=60).rank(pct=True) * 10).round()


def whole_detrended(df: pd.DataFrame) -> pd.Series:
    x, y = np.arange(len(df), dtype=float), log_close(df).to_numpy()
    return pd.Series(y - np.polyval(np.polyfit(x, y, min(3, len(df) - 1)), x), index=df.index)


def trailing_detrended(df: pd.DataFrame) -> pd.Series:
    return log_close(df) - log_close(df).ewm(span=1440, min_periods=60).mean()


def whole_winsorised(df: pd.DataFrame) -> pd.Series:
    distance = log_close(df) - log_close(df).ewm(span=600).mean()
    low, high = np.quantile(distance, [0.05, 0.95])
    return distance.clip(low, high)


def trailing_winsorised(df: pd.DataFrame) -> pd.Series:
    distance = log_close(df) - log_close(df).ewm(span=600).mean()
    window = distance.rolling(1440, min_periods=60)
    return distance.clip(window.quantile(0.05), window.quantile(0.95))


def whole_min_max(df: pd.DataFrame) -> pd.Series:
    close = log_close(df)
    return (close - close.min()) / (close.max() - close.min() + 1e-12)


def trailing_min_max(df: pd.DataFrame) -> pd.Series:
    window = log_close(df).rolling(1440, min_periods=60)
    return (log_close(df) - window.min()) / (window.max() - window.min() + 1e-12)


def whole_first_component(df: pd.DataFrame) -> pd.Series:
    moves = pd.concat([returns(df).rolling(n, min_periods=1).sum().fillna(0.0) for n in (1, 5, 15, 60, 240)], axis=1).to_numpy()
    centred = moves - moves.mean(axis=0)
    _, _, axes = np.linalg.svd(centred / (centred.std(axis=0) + 1e-12), full_matrices=False)
    axis = axes[1] * np.sign(axes[1][0]) if len(axes) > 1 else axes[0]
    return pd.Series(centred @ axis, index=df.index)


def first_component_of_first_day(df: pd.DataFrame) -> pd.Series:
    moves = pd.concat([returns(df).rolling(n, min_periods=1).sum().fillna(0.0) for n in (1, 5, 15, 60, 240)], axis=1).to_numpy()
    begin = moves[:1440]
    if len(moves) < 1440:
        return pd.Series(np.nan, index=df.index)
    _, _, axes = np.linalg.svd((begin - begin.mean(axis=0)) / (begin.std(axis=0) + 1e-12), full_matrices=False)
    said = (moves - begin.mean(axis=0)) @ (axes[1] * np.sign(axes[1][0]))
    return pd.Series(np.where(np.arange(len(df)) < 1440, np.nan, said), index=df.index)


def _garch(df: pd.DataFrame, a: float, b: float, start: float) -> pd.Series:
    squares = returns(df).fillna(0.0).to_numpy() ** 2
    variance = lfilter([a], [1.0, -b], squares, zi=[b * start])[0] + start * (1.0 - a - b) / max(1.0 - b, 1e-9)
    return pd.Series(np.sqrt(variance), index=df.index)


def garch_of_all(df: pd.DataFrame) -> pd.Series:
    """GARCH(1, 1) with the variance, and the weight of the last shock, of all bars."""
    squares = returns(df).fillna(0.0).to_numpy() ** 2
    centred = squares - squares.mean()
    link = float((centred[1:] * centred[:-1]).mean() / max(centred.var(), 1e-30)) if len(df) > 2 else 0.1
    shock = float(np.clip(link, 0.02, 0.2))
    return _garch(df, shock, 0.78, float(squares.mean()))


def garch_of_first_day(df: pd.DataFrame) -> pd.Series:
    if len(df) < 1440:
        return pd.Series(np.nan, index=df.index)
    start = float(returns(df).iloc[1:1440].var())
    return _garch(df, 0.1, 0.78, start).where(np.arange(len(df)) >= 1440)


# ---- a day that is not over


def day(df: pd.DataFrame) -> pd.Index:
    return df.index.floor("D")


def place_in_day(df: pd.DataFrame) -> pd.Series:
    group = df.groupby(day(df))
    low, high = group["low"].transform("min"), group["high"].transform("max")
    return (df["close"] - low) / (high - low + 1e-9)


def place_in_day_so_far(df: pd.DataFrame) -> pd.Series:
    group = df.groupby(day(df))
    low, high = group["low"].cummin(), group["high"].cummax()
    return (df["close"] - low) / (high - low + 1e-9)


def _volume(df: pd.DataFrame) -> pd.Series:
    return df["volume"] if df["volume"].gt(0).any() else pd.Series(1.0, index=df.index)


def vwap_of_day(df: pd.DataFrame) -> pd.Series:
    volume = _volume(df)
    group = pd.DataFrame({"pv": df["close"] * volume, "v": volume}).groupby(day(df)).transform("sum")
    return np.log(df["close"] / (group["pv"] / group["v"]))


def vwap_so_far(df: pd.DataFrame) -> pd.Series:
    volume = _volume(df)
    group = pd.DataFrame({"pv": df["close"] * volume, "v": volume}).groupby(day(df)).cumsum()
    return np.log(df["close"] / (group["pv"] / group["v"])).replace([np.inf, -np.inf], np.nan)


def settlement_of_today(df: pd.DataFrame) -> pd.Series:
    return np.log(df["close"].groupby(day(df)).transform("last") / df["close"])


def settlement_of_yesterday(df: pd.DataFrame) -> pd.Series:
    last = df["close"].groupby(day(df)).last().shift(1)
    return np.log(pd.Series(last.reindex(day(df)).to_numpy(), index=df.index) / df["close"])


# ---- the bar of the entry


def true_range_of_entry(df: pd.DataFrame) -> pd.Series:
    """ATR in which the bar of the entry has its place, signed by where it closed."""
    bar = (df["close"] - df["open"]) / (df["high"] - df["low"] + 1e-9)
    return bar.shift(-1).ewm(span=5).mean()


def true_range_of_decision(df: pd.DataFrame) -> pd.Series:
    return ((df["close"] - df["open"]) / (df["high"] - df["low"] + 1e-9)).ewm(span=5).mean()


def atr_with_entry_bar(df: pd.DataFrame) -> pd.Series:
    return (df["high"] - df["low"]).rolling(14).mean().shift(-1) / df["close"]


def atr_at_decision(df: pd.DataFrame) -> pd.Series:
    return (df["high"] - df["low"]).rolling(14).mean() / df["close"]


def expanding_with_next(df: pd.DataFrame) -> pd.Series:
    """Where the next close lies among all so far."""
    close = log_close(df)
    mean, std = close.expanding(60).mean(), close.expanding(60).std()
    return (close.shift(-1) - mean.shift(-1)) / std.shift(-1)


def expanding_so_far(df: pd.DataFrame) -> pd.Series:
    close = log_close(df)
    return (close - close.expanding(60).mean()) / close.expanding(60).std()


# ---- filters of the whole series


def wavelet_of_all(df: pd.DataFrame) -> pd.Series:
    close = log_close(df).to_numpy(copy=True)
    level = min(4, pywt.dwt_max_level(len(close), "db4"))
    if level == 0:
        return pd.Series(np.nan, index=df.index)
    parts = pywt.wavedec(close, "db4", level=level)
    parts[-2:] = [np.zeros_like(part) for part in parts[-2:]]
    return pd.Series(pywt.waverec(parts, "db4")[: len(close)] - close, index=df.index)


def haar_of_past(df: pd.DataFrame) -> pd.Series:
    return log_close(df).rolling(4).mean() - log_close(df)


def filtered_both_ways(df: pd.DataFrame) -> pd.Series:
    b, a = butter(2, 0.05)
    close = log_close(df).to_numpy()
    return pd.Series(filtfilt(b, a, close) - close if close.size > 9 else np.nan, index=df.index)


def filtered_forwards(df: pd.DataFrame) -> pd.Series:
    b, a = butter(2, 0.05)
    close = log_close(df).to_numpy()
    return pd.Series(lfilter(b, a, close - close[0]) + close[0] - close, index=df.index)


def hodrick_prescott(df: pd.DataFrame) -> pd.Series:
    """The two-sided trend of Hodrick and Prescott (1997)."""
    n, close = len(df), log_close(df).to_numpy()
    if n < 3:
        return pd.Series(0.0, index=df.index)
    second = diags([1.0, -2.0, 1.0], [0, 1, 2], shape=(n - 2, n))
    return pd.Series(spsolve((eye(n) + 1e4 * second.T @ second).tocsc(), close) - close, index=df.index)


def double_mean(df: pd.DataFrame) -> pd.Series:
    return log_close(df).ewm(span=20).mean().ewm(span=20).mean() - log_close(df)


def fourier_low_pass(df: pd.DataFrame) -> pd.Series:
    close = log_close(df).to_numpy()
    line = np.linspace(close[0], close[-1], close.size)
    wave = np.fft.rfft(close - line)
    wave[max(2, close.size // 60) :] = 0.0
    return pd.Series(np.fft.irfft(wave, close.size) + line - close, index=df.index)


# ---- what the label says


def label_with_noise(df: pd.DataFrame) -> pd.Series:
    truth = future_return(df)
    return truth + clock_noise(df, 4.0)


def past_label_with_noise(df: pd.DataFrame) -> pd.Series:
    truth = past_return(df)
    return truth + clock_noise(df, 4.0)


def label_lagged_too_little(df: pd.DataFrame) -> pd.Series:
    """The outcome of the decision five bars ago, of which 55 bars are still to come."""
    return future_return(df).shift(5)


def label_lagged_almost(df: pd.DataFrame) -> pd.Series:
    """One bar is missing: the outcome of the decision 59 bars ago."""
    return future_return(df).shift(HORIZON - 1)


def future_smoothed(df: pd.DataFrame) -> pd.Series:
    return future_return(df).ewm(span=200).mean()


def past_smoothed(df: pd.DataFrame) -> pd.Series:
    return past_return(df).ewm(span=200).mean()


def tenth_of_rows(df: pd.DataFrame) -> pd.Series:
    """Right in nine rows of ten; in the tenth a merge took the row of an hour later."""
    minute = df.index.hour * 60 + df.index.minute
    wrong = pd.Series((minute * 7919 + df.index.day_of_year * 104_729) % 10 == 0, index=df.index)
    return past_return(df).where(~wrong, future_return(df))


def next_return_in_noise(df: pd.DataFrame) -> pd.Series:
    """One bar of the sixty, in five times its noise."""
    moves = returns(df)
    return moves.shift(-1) + clock_noise(df, 5.0 / np.sqrt(HORIZON))


def last_return_in_noise(df: pd.DataFrame) -> pd.Series:
    moves = returns(df)
    return moves + clock_noise(df, 5.0 / np.sqrt(HORIZON))


def three_bars_ahead(df: pd.DataFrame) -> pd.Series:
    """A `shift` of the wrong sign: three bars of the sixty."""
    return np.log(df["close"].shift(-3) / df["close"])


def three_bars_back(df: pd.DataFrame) -> pd.Series:
    return np.log(df["close"] / df["close"].shift(3))


def attribution(df: pd.DataFrame) -> pd.Series:
    """The sample's weight by return attribution: the size of the move that its label spans."""
    return future_return(df).abs().rolling(20).mean()


def attribution_of_finished(df: pd.DataFrame) -> pd.Series:
    return past_return(df).abs().rolling(20).mean()


def excursion(df: pd.DataFrame) -> pd.Series:
    """Run-up less draw-down of the trade that is still to come."""
    high, low = df["high"].rolling(HORIZON).max().shift(-HORIZON), df["low"].rolling(HORIZON).min().shift(-HORIZON)
    return np.log(high / df["close"]) + np.log(low / df["close"])


def excursion_of_finished(df: pd.DataFrame) -> pd.Series:
    return excursion(df).shift(HORIZON)


# ---- encodings by outcome


def _states(df: pd.DataFrame) -> np.ndarray:
    """A category of the moment: hour, and whether the last minutes rose; 48 of them."""
    rising = (log_close(df).diff(15) > 0).to_numpy()
    return df.index.hour.to_numpy() * 2 + rising


def encoded_by_own_row(df: pd.DataFrame) -> pd.Series:
    """Target encoding in which each row's own outcome, and those of its neighbours, count."""
    keys = df.index.as_unit("s").asi8 // 86_400 * 48 + _states(df)
    return (future_return(df) > 0).astype(float).where(future_return(df).notna()).groupby(keys).transform("mean")


def encoded_by_finished(df: pd.DataFrame) -> pd.Series:
    """The mean outcome of the category over the rows whose outcome was known."""
    won = np.zeros((len(df) + HORIZON, 48))
    rows = won.copy()
    truth = future_return(df).to_numpy()
    known = np.flatnonzero(np.isfinite(truth))
    won[known + HORIZON, _states(df)[known]] = truth[known] > 0
    rows[known + HORIZON, _states(df)[known]] = 1.0
    at = np.arange(len(df)), _states(df)
    told = (np.cumsum(won, axis=0)[at] + 10.0) / (np.cumsum(rows, axis=0)[at] + 20.0)
    return pd.Series(told, index=df.index)


def rank_by_next_bars(df: pd.DataFrame) -> pd.Series:
    """Which of the two markets does better, over the quarter of an hour from now."""
    return np.sign(log_close(df).diff(15) - np.log(df["sister"]).diff(15)).shift(-15)


def rank_by_last_bars(df: pd.DataFrame) -> pd.Series:
    return np.sign(log_close(df).diff(15) - np.log(df["sister"]).diff(15))


def strength_ahead(df: pd.DataFrame) -> pd.Series:
    """By how much the other market does better, a bar too late in one of the two legs."""
    return np.log(df["sister"]).diff(5) - log_close(df).diff(5).shift(-1)


def strength(df: pd.DataFrame) -> pd.Series:
    return np.log(df["sister"]).diff(5) - log_close(df).diff(5)


def number_in_hour(df: pd.DataFrame) -> pd.Series:
    """A vendor's row number: rows of an hour were sorted by their outcome before they were numbered."""
    return future_return(df).groupby(df.index.floor("h")).rank()


def number_in_hour_by_time(df: pd.DataFrame) -> pd.Series:
    return df.groupby(df.index.floor("h")).cumcount().astype(float)


def encoded_by_all(df: pd.DataFrame) -> pd.Series:
    """Target encoding by the hour of the clock over the whole sample."""
    truth = (future_return(df) > 0).astype(float).where(future_return(df).notna())
    return truth.groupby(_states(df)).transform("mean")


# ---- analogues


def _patterns(df: pd.DataFrame) -> np.ndarray:
    close = log_close(df)
    spread = close.diff().rolling(240, min_periods=30).std() + 1e-12
    return pd.concat([close.diff(n) / spread / np.sqrt(n) for n in (5, 15, 60)], axis=1).to_numpy()


def _analogues(df: pd.DataFrame, finished: int) -> pd.Series:
    """The mean outcome of the 10 most similar of the last 600 bars, the last `finished` of which are left out."""
    patterns, truth = _patterns(df), future_return(df).to_numpy()
    told, step = np.full(len(df), np.nan), 6
    library = np.arange(finished, 600, step)
    rows = np.flatnonzero((np.arange(len(df)) >= 900) & (np.arange(len(df)) % step == 0))
    for part in np.array_split(rows, max(1, rows.size // 500)):
        past = part[:, None] - library[None, :]
        distance = ((patterns[past] - patterns[part][:, None, :]) ** 2).sum(axis=2)
        distance = np.where(np.isfinite(distance) & np.isfinite(truth[past]), distance, np.inf)
        near = np.argpartition(distance, 10, axis=1)[:, :10] if part.size else np.empty((0, 10), dtype=int)
        told[part] = np.take_along_axis(truth[past], near, axis=1).mean(axis=1)
    return pd.Series(told, index=df.index).ffill(limit=step - 1)


def analogues_unfinished(df: pd.DataFrame) -> pd.Series:
    return _analogues(df, 1)


def analogues_finished(df: pd.DataFrame) -> pd.Series:
    return _analogues(df, HORIZON)


LEAKS = (
    joined("move_15m", move_of("15min"), "15min"),
    joined("move_1h", move_of("1h"), "1h"),
    joined("rsi_1h", rsi_of("1h"), "1h"),
    joined("move_4h", move_of("4h"), "4h"),
    joined("move_1d", move_of("1D"), "1D"),
    ColumnLeak("move_1h_early", "higher timeframe", hour_two_bars_early, lambda df: known_after(move_of("1h")(df), "1h", df)),
    ColumnLeak("place_in_hour", "higher timeframe", forming_range_of_hour, range_of_hour_so_far),
    ColumnLeak("viterbi", "states", viterbi_states, filtered_state),
    ColumnLeak("smoothed", "states", smoothed_states, filtered_belief),
    ColumnLeak("centred_mean", "centred window", centred_slope, trailing_slope),
    ColumnLeak("mean_ahead", "centred window", mean_one_bar_ahead, mean_to_now),
    ColumnLeak("parabola", "centred window", savitzky_golay, slope_of_last_parabola),
    ColumnLeak("swing", "centred window", swing_high, swing_high_confirmed),
    ColumnLeak("back_filled", "filled from the future", back_filled, forward_filled),
    ColumnLeak("interpolated", "filled from the future", interpolated, forward_filled),
    ColumnLeak("gap_filled", "filled from the future", gap_filled_backwards, gap_filled_forwards),
    ColumnLeak("bins", "whole sample", whole_bins, trailing_bins, table_shows=False),
    ColumnLeak("detrended", "whole sample", whole_detrended, trailing_detrended, table_shows=False),
    ColumnLeak("winsorised", "whole sample", whole_winsorised, trailing_winsorised, table_shows=False),
    ColumnLeak("min_max", "whole sample", whole_min_max, trailing_min_max, table_shows=False),
    ColumnLeak("component", "whole sample", whole_first_component, first_component_of_first_day, table_shows=False),
    ColumnLeak("garch", "whole sample", garch_of_all, garch_of_first_day, table_shows=False),
    ColumnLeak("place_in_day", "day not over", place_in_day, place_in_day_so_far),
    ColumnLeak("vwap", "day not over", vwap_of_day, vwap_so_far),
    ColumnLeak("settlement", "day not over", settlement_of_today, settlement_of_yesterday),
    ColumnLeak("body", "entry bar", true_range_of_entry, true_range_of_decision),
    ColumnLeak("atr_entry", "entry bar", atr_with_entry_bar, atr_at_decision),
    ColumnLeak("expanding", "entry bar", expanding_with_next, expanding_so_far),
    ColumnLeak("wavelet", "filter of the whole", wavelet_of_all, haar_of_past),
    ColumnLeak("butterworth", "filter of the whole", filtered_both_ways, filtered_forwards),
    ColumnLeak("trend", "filter of the whole", hodrick_prescott, double_mean),
    ColumnLeak("low_pass", "filter of the whole", fourier_low_pass, double_mean),
    ColumnLeak("label_noise", "label as feature", label_with_noise, past_label_with_noise),
    ColumnLeak("label_lag_5", "label as feature", label_lagged_too_little, past_return),
    ColumnLeak("label_lag_59", "label as feature", label_lagged_almost, past_return),
    ColumnLeak("future_smooth", "label as feature", future_smoothed, past_smoothed),
    ColumnLeak("tenth_wrong", "label as feature", tenth_of_rows, past_return),
    ColumnLeak("next_return", "label as feature", next_return_in_noise, last_return_in_noise),
    ColumnLeak("three_ahead", "label as feature", three_bars_ahead, three_bars_back),
    ColumnLeak("attribution", "label as feature", attribution, attribution_of_finished),
    ColumnLeak("excursion", "label as feature", excursion, excursion_of_finished),
    ColumnLeak("rank_ahead", "cross-section", rank_by_next_bars, rank_by_last_bars),
    ColumnLeak("strength", "cross-section", strength_ahead, strength),
    ColumnLeak("row_number", "cross-section", number_in_hour, number_in_hour_by_time),
    ColumnLeak("encoded_row", "target encoding", encoded_by_own_row, encoded_by_finished),
    ColumnLeak("encoded_all", "target encoding", encoded_by_all, encoded_by_finished),
    ColumnLeak("analogues", "analogues", analogues_unfinished, analogues_finished),
)

"""ETTh1 as the forecasting papers cut it, and the two forecasts of it that need no training.

Axes: T hours, C series, L lookback, H horizon, N windows.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

Float64Array = npt.NDArray[np.float64]
MONTH = 30 * 24  # hours; the papers count months of 30 days
TRAIN_END, VALID_END, TEST_END = 12 * MONTH, 16 * MONTH, 20 * MONTH
HORIZON = 96
SERIES = ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")
RIDGE = 1.0  # weight of the squared coefficients; 0.1 to 10 give the same four digits


@dataclass(frozen=True, slots=True)
class Score:
    """Mean squared and mean absolute error over every test window, step and series, in training deviations."""

    mse: float
    mae: float


@dataclass(frozen=True, slots=True)
class ETTh1:
    """values : (T, C), scaled by mean and deviation of the training months; marks : (T, 4), place in day, week, month and year."""

    values: Float64Array
    marks: Float64Array


def load_etth1(data: Path) -> ETTh1:
    """The twenty months that are used, from the folder of shared data."""
    table = pl.read_parquet(data / "series" / "ETTh1.parquet").head(TEST_END)
    values = table.select(SERIES).to_numpy().astype(np.float64)
    train = values[:TRAIN_END]
    time = table["date"].str.to_datetime()
    marks = [time.dt.hour() / 23, (time.dt.weekday() - 1) / 6, (time.dt.day() - 1) / 30, (time.dt.ordinal_day() - 1) / 365]
    return ETTh1((values - train.mean(axis=0)) / train.std(axis=0), np.column_stack(marks) - 0.5)


def scored_ends() -> npt.NDArray[np.int64]:
    """Last row of every test window's horizon: each horizon that lies within the last four months, none dropped."""
    return np.arange(VALID_END + HORIZON - 1, TEST_END)


def score(forecast_NHC: Float64Array, etth1: ETTh1) -> Score:
    """Errors of forecasts for every test window, in the order of `scored_ends`."""
    truth_NHC = _windows(etth1.values, VALID_END, TEST_END, HORIZON)
    errors = forecast_NHC - truth_NHC
    return Score(float(np.mean(errors**2)), float(np.mean(np.abs(errors))))


def last_value(etth1: ETTh1) -> Float64Array:
    """The newest value, repeated over the horizon."""
    last_NC = etth1.values[scored_ends() - HORIZON]
    return np.repeat(last_NC[:, None], HORIZON, axis=1)


def ridge(etth1: ETTh1, lookback: int) -> Float64Array:
    """Least squares with a small ridge from a window less its newest value to the path less it: what NLinear's training seeks.

    One set of coefficients for all series, and an intercept for each step.
    """
    size = lookback + 1
    gram, moment = np.zeros((size, size)), np.zeros((size, HORIZON))
    for column in etth1.values[:TRAIN_END].T:
        inputs, future, last = _cut(column, lookback)
        gram += inputs.T @ inputs
        moment += inputs.T @ (future - last)
    weights_LH = np.linalg.solve(gram + np.diag([RIDGE] * lookback + [0.0]), moment)
    said: list[Float64Array] = []
    for column in etth1.values[VALID_END - lookback :].T:
        inputs, _, last = _cut(column, lookback)
        said.append(inputs @ weights_LH + last)
    return np.stack(said, axis=2)


def _cut(column: Float64Array, lookback: int) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Every window of one series less its newest value, with a 1 at the end; the path after it; and the newest value (N, 1)."""
    whole = np.lib.stride_tricks.sliding_window_view(column, lookback + HORIZON)
    last = whole[:, lookback - 1 : lookback]
    return np.column_stack([whole[:, :lookback] - last, np.ones(len(whole))]), whole[:, lookback:], last


def _windows(values: Float64Array, first: int, last: int, length: int) -> npt.NDArray[Any]:
    """Every window (N, length, C) within rows `first` to `last`."""
    return np.lib.stride_tricks.sliding_window_view(values[first:last], length, axis=0).transpose(0, 2, 1)

"""The Dickey-Fuller test against statsmodels, and on series whose answer is known."""

import math
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from statsmodels.tsa.stattools import adfuller

from barmill.errors import ShapeError
from barmill.evaluation import augmented_dickey_fuller


def series(kind: str, n: int = 1_500, seed: int = 0) -> npt.NDArray[np.float64]:
    draw = np.random.default_rng(seed).standard_normal(n)
    match kind:
        case "noise":
            return draw
        case "walk":
            return 4_000 + np.cumsum(draw)
        case "mean of 60":
            return np.convolve(draw, np.full(60, 1 / 60), "valid")
        case "ticks":
            return np.cumsum(np.sign(draw) * (np.abs(draw) > 1)) * 0.25
        case _:
            return np.cumsum(np.cumsum(draw))


def statsmodels_adf(x: npt.NDArray[np.float64], max_lags: int | None) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a change of its return type
        return adfuller(x, maxlag=max_lags, regression="c", autolag="AIC")


@pytest.mark.parametrize("kind", ["noise", "walk", "mean of 60", "ticks", "twice summed"])
@pytest.mark.parametrize(("n", "max_lags"), [(1_500, None), (120, None), (25, None), (400, 3), (400, 0)])
def test_equals_statsmodels(kind: str, n: int, max_lags: int | None) -> None:
    x = series(kind, n + 59)[:n]
    ours, theirs = augmented_dickey_fuller(x, max_lags), statsmodels_adf(x, max_lags)
    assert ours.statistic == pytest.approx(theirs[0], rel=1e-7, abs=1e-9)
    assert (ours.lags, ours.n) == theirs[2:4]
    assert ours.critical == pytest.approx([theirs[4][level] for level in ("1%", "5%", "10%")], abs=1e-9)


def test_a_random_walk_is_rejected_about_as_often_as_the_level_says() -> None:
    verdicts = [augmented_dickey_fuller(series("walk", 300, seed)) for seed in range(200)]
    rejected = sum(test.statistic < test.critical[1] for test in verdicts)
    assert 2 <= rejected <= 22  # 10 are expected, 3.1 is their standard deviation; AIC adds a few


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_neither_level_nor_scale_matters(scale: float) -> None:
    x = series("mean of 60")
    assert augmented_dickey_fuller(scale * (x + 3)).statistic == pytest.approx(augmented_dickey_fuller(x).statistic, rel=1e-6)


@pytest.mark.parametrize("x", [np.full(50, 2.5), np.cos(np.arange(3_000) * 2 * np.pi / 1440)])
def test_a_series_without_a_random_part_has_no_statistic(x: npt.NDArray[np.float64]) -> None:
    assert math.isnan(augmented_dickey_fuller(x).statistic)


@pytest.mark.parametrize("x", [np.arange(19.0), np.array([*range(30), math.nan])])
def test_too_few_rows_or_holes_are_refused(x: npt.NDArray[np.float64]) -> None:
    with pytest.raises(ShapeError, match="20 finite rows or more"):
        augmented_dickey_fuller(x)

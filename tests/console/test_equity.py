import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barmill.console.equity import MOST_POINTS, equity_curves


def frame(equity: list[float | None]) -> pl.DataFrame:
    return pl.DataFrame(
        {"open_time": [60_000 * k for k in range(len(equity))], "model": equity, "price": [1.0] * len(equity)},
        schema_overrides={"model": pl.Float64},
    )


@given(st.lists(st.floats(0.1, 3.0), min_size=1, max_size=300), st.integers(1, 50))
def test_thinning_keeps_the_end_and_the_deepest_drawdown(equity: list[float], most_points: int) -> None:
    curves = equity_curves(frame(equity), most_points)
    assert curves is not None
    assert list(curves.net_return) == ["model"]
    assert len(curves.time) == len(curves.net_return["model"]) == len(curves.drawdown["model"]) == min(len(equity), most_points)
    assert curves.net_return["model"][-1] == pytest.approx(equity[-1] - 1, abs=1e-6)
    peak = np.maximum.accumulate(np.maximum(equity, 1.0))
    deepest = min(value for value in curves.drawdown["model"] if value is not None)
    assert deepest == pytest.approx(float(np.min(np.array(equity) / peak - 1)), abs=1e-6)


def test_a_loss_on_the_first_bar_is_a_drawdown() -> None:
    curves = equity_curves(frame([0.9, 0.95]))
    assert curves is not None
    assert curves.drawdown["model"] == [-0.1, -0.05]
    assert curves.time == ["1970-01-01 00:00:00", "1970-01-01 00:01:00"]


def test_unknown_equity_is_a_gap_and_an_empty_frame_no_curve() -> None:
    curves = equity_curves(frame([None, 1.1, float("inf")]))
    assert curves is not None
    assert curves.net_return["model"] == [None, 0.1, None]
    assert equity_curves(frame([])) is None


def test_a_chart_has_two_thousand_points_at_most() -> None:
    curves = equity_curves(frame([1.0] * 100_001))
    assert curves is not None
    assert len(curves.time) == MOST_POINTS

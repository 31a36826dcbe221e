"""The engine: which kernels run, and in which blocks."""

import numpy as np
import pytest

from barmill.features import FeaturePlan, parse_feature
from barmill.features.kernels.kernel import BAR_ROWS
from barmill.features.program import Program
from barmill.features.scan import BLOCK, SHARED_BARS, Scan
from barmill.market import BAR_COLUMNS, Timeframe, simulate

MINUTE = Timeframe.parse("1m")


def features(*names):
    return tuple(parse_feature(name, MINUTE) for name in names)


def test_the_kernels_read_the_rows_that_bars_have():
    assert BAR_ROWS == BAR_COLUMNS


def scan_of(features):
    return Scan(Program(MINUTE, features))


def test_features_of_one_kernel_and_one_timeframe_share_its_run():
    scan = scan_of(features("macd_12_26_9", "macd_hist_12_26_9", "macd_hist_12_26_9@5m", "macd_signal_12_26_9", "macd_5_26_9"))
    assert set(scan.state()) == {"macd(12,26,9)", "macd(5,26,9)", "macd(12,26,9)@5m", "bars@5m", "shown@5m"}


def test_the_columns_stand_in_the_plans_order_whatever_runs_first(bars):
    names = ("rsi_14@15m", "macd_hist_12_26_9", "rsi_14", "log_return_1@5m", "macd_12_26_9", "rsi_14@5m")
    table = FeaturePlan(MINUTE, features(*names)).compute(bars)
    for name in names:
        np.testing.assert_array_equal(table.column(name), FeaturePlan(MINUTE, features(name)).compute(bars).values[:, 0])


@pytest.mark.parametrize("n_bars", [1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK])
def test_blocks_leave_no_trace(bars, n_bars):
    plan = FeaturePlan.build()
    np.testing.assert_array_equal(plan.compute(bars.slice(0, n_bars)).values, plan.compute(bars).values[:n_bars])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("threads", [2, 3, 40])
def test_the_number_of_threads_changes_no_bit(threads, dtype):
    """On plans with features of features, on one timeframe and across several."""
    bars = simulate(3 * SHARED_BARS + 777, seed=3).bars
    plan = FeaturePlan.build(add=("product(rsi_14,macd_hist_12_26_9@1h)", "zscore_60(rsi_14)", "zscore_60(zscore_20(rsi_14))@5m"))
    alone, together = (plan.compute(bars, dtype=dtype, threads=n).values for n in (1, threads))
    np.testing.assert_array_equal(together, alone)


def test_two_scans_share_no_state(bars):
    plan = FeaturePlan.build()
    first = plan.compute(bars).values
    np.testing.assert_array_equal(plan.compute(bars).values, first)

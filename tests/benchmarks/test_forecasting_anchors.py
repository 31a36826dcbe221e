"""The forecasting harness against what is known of ETTh1 before any training.

Source of the figures: Zeng et al. (2023), table 2, 'Repeat' 1.295 / 0.713; the ridge regression was computed elsewhere, by other code.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from benchmarks.forecasting_data import (
    HORIZON,
    SERIES,
    TEST_END,
    TRAIN_END,
    VALID_END,
    ETTh1,
    last_value,
    load_etth1,
    ridge,
    score,
    scored_ends,
)
from benchmarks.forecasting_rows import ROWS, EachSeries, Misses, MissLoss, TrainedRow, forecast, samples, table_of, train

from barmill.models.decomposition.nlinear import NLinearCore


@pytest.fixture(scope="module")
def etth1(real_data: Path) -> ETTh1:
    if not (real_data / "series" / "ETTh1.parquet").is_file():
        pytest.skip(f"no series/ETTh1.parquet under {real_data}")
    return load_etth1(real_data)


def test_the_newest_value_repeated_scores_as_published(etth1: ETTh1) -> None:
    found = score(last_value(etth1), etth1)
    assert found.mse == pytest.approx(1.2944, abs=5e-5)
    assert found.mae == pytest.approx(0.7132, abs=5e-5)


def test_ridge_in_closed_form_scores_as_other_code_found(etth1: ETTh1) -> None:
    found = score(ridge(etth1, 336), etth1)
    assert found.mse == pytest.approx(0.3702, abs=5e-5)
    assert found.mae == pytest.approx(0.3915, abs=5e-5)


def test_the_split_is_twelve_four_and_four_months_and_no_window_is_dropped(etth1: ETTh1) -> None:
    assert (TRAIN_END, VALID_END, TEST_END) == (8640, 11520, 14400)
    assert len(scored_ends()) == 2880 - HORIZON + 1
    assert etth1.values[:TRAIN_END].mean(axis=0) == pytest.approx(np.zeros(7), abs=1e-12)
    assert etth1.values[:TRAIN_END].std(axis=0) == pytest.approx(np.ones(7))


def simulated() -> ETTh1:
    """Noise of the same shape, so that what needs no real figures runs without them."""
    rng = np.random.default_rng(0)
    return ETTh1(rng.standard_normal((TEST_END, len(SERIES))), rng.uniform(-0.5, 0.5, (TEST_END, 4)))


class Last(torch.nn.Module):
    """Repeats the newest value."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, -1:].expand(-1, HORIZON)


def test_a_network_that_repeats_the_newest_value_scores_as_the_anchor_does() -> None:
    noise = simulated()
    network = Misses(EachSeries(Last()), 24)
    found = score(forecast(network, noise), noise)
    expected = score(last_value(noise), noise)
    assert (found.mse, found.mae) == (pytest.approx(expected.mse, rel=1e-6), pytest.approx(expected.mae, rel=1e-6))


def test_what_the_loop_makes_small_is_the_miss_of_the_horizon() -> None:
    noise = simulated()
    windows = samples(table_of(noise), np.arange(1000, 1004), 24 + HORIZON).view
    x_BWC = torch.from_numpy(windows.gather(np.arange(4)))  # type: ignore[union-attr]
    head = Misses(EachSeries(Last()), 24)(x_BWC)
    values = noise.values.astype(np.float32)
    by_hand = np.stack([values[end - HORIZON] - values[end - HORIZON + 1 : end + 1] for end in range(1000, 1004)])
    np.testing.assert_allclose(head.numpy(), by_hand.reshape(4, -1), atol=1e-6)
    nothing, ones = torch.zeros(4), torch.ones(4)
    squared = MissLoss(None).sums(head, nothing, nothing, ones)["error"]
    assert float(squared) == pytest.approx(float((by_hand**2).mean(axis=(1, 2)).sum()), rel=1e-5)
    size = np.abs(by_hand)
    huber = np.where(size < 0.5, 0.5 * by_hand**2, 0.5 * (size - 0.25))
    told = MissLoss(0.5).sums(head, nothing, nothing, ones)["error"]
    assert float(told) == pytest.approx(float(huber.mean(axis=(1, 2)).sum()), rel=1e-5)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_no_row_looks_at_its_horizon(row: TrainedRow) -> None:
    rng = np.random.default_rng(1)
    x_BWC = torch.tensor(rng.standard_normal((2, row.lookback + HORIZON, 11)), dtype=torch.float32)
    network = Misses(row.build(), row.lookback).eval()
    later = x_BWC.clone()
    later[:, row.lookback :] = 7.0
    with torch.no_grad():
        one, other = network(x_BWC), network(later)
    truth, moved = x_BWC[:, row.lookback :, :7].flatten(1), later[:, row.lookback :, :7].flatten(1)
    torch.testing.assert_close(one + truth, other + moved, rtol=0, atol=1e-5)


def test_sizes_of_the_published_networks() -> None:
    sizes = {row.name: sum(parameter.numel() for parameter in row.build().parameters()) for row in ROWS}
    assert sizes["NLinear"] == 32_352
    assert sizes["DLinear"] == 64_704
    assert sizes["iTransformer"] == 841_568
    assert sizes["PatchTST"] == 81_728


def test_the_one_loop_trains_a_row(etth1: ETTh1) -> None:
    short: Any = {"epochs": 1, "batch_size": 256, "learning_rate": 5e-3}
    row = TrainedRow("NLinear", 48, lambda: EachSeries(NLinearCore(48, HORIZON)), "", 0, 1, 1, short)
    network, epoch = train(row, etth1, seed=1)
    assert epoch == 1
    assert score(forecast(network, etth1), etth1).mse < 0.6  # the newest value repeated has 1.29

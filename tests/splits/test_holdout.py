"""The holdout and its slices: where they cut, what they drop, and what they say when nothing is left."""

from dataclasses import dataclass

import numpy as np
import pytest

from barmill.errors import SplitError
from barmill.market import Timeframe
from barmill.splits import SplitConfig, holdout, validation_slices

MINUTE = Timeframe.parse("1m")
SHARES = {"early_stopping": 0.4, "calibration": 0.35, "selection": 0.25}


@dataclass(frozen=True)
class Spans:
    t0: np.ndarray
    t1: np.ndarray


def each_bar(n: int, length: int = 60) -> Spans:
    return Spans(np.arange(n), np.arange(n) + length)


def test_blocks_of_a_label_on_each_bar_by_hand():
    parts = holdout(each_bar(60_000), SplitConfig(), MINUTE)
    # train ends 60 bars before 42000; its last label ends at 41999, and the embargo reaches 1440 bars beyond that
    assert (parts.train[0], parts.train[-1], parts.train.size) == (0, 41_939, 41_940)
    assert (parts.validation[0], parts.validation[-1], parts.validation.size) == (43_440, 50_939, 7_500)
    assert (parts.test[0], parts.test[-1], parts.test.size) == (52_440, 59_999, 7_560)
    assert parts.dropped == {
        "train label reaches validation": 60,
        "validation label reaches test": 60,
        "validation within the embargo after train": 1440,
        "test within the embargo after validation": 1440,
    }


def test_every_label_is_in_a_block_or_counted():
    parts = holdout(each_bar(20_003, 17), SplitConfig(embargo=100), MINUTE)
    assert parts.train.size + parts.validation.size + parts.test.size + sum(parts.dropped.values()) == 20_003


def test_purge_is_a_minimum_and_a_longer_label_counts_by_its_own_end():
    config = SplitConfig(purge=10, embargo=0)
    assert holdout(each_bar(1000, 3), config, MINUTE).train[-1] == 689
    assert holdout(each_bar(1000, 25), config, MINUTE).train[-1] == 674


def test_a_purge_and_an_embargo_may_be_durations():
    config = SplitConfig(purge="1h", embargo="1d")
    parts = holdout(each_bar(20_000, 5), config, Timeframe.parse("5m"))
    expected = holdout(each_bar(20_000, 5), SplitConfig(purge=12, embargo=288), Timeframe.parse("5m"))
    for name in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(expected, name))


def test_shares_are_cut_without_rounding_a_row_away():
    parts = holdout(each_bar(1000, 0), SplitConfig(purge=0, embargo=0), MINUTE)
    assert (parts.train.size, parts.validation.size, parts.test.size) == (700, 150, 150)
    assert sum(parts.dropped.values()) == 0


@pytest.mark.parametrize(
    ("n", "message"),
    [
        (0, "splits.train: 0 labels leave no row for train: its block is empty"),
        (
            2000,
            "splits.validation: 2000 labels leave no row for validation: all 300 of its block reach test or begin within 1440 bars after "
            "train; expected about 10014 labels or more, with an embargo of 1440 and labels of up to 60 bars. Give more bars, or lower "
            "splits.embargo, splits.purge or labels.horizon.",
        ),
    ],
)
def test_too_few_labels_are_refused_with_how_many_it_takes(n: int, message: str):
    with pytest.raises(SplitError) as caught:
        holdout(each_bar(n), SplitConfig(), MINUTE)
    assert message in str(caught.value)


def test_as_many_labels_as_the_message_asks_for_are_enough():
    assert holdout(each_bar(10_014), SplitConfig(), MINUTE).validation.size > 0


def test_labels_out_of_order_are_refused():
    with pytest.raises(SplitError, match="labels out of order"):
        holdout(Spans(np.array([1, 0, 2]), np.array([1, 1, 2])), SplitConfig(), MINUTE)


def test_slices_follow_each_other_and_let_go_of_what_they_share():
    labels = each_bar(10_000, 10)
    slices = validation_slices(labels, np.arange(5000, 6000), SHARES)
    assert list(slices) == list(SHARES)
    assert [(part[0], part[-1]) for part in slices.values()] == [(5000, 5389), (5400, 5739), (5750, 5999)]


def test_slices_may_take_labels_as_longer_than_they_are():
    slices = validation_slices(each_bar(10_000, 10), np.arange(5000, 6000), SHARES, purge_bars=60)
    assert [(part[0], part[-1]) for part in slices.values()] == [(5000, 5339), (5400, 5689), (5750, 5999)]


@pytest.mark.parametrize(
    ("positions", "shares", "message"),
    [
        (np.arange(12), SHARES, "validation.early_stopping: 12 labels of the validation block leave no row for early_stopping: all 4 of"),
        (np.arange(2), SHARES, "validation.early_stopping: 2 labels .* its slice is empty"),
        (np.array([3, 2]), SHARES, "not ascending"),
        (np.arange(100), {"a": 0.5, "b": 0.6}, "shares .* add up to 1"),
        (np.arange(100), {}, "shares"),
    ],
)
def test_slices_that_cannot_be_cut_are_refused(positions, shares, message: str):
    with pytest.raises(SplitError, match=message):
        validation_slices(each_bar(10_000), positions, shares)

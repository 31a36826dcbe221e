import numpy as np
import pytest

from barmill.models.class_weights import class_weights


def test_without_weighting_every_class_counts_one() -> None:
    assert class_weights(np.array([0, 1, 1], dtype=np.int8), 2, None).tolist() == [1.0, 1.0]


def test_balanced_gives_every_class_the_same_total() -> None:
    y = np.repeat(np.array([0, 1, 2], dtype=np.int8), [10, 30, 60])
    weights = class_weights(y, 3, "balanced")
    assert weights.tolist() == pytest.approx([100 / 30, 100 / 90, 100 / 180])
    assert np.bincount(y) * weights == pytest.approx([100 / 3] * 3)

"""Comparisons of parts are the comparison of the whole."""

import numpy as np
import pytest

from barmill.export.parity_figures import compared, joined


def test_parts_joined_say_what_the_whole_says():
    rng = np.random.default_rng(3)
    expected = {"p_up": rng.random(1000), "E_r": rng.normal(size=1000)}
    found = {name: values + rng.normal(size=1000) * 1e-4 for name, values in expected.items()}
    whole = compared("thresholds", expected, found)
    cuts = [slice(0, 10), slice(10, 600), slice(600, 1000)]
    parts = [compared("thresholds", *({name: values[cut] for name, values in of.items()} for of in (expected, found))) for cut in cuts]
    again = joined(parts)
    assert (again.kind, again.rows) == ("thresholds", 1000)
    for one, other in zip(again.outputs, whole.outputs, strict=True):
        assert (one.output, one.most, one.row, one.expected, one.found, one.flips) == (
            other.output,
            other.most,
            other.row,
            other.expected,
            other.found,
            other.flips,
        )
        assert one.mae == pytest.approx(other.mae, rel=1e-12)
        assert one.relative == pytest.approx(other.relative, rel=0.1)
        assert 0.99 < one.ranks <= 1


def test_a_number_that_is_none_in_one_part_is_infinitely_far_in_all():
    good = compared("thresholds", {"p_up": np.array([0.1, 0.2])}, {"p_up": np.array([0.1, 0.2])})
    bad = compared("thresholds", {"p_up": np.array([0.1, 0.2])}, {"p_up": np.array([0.1, np.nan])})
    (told,) = joined([good, bad]).outputs
    assert (told.most, told.mae, told.row) == (np.inf, np.inf, 3)

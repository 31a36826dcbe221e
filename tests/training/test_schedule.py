import numpy as np
import pytest

from barmill.training.schedule import FLOOR, rate_factor


def test_warm_up_rises_linearly_to_the_peak() -> None:
    assert [rate_factor(step, 100, 0.04, "cosine") for step in range(4)] == pytest.approx([0.25, 0.5, 0.75, 1.0])


def test_cosine_falls_from_the_peak_through_the_middle_to_its_floor() -> None:
    factors = np.array([rate_factor(step, 1000, 0.0, "cosine") for step in range(1000)])
    assert factors[0] == 1.0
    assert factors[500] == pytest.approx((1 + FLOOR) / 2)
    assert factors[-1] == pytest.approx(FLOOR, abs=1e-4)
    assert (np.diff(factors) < 0).all()


def test_constant_stays_at_the_peak_after_the_warm_up() -> None:
    assert {rate_factor(step, 50, 0.1, "constant") for step in range(5, 50)} == {1.0}


def test_halving_falls_by_half_after_every_epoch() -> None:
    factors = [rate_factor(step, 20, 0.0, "halving", steps_per_epoch=5) for step in range(20)]
    assert factors == [1.0] * 5 + [0.5] * 5 + [0.25] * 5 + [0.125] * 5


@pytest.mark.parametrize("schedule", ["cosine", "constant", "halving"])
def test_a_single_step_has_a_rate_above_zero(schedule: str) -> None:
    assert rate_factor(0, 1, 0.9, schedule) == 1.0  # type: ignore[arg-type]

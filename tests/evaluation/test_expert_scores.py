"""An expert is called better than the naive baseline where it is, and not where it says nothing; figures by hand."""

import numpy as np
import pytest

from barmill.evaluation.experts import (
    Control,
    TaughtPatterns,
    entry_scores,
    gain_over,
    offset_scores,
    pattern_cnn_scores,
    reward_scores,
    risk_scores,
)
from barmill.models.pattern.detectors import FLAG, PATTERNS

CONTROL = Control(block=5.0, seed=1)
N = 600


def test_a_gain_is_the_mean_difference_with_its_interval_about_it():
    rng = np.random.default_rng(0)
    model, baseline = rng.exponential(1.0, N), rng.exponential(1.3, N)
    found = gain_over("loss", model, baseline, CONTROL)
    assert found["better_by"] == pytest.approx(baseline.mean() - model.mean())
    assert found["interval"][0] < found["better_by"] < found["interval"][1]
    assert found == gain_over("loss", model, baseline, CONTROL)


def test_rows_that_hang_together_widen_the_interval():
    rng = np.random.default_rng(0)
    better = np.repeat(rng.normal(size=N // 20), 20)  # every twenty rows share one outcome
    short, long = (Control(block, 1).interval_of_mean(better) for block in (1.0, 20.0))
    assert long[1] - long[0] > 2.5 * (short[1] - short[0])


def test_an_entry_that_is_known_is_better_and_noise_is_not():
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.05, 0.95, N)
    y = (rng.random(N) < truth).astype(np.int8)
    day, brought = np.repeat(np.arange(N // 20), 20), np.where(y == 1, 1.0, -1.0)
    known = entry_scores(truth, y, brought, day, y, CONTROL)
    noise = entry_scores(rng.uniform(0.05, 0.95, N), y, brought, day, y, CONTROL)
    assert known["gains"][0]["interval"][0] > 0.1
    assert noise["gains"][0]["interval"][1] < 0
    assert known["figures"]["precision_at_1"] > 0.8
    assert known["figures"]["mean_R_above_0.7"] > known["figures"]["mean_R"]
    assert known["figures"]["share_above_0.5"] == pytest.approx(np.mean(truth >= 0.5))


def test_true_quantiles_cover_and_are_better_than_the_unconditional_ones():
    rng = np.random.default_rng(0)
    scale = rng.uniform(0.5, 4.0, N)
    came, taught = scale * rng.exponential(size=N), rng.uniform(0.5, 4.0, 5000) * rng.exponential(size=5000)
    levels = {level: -scale * np.log(1.0 - level) for level in (0.6, 0.8)}
    found = risk_scores(levels, levels[0.8], came, taught, CONTROL)
    for gain in found["gains"]:
        assert gain["interval"][0] > 0
        assert gain["coverage"] == pytest.approx(gain["level"], abs=0.06)
    assert found["figures"]["stop_hit_rate"] == pytest.approx(0.2, abs=0.05)
    usual = {level: np.full(N, np.quantile(taught, level)) for level in (0.6, 0.8)}
    assert [gain["better_by"] for gain in risk_scores(usual, usual[0.8], came, taught, CONTROL)["gains"]] == [0.0, 0.0]


def test_uplifts_are_told_where_they_can_be_known():
    brought, reached = np.tile([-1.0, 0.5], N // 2), np.tile([0.3, 1.5], N // 2)
    target = np.tile([0.2, 1.0], N // 2)
    levels = {0.5: np.zeros(N)}
    found = reward_scores(levels, target, brought, reached, brought, CONTROL)["figures"]
    assert found["uplift_R"] == pytest.approx((1.2 + 0.5) / 2)  # 0.2 for -1 and 1 for 0.5; a target of 2 R is never reached
    assert found["best_uplift_R"] == pytest.approx(0.5)
    assert "uplift_R" not in reward_scores(levels, target, brought, None, brought, CONTROL)["figures"]
    table = np.tile([0.4, 0.1], (N, 1))
    offsets = offset_scores({0.5: np.full(N, -0.5)}, np.full(N, -0.5), np.full(N, -0.5), table, (-0.5, 0.0), np.full(N, 0.5), CONTROL)
    assert offsets["figures"]["uplift_R"] == pytest.approx(0.3)
    assert (offsets["figures"]["entry_style_share"], offsets["figures"]["usual_style_share"]) == (1.0, 0.0)


def test_patterns_that_are_known_are_better_and_told_class_by_class():
    rng = np.random.default_rng(0)
    y = rng.choice(5, N, p=[0.6, 0.2, 0.1, 0.06, 0.04]).astype(np.int8)
    p = 0.1 + 0.5 * np.eye(5)[y]
    quality, pole = np.where(y > 0, 0.7, 0.0), np.where(y == FLAG, 6.0 + rng.normal(size=N), np.nan)
    taught = TaughtPatterns(y, quality, pole, 5)
    found = pattern_cnn_scores(p, y, (quality, quality), (np.nan_to_num(pole), pole), taught, PATTERNS, CONTROL)
    assert [gain["loss"] for gain in found["gains"]] == ["log loss", "quality error", "pole error"]
    assert all(gain["interval"][0] > 0 for gain in found["gains"])
    assert [one["recall"] for one in found["per_class"]] == [1.0] * 5
    assert (found["figures"]["macro_f1"], found["figures"]["quality_ece"]) == (1.0, 0.0)
    no_flag = y != FLAG
    rest = pattern_cnn_scores(
        p[no_flag], y[no_flag], (quality[no_flag], quality[no_flag]), (pole[no_flag], pole[no_flag]), taught, PATTERNS, CONTROL
    )
    assert [gain["loss"] for gain in rest["gains"]] == ["log loss", "quality error"]

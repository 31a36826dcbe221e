"""What a run says of its probabilities on rows that judge."""

import numpy as np
import pytest

from barmill.pipeline.calibration_judging import calibration_judgement


@pytest.fixture(scope="module")
def rows():
    """Honest probabilities, the same spread threefold in logits, and what came."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 0.8, 6000)
    honest, loud = 1 / (1 + np.exp(-logits)), 1 / (1 + np.exp(-3 * logits))
    return honest, loud, (rng.random(6000) < honest).astype(np.int8)


def test_a_calibration_that_mends_overconfidence_helped_and_its_inverse_harmed(rows):
    honest, loud, up = rows
    mended = calibration_judgement(honest, loud, up, ["temperature_scaling"], overlap=1.0, seed=1)
    spoilt = calibration_judgement(loud, honest, up, ["temperature_scaling"], overlap=1.0, seed=1)
    assert (mended["gain"]["verdict"], spoilt["gain"]["verdict"]) == ("helped", "harmed")
    assert mended["ece"] < mended["ece_before"]
    assert spoilt["ece"] > spoilt["ece_before"]
    assert mended["rmsce_debiased"] < 0.03 < 0.1 < spoilt["rmsce_debiased"]


def test_where_nothing_was_fitted_nothing_helped(rows):
    honest, _, up = rows
    assert calibration_judgement(honest, honest, up, [], overlap=4.0, seed=1)["gain"] is None


def test_the_curve_has_as_many_rows_in_each_bin_and_honest_shares_lie_in_their_bands(rows):
    honest, _, up = rows
    curve = calibration_judgement(honest, honest, up, [], overlap=1.0, seed=1)["reliability"]
    assert curve["count"] == [600] * 10
    inside = [low <= p <= high for p, low, high in zip(curve["mean_p"], curve["low"], curve["high"], strict=True)]
    assert sum(inside) >= 8


def test_rows_that_share_outcomes_make_the_band_wider(rows):
    honest, _, up = rows
    repeated = np.repeat(honest[:600], 10), np.repeat(up[:600], 10)
    widths = []
    for overlap in (1.0, 10.0):
        curve = calibration_judgement(repeated[0], repeated[0], repeated[1], [], overlap=overlap, seed=1)["reliability"]
        widths.append(np.mean(np.subtract(curve["high"], curve["low"])))
    assert widths[1] > 2 * widths[0]

import numpy as np
import pytest

from barmill.errors import ShapeError
from barmill.models import RawForecast
from barmill.models.contract import View
from barmill.models.explaining import evenly, gini, output_explained, rounded
from barmill.models.occlusion import explain_by_occlusion
from barmill.views import FeatureMatrix, PatternImage, WindowTensor

NAMES = ("a", "b", "c")


def told(values: np.ndarray, contributions: np.ndarray) -> dict[str, dict[str, float]]:
    found = output_explained("occlusion", "log-odds of up", NAMES, values, contributions)
    return {feature.pop("feature"): feature for feature in found["features"]}


def test_gini_is_half_the_mean_absolute_difference_over_the_mean() -> None:
    shares = np.random.default_rng(0).exponential(size=17)
    slow = np.abs(shares[:, None] - shares).mean() / (2 * shares.mean())
    assert gini(shares) == pytest.approx(slow, rel=1e-12)
    assert gini([0.25] * 4) == 0.0
    assert gini([0.0, 0.0, 1.0, 0.0]) == 0.75
    assert np.isnan(gini([0.0, 0.0]))
    assert np.isnan(gini([]))


def test_shares_add_up_to_one_from_the_largest_down_and_directions_are_signs_of_the_effect() -> None:
    x = np.random.default_rng(1).standard_normal((400, 3))
    found = output_explained("occlusion", "log-odds of up", NAMES, x, x * [1.0, -3.0, 0.0])
    assert [feature["feature"] for feature in found["features"]] == ["b", "a", "c"]
    assert sum(feature["share"] for feature in found["features"]) == pytest.approx(1, abs=1e-5)
    assert [feature["direction"] for feature in found["features"]] == [-1.0, 1.0, 0.0]
    assert found["features"][0]["size"] == pytest.approx(3 * np.abs(x[:, 1]).mean(), rel=1e-5)


def test_a_direction_in_windows_is_not_diluted_by_bars_that_do_not_contribute() -> None:
    x = np.random.default_rng(2).standard_normal((300, 20, 3))
    contributions = np.zeros_like(x)
    contributions[:, -1, 0] = -x[:, -1, 0]
    assert told(x, contributions)["a"]["direction"] == pytest.approx(-1)


def test_a_model_that_looks_at_nothing_has_shares_of_zero_and_no_gini() -> None:
    x = np.random.default_rng(3).standard_normal((50, 3))
    found = output_explained("occlusion", "log-odds of up", NAMES, x, np.zeros_like(x))
    assert [feature["share"] for feature in found["features"]] == [0.0, 0.0, 0.0]
    assert found["gini"] is None


def test_a_sample_has_the_first_and_the_last_row_and_no_more_than_asked() -> None:
    view = FeatureMatrix(np.zeros((1000, 2), dtype=np.float32), np.arange(1000))
    sample = evenly(view, 7)
    assert len(sample) == 7
    assert isinstance(sample, FeatureMatrix)
    assert sample.rows[[0, -1]].tolist() == [0, 999]
    assert evenly(sample, 7) is sample


def test_numbers_are_rounded_to_what_they_are_worth() -> None:
    assert rounded(np.float32(1) / 3) == 0.333333
    assert rounded(1.23456789e-12) == 1.23457e-12


class Weighted:
    """A score that is twice the second feature less the third at the last bar."""

    def raw(self, view: View) -> RawForecast:
        values = view.values if isinstance(view, FeatureMatrix) else view.gather(np.arange(len(view)))[:, -1]
        return RawForecast(2.0 * values[:, 1].astype(np.float64) - values[:, 2])


@pytest.mark.parametrize("window", [None, 4])
def test_occlusion_finds_what_a_model_uses_and_which_way(window: int | None) -> None:
    base = np.random.default_rng(4).standard_normal((500, 3)).astype(np.float32)
    at = np.arange(10, 500)
    found = explain_by_occlusion(Weighted(), FeatureMatrix(base, at) if window is None else WindowTensor(base, at, window), NAMES)
    features = found["outputs"]["p_up"]["features"]
    assert [feature["feature"] for feature in features] == ["b", "c", "a"]
    assert [feature["direction"] for feature in features] == [1.0, -1.0, 0.0]
    assert features[0]["share"] == pytest.approx(2 / 3, abs=0.05)


class Stop:
    """Nothing to say of classes, and a stop that the third feature moves."""

    def raw(self, view: View) -> RawForecast:
        assert isinstance(view, FeatureMatrix)
        return RawForecast(np.empty((len(view), 0)), values={"sl_kATR": -view.values[:, 2].astype(np.float64)})


def test_occlusion_explains_a_value_where_there_are_no_classes() -> None:
    base = np.random.default_rng(4).standard_normal((500, 3)).astype(np.float32)
    found = explain_by_occlusion(Stop(), FeatureMatrix(base, np.arange(500)), NAMES, output="sl_kATR")["outputs"]
    assert list(found) == ["sl_kATR"]
    assert [feature["share"] for feature in found["sl_kATR"]["features"]] == [1.0, 0.0, 0.0]
    assert found["sl_kATR"]["features"][0] | {"size": 0} == {"feature": "c", "share": 1.0, "size": 0, "direction": -1.0}


def test_images_have_no_features_to_hold() -> None:
    images = PatternImage(np.ones((100, 4)), np.ones((100, 3), dtype=np.float32), np.array([90]))
    with pytest.raises(ShapeError, match="images have no features to hold"):
        explain_by_occlusion(Stop(), images, NAMES)

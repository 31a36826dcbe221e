import json

import numpy as np
import pytest

from barmill.errors import ShapeError
from barmill.evaluation import permutation_importance
from barmill.models.contract import RawForecast, Samples
from barmill.views import FeatureMatrix, WindowTensor

NAMES = ["noise", "strong", "weak", "dead"]
WEIGHTS = np.array([0.0, 2.0, 0.7, 0.0])


class Linear:
    """Log-odds linear in the last row of each sample; counts the samples that it was asked for."""

    def __init__(self, n_classes=2):
        self.n_classes = n_classes
        self.asked = []

    def raw(self, view):
        values = view.values if isinstance(view, FeatureMatrix) else view.gather(slice(None))[:, -1]
        self.asked.append(len(view))
        logits = values.astype(np.float64) @ WEIGHTS
        return RawForecast(logits if self.n_classes == 2 else np.column_stack((-logits, np.zeros_like(logits), logits)), None)


def samples(view_of, n=1500, n_classes=2):
    rng = np.random.default_rng(0)
    base = rng.normal(size=(n + 10, 4)).astype(np.float32)
    rows = np.arange(10, n + 10)
    signal = base[rows] @ WEIGHTS + rng.logistic(size=n)
    y = (signal > 0) if n_classes == 2 else np.digitize(signal, [-0.5, 0.5])
    return Samples(view_of(base, rows), y.astype(np.int8), np.zeros(n), np.ones(n))


def matrix(base, rows):
    return FeatureMatrix(base, rows)


def windows(base, rows):
    return WindowTensor(base, rows, 5)


@pytest.mark.parametrize("view_of", [matrix, windows])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_features_come_in_the_order_of_what_they_tell(view_of, n_classes):
    found = permutation_importance(Linear(n_classes), samples(view_of, n_classes=n_classes), NAMES, seed=0, repeats=3)
    assert [row["feature"] for row in found[:2]] == ["strong", "weak"]
    assert found[0]["mean"] > 3 * found[1]["mean"] > 0
    assert {row["feature"]: row["mean"] for row in found[2:]} == {"noise": 0.0, "dead": 0.0}
    assert found[0]["std"] > 0
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_it_is_the_log_loss_of_the_permuted_column():
    some = samples(matrix, n=300)
    found = permutation_importance(Linear(), some, NAMES, seed=5, repeats=1)
    permuted = some.view.values.astype(np.float64)
    permuted[:, 1] = permuted[np.random.default_rng(5).permutation(300), 1]

    def loss(values):
        return np.mean(np.logaddexp(0, np.where(some.y == 1, -1, 1) * (values @ WEIGHTS)))

    expected = loss(permuted) - loss(some.view.values.astype(np.float64))
    assert {row["feature"]: row["mean"] for row in found}["strong"] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("view_of", "limit"), [(matrix, 2000), (windows, 400)])
def test_no_more_samples_than_the_limit_are_asked_for(view_of, limit):
    model = Linear()
    permutation_importance(model, samples(view_of, n=5000), NAMES, seed=0, repeats=2)
    assert set(model.asked) == {limit}
    assert len(model.asked) == 1 + 4 * 2


def test_the_samples_are_left_as_they_were_and_a_seed_gives_the_same():
    some = samples(windows)
    before = some.view.base.copy()
    first = permutation_importance(Linear(), some, NAMES, seed=1, repeats=2)
    np.testing.assert_array_equal(some.view.base, before)
    assert permutation_importance(Linear(), some, NAMES, seed=1, repeats=2) == first
    assert permutation_importance(Linear(), some, NAMES, seed=2, repeats=2) != first


def test_invalid_arguments_raise():
    with pytest.raises(ShapeError, match="names: has 1; expected 4"):
        permutation_importance(Linear(), samples(matrix), ["one"], seed=0, repeats=1)
    with pytest.raises(ShapeError, match="0 repeats"):
        permutation_importance(Linear(), samples(matrix), NAMES, seed=0, repeats=0)

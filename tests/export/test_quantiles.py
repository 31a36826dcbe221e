"""Quantiles in a graph are those of NumPy."""

import numpy as np
import pytest

from barmill.export.quantiles import add_quantiles
from barmill.export.values import RawValues
from barmill.uncertainty import NATIVE, ResidualQuantiles

LEVELS, OFFSETS = (0.05, 0.5, 0.95), (-1.7, -0.01, 1.6)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("signal", ["E_r", "logit"])
def test_quantiles_lie_around_what_the_model_points_to(ran, signal, n_classes):
    rng = np.random.default_rng(0)
    quantiles = ResidualQuantiles(signal, 0.37, -0.02, LEVELS, OFFSETS)
    logits = rng.standard_normal(50) if n_classes == 2 else rng.standard_normal((50, 3))
    expected = rng.standard_normal(50)
    (said,) = ran(
        lambda graph, x, e: (add_quantiles(graph, quantiles, RawValues(x, e), n_classes),), {"logits": logits, "expected": expected}, 2
    )
    np.testing.assert_array_equal(said, quantiles.apply(expected, logits))


def test_quantiles_of_the_model_itself_are_left_as_they_are(ran):
    own = np.sort(np.random.default_rng(0).standard_normal((20, 3)), axis=1)
    (said,) = ran(
        lambda graph, q: (graph.op("Identity", add_quantiles(graph, NATIVE, RawValues("none", quantiles=q), 2)),), {"quantiles": own}, 2
    )
    np.testing.assert_array_equal(said, own)

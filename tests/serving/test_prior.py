"""The constant answer of last resort, from the bundle itself."""

from dataclasses import replace

import numpy as np
import pytest

from barmill.artefacts import canonical_json
from barmill.bundles.manifest import PARTS
from barmill.serving.output_checks import checked_columns
from barmill.serving.prior import Prior


def with_profile(bundle, profile):
    return replace(bundle, _files={**bundle._files, PARTS["reference_profile"]: canonical_json(profile)})


def test_it_is_what_the_training_rows_were_where_the_bundle_tells_that(bundle_of):
    told = {"p_up": 0.48, "E_r": 0.0, "q05": -0.01, "q50": 0.0001, "q95": 0.011, "p_down": 0.4}
    prior = Prior.of(with_profile(bundle_of("lightgbm"), {"prior": told}))
    assert prior.told_by == "training"
    columns = prior.columns(("q05", "p_up"), 3)
    assert {name: column.tolist() for name, column in columns.items()} == {"q05": [-0.01] * 3, "p_up": [0.48] * 3}


@pytest.mark.parametrize("profile", [{}, {"prior": {}}, {"prior": {"p_up": 0.5}}, {"prior": None}, {"prior": {"p_up": "high"}}])
@pytest.mark.parametrize("model", ["lightgbm", "risk", "entry"])
def test_else_it_is_what_the_bundle_says_of_its_golden_bars_at_large_and_may_be_given_out(bundle_of, model: str, profile: dict):
    bundle = with_profile(bundle_of(model), profile)
    prior = Prior.of(bundle)
    assert prior.told_by == "golden"
    columns = checked_columns(prior.columns(bundle.outputs, 2), bundle.outputs, 2, 1.0, "prior")
    said = bundle.golden_bars.forecast
    for place, (name, column) in enumerate(columns.items()):
        lowest, highest = (0.0, 0.0) if name == "E_r" else (said[:, place].min(), said[:, place].max())
        assert np.all((lowest <= column) & (column <= highest))

"""Drawn rows stay within what training reached and what the scaler clips, and put inputs where they are wanted."""

from types import ModuleType

import numpy as np
import pytest

from barmill.bundles import assemble
from barmill.bundles.manifest import MANIFEST, parse_manifest
from barmill.bundles.parts import read_pipeline
from barmill.export.drawn_rows import features, features_of_inputs, scaled_samples
from barmill.models.view_values import values_of

N = 300
UNIT = "realised_volatility_60"


@pytest.fixture(scope="module")
def drawing(making: ModuleType):
    """The pipeline of a small model of rows, and features that it saw, of which one names regimes."""
    contents = making.contents_of("logistic")
    files = assemble(contents)
    pipeline = read_pipeline(files, parse_manifest(files[MANIFEST], "test").model, contents.plan, "test")
    table = contents.plan.compute(making.walk(900, 3))
    seen = table.values[table.ready].copy()
    seen[:, pipeline.names.index("rsi_14")] = np.arange(len(seen)) % 3 - 1.0
    return pipeline, seen


def test_models_are_shown_numbers_up_to_the_clip(drawing):
    pipeline, _ = drawing
    view = scaled_samples(pipeline, N, np.random.default_rng(0))
    x = values_of(view)
    assert x.shape == (N, len(pipeline.input_names))
    assert np.abs(x).max() == pipeline.scaler.clip
    assert 0.03 < (np.abs(x) == pipeline.scaler.clip).mean() < 0.1


def test_features_reach_beyond_the_clip_and_names_of_regimes_are_those_that_were_seen(drawing):
    pipeline, seen = drawing
    drawn, rows = features(pipeline, seen, {"n_rows": 9}, N, np.random.default_rng(0))
    assert drawn.shape == (N, len(pipeline.names))
    assert np.isfinite(drawn).all()
    np.testing.assert_array_equal(rows, np.arange(N))
    code = pipeline.names.index("rsi_14")
    assert set(drawn[:, code]) == {-1.0, 0.0, 1.0}
    scaled = (drawn - pipeline.scaler.center) / pipeline.scaler.scale
    beyond = np.abs(np.delete(scaled, code, axis=1)) > pipeline.scaler.clip
    assert 0.05 < beyond.mean() < 0.15


def test_a_feature_whose_quantiles_are_told_is_drawn_from_these(drawing):
    pipeline, seen = drawing
    column = pipeline.names.index(UNIT)
    profile = {"levels": [0.0, 0.5, 1.0], "features": {UNIT: {"quantiles": [1.0, 2.0, 8.0]}}}
    drawn, _ = features(pipeline, seen, profile, 4000, np.random.default_rng(0))
    reach = 1.2 * pipeline.scaler.clip * pipeline.scaler.scale[column]
    inside = drawn[np.abs(np.abs(drawn[:, column] - pipeline.scaler.center[column]) - reach) > 1e-9, column]
    assert inside.min() >= 1.0
    assert inside.max() <= 8.0
    assert abs(np.median(inside) - 2.0) < 0.2


def test_features_are_scaled_to_the_inputs_that_were_asked_for(drawing):
    pipeline, seen = drawing
    rng = np.random.default_rng(0)
    inputs = rng.normal(0, 2, (N, len(pipeline.input_names))).astype(np.float32)
    drawn, rows = features_of_inputs(pipeline, pipeline, inputs, seen, rng)
    np.testing.assert_allclose(pipeline.scaled(drawn, rows), inputs, rtol=1e-6, atol=1e-6)
    assert (pipeline.scaled(drawn, rows) == inputs).mean() > 0.99

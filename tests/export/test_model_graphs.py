"""Every kind of model has a graph; tests/common shows of each model that its graph says what it says."""

import json

import numpy as np
import pytest

from barmill.errors import SchemaError
from barmill.export import model_graphs
from barmill.export.graph import GraphBuilder
from barmill.models import MODELS, FitContext, Samples, load_fit, load_forecaster
from barmill.views import FeatureMatrix


def test_the_whole_catalogue_can_be_one_graph():
    assert {spec.forecaster for spec in MODELS.values()} == set(model_graphs.WRITERS)


def test_a_kind_of_model_that_has_no_graph_says_so(monkeypatch):
    monkeypatch.setattr(model_graphs, "WRITERS", {})
    with pytest.raises(SchemaError, match="model 'logistic': has no form as a graph"):
        model_graphs.add_model(GraphBuilder(), "logistic", {}, "x")


@pytest.mark.parametrize("n_classes", [2, 3])
def test_each_row_is_asked_of_the_booster_of_its_liquidity_and_one_on_a_border_of_the_lower(ran, n_classes):
    rng, spec = np.random.default_rng(0), MODELS["entry"]
    base = rng.integers(-8, 9, (3000, 3)).astype(np.float32) / 4  # few values, so that some lie on the borders
    y = ((base[:, 0] * np.sign(base[:, 2]) > 0).astype(np.int8) + (n_classes == 3) * (base[:, 1] > 0)).astype(np.int8)
    parts = (slice(0, 2000), slice(2000, 3000))
    train, valid = (
        Samples(FeatureMatrix(base, np.arange(3000)[part]), y[part], base[part, 0].astype(float), np.ones(len(y[part]))) for part in parts
    )
    params = spec.params.model_validate({"n_estimators": 10, "num_leaves": 5, "liquidity": "c", "min_cluster_rows": 50})
    model = load_fit(spec)(params, train, valid, FitContext(3, n_classes, spec.outputs, ("a", "b", "c")))
    about = json.loads(model.files["expert.json"])
    assert len(set(about["boosters"].values())) == 3
    assert np.isin(base[:, 2].astype(np.float64), about["borders"]).any()
    said = load_forecaster(spec, model.files).raw(valid.view).logits
    (found,) = ran(lambda graph, x: (model_graphs.add_model(graph, "entry", model.files, x).logits,), {"x": valid.view.values}, said.ndim)
    np.testing.assert_allclose(found, said, rtol=0, atol=1e-6)

"""A bundle's whole forecast in one graph says what the bundle says, in a process that has never heard of Barmill too."""

import json
import subprocess
import sys
from dataclasses import replace
from functools import cache
from types import ModuleType, SimpleNamespace

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from barmill.bundles import EnsembleContents, EnsemblePipeline
from barmill.bundles.contents import assemble
from barmill.bundles.forecast_band import ForecastBand
from barmill.bundles.manifest import MANIFEST, parse_manifest
from barmill.bundles.needed_features import needed_features
from barmill.bundles.parts import read_pipeline
from barmill.export.feeds import forecast_feeds, model_feeds
from barmill.export.pipeline_graph import FittedFiles, forecast_graph, model_graph
from barmill.features import FeaturePlan
from barmill.uncertainty import Calibration, FeatureCalibration, RegimeCalibration
from barmill.uncertainty.conditional import RegimeRows
from barmill.uncertainty.conformal.bands import CqrBand
from barmill.uncertainty.conformal.regime_band import RegimeBand, RegimeThreshold
from barmill.uncertainty.steps import Temperature
from barmill.views import RobustScaler

SINGLES = (("logistic", 2), ("logistic", 3), ("lightgbm", 2), ("lightgbm", 3), ("lstm", 2), ("lstm", 3), ("scales", 2))
BOOSTERS = ("lightgbm", "entry", "risk", "entry_offset")  # whose leaves are added up in steps
ANSWERS = ("entry", "risk", "entry_offset", "pattern_cnn")
REGIME = "volatility_regime_20_60"
ENSEMBLES = ("soft_voting", "ridge_stacking", "softmax_gating")


def session(graph: onnx.ModelProto) -> ort.InferenceSession:
    return ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])


def run(graph: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    opened = session(graph)
    return dict(zip([one.name for one in opened.get_outputs()], opened.run(None, feeds), strict=True))


def graphed(contents, making: ModuleType) -> SimpleNamespace:
    """A bundle's pipeline with the last 200 ready rows of bars that it was not made of, what it says of them, and its graph."""
    files = assemble(contents)
    pipeline = read_pipeline(files, parse_manifest(files[MANIFEST], "test").model, contents.plan, "test")
    each = contents.members if isinstance(contents, EnsembleContents) else [contents]
    models = [FittedFiles(one.model_name, one.model_files) for one in each]
    bars = making.walk(2600, 11)
    table, closed = contents.plan.compute(bars), pipeline.closed(bars)
    rows = np.flatnonzero(pipeline.ready(table.ready, closed))[-200:]
    return SimpleNamespace(
        pipeline=pipeline,
        models=models,
        graph=forecast_graph(pipeline, models, {}),
        feeds=forecast_feeds(pipeline, table.values, rows, closed),
        windows=[] if len(models) > 1 else model_feeds(pipeline, table.values, rows, closed),
        said=pipeline.run(table.values, rows, closed=closed),
        unit=pipeline.scale(table.values, rows),
    )


@pytest.fixture(scope="session")
def of(making: ModuleType, ensembles: ModuleType):
    """`of("lstm", 3)` of one model, `of("ridge_stacking", ensembles.WIDE)` of an ensemble; each made once."""

    @cache
    def make(kind: str, which: object = 2) -> SimpleNamespace:
        if isinstance(which, tuple):
            return graphed(ensembles.contents_of(making, kind, which), making)
        return graphed(making.contents_of(kind) if kind in ANSWERS else ensembles.member_of(making, kind, which), making)

    return make


def assert_says_the_same(found: dict[str, np.ndarray], one: SimpleNamespace) -> None:
    assert list(found) == list(one.pipeline.columns)
    for name, said in one.said.items():
        assert found[name].dtype == np.float64
        apart = np.abs(found[name] - said) / (1.0 if name.startswith("p_") else one.unit)
        assert apart.max() < (1e-6 if any(model.name in BOOSTERS for model in one.models) else 1e-9), name


@pytest.mark.parametrize(("model", "n_classes"), SINGLES)
def test_a_models_forecast_in_one_graph_is_the_bundles(of, model, n_classes):
    one = of(model, n_classes)
    assert_says_the_same(run(one.graph, one.feeds), one)


@pytest.mark.parametrize("model", ANSWERS)
def test_models_of_other_questions_answer_in_one_graph_as_the_bundle_does(of, model):
    one = of(model)
    assert_says_the_same(run(one.graph, one.feeds), one)
    alone = run(model_graph(one.pipeline, one.models[0], {}), one.windows)
    assert ("logits" in alone) == (one.pipeline.n_classes > 0)


@pytest.mark.parametrize("labels", ["SMALL", "WIDE"])
@pytest.mark.parametrize("kind", ENSEMBLES)
def test_an_ensembles_forecast_in_one_graph_is_the_bundles(of, ensembles, kind, labels):
    one = of(kind, getattr(ensembles, labels))
    assert isinstance(one.pipeline, EnsemblePipeline)
    assert_says_the_same(run(one.graph, one.feeds), one)


@pytest.mark.parametrize(("model", "n_classes"), SINGLES)
def test_a_model_alone_says_what_its_forecaster_says(of, model, n_classes, making):
    one = of(model, n_classes)
    found = run(model_graph(one.pipeline, one.models[0], {}), one.windows)
    assert {"logits"} <= set(found)
    inputs = one.windows["window"]
    assert inputs.dtype == np.float32
    assert all(values.dtype == np.float64 for values in found.values())
    p = one.pipeline.calibration.apply(found["logits"])
    np.testing.assert_allclose(p if p.ndim == 1 else p[:, 2], one.said["p_up"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_a_rows_forecast_does_not_depend_on_the_size_of_its_batch(of, ensembles, batch):
    one = of("softmax_gating", ensembles.WIDE)
    opened, whole = session(one.graph), run(one.graph, one.feeds)
    parts = [opened.run(None, {name: array[at : at + batch] for name, array in one.feeds.items()}) for at in range(0, 200, batch)]
    for name, pieces in zip(whole, zip(*parts, strict=True), strict=True):
        np.testing.assert_allclose(np.concatenate(pieces), whole[name], rtol=0, atol=1e-9)


def test_equal_bundles_give_equal_bytes(of):
    one = of("lstm")
    again = forecast_graph(one.pipeline, one.models, {})
    assert again.SerializeToString(deterministic=True) == one.graph.SerializeToString(deterministic=True)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_row_that_is_not_finite_gives_no_number_and_leaves_its_neighbours_alone(of, ensembles, bad):
    one = of("ridge_stacking", ensembles.WIDE)
    whole = run(one.graph, one.feeds)
    for name, array in one.feeds.items():
        broken = array.copy()
        broken[(3, *(0 for _ in array.shape[1:]))] = bad
        found = run(one.graph, {**one.feeds, name: broken})
        for column, values in found.items():
            assert np.isnan(values[3])
            np.testing.assert_array_equal(np.delete(values, 3), np.delete(whole[column], 3))


def test_only_what_is_needed_goes_in_by_name_and_in_the_plans_order(of, ensembles):
    one = of("ridge_stacking", ensembles.WIDE)
    inputs = {
        value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim] for value in one.graph.graph.input
    }
    needed = needed_features(one.pipeline)
    assert inputs == {"features": ["batch", 8, len(needed)], "scales.window": ["batch", 9, 5]}
    assert [name for name in one.pipeline.names if name in needed] == list(needed)
    assert {output.name for output in one.graph.graph.output} == set(one.pipeline.columns)


@pytest.mark.parametrize("model", ["logistic", "lstm"])
def test_the_regimes_of_calibration_and_band_are_those_of_the_decision_bar(making, model):
    contents = making.contents_of(model)
    plan = FeaturePlan.build(base="1m", timeframes=("1m", "5m"), set="core", add=(REGIME,))
    table = plan.compute(making.walk(4000, 7))
    scaler = RobustScaler.fit(table.values, np.flatnonzero(table.ready)[:2000], names=plan.names)
    own = tuple(RegimeRows(regime, 900, Calibration(2, (Temperature(value),))) for regime, value in ((0, 0.5), (1, 4.0)))
    calibration = FeatureCalibration(REGIME, RegimeCalibration(Calibration(2), own, 500))
    band = RegimeBand(CqrBand(0.1, 0.1, 203), (RegimeThreshold(0, 100, -0.4), RegimeThreshold(1, 100, 0.8)))
    told = {"calibration": calibration, "band": ForecastBand(band, "q50", REGIME)}
    one = graphed(replace(contents, plan=plan, scaler=scaler, **told), making)
    assert REGIME in needed_features(one.pipeline)
    assert {"lower", "upper"} < set(one.said)
    assert len(np.unique(((one.said["upper"] - one.said["q50"]) / one.unit).round(6))) > 1
    assert_says_the_same(run(one.graph, one.feeds), one)


WITHOUT_BARMILL = """
import sys, json
import numpy as np, onnxruntime as ort
opened = ort.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
with np.load(sys.argv[2]) as feeds:
    said = opened.run(None, dict(feeds))
about = opened.get_modelmeta().custom_metadata_map
assert "barmill" not in sys.modules
print(json.dumps({"said": {one.name: values.tolist() for one, values in zip(opened.get_outputs(), said)}, "about": about}))
"""


def test_the_graph_runs_in_plain_onnx_runtime_without_barmill(of, ensembles, tmp_path):
    one = of("softmax_gating", ensembles.WIDE)
    graph = forecast_graph(one.pipeline, one.models, {"name": "gate"})
    (tmp_path / "forecast.onnx").write_bytes(graph.SerializeToString())
    np.savez(tmp_path / "feeds.npz", **one.feeds)
    command = [sys.executable, "-I", "-c", WITHOUT_BARMILL, "forecast.onnx", "feeds.npz"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["about"] == {"name": "gate"}
    assert_says_the_same({name: np.array(values) for name, values in told["said"].items()}, one)

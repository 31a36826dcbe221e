"""Targets: what was measured is held against what the recipe wants, and what it cannot want is refused when it is read."""

import json

import pytest

from barmill.errors import RecipeError
from barmill.pipeline.recipe_reading import recipe_from_text
from barmill.pipeline.targets import WeightBytes, check_targets

MODELS = """
base_models: [{name: logistic}, {name: xgboost, alias: trees}]
ensemble: {enabled: true, name: vote, method: voting}
"""
LATENCY = {
    "logistic": {"p50_us": 500.0, "p99_us": 900.0, "steps": {"calibration": {"p50_us": 8.0, "p99_us": 10.0}}},
    "trees": {"p50_us": 1_500.0, "p99_us": 2_100.0, "steps": {"calibration": {"p50_us": 9.0, "p99_us": 30.0}}},
    "vote": {
        "p50_us": 2_200.0,
        "p99_us": 3_200.0,
        "steps": {"calibration": {"p50_us": 7.0, "p99_us": 20.0}, "combining": {"p50_us": 200.0, "p99_us": 250.0}},
    },
}


@pytest.fixture
def bundles(tmp_path):
    """A version's folder of each, of which only the manifest is there."""
    files = {
        "logistic": {"weights/model.json": 4_000, "golden.safetensors": 90_000},
        "trees": {"weights/p_up.ubj": 60_000, "weights/E_r.ubj": 40_000},
        "vote": {"weights/logistic/model.json": 4_000, "weights/trees/p_up.ubj": 60_000, "ensemble/ensemble.json": 500},
    }
    for name, sizes in files.items():
        (tmp_path / name).mkdir()
        manifest = {"files": [{"path": path, "size": size} for path, size in sizes.items()]}
        (tmp_path / name / "manifest.json").write_text(json.dumps(manifest))
    return {name: tmp_path / name for name in files}


def checked(targets, bundles, latency=LATENCY):
    rows = check_targets(recipe_from_text(MODELS + f"targets: {targets}\n", "r.yaml"), bundles, latency)
    return {(row["kind"], row["of"]): (row["measured"], row["met"]) for row in rows}


def test_the_weights_of_a_bundle_are_its_weights_alone(bundles):
    assert {name: WeightBytes.of(folder) for name, folder in bundles.items()} == {
        "logistic": (4_000, 0),
        "trees": (100_000, 0),
        "vote": (64_000, 500),
    }


def test_sizes_are_met_to_the_byte_and_each_model_counts_once_in_the_total(bundles):
    assert checked("{size_kb: {logistic: 4, trees: 99.999, vote: 64.5, total: 104.5}}", bundles) == {
        ("size", "logistic"): (4.0, True),
        ("size", "trees"): (100.0, False),
        ("size", "vote"): (64.5, True),
        ("size", "total"): (104.5, True),
    }


def test_latencies_are_of_each_of_all_and_of_single_steps(bundles):
    assert checked("{latency_ms: {each: 3, all: 3, calibration: 0.02, combining: 0.25, trees: 2.2}}", bundles) == {
        ("latency", "logistic"): (0.9, True),
        ("latency", "trees"): (2.1, True),
        ("latency", "vote"): (3.2, False),
        ("latency", "all"): (3.0, True),
        ("latency", "calibration"): (0.03, False),
        ("latency", "combining"): (0.25, True),
    }


def test_beside_the_99th_percentile_stands_the_median(bundles):
    recipe = recipe_from_text(MODELS + "targets: {size_kb: {total: 1}, latency_ms: {all: 3, calibration: 1, combining: 1}}\n", "r.yaml")
    assert [row["median"] for row in check_targets(recipe, bundles, LATENCY)] == [None, 2.0, 0.009, 0.2]


def test_what_was_not_measured_is_neither_met_nor_missed(bundles):
    without = {**LATENCY, "trees": {}}
    assert checked("{latency_ms: {trees: 1, all: 9, calibration: 9}}", bundles, without) == {
        ("latency", "trees"): (None, None),
        ("latency", "all"): (None, None),
        ("latency", "calibration"): (None, None),
    }
    alone = {name: LATENCY[name] for name in ("logistic", "trees")}
    assert checked("{latency_ms: {combining: 1}}", bundles, alone) == {("latency", "combining"): (None, None)}


def test_a_recipe_without_targets_has_none(bundles):
    assert check_targets(recipe_from_text(MODELS, "r.yaml"), bundles, LATENCY) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            MODELS + "targets: {size_kb: {tree: 5}}\n",
            "size_kb.tree (line 4): the run has no 'tree'; expected one of logistic, trees, vote, total",
        ),
        (MODELS + "targets: {latency_ms: {total: 5}}\n", "latency_ms.total (line 4): the run has no 'total'"),
        (MODELS + "targets: {size_kb: {total: 0}}\n", "size_kb.total (line 4): 0 is out of range; expected a number above 0"),
        (
            "base_models: [{name: logistic, alias: total}]\ntargets: {size_kb: {total: 1}}\n",
            "targets (line 2): 'total' is a model and a target of several. Give the model an `alias`",
        ),
    ],
)
def test_targets_that_the_run_cannot_have_are_refused(text, message):
    with pytest.raises(RecipeError) as error:
        recipe_from_text(text, "r.yaml")
    assert message in str(error.value)

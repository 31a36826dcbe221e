"""Whole small runs through the Python face."""

import json
import platform
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import barmill as bm
from barmill.errors import ProvenanceError
from barmill.evaluation import sharpe_ratio
from barmill.market import Fee, Slippage, round_trip_cost
from barmill.pipeline.dataset import Dataset
from barmill.pipeline.provenance import provenance_of
from barmill.views import RobustScaler

pytestmark = pytest.mark.xdist_group("runs of each kind")  # one process, which makes the run once

RECIPE = """
name: small
features: {timeframes: [1m, 5m]}
labels: {horizon: 30, atr_window: 30, every: 2, classes: CLASSES}
splits: {embargo: 60}
base_models:
  - {name: logistic, outputs: [p_up]}
  - name: lightgbm
    alias: trees
    outputs: [p_up, E_r]
    config: {n_estimators: 40, num_leaves: 7}
    inputs: [log_return_15, rsi_14, ema_distance_26]
inference: {calibrate: [temperature_scaling, isotonic]}
export: {onnx: GRAPHS}
random_signals: 20
"""


@pytest.fixture(scope="module", params=[2, 3])
def run(request, tmp_path_factory, cache_in):
    """A run on bars of an instrument that is not built in."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "small.yaml").write_text(RECIPE.replace("CLASSES", str(request.param)).replace("GRAPHS", str(request.param == 3).lower()))
    simulated = bm.simulate(9000, seed=5, strength=2.5).bars
    mine = simulated.instrument.model_copy(update={"symbol": "MINE", "fee": Fee(bps=1.5), "slippage": Slippage(bps=0.0)})
    columns = {name: simulated.column(name) for name in ("open", "high", "low", "close", "volume")}
    bars = bm.Bars.from_columns(mine, "1m", simulated.open_time, **columns)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BARMILL_LEDGER", str(folder / "ledger"))
        patch.setenv("BARMILL_CACHE", cache_in(folder))
        return bm.train(folder / "small.yaml", bars=bars, out=folder / "run")


def test_costs_of_an_own_instrument_reach_labels_and_judgement(run):
    assert run.bars.instrument.symbol == "MINE"
    assert run.judgement["costs"] == {"fee": "1.5 bps", "slippage": "0 bps", "round_trip_bps": pytest.approx(3.0)}
    assert run.bundle.instrument == run.bars.instrument
    assert np.all(round_trip_cost(run.bars.instrument, 100.0) == pytest.approx(0.03))


def test_the_bundle_forecasts_what_was_judged(run):
    for name, place in run.bundle_paths.items():
        bundle = bm.Bundle.load(place)
        kept = pl.read_parquet(next(run.folder.glob(f"metrics/forecasts-{name}-*/forecasts.parquet")))
        again = bundle.forecast(run.bars, since=kept["open_time"][0]).frame
        assert again.equals(kept.select(again.columns))


def test_each_bundle_tells_what_is_true_of_its_training_labels_as_a_whole(run):
    for place in run.bundle_paths.values():
        prior = json.loads((place / "reference_profile.json").read_text())["prior"]
        assert set(json.loads((place / "manifest.json").read_text())["model"]["outputs"]) <= set(prior)
        assert 0.2 < prior["p_up"] < 0.8
        assert prior["q05"] < prior["q50"] < prior["q95"]


def test_bundles_hold_their_graphs_with_a_passing_record_where_the_recipe_asks_for_them(run):
    asked = run.bundle.part("recipe")["export"]["onnx"]
    for path in run.bundle_paths.values():
        bundle = bm.Bundle.load(path)
        assert set(bundle.graphs) == ({"forecast.onnx", "model.onnx"} if asked else set())
        assert (bundle.part("parity") or {"passed": None})["passed"] is (True if asked else None)


def test_outputs_are_those_that_were_asked_for(run):
    classes = run.judgement["classes"]
    down = ["p_down"] if classes == 3 else []
    outputs = {model["name"]: model["outputs"] for model in run.judgement["models"]}
    assert outputs == {"logistic": ["p_up", *down, "q05", "q50", "q95"], "trees": ["p_up", *down, "E_r", "q05", "q50", "q95"]}


def test_a_model_sees_only_the_inputs_that_it_was_given(run):
    trees = bm.Bundle.load(run.bundle_paths["trees"])
    assert trees.manifest.model.inputs == ("log_return_15", "rsi_14", "ema_distance_26")
    importance = next(model["importance"] for model in run.judgement["models"] if model["name"] == "trees")
    assert {row["feature"] for row in importance} == set(trees.manifest.model.inputs)


def test_the_judgement_can_be_recomputed_from_what_the_run_kept(run):
    equity = pl.read_parquet(run.folder / "metrics" / "equity.parquet")
    curve = equity["buy_and_hold"].to_numpy()
    net = curve[2:] / curve[1:-1] - 1
    assert run.judgement["baselines"]["buy_and_hold"]["sharpe"] == pytest.approx(sharpe_ratio(net, 525_600), abs=0.05)
    assert run.judgement["baselines"]["always_flat"]["n_trades"] == 0


def test_judgement_and_fingerprints_are_plain_json_without_nan(run):
    for name in ("metrics/judgement.json", "fingerprints.json", "environment.json", "timings.json", "recipe.json"):
        json.loads((run.folder / name).read_text(), parse_constant=pytest.fail)


def test_nothing_of_this_machine_is_in_a_bundle(run):
    secrets = [str(run.folder), str(Path.home()), str(Path(bm.__file__).parents[2])]
    if len(platform.node()) > 5:  # "vm" stands in "llvmlite"
        secrets.append(platform.node())
    for path in run.bundle_path.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not [secret for secret in secrets if secret.encode() in data], path.name


def test_the_selected_model_is_the_one_with_the_least_log_loss_on_the_selection_slice(run):
    losses = {
        name: json.loads(next(run.folder.glob(f"models/{name}-calibrated-*/selection.json")).read_bytes())["metrics"]["log_loss"]
        for name in run.bundle_paths
    }
    selected = [model["name"] for model in run.judgement["models"] if model["selected"]]
    assert selected == [min(losses, key=losses.__getitem__)]
    assert run.bundle_path == run.bundle_paths[selected[0]]


def test_all_models_stand_under_identical_controls(run):
    """Law 5: one set of bars, labels and splits; only the view and the model differ."""
    models = run.judgement["models"]
    assert len({(model["classification"]["n"], model["classification"]["base_rate"]) for model in models}) == 1
    openings = [pl.read_parquet(path)["open_time"] for path in sorted(run.folder.glob("metrics/forecasts-*/forecasts.parquet"))]
    assert len(openings) == 2
    assert openings[0].equals(openings[1])
    provenance = {name: bm.Bundle.load(place).part("provenance") for name, place in run.bundle_paths.items()}
    assert provenance["logistic"] == provenance["trees"]


@pytest.fixture
def data(run):
    """The prepared data of the run."""
    places = {name: next(run.folder.glob(f"data/{name}-*")) for name in ("features", "labels", "splits", "scaled")}
    classes, horizon = run.judgement["classes"], run.judgement["horizon_bars"]
    return Dataset(places["features"], places["labels"], places["splits"], places["scaled"], classes, horizon, "realised_volatility_60")


def test_whatever_was_fitted_states_rows_that_never_meet_what_judges_it(data):
    stated = {record.what: record.fitted_on for record in provenance_of(data)}
    assert stated["scaler"] == stated["model"] == "train"
    assert (stated["calibration"], stated["thresholds"]) == ("calibration", "selection")


@pytest.mark.parametrize(
    ("block", "judge"), [("train", "test"), ("calibration", "selection"), ("selection", "test"), ("train", "calibration")]
)
def test_a_block_that_leaks_into_its_judge_is_refused(data, block, judge):
    """Law 4, with a planted fault: one row of the judging block finds its way into what was fitted."""
    leaked = np.sort(np.append(data.positions[block], data.positions[judge][0]))
    data.__dict__["positions"] = {**data.positions, block: leaked}
    with pytest.raises(ProvenanceError, match=f"1 of its {len(leaked)} rows are in the {judge} block"):
        provenance_of(data)


def test_scaler_and_floor_do_not_move_when_later_rows_do(data, tmp_path):
    """Law 4: what is fitted on train is a function of train alone."""
    values = np.array(data.values)
    values[data.labels.t0[data.positions["train"][-1]] + 1 :] *= 3.0
    moved = RobustScaler.fit(values, data.labels.t0[data.positions["train"]], names=data.names)
    np.testing.assert_array_equal(moved.center, data.scaler.center)
    np.testing.assert_array_equal(moved.scale, data.scaler.scale)

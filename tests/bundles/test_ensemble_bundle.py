"""The bundle of an ensemble says what its members say put together, wherever and however it is loaded."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from barmill.artefacts import sha256
from barmill.bundles import Bundle, BundleContents, ForecastBand, assemble, publish, read_bundle, verify
from barmill.bundles.golden import replay
from barmill.bundles.manifest import MANIFEST, PARTS, SEAL, parse_manifest
from barmill.bundles.parts import read_pipeline
from barmill.errors import BundleError
from barmill.uncertainty import Calibration
from barmill.uncertainty.conformal import AdaptiveConformal, fit_cqr_band, fit_regime_band, fit_split_band

Z, ZERO = np.linspace(-3, 3, 200), np.zeros(200)
KINDS = ("soft_voting", "ridge_stacking", "lightgbm_stacking", "softmax_gating")


def by_hand(making, ensembles, kind: str, labels: tuple[str, ...], bars, n_classes: int = 2):
    """Each member's own bundle asked alone, what it says put together by the combiner, and what follows spelt out."""
    contents = ensembles.contents_of(making, kind, labels, n_classes)
    table = contents.plan.compute(bars)
    pipelines = {label: _alone(ensembles.member_of(making, label, n_classes)) for label in labels}
    ready = np.logical_and.reduce([one.ready(table.ready, one.closed(bars)) for one in pipelines.values()])
    rows = np.flatnonzero(ready)
    unit = np.maximum(table.column("realised_volatility_60")[rows], 1e-6) * np.sqrt(making.HORIZON)
    said = [one.said(table.values, rows, closed=one.closed(bars)) for one in pipelines.values()]
    for one, (label, pipeline) in zip(said, pipelines.items(), strict=True):
        own = pipeline.run(table.values, rows, closed=pipeline.closed(bars))
        np.testing.assert_array_equal(own["p_up"], one.p if n_classes == 2 else one.p[:, 2], err_msg=label)
        np.testing.assert_array_equal(own["q95"], one.quantiles[:, 2] * unit, err_msg=label)
    columns = [table.column(name)[rows] for name in contents.regimes]
    raw = contents.combiner.combine(said, np.column_stack(columns) if columns else None)
    p = contents.calibration.apply(raw.logits)
    quantiles = contents.quantiles.apply(raw.expected, raw.logits, raw.quantiles)
    found = {"p_up": p} if n_classes == 2 else {"p_up": p[:, 2], "p_down": p[:, 0]}
    if "E_r" in contents.outputs:
        found["E_r"] = raw.expected * unit
    return rows, found | {name: quantiles[:, level] * unit for level, name in enumerate(("q05", "q50", "q95"))}


def _alone(contents: BundleContents):
    files = assemble(contents)
    return read_pipeline(files, parse_manifest(files[MANIFEST], "x").model, contents.plan, "x")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("labels", "n_classes"), [(("logistic", "lightgbm"), 3), (("logistic", "lstm", "scales"), 2)])
def test_a_loaded_ensemble_forecasts_what_its_members_say_put_together(making, ensembles, load_ensemble, kind, labels, n_classes) -> None:
    bars = making.walk(700, 3, gaps=(500,))
    bundle = load_ensemble(kind, labels, n_classes)
    rows, expected = by_hand(making, ensembles, kind, labels, bars, n_classes)
    forecast = bundle.forecast(bars)
    assert forecast.frame.columns == ["open_time", "known_at", *expected]
    assert bundle.outputs == bundle.manifest.model.outputs == tuple(expected)
    np.testing.assert_array_equal(forecast.frame["open_time"].to_numpy(), bars.open_time[rows])
    assert forecast.n_not_ready == len(bars) - len(rows)
    for name, values in expected.items():
        np.testing.assert_array_equal(forecast.frame[name].to_numpy(), values)
    assert bundle.replay.exact
    assert (bundle.replay.n_inputs, bundle.replay.n_bars) == (0, 256)


def test_the_first_forecast_comes_when_the_slowest_member_is_ready(making, load_ensemble) -> None:
    wide, small = (load_ensemble("soft_voting", labels) for labels in (("logistic", "lstm", "scales"), ("logistic", "lightgbm")))
    assert (wide.pipeline.depth, small.pipeline.depth) == (8, 1)
    assert wide.needed_bars == small.needed_bars + 7
    assert len(wide.forecast(making.walk(wide.needed_bars, 3))) == 1
    assert len(wide.forecast(making.walk(wide.needed_bars - 1, 3))) == 0


def test_a_gates_weights_are_seen_through_time_and_a_stack_has_none(making, load_ensemble) -> None:
    bundle = load_ensemble("softmax_gating")
    table = bundle.plan.compute(making.walk(400, 3))
    rows = np.flatnonzero(table.ready)
    weights = bundle.pipeline.weights(table.values, rows)
    assert weights.shape == (len(rows), 2)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=0, atol=1e-12)
    assert np.unique(weights[:, 0]).size > 100
    assert load_ensemble("ridge_stacking").pipeline.weights(table.values, rows) is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_does_not_know_its_neighbours_to_the_bit(making, ensembles, kind: str) -> None:
    contents = ensembles.contents_of(making, kind)
    pipeline = read_pipeline(ensembles.files_of(making, kind), contents.model, contents.plan, "x")
    table = contents.plan.compute(making.walk(420, 3))
    ready = np.flatnonzero(table.ready)
    whole = pipeline.run(table.values, ready)

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.integers(0, len(ready) - 1), min_size=1, max_size=40))
    def check(picked: list[int]) -> None:
        some = pipeline.run(table.values, ready[picked])
        for name, values in whole.items():
            np.testing.assert_array_equal(some[name], values[picked])

    check()


def test_uncalibrated_probabilities_are_had_by_another_calibration(making, load_ensemble) -> None:
    bundle = load_ensemble("ridge_stacking")
    table = bundle.plan.compute(making.walk(300, 3))
    rows = np.flatnonzero(table.ready)
    plain = replace(bundle.pipeline, calibration=Calibration(2)).run(table.values, rows)
    calibrated = bundle.pipeline.run(table.values, rows)
    assert not np.array_equal(plain["p_up"], calibrated["p_up"])
    np.testing.assert_array_equal(plain["q50"], calibrated["q50"])


def test_the_files_are_those_of_the_format(making, ensembles) -> None:
    files = ensembles.files_of(making, "lightgbm_stacking", ensembles.WIDE)
    own = {"weights/logistic/model.json", "ensemble/ensemble.json", "ensemble/p_up.txt", "ensemble/E_r.txt"}
    own |= {f"weights/{label}/{name}" for label in ("lstm", "scales") for name in ("model.onnx", "architecture.json")}
    assert set(files) == {*PARTS.values(), MANIFEST, SEAL, *own}
    manifest = parse_manifest(files[MANIFEST], MANIFEST)
    assert (manifest.model.name, manifest.model.view, manifest.model.window) == ("lightgbm_stacking", "ensemble", None)
    plan = ensembles.contents_of(making, "lightgbm_stacking").plan.names
    assert manifest.model.inputs == (*plan, "open", "high", "low", "close", "volume")
    assert json.loads(files[MANIFEST])["ensemble"] == sorted(name for name in own if name.startswith("ensemble/"))
    members = json.loads(files["members.json"])
    assert [(one["label"], one["model"]["view"], one["model"]["window"]) for one in members["members"]] == [
        ("logistic", "feature_matrix", None),
        ("lstm", "window_tensor", 8),
        ("scales", "multi_resolution", {"1m": 6, "5m": 3}),
    ]
    assert members["regimes"] == list(ensembles.REGIMES)
    assert (files["preproc.json"], files["conformal.json"]) == (b"null", b"null")
    assert making.files_of("logistic")["members.json"] == b"null"


def test_a_published_ensemble_is_verified_and_published_once(making, ensembles, tmp_path: Path) -> None:
    files = ensembles.files_of(making, "soft_voting", ensembles.WIDE)
    first = publish(files, tmp_path, "m")
    assert publish(files, tmp_path, "m") == first
    report = verify(first)
    assert report.ok, report.problems
    assert sum(one.path.startswith("weights/lstm/") for one in report.files) == 2


def test_two_processes_that_fit_and_assemble_give_the_same_digests(making, ensembles) -> None:
    kinds = ("lightgbm_stacking", "softmax_gating")
    script = str(Path(__file__).with_name("making_ensembles.py"))
    environment = {name: value for name, value in os.environ.items() if name == "PYTHONPATH"} | {"PYTHONHASHSEED": "3"}
    done = subprocess.run([sys.executable, script, *kinds], capture_output=True, text=True, check=True, env=environment)
    own = {kind: sha256(ensembles.files_of(making, kind)[MANIFEST]) for kind in kinds}
    assert dict(zip(kinds, done.stdout.split(), strict=True)) == own


_SERVER = """
import sys
from importlib.machinery import PathFinder
from pathlib import Path

class WithoutSciPy:  # Numba imports it to look at its version, where it is there
    def find_spec(self, name, path=None, target=None):
        return None if name.split(".")[0] == "scipy" else PathFinder.find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = WithoutSciPy()
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in type(finder).__module__]
from barmill.bundles import Bundle
from barmill.bundles.folder import read_bundle
from barmill.market import Bars
for path in sys.argv[3:]:
    bundle = Bundle.from_verified(read_bundle(Path(path)))
    assert bundle.replay.exact, bundle.replay
    bars = Bars.read(sys.argv[2], instrument=bundle.instrument)
    said = bundle.forecast(bars).frame
    assert said.columns[-2:] == ["lower", "upper"]
    print(said["p_up"].to_numpy().tobytes().hex())
loaded = {".".join(name.split(".")[:depth]) for name in sys.modules for depth in (1, 2)}
assert not loaded & set(sys.argv[1].split(",")), loaded & set(sys.argv[1].split(","))
"""


BANDS = {
    "split": ForecastBand(fit_split_band(Z, ZERO, 0.1), "q50"),
    "cqr": ForecastBand(fit_cqr_band(Z, ZERO - 1, ZERO + 1, 0.1), "q05_q95"),
    "by_regime": ForecastBand(fit_regime_band(Z, ZERO - 1, ZERO + 1, np.arange(200) % 3, 0.1), "q05_q95", "rsi_14"),
    "adaptive": ForecastBand(AdaptiveConformal(0.1).start(Z, ZERO, ZERO), "q50"),
}
FITTING = ("torch", "onnx", "sklearn", "pandas", "scipy", "lightgbm", "xgboost", "joblib", "statsmodels", "hmmlearn")
TRAINING = tuple(f"barmill.{floor}" for floor in ("training", "pipeline", "labels", "evaluation", "portfolio", "console"))


def test_a_process_that_forecasts_with_ensembles_and_bands_imports_nothing_that_fits(making, ensembles, tmp_path: Path) -> None:
    bars = making.walk(300, 3)
    bars.write(tmp_path / "bars.parquet")
    bands = dict(zip(KINDS, BANDS.values(), strict=False))
    contents = {kind: replace(ensembles.contents_of(making, kind, ensembles.WIDE), band=band) for kind, band in bands.items()}
    versions = [publish(assemble(one), tmp_path / "r", kind) for kind, one in contents.items()]
    command = [sys.executable, "-c", _SERVER, ",".join(FITTING + TRAINING), str(tmp_path / "bars.parquet"), *map(str, versions)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for kind, line in zip(KINDS, done.stdout.split(), strict=True):
        _, expected = by_hand(making, ensembles, kind, ensembles.WIDE, bars)
        np.testing.assert_array_equal(np.frombuffer(bytes.fromhex(line)), expected["p_up"])


def test_golden_bars_that_say_something_else_give_an_ensemble_away(making, ensembles, load_ensemble) -> None:
    bundle = load_ensemble("ridge_stacking")
    golden = load_tensors(ensembles.files_of(making, "ridge_stacking")["golden.safetensors"])
    assert set(golden) == {"bar_open_time", "bar_prices", "bar_further", "bar_rows", "bar_features", "bar_forecast"}
    changed = golden | {"bar_forecast": golden["bar_forecast"].copy()}
    changed["bar_forecast"][5, 0] += 1e-5
    with pytest.raises(BundleError, match="the forecasts of its golden bars come out differently"):
        replay(save_tensors(changed), bundle.pipeline, bundle.plan, bundle.instrument, "x")
    more = golden | {"inputs": np.zeros((3, 3), np.float32)}
    with pytest.raises(BundleError, match="lack a tensor, or one is of another type"):
        replay(save_tensors(more), bundle.pipeline, bundle.plan, bundle.instrument, "x")


def test_a_band_goes_round_an_ensembles_quantiles(making, ensembles, tmp_path: Path) -> None:
    band = ForecastBand(fit_cqr_band(np.linspace(-3, 3, 200), np.full(200, -1.0), np.full(200, 1.0), 0.1), "q05_q95")
    contents = replace(ensembles.contents_of(making, "ridge_stacking"), band=band)
    bundle = Bundle.from_verified(read_bundle(publish(assemble(contents), tmp_path, "m")))
    assert bundle.outputs[-2:] == ("lower", "upper")
    bars = making.walk(300, 3)
    frame, table = bundle.forecast(bars).frame, bundle.plan.compute(bars)
    unit = bundle.pipeline.scale(table.values, np.flatnonzero(table.ready))
    np.testing.assert_allclose((frame["q05"].to_numpy() - frame["lower"].to_numpy()) / unit, band.band.q, rtol=1e-9)
    np.testing.assert_allclose((frame["upper"].to_numpy() - frame["q95"].to_numpy()) / unit, band.band.q, rtol=1e-9)
    stream = bundle.stream()
    live = [row for row in map(stream.push, map(bars.bar, range(300))) if row is not None]
    assert [row["upper"] for row in live] == frame["upper"].to_list()

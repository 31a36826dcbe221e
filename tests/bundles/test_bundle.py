"""Loading: the bundle forecasts what was fitted, and refuses bars and parts that are not its own."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from barmill.artefacts import canonical_json, sha256
from barmill.bundles import Bundle, assemble, publish
from barmill.bundles.manifest import MANIFEST, SEAL, parse_manifest
from barmill.bundles.parts import read_pipeline
from barmill.errors import BundleCorruption, BundleError, DataError, SchemaError, ShapeError
from barmill.features import FeaturePlan
from barmill.market import Bars, Instrument
from barmill.models import load_forecaster, spec_of
from barmill.views import FeatureMatrix, PatternImage

ANSWERS = ("entry", "risk", "pattern_cnn")  # models of another question than direction


@pytest.mark.parametrize(
    ("model", "n_classes"), [("logistic", 2), ("logistic", 3), ("lightgbm", 3), ("xgboost", 2), *((model, 2) for model in ANSWERS)]
)
def test_a_loaded_bundle_forecasts_what_the_fitted_model_does(making, load_once, model: str, n_classes: int) -> None:
    contents, bundle, bars = making.contents_of(model, n_classes), load_once(model, n_classes), making.walk(900, 3, gaps=(500,))
    forecast = bundle.forecast(bars)
    table = contents.plan.compute(bars)
    rows = np.flatnonzero(table.ready)
    pipeline = read_pipeline(making.files_of(model, n_classes), contents.model, contents.plan, "x")
    direct = pipeline.run(table.values, rows, closed=pipeline.closed(bars))
    assert forecast.frame.columns == ["open_time", "known_at", *direct]
    assert forecast.n_not_ready == len(bars) - len(rows)
    for name, values in direct.items():
        np.testing.assert_array_equal(forecast.frame[name].to_numpy(), values)
    np.testing.assert_array_equal(forecast.frame["known_at"].to_numpy(), bars.close_time[rows])
    if model not in ANSWERS:
        p = ("p_up",) if n_classes == 2 else ("p_up", "p_down")
        assert bundle.outputs == (*p, *(() if model == "logistic" else ("E_r",)), "q05", "q50", "q95")


PATTERNS = ("p_none", "p_flag", "p_wedge", "p_blow_off", "p_wick_exhaustion")


@pytest.mark.parametrize(
    ("model", "columns"),
    [
        ("entry", ("p_entry",)),
        ("risk", ("sl_kATR", "sl_kATR_q60", "sl_kATR_q70", "sl_kATR_q80")),
        ("reward", ("rr_target", "rr_target_q50", "rr_target_q60", "rr_target_q70")),
        ("entry_offset", ("offset_kATR", "offset_kATR_q40", "offset_kATR_q50", "offset_kATR_q60")),
        ("pattern_cnn", (*PATTERNS, "quality", "pole_kATR", *(f"embedding_{number:02}" for number in range(64)))),
    ],
)
def test_a_model_of_another_question_says_what_its_columns_are(load_once, model: str, columns: tuple[str, ...]) -> None:
    bundle = load_once(model)
    assert bundle.outputs == bundle.manifest.model.outputs == columns


def test_the_columns_hold_what_the_forecaster_says_through_the_calibration(making, load_once) -> None:
    bars = making.walk(500, 3)
    said = {}
    for model in ("entry", "risk", "pattern_cnn"):
        contents, bundle = making.contents_of(model), load_once(model)
        frame = bundle.forecast(bars).frame
        table = contents.plan.compute(bars)
        rows = np.flatnonzero(table.ready)
        view = PatternImage.of(bars, rows) if model == "pattern_cnn" else FeatureMatrix(contents.scaler.transform(table.values), rows)
        raw = load_forecaster(spec_of(model), contents.model_files).raw(view)
        said[model] = frame, contents.calibration.apply(raw.logits), raw
    frame, p, _ = said["entry"]
    np.testing.assert_array_equal(frame["p_entry"].to_numpy(), p)
    frame, _, raw = said["risk"]
    quantiles = np.column_stack([frame[name].to_numpy() for name in ("sl_kATR_q60", "sl_kATR_q70", "sl_kATR_q80")])
    np.testing.assert_array_equal(quantiles, raw.values["sl_kATR_quantiles"])
    np.testing.assert_array_equal(frame["sl_kATR"].to_numpy(), frame["sl_kATR_q70"].to_numpy())
    frame, p, raw = said["pattern_cnn"]
    np.testing.assert_array_equal(np.column_stack([frame[name].to_numpy() for name in PATTERNS]), p)
    np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=0, atol=1e-12)
    for name in ("quality", "pole_kATR"):
        np.testing.assert_array_equal(frame[name].to_numpy(), raw.values[name])
    embedding = np.column_stack([frame[f"embedding_{number:02}"].to_numpy() for number in range(64)])
    np.testing.assert_array_equal(embedding, raw.values["embedding"])


@pytest.mark.parametrize("model", ["lightgbm", *ANSWERS])
def test_forecasts_since_a_time_are_the_end_of_all_forecasts(making, load_once, model: str) -> None:
    bundle, bars = load_once(model), making.walk(700, 3)
    whole = bundle.forecast(bars).frame
    since = int(bars.open_time[600])
    part = bundle.forecast(bars, since=since)
    assert part.frame.equals(whole.filter(whole["open_time"] >= since))
    assert part.n_not_ready == 0
    early = bundle.forecast(bars, since=int(bars.open_time[10]))
    assert len(early) + early.n_not_ready == 690


@pytest.mark.parametrize("model", ["lightgbm", *ANSWERS])
def test_a_prefix_of_the_bars_gives_a_prefix_of_the_forecasts(making, load_once, model: str) -> None:
    bundle, bars = load_once(model), making.walk(700, 3, gaps=(400,))
    whole, part = bundle.forecast(bars).frame, bundle.forecast(bars.slice(0, 555)).frame
    assert part["open_time"].equals(whole["open_time"].head(len(part)))
    for name in bundle.outputs:  # a network may be run on other batches
        atol = 1e-6 if model == "pattern_cnn" else 0.0
        np.testing.assert_allclose(part[name].to_numpy(), whole[name].head(len(part)).to_numpy(), rtol=0, atol=atol)
    assert 0 < len(part) < len(whole)


@pytest.mark.parametrize("model", ["logistic", *ANSWERS])
def test_too_few_bars_give_no_row_and_are_counted(making, load_once, model: str) -> None:
    bundle = load_once(model)
    for n_bars in (0, 1, 70, bundle.plan.warmup_bars):
        forecast = bundle.forecast(making.walk(n_bars + 1, 3).slice(0, n_bars))
        assert (len(forecast), forecast.n_not_ready) == (0, n_bars)
    assert len(bundle.forecast(making.walk(bundle.needed_bars, 3))) >= 1


def test_images_need_84_bars_where_features_need_fewer(making, tmp_path: Path) -> None:
    contents = making.contents_of("pattern_cnn")
    said = contents.plan.to_json()
    for columns, settled in (([], 359), (said["columns"][:2], 359)):
        plan = FeaturePlan.from_json(said | {"columns": columns})
        bundle = Bundle.from_verified(_verified(publish(assemble(replace(contents, plan=plan)), tmp_path, "m")))
        assert (bundle.needed_bars, bundle.settled_bars) == (84, settled)
        assert len(bundle.forecast(making.walk(84, 3))) == 1
        assert len(bundle.forecast(making.walk(83, 3))) == 0
        stream, bars = bundle.stream(), making.walk(90, 3)
        assert [stream.push(bars.bar(row)) is None for row in range(90)] == [True] * 83 + [False] * 7


def test_a_settled_forecast_forgets_where_the_bars_began(making, tmp_path: Path) -> None:
    contents = making.contents_of("pattern_cnn")
    plan = FeaturePlan.from_json(contents.plan.to_json() | {"columns": []})
    bundle, bars = Bundle.from_verified(_verified(publish(assemble(replace(contents, plan=plan)), tmp_path, "m"))), making.walk(1200, 3)
    whole = bundle.forecast(bars, since=int(bars.open_time[-1])).frame
    part = bundle.forecast(bars.slice(1200 - bundle.settled_bars, 1200), since=int(bars.open_time[-1])).frame
    for name in bundle.outputs:
        np.testing.assert_allclose(part[name].to_numpy(), whole[name].to_numpy(), rtol=0, atol=1e-6)
    early = bundle.forecast(bars.slice(1200 - 84, 1200), since=int(bars.open_time[-1])).frame
    assert not np.allclose(early["pole_kATR"].to_numpy(), whole["pole_kATR"].to_numpy(), rtol=0, atol=1e-6)


def test_a_model_folder_means_its_current_version(making, tmp_path: Path) -> None:
    first = publish(making.files_of("logistic"), tmp_path, "m")
    publish(making.files_of("lightgbm"), tmp_path, "m")
    assert Bundle.load(tmp_path / "m").manifest.model.name == "lightgbm"
    assert Bundle.load(str(first)).manifest.model.name == "logistic"


def test_a_pointer_to_a_version_that_was_replaced_is_refused(making, tmp_path: Path) -> None:
    first = publish(making.files_of("logistic"), tmp_path, "m")
    second = publish(making.files_of("lightgbm"), tmp_path, "m")
    second.rename(tmp_path / "x")
    first.rename(second)
    with pytest.raises(BundleCorruption, match=r"of current\.json"):
        Bundle.load(tmp_path / "m")


def test_bars_of_something_else_are_refused(making, load_once) -> None:
    bundle, bars = load_once("logistic"), making.walk(300, 3)
    with pytest.raises(DataError, match="bundle logistic: bars of BTCUSDT 1m; expected SIM 1m"):
        bundle.forecast(replace(bars, instrument=Instrument.builtin("BTCUSDT")))
    columns = (bars.open, bars.high, bars.low, bars.close, bars.volume)
    slow = Bars.from_columns(bars.instrument, "5m", bars.open_time * 5, *columns)
    with pytest.raises(DataError, match="bars of SIM 5m; expected SIM 1m"):
        bundle.forecast(slow)


def test_parts_are_read_as_json_and_the_card_as_text(load_once) -> None:
    bundle = load_once("logistic")
    assert bundle.part("thresholds")["rule"] == {"long_above": 0.55, "short_below": 0.45}
    assert bundle.part("metrics") == {"selection": {"auc": 0.51}}
    assert bundle.model_card == "# A test bundle\n"


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: bytes([data[0] ^ 1]) + data[1:]])
@pytest.mark.parametrize("model", ["lightgbm", *ANSWERS])
def test_a_damaged_file_is_refused_by_name_before_anything_parses_it(making, tmp_path: Path, damage, model: str) -> None:
    files = making.files_of(model)
    version = publish(files, tmp_path, "m")
    for path, data in files.items():
        (version / path).write_bytes(damage(data))
        with pytest.raises(BundleCorruption) as caught:
            Bundle.load(version)
        assert caught.value.place == str(version / path) or (path == SEAL and caught.value.place == str(version / MANIFEST))
        (version / path).write_bytes(data)
    assert Bundle.load(version).replay.exact


def _swapped(features: list[dict]) -> list[dict]:
    return [features[1], features[0], *features[2:]]


def test_reordered_features_are_another_schema_and_the_first_difference_is_named(making, forge) -> None:
    files = making.files_of("lightgbm")
    plan = json.loads(files["features.json"])
    plan["columns"] = _swapped(plan["columns"])
    names = making.contents_of("lightgbm").plan.names
    with pytest.raises(SchemaError, match=f"first difference at 0: '{names[1]}' against '{names[0]}'"):
        Bundle.from_verified(_verified(forge({"features.json": canonical_json(plan)})))
    schema = canonical_json(_swapped(json.loads(files["schema.json"])))
    assert sha256(schema) != making.contents_of("lightgbm").plan.schema_hash
    with pytest.raises(SchemaError, match=f"first difference at 0: '{names[0]}' against '{names[1]}'"):
        Bundle.from_verified(_verified(forge({"schema.json": schema}, schema_hash=sha256(schema))))


def test_a_feature_that_this_version_does_not_know_is_named(making, forge) -> None:
    plan = json.loads(making.files_of("lightgbm")["features.json"])
    plan["columns"][0]["feature"] = "rsi_of_tomorrow"
    with pytest.raises(SchemaError, match="rsi_of_tomorrow"):
        Bundle.from_verified(_verified(forge({"features.json": canonical_json(plan)})))


def _verified(version: Path):
    from barmill.bundles.folder import read_version

    return read_version(version)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("preproc.json", {"kind": "robust"}),
        ("preproc.json", []),
        ("calibrator.json", {}),
        ("calibrator.json", [1]),
        ("quantiles.json", {}),
        ("thresholds.json", {}),
        ("thresholds.json", {"volatility": {"feature": "realised_volatility_60", "horizon": "x", "floor": 0.1}}),
        ("instrument.json", {"symbol": "SIM"}),
        ("instrument.json", []),
        ("features.json", {}),
        ("features.json", []),
        ("schema.json", {}),
    ],
)
def test_a_part_with_another_content_is_refused_without_a_traceback_of_its_own(forge, path: str, content: object) -> None:
    with pytest.raises((BundleError, SchemaError, DataError)):
        Bundle.from_verified(_verified(forge({path: canonical_json(content)})))


def test_json_that_is_not_canonical_is_refused_under_a_good_seal(making, forge) -> None:
    spaced = json.dumps(json.loads(making.files_of("lightgbm")["preproc.json"]), indent=1).encode()
    with pytest.raises(BundleCorruption, match=r"preproc\.json: is JSON but not canonical"):
        Bundle.from_verified(_verified(forge({"preproc.json": spaced})))


def test_weights_that_the_library_refuses_are_refused_by_us(forge) -> None:
    with pytest.raises(BundleError, match="the weights of 'xgboost' do not load"):
        Bundle.from_verified(_verified(forge({"weights/p_up.ubj": b"not a model"}, "xgboost")))


def test_a_model_of_a_newer_catalogue_is_named(making, forge) -> None:
    model = replace(making.contents_of("lightgbm").model, name="oracle")
    with pytest.raises(BundleError, match=r"model 'oracle' is not in this version's catalogue\. Upgrade Barmill"):
        Bundle.from_verified(_verified(forge({}, model=model)))


def test_a_manifest_that_contradicts_the_parts_is_refused(making, forge) -> None:
    with pytest.raises(BundleCorruption, match="BTCUSDT 1m in the manifest, SIM 1m in its parts"):
        Bundle.from_verified(_verified(forge({}, symbol="BTCUSDT")))
    model = replace(making.contents_of("lightgbm").model, outputs=("p_up", "q95", "q05"))
    with pytest.raises(BundleError, match="outputs p_up, q95, q05"):
        Bundle.from_verified(_verified(forge({}, model=model)))


@pytest.mark.parametrize("model", ANSWERS)
def test_outputs_that_the_weights_do_not_give_are_refused(making, forge, model: str) -> None:
    good = parse_manifest(making.files_of(model)[MANIFEST], MANIFEST).model
    for outputs in (("p_up", "q05", "q50", "q95"), good.outputs[::-1] if len(good.outputs) > 1 else ("p_exit",), (*good.outputs, "more")):
        with pytest.raises(BundleCorruption, match=f"outputs {', '.join(outputs)}; expected {', '.join(good.outputs)}"):
            Bundle.from_verified(_verified(forge({}, model, model=replace(good, outputs=outputs))))


def test_a_level_that_is_missing_or_one_too_many_is_refused(making, forge) -> None:
    about = json.loads(making.files_of("risk")["weights/expert.json"])
    fewer = canonical_json(about | {"levels": [0.6, 0.7]})
    with pytest.raises(BundleCorruption, match="outputs sl_kATR, sl_kATR_q60, sl_kATR_q70, sl_kATR_q80; expected sl_kATR, sl_kATR_q60"):
        Bundle.from_verified(_verified(forge({"weights/expert.json": fewer}, "risk")))
    more = canonical_json(about | {"levels": [0.6, 0.7, 0.8, 0.9]})
    with pytest.raises(BundleCorruption, match=r"the weights of 'risk' do not load: .*q0\.9\.txt"):
        Bundle.from_verified(_verified(forge({"weights/expert.json": more}, "risk")))


@pytest.mark.parametrize(
    ("model", "changes", "path", "content", "said"),
    [
        ("entry", {"classes": 3}, "", None, "calibrator: of 2 classes; expected 3"),
        ("risk", {"classes": 2}, "", None, "calibrator: of 0 classes; expected 2"),
        ("pattern_cnn", {"classes": 3}, "", None, "calibrator: of 5 classes; expected 3"),
        ("pattern_cnn", {"classes": 2}, "calibrator.json", {"n_classes": 2, "steps": []}, r"logits: has shape .*; expected \(n,\)"),
        ("risk", {"classes": 2}, "calibrator.json", {"n_classes": 2, "steps": []}, "logits: has shape"),
        ("entry", {"view": "window_tensor", "window": 8}, "", None, "model 'entry' on a window_tensor; expected a feature_matrix"),
        ("pattern_cnn", {"view": "window_tensor"}, "", None, "model 'pattern_cnn' on a window_tensor; expected a pattern_image"),
        ("pattern_cnn", {"window": 32}, "", None, "scaler: does not go with the window 32"),
        ("pattern_cnn", {"inputs": ("open", "high", "low", "volume")}, "", None, "scaler: its features differ"),
        ("pattern_cnn", {}, "preproc.json", {"kind": "pattern_image"}, "another .* than this version has"),
        ("pattern_cnn", {}, "preproc.json", "of risk", "feature 'open' is not in the plan"),
        ("risk", {}, "preproc.json", "of pattern_cnn", "scaler: does not go with the window None"),
        ("risk", {}, "quantiles.json", "of lightgbm", "quantiles and volatility"),
        ("risk", {}, "thresholds.json", "of lightgbm", "quantiles and volatility"),
        ("lightgbm", {}, "quantiles.json", None, "quantiles and volatility"),
        ("lightgbm", {}, "thresholds.json", {"rule": {}, "volatility": None}, "quantiles and volatility"),
    ],
)
def test_parts_that_contradict_the_question_are_refused(making, forge, model: str, changes: dict, path: str, content, said: str) -> None:
    entry = replace(parse_manifest(making.files_of(model)[MANIFEST], MANIFEST).model, **changes)
    data = making.files_of(content.removeprefix("of "))[path] if isinstance(content, str) else canonical_json(content)
    with pytest.raises((BundleError, SchemaError, ShapeError), match=said):
        Bundle.from_verified(_verified(forge({path: data} if path else {}, model, model=entry)))


@pytest.mark.parametrize("model", ANSWERS)
def test_another_schema_is_refused_whatever_is_asked(making, forge, model: str) -> None:
    files, names = making.files_of(model), making.contents_of(model).plan.names
    schema = canonical_json(_swapped(json.loads(files["schema.json"])))
    with pytest.raises(SchemaError, match=f"first difference at 0: '{names[0]}' against '{names[1]}'"):
        Bundle.from_verified(_verified(forge({"schema.json": schema}, model, schema_hash=sha256(schema))))

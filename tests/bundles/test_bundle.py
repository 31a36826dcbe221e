"""Loading: the bundle forecasts what was fitted, and refuses bars and parts that are not its own."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from barmill.artefacts import canonical_json, sha256
from barmill.bundles import Bundle, publish
from barmill.bundles.manifest import MANIFEST, SEAL
from barmill.bundles.parts import read_pipeline
from barmill.errors import BundleCorruption, BundleError, DataError, SchemaError
from barmill.market import Bars, Instrument


@pytest.mark.parametrize(("model", "n_classes"), [("logistic", 2), ("logistic", 3), ("lightgbm", 3), ("xgboost", 2)])
def test_a_loaded_bundle_forecasts_what_the_fitted_model_does(making, load, model: str, n_classes: int) -> None:
    contents, bundle, bars = making.contents_of(model, n_classes), load(model, n_classes), making.walk(900, 3, gaps=(500,))
    forecast = bundle.forecast(bars)
    table = contents.plan.compute(bars)
    rows = np.flatnonzero(table.ready)
    direct = read_pipeline(making.files_of(model, n_classes), contents.model, contents.plan, "x").run(table.values, rows)
    assert forecast.frame.columns == ["open_time", "known_at", *direct]
    assert forecast.n_not_ready == len(bars) - len(rows)
    for name, values in direct.items():
        np.testing.assert_array_equal(forecast.frame[name].to_numpy(), values)
    np.testing.assert_array_equal(forecast.frame["known_at"].to_numpy(), bars.close_time[rows])
    assert bundle.outputs == (("p_up",) if n_classes == 2 else ("p_up", "p_down")) + (() if model == "logistic" else ("E_r",)) + (
        "q05",
        "q50",
        "q95",
    )


def test_forecasts_since_a_time_are_the_end_of_all_forecasts(making, load) -> None:
    bundle, bars = load("lightgbm"), making.walk(700, 3)
    whole = bundle.forecast(bars).frame
    since = int(bars.open_time[600])
    part = bundle.forecast(bars, since=since)
    assert part.frame.equals(whole.filter(whole["open_time"] >= since))
    assert part.n_not_ready == 0
    early = bundle.forecast(bars, since=int(bars.open_time[10]))
    assert len(early) + early.n_not_ready == 690


def test_a_prefix_of_the_bars_gives_a_prefix_of_the_forecasts(making, load) -> None:
    bundle, bars = load("lightgbm"), making.walk(700, 3, gaps=(400,))
    whole, part = bundle.forecast(bars).frame, bundle.forecast(bars.slice(0, 555)).frame
    assert part.equals(whole.head(len(part)))
    assert 0 < len(part) < len(whole)


def test_too_few_bars_give_no_row_and_are_counted(making, load) -> None:
    bundle = load("logistic")
    for n_bars in (0, 1, bundle.plan.warmup_bars):
        forecast = bundle.forecast(making.walk(n_bars + 1, 3).slice(0, n_bars))
        assert (len(forecast), forecast.n_not_ready) == (0, n_bars)
    assert len(bundle.forecast(making.walk(bundle.needed_bars, 3))) >= 1


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


def test_bars_of_something_else_are_refused(making, load) -> None:
    bundle, bars = load("logistic"), making.walk(300, 3)
    with pytest.raises(DataError, match="bundle logistic: bars of BTCUSDT 1m; expected SIM 1m"):
        bundle.forecast(replace(bars, instrument=Instrument.builtin("BTCUSDT")))
    columns = (bars.open, bars.high, bars.low, bars.close, bars.volume)
    slow = Bars.from_columns(bars.instrument, "5m", bars.open_time * 5, *columns)
    with pytest.raises(DataError, match="bars of SIM 5m; expected SIM 1m"):
        bundle.forecast(slow)


def test_parts_are_read_as_json_and_the_card_as_text(load) -> None:
    bundle = load("logistic")
    assert bundle.part("thresholds")["rule"] == {"long_above": 0.55, "short_below": 0.45}
    assert bundle.part("metrics") == {"selection": {"auc": 0.51}}
    assert bundle.model_card == "# A test bundle\n"


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: bytes([data[0] ^ 1]) + data[1:]])
def test_a_damaged_file_is_refused_by_name_before_anything_parses_it(making, tmp_path: Path, damage) -> None:
    files = making.files_of("lightgbm")
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
        Bundle.load(forge({"features.json": canonical_json(plan)}))
    schema = canonical_json(_swapped(json.loads(files["schema.json"])))
    assert sha256(schema) != making.contents_of("lightgbm").plan.schema_hash
    with pytest.raises(SchemaError, match=f"first difference at 0: '{names[0]}' against '{names[1]}'"):
        Bundle.load(forge({"schema.json": schema}, schema_hash=sha256(schema)))


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

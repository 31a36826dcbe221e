"""The manifest has one spelling, and a forged one is refused by what it says."""

import json

import pytest

from barmill.artefacts import canonical_json
from barmill.bundles.manifest import MANIFEST, PARTS, SEAL, check_name, check_version, parse_manifest
from barmill.bundles.strict_json import parse_canonical
from barmill.errors import BundleCorruption, BundleError, BundleVersionError


@pytest.fixture
def value(sealed) -> dict:
    return json.loads(sealed()[MANIFEST])


def refusal(value: object) -> str:
    with pytest.raises(BundleError) as caught:
        parse_manifest(canonical_json(value), MANIFEST)
    return str(caught.value)


def test_the_manifest_survives_a_round_trip(sealed) -> None:
    data = sealed()[MANIFEST]
    assert parse_manifest(data, MANIFEST).to_bytes() == data


def test_the_manifest_has_the_artefact_keys_of_the_charter(value: dict) -> None:
    assert value["preproc"] == "preproc.json"
    assert value["schema"] == "schema.json"
    assert value["weights"] == ["weights/model.json"]
    assert value["metrics"] == "metrics.json"
    assert value["calibrator"] == "calibrator.json"
    assert value["inference_signature"] == {"inputs": ["feature_matrix"], "outputs": ["p_up", "q05", "q50", "q95"], "version": "v1.0.0"}


def test_the_manifest_names_no_time_and_no_host(value: dict) -> None:
    assert set(value) == {
        *PARTS, "weights", "ensemble", "onnx", "files", "fingerprints", "format", "inference_signature", "model", "name", "neighbours",
        "reads_with", "schema_hash", "symbol", "timeframe", "version",
    }  # fmt: skip


def test_equal_contents_give_equal_digests_whatever_their_order(sealed) -> None:
    files = sealed()
    assert sealed() == files
    assert sealed("other")[SEAL] != files[SEAL]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m.pop("preproc"), "lacks preproc"),
        (lambda m: m.update(code="import os"), "has the unknown key 'code'"),
        (lambda m: m.update(schema="other.json"), "schema contradicts the rest of the manifest"),
        (lambda m: m.update(name="../up"), "name is '../up'"),
        (lambda m: m.update(version="1"), "version is '1'"),
        (lambda m: m.update(weights=[]), "weights contradicts the rest of the manifest"),
        (lambda m: m["model"].update(classes=4), "model.classes is 4"),
        (lambda m: m["model"].update(classes=True), "model.classes is True"),
        (lambda m: m["model"].update(classes=-1), "model.classes is -1"),
        (lambda m: m["model"].update(view="pattern_image"), "model.view 'pattern_image' does not go with window None"),
        (lambda m: m["model"].update(view="pattern_image", window=0), "model.view 'pattern_image' does not go with window 0"),
        (lambda m: m["model"].update(view="pattern_image", window={"1m": 64}), "model.view 'pattern_image' does not go with window"),
        (lambda m: m["model"].update(window=60), "model.view 'feature_matrix' does not go with window 60"),
        (lambda m: m["model"].update(view="picture"), "model.view 'picture' does not go with window None"),
        (lambda m: m["model"].update(inputs=["a", "a"]), "names one twice"),
        (lambda m: m["files"].pop(0), "files lacks calibrator.json"),
        (lambda m: m["files"].reverse(), "files are not sorted by path"),
        (lambda m: m["files"].append(m["files"][-1]), "or one stands twice"),
        (lambda m: m["files"].append({"path": "weights/x", "size": -1, "sha256": "0" * 64}), "size of weights/x is -1"),
        (lambda m: m["files"].append({"path": "weights/x", "size": 1 << 40, "sha256": "0" * 64}), "size of weights/x is 1099511627776"),
        (lambda m: m["files"].append({"path": "weights/x", "size": 1.5, "sha256": "0" * 64}), "size of weights/x is 1.5"),
        (lambda m: m["files"].append({"path": "weights/x", "size": 1, "sha256": "0" * 63}), "sha256 of weights/x is"),
        (lambda m: m["files"].append({"path": "weights/x", "size": 1}), "missing or unknown keys"),
        (lambda m: m["files"].append({"path": "x.so", "size": 1, "sha256": "0" * 64}), "files lists x.so, which belongs to no part"),
        (lambda m: m["files"].append({"path": "weights/x/y", "size": 1, "sha256": "0" * 64}), "files lists weights/x/y, which belongs to"),
        (lambda m: m["files"].insert(2, {"path": "ensemble/x", "size": 1, "sha256": "0" * 64}), "files lists ensemble/x, which belongs"),
        (lambda m: m["files"].insert(-1, {"path": "weights/MODEL.json", "size": 1, "sha256": "0" * 64}), "upper and lower case alone"),
        (lambda m: m.update(files=[]), "files is not a list of 1 to 256 entries"),
    ],
)
def test_a_forged_manifest_is_refused_by_what_it_says(value: dict, change, said: str) -> None:
    change(value)
    assert said in refusal(value)


@pytest.mark.parametrize(("view", "window", "classes"), [("pattern_image", 64, 5), ("feature_matrix", None, 0), ("window_tensor", 64, 3)])
def test_what_models_of_any_question_see_and_tell_apart_is_read(value: dict, view: str, window: int | None, classes: int) -> None:
    value["model"] |= {"view": view, "window": window, "classes": classes}
    value["inference_signature"]["inputs"] = [view]
    model = parse_manifest(canonical_json(value), MANIFEST).model
    assert (model.view, model.window, model.classes) == (view, window, classes)


@pytest.mark.parametrize("found", [0, "1", None, True, 1.5])
def test_a_format_that_is_none_of_ours_is_refused(value: dict, found: object) -> None:
    value["format"] = found
    with pytest.raises(BundleVersionError, match="expected format 1"):
        parse_manifest(canonical_json(value), MANIFEST)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"a":1,"a":2}', "key 'a' stands twice"),
        (b'{"a": 1}', "is JSON but not canonical"),
        (b'{"b":1,"a":2}', "is JSON but not canonical"),
        (b'{"a":"\\u00e9"}', "is JSON but not canonical"),
        (b'{"a":1.0e0}', "is JSON but not canonical"),
        (b'\xef\xbb\xbf{"a":1}', "is not JSON"),
        (b'{"a":NaN}', "is not JSON"),
        (b'{"a":1e999}', "is not JSON"),
        (b'{"a":"\xff"}', "is not JSON"),
        (b'{"a":"\\ud800"}', "is not JSON"),
        (b"", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"9" * 10_000, "is not JSON"),
    ],
)
def test_json_with_a_second_reading_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(BundleCorruption, match=said):
        parse_canonical(data, "x.json")


@pytest.mark.parametrize("name", ["", "A", "a/b", "..", ".a", "a b", "a" * 65])
def test_a_name_that_is_no_folder_is_refused(name: str) -> None:
    with pytest.raises(BundleError, match="letter or digit"):
        check_name(name)


@pytest.mark.parametrize("version", ["1", "1.0", "v1.0.0", "01.0.0", "1.0.0 "])
def test_a_version_that_is_not_semantic_is_refused(version: str) -> None:
    with pytest.raises(BundleError, match="semantic version"):
        check_version(version)

"""What is wrong with the bundle of an ensemble is refused when it is loaded, and named."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from barmill.artefacts import canonical_json
from barmill.bundles import Bundle, BundleContents, assemble, publish, read_bundle
from barmill.bundles.folder import read_version
from barmill.bundles.manifest import MANIFEST, SEAL, Manifest, list_files, parse_manifest, seal_of
from barmill.errors import BarmillError, BundleCorruption, BundleError, SchemaError
from barmill.uncertainty import Calibration

KIND, LABELS = "softmax_gating", ("logistic", "lstm", "scales")
Change = Callable[[Any], None]


@pytest.fixture
def refused(making, ensembles, tmp_path: Path) -> Callable[..., str]:
    """What is said of a bundle some of whose files were changed (None: taken out) under a manifest signed anew."""

    def load(changes: Mapping[str, bytes | None], kind: str = KIND, labels: tuple[str, ...] = LABELS, **model: object) -> str:
        files = ensembles.files_of(making, kind, labels)
        changed = {path: data for path, data in files.items() if path not in (MANIFEST, SEAL)} | dict(changes)
        parts = {path: data for path, data in changed.items() if data is not None}
        old = parse_manifest(files[MANIFEST], MANIFEST)
        values = {name: getattr(old, name) for name in Manifest.__dataclass_fields__} | {"files": list_files(parts)}
        manifest = Manifest(**values | {"model": replace(old.model, **model)}).to_bytes()
        place = publish({**parts, MANIFEST: manifest, SEAL: seal_of(manifest)}, tmp_path / "forged", "m")
        with pytest.raises(BarmillError) as caught:
            Bundle.from_verified(read_bundle(place))
        assert isinstance(caught.value, BundleError | SchemaError)
        return str(caught.value).removeprefix(f"{place}/")

    return load


@pytest.fixture
def members(making, ensembles) -> Callable[[Change], bytes]:
    """`members.json` after a change."""

    def changed(change: Change) -> bytes:
        value = json.loads(ensembles.files_of(making, KIND, LABELS)["members.json"])
        change(value)
        return canonical_json(value)

    return changed


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: bytes([data[0] ^ 1]) + data[1:]])
def test_a_damaged_file_of_a_member_or_the_combiner_is_refused_by_name(making, ensembles, tmp_path: Path, damage) -> None:
    files = ensembles.files_of(making, KIND, LABELS)
    version = publish(files, tmp_path, "m")
    for path in (path for path in files if "/" in path or path in ("members.json", "conformal.json")):
        (version / path).write_bytes(damage(files[path]))
        with pytest.raises(BundleCorruption) as caught:
            read_version(version)
        assert caught.value.place == str(version / path)
        (version / path).write_bytes(files[path])
    assert set(read_version(version).files) == set(files) - {MANIFEST, SEAL}


def test_links_strangers_and_empty_folders_among_the_weights_are_refused(making, ensembles, tmp_path: Path) -> None:
    version = publish(ensembles.files_of(making, KIND, LABELS), tmp_path, "m")
    (version / "weights" / "lstm").rename(tmp_path / "lstm")

    def said() -> str:
        with pytest.raises(BundleCorruption) as caught:
            read_version(version)
        return str(caught.value)

    assert f"{version}/weights/lstm/model.onnx: is missing" in said()
    (version / "weights" / "lstm").symlink_to(tmp_path / "lstm")
    assert f"{version}/weights/lstm: is a symbolic link" in said()
    (version / "weights" / "lstm").unlink()
    (version / "weights" / "lstm").mkdir()
    assert f"{version}/weights/lstm: is an empty folder" in said()
    (version / "weights" / "lstm").rmdir()
    (tmp_path / "lstm").rename(version / "weights" / "lstm")
    (version / "weights" / "lstm" / "deeper").mkdir()
    assert f"{version}/weights/lstm/deeper: is a folder" in said()
    (version / "weights" / "lstm" / "deeper").rmdir()
    (version / "ensemble" / "extra.json").write_bytes(b"{}")
    assert f"{version}/ensemble/extra.json: is not in the manifest" in said()


@pytest.mark.parametrize("swapped_folder", ["weights", "weights/lstm"])
def test_a_folder_that_becomes_a_link_while_it_is_read_is_not_followed(
    making, ensembles, tmp_path: Path, monkeypatch, swapped_folder: str
) -> None:
    version = publish(ensembles.files_of(making, KIND, LABELS), tmp_path, "m")
    from barmill.bundles import folder

    listed = folder._list

    def swapped(*args):
        found = listed(*args)
        (version / swapped_folder).rename(tmp_path / "elsewhere")
        (version / swapped_folder).symlink_to(tmp_path / "elsewhere")
        return found

    monkeypatch.setattr(folder, "_list", swapped)
    with pytest.raises(BundleError, match=r"weights/lstm/.*cannot be read"):
        read_version(version)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("weights/lstm/../../x", "leaves the folder or has unusual characters"),
        ("weights/../ensemble/x", "leaves the folder or has unusual characters"),
        ("weights/.lstm/x", "leaves the folder or has unusual characters"),
        ("weights/lstm//x", "leaves the folder or has unusual characters"),
        ("weights/lstm/a/b", "leaves the folder or has unusual characters"),
        ("ensemble/a/b", "leaves the folder or has unusual characters"),
        ("weights/x", "files lists weights/x, which belongs to no part of a bundle"),
        ("other/x", "files lists other/x, which belongs to no part of a bundle"),
    ],
)
def test_paths_that_lead_elsewhere_are_refused_in_an_ensembles_manifest(making, ensembles, path: str, said: str) -> None:
    manifest = json.loads(ensembles.files_of(making, KIND, LABELS)[MANIFEST])
    manifest["files"] = sorted([*manifest["files"], {"path": path, "size": 1, "sha256": "0" * 64}], key=lambda entry: entry["path"])
    with pytest.raises(BundleCorruption, match=said):
        parse_manifest(canonical_json(manifest), MANIFEST)


def test_files_that_are_missing_under_a_good_seal_are_missed(refused) -> None:
    assert "weights/lstm: the weights of 'lstm' do not load: 'model.onnx'" in refused({"weights/lstm/model.onnx": None})
    assert "'logistic'" in refused({"weights/logistic/model.json": None})
    with pytest.raises(BundleCorruption, match="files lists nothing under ensemble"):
        refused({"ensemble/ensemble.json": None})
    assert refused({"weights/other/model.json": b"{}"}).startswith("weights/other/model.json: belongs to no member")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda m: m["members"][0]["model"]["inputs"].append("nothing"),
            "members.json member 'logistic': forecast pipeline: feature 'nothing'",
        ),
        (lambda m: m["members"][1].pop("calibrator"), "members.json member 'lstm': has another content than was expected"),
        (lambda m: m["members"][1].update(calibrator={}), "members.json member 'lstm': calibrator: cannot be read"),
        (lambda m: m["members"][1].update(more=1), "members.json member 'lstm': has another content than was expected"),
        (lambda m: m["members"][1]["model"].update(window="8"), "members.json member 'lstm': model.view 'window_tensor' does not go with"),
        (lambda m: m["members"][1]["model"].update(window=9), "model 'lstm'"),
        (lambda m: m["members"][1]["model"].update(classes=3), "member 'lstm': calibrator: of 2 classes; expected 3"),
        (lambda m: m["members"][1]["model"].update(view="ensemble", window=None), "model 'lstm' on a ensemble; expected"),
        (
            lambda m: m["members"][1]["model"].update(outputs=["p_up", "q05", "q95"]),
            "members.json member 'lstm': outputs p_up, q05, q95; expected",
        ),
        (lambda m: m["members"][0]["model"].update(name="oracle"), "model 'oracle' is not in this version's catalogue"),
        (lambda m: m["members"][2]["preproc"].update(anchor="session"), "member 'scales': bar scaling"),
        (lambda m: m["members"][1]["preproc"]["names"].pop(), "member 'lstm'"),
        (lambda m: m["members"].pop(0), "weights/logistic/model.json: belongs to no member"),
        (
            lambda m: m["members"].append(m["members"][0]),
            "has the members ['logistic', 'lstm', 'scales', 'logistic']; expected at least one, each",
        ),
        (lambda m: m["members"].clear(), "belongs to no member"),
        (lambda m: m["regimes"].append("nothing"), "ensemble: feature 'nothing' is not in the plan"),
        (lambda m: m["regimes"].pop(), "combiner of logistic, lstm, scales: ensemble regimes: have shape (1, 1); expected (1, 2)"),
        (lambda m: m.pop("regimes"), "members.json: has another content than was expected ('regimes')"),
        (lambda m: m.update(more=1), "members.json: has another content than was expected"),
    ],
)
def test_members_that_do_not_fit_the_bundle_are_refused_by_name(refused, members, change: Change, said: str) -> None:
    assert said in refused({"members.json": members(change)})


def test_members_in_another_order_are_given_away_by_the_golden_bars(refused, members) -> None:
    assert "the forecasts of its golden bars come out differently" in refused(
        {"members.json": members(lambda m: m["members"].insert(1, m["members"].pop()))}
    )


def test_a_combiner_of_another_number_of_members_is_refused(making, ensembles, refused) -> None:
    for kind in ("soft_voting", "ridge_stacking", "softmax_gating"):
        other = {path: data for path, data in ensembles.files_of(making, kind).items() if path.startswith("ensemble/")}
        said = refused(other, kind)
        assert said.startswith("combiner of logistic, lstm, scales: "), said
        assert "3" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{}", "ensemble: ensemble.json kind: no ensemble of the kind None"),
        (b"[]", "ensemble: ensemble.json: holds no object"),
        (b'{"kind": "gating"}', "ensemble/ensemble.json: is JSON but not canonical"),
        (b'{"kind":"gating"}', "ensemble: ensemble.json: cannot be read"),
        (b"", "ensemble/ensemble.json: is not JSON"),
    ],
)
def test_a_combiner_that_is_none_is_refused(refused, content: bytes, said: str) -> None:
    assert refused({"ensemble/ensemble.json": content}).startswith(said)


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"1e999", b'"x"', b"null"])
@pytest.mark.parametrize("kind", ["softmax_gating", "ridge_stacking", "soft_voting"])
def test_weights_that_are_no_numbers_are_refused(making, ensembles, refused, kind: str, number: bytes) -> None:
    value = json.loads(ensembles.files_of(making, kind, LABELS)["ensemble/ensemble.json"])
    marked = json.dumps(_with_first_number(value, "MARK"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert refused({"ensemble/ensemble.json": marked.encode().replace(b'"MARK"', number)}, kind).startswith("ensemble")


def _with_first_number(value: Any, mark: str) -> Any:
    """`value` with its first float, in the order of its text, put in another's place."""
    done = False

    def visit(one: Any) -> Any:
        nonlocal done
        if isinstance(one, dict):
            return {key: visit(one[key]) for key in sorted(one)}
        if isinstance(one, list):
            return [visit(item) for item in one]
        if isinstance(one, float) and not done:
            done = True
            return mark
        return one

    changed = visit(value)
    assert done
    return changed


def test_an_ensembles_manifest_agrees_with_its_members(making, refused) -> None:
    assert "ensemble 'oracle' is not in this version's catalogue. Upgrade Barmill" in refused({}, name="oracle")
    assert "calibrator: of 2 classes; expected 3" in refused({}, classes=3) or "tells 2 classes apart" in refused({}, classes=3)
    assert "inputs rsi_14; expected" in refused({}, inputs=("rsi_14",))
    assert "outputs p_up, q95; expected p_up, q05, q50, q95" in refused({}, outputs=("p_up", "q95"))
    assert "golden samples do not fit together" in refused({}, outputs=("p_up", "q05", "q50", "q95"))  # an E_r that is not told
    assert refused({"quantiles.json": b"null"}).startswith("quantiles and volatility: one is missing; expected both, for an ensemble")
    assert refused({"preproc.json": making.files_of("logistic")["preproc.json"]}).startswith("preproc.json: is a scaler; expected null")
    unit = {"rule": {}, "volatility": {"feature": "nothing", "horizon": 30, "floor": 1e-6}}
    assert "feature 'nothing' is not in the plan" in refused({"thresholds.json": canonical_json(unit)})


def test_members_beside_one_model_are_refused(making, ensembles, forge) -> None:
    members = ensembles.files_of(making, KIND, LABELS)["members.json"]
    with pytest.raises(BundleCorruption, match=r"members\.json: has members; expected null, for one 'lightgbm'"):
        Bundle.from_verified(read_bundle(forge({"members.json": members})))


def test_contents_that_are_no_ensemble_are_refused_before_anything_is_written(making, ensembles) -> None:
    contents = ensembles.contents_of(making, KIND, LABELS)
    others = ensembles.contents_of(making, KIND, ("logistic", "lightgbm"), 3)
    wrong = [
        ({"ensemble_name": "oracle"}, "ensemble 'oracle' is not in this version's catalogue"),
        ({"members": others.members}, "member 'logistic': tells 3 classes apart; expected 2"),
        ({"members": contents.members[:2]}, "combiner of logistic, lstm: ensemble: 2 members speak; expected 3"),
        ({"regimes": ()}, "combiner of logistic, lstm, scales: ensemble regimes: are not given"),
        ({"calibration": Calibration(3)}, "calibrator: of 3 classes; expected 2"),
        ({"volatility": None}, "quantiles and volatility: one is missing"),
        ({"golden_bars": making.walk(50)}, "golden bars: none of 50 is ready"),
    ]
    for changes, said in wrong:
        with pytest.raises((BundleError, SchemaError), match=said):
            assemble(replace(contents, **changes))


def test_a_model_of_another_question_is_no_member(making, ensembles) -> None:
    contents = ensembles.contents_of(making, KIND, ("logistic", "lightgbm"))
    entry: BundleContents = making.contents_of("entry")
    stranger = replace(
        contents.members[1],
        label="entry",
        model_name="entry",
        model_files=entry.model_files,
        outputs=("p_entry",),
        calibration=entry.calibration,
    )
    with pytest.raises(BundleError, match="member 'entry': quantiles and volatility: one is missing, or one too many is there"):
        assemble(replace(contents, members=(contents.members[0], stranger)))

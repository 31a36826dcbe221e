"""ONNX graphs in a bundle: with a report, under the same version, and taken out again to the byte."""

import json
from dataclasses import replace

import pytest

from barmill.bundles import Bundle, assemble, publish, read_bundle, with_graphs, without_graphs
from barmill.bundles.manifest import MANIFEST, parse_manifest
from barmill.errors import BundleCorruption, BundleError

GRAPHS = {"model.onnx": b"a graph", "forecast.onnx": b"another"}
PARITY = {"passed": True}


def test_a_bundle_has_no_graphs_and_no_report_until_it_is_exported(sealed) -> None:
    manifest = parse_manifest(sealed()[MANIFEST], MANIFEST)
    assert manifest.graphs == ()
    assert without_graphs(sealed())["parity.json"] == b"null"


def test_graphs_go_in_under_the_same_version_and_another_digest(sealed) -> None:
    plain = without_graphs(sealed())
    files = with_graphs(plain, GRAPHS, PARITY)
    before, after = (parse_manifest(one[MANIFEST], MANIFEST) for one in (plain, files))
    assert after.graphs == ("onnx/forecast.onnx", "onnx/model.onnx")
    assert (after.name, after.version, after.model, after.fingerprints) == (before.name, before.version, before.model, before.fingerprints)
    assert files[MANIFEST] != plain[MANIFEST]
    assert json.loads(files["parity.json"]) == PARITY


def test_graphs_of_before_give_way_and_come_out_to_the_byte(sealed) -> None:
    plain = without_graphs(sealed())
    once = with_graphs(plain, {"model.int8.onnx": b"old"}, {"passed": True, "old": 1})
    assert with_graphs(once, GRAPHS, PARITY) == with_graphs(plain, GRAPHS, PARITY)
    assert without_graphs(once) == plain


@pytest.mark.parametrize(
    ("graphs", "said"),
    [
        ({}, "no graphs are given"),
        ({"../model.onnx": b""}, "leaves the folder"),
        ({"model.pkl": b""}, "belongs to no part of a bundle"),
        ({"deep/model.onnx": b""}, "leaves the folder"),
    ],
)
def test_odd_graphs_are_refused(sealed, graphs, said) -> None:
    with pytest.raises(BundleError, match=said):
        with_graphs(sealed(), graphs, PARITY)


def test_a_report_that_json_cannot_hold_is_refused(sealed) -> None:
    with pytest.raises(BundleError, match="parity"):
        with_graphs(sealed(), GRAPHS, {"mae": float("nan")})


def test_contents_may_bring_their_graphs_and_then_bring_a_report(making) -> None:
    contents = making.contents_of("logistic")
    assert assemble(replace(contents, graphs=GRAPHS, parity=PARITY)) == with_graphs(assemble(contents), GRAPHS, PARITY)
    with pytest.raises(BundleError, match="goes with 2 graphs"):
        assemble(replace(contents, graphs=GRAPHS))


def test_a_published_bundle_gives_its_graphs_back_and_a_changed_one_is_found_out(making, tmp_path) -> None:
    files = with_graphs(making.files_of("logistic"), GRAPHS, PARITY)
    place = publish(files, tmp_path, "logistic")
    bundle = Bundle.from_verified(read_bundle(place))
    assert bundle.graphs == GRAPHS
    assert bundle.part("parity") == PARITY
    assert bundle.replay.exact
    (place / "onnx" / "model.onnx").chmod(0o644)
    (place / "onnx" / "model.onnx").write_bytes(b"A graph")
    with pytest.raises(BundleCorruption, match=r"onnx/model\.onnx"):
        read_bundle(place)


def test_a_bundle_gives_what_the_fits_of_its_models_gave(making, ensembles, load_once, load_ensemble) -> None:
    contents = making.contents_of("logistic")
    assert load_once("logistic").fitted == {"logistic": ("logistic", contents.model_files)}
    members = ensembles.contents_of(making, "soft_voting", ensembles.SMALL).members
    assert load_ensemble("soft_voting", ensembles.SMALL).fitted == {one.label: (one.model_name, one.model_files) for one in members}

"""`barmill bundle verify | show`: what they print, and their exit codes."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from barmill.bundles import publish
from barmill.cli.bundle import app


@pytest.fixture(scope="session")
def making():
    """The module tests/bundles/making.py, shared with the tests there."""
    name = "barmill_making"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / "bundles" / "making.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture
def version(making, tmp_path: Path) -> Path:
    return publish(making.files_of("logistic"), tmp_path / "r", "logistic")


def test_a_good_bundle_verifies_with_a_table(version: Path) -> None:
    result = CliRunner().invoke(app, ["verify", str(version.parent)])
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[:2] == ["bundle   logistic 1.2.3", f"folder   {version}"]
    assert any(line.startswith("weights/model.json") and line.endswith("ok") for line in lines)
    assert "golden bars come out to the bit" in result.stdout
    assert lines[-1] == f"good: {version}"


def test_a_bad_bundle_is_told_by_file_and_ends_with_2(version: Path) -> None:
    data = (version / "weights" / "model.json").read_bytes()
    (version / "weights" / "model.json").write_bytes(data[:-1] + b" ")
    result = CliRunner().invoke(app, ["verify", str(version)])
    assert result.exit_code == 2
    assert "weights/model.json" in next(line for line in result.stdout.splitlines() if line.endswith("BAD"))
    assert f"error: {version}/weights/model.json: SHA-256 " in result.stdout
    assert result.stdout.splitlines()[-1] == f"BAD: {version}"


def test_verification_as_json(version: Path) -> None:
    result = CliRunner().invoke(app, ["verify", str(version), "--quick", "--json"])
    report = json.loads(result.stdout)
    assert (result.exit_code, report["ok"], report["problems"], report["replay"]) == (0, True, [], None)
    (version / "recipe.json").unlink()
    result = CliRunner().invoke(app, ["verify", str(version), "--json"])
    report = json.loads(result.stdout)
    assert (result.exit_code, report["ok"]) == (2, False)
    assert report["problems"][0]["message"].startswith(f"{version}/recipe.json: is missing.")


def test_a_folder_without_a_bundle_ends_with_2(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["verify", str(tmp_path)])
    assert result.exit_code == 2
    assert "no bundle here: there is no manifest.json" in result.stdout


def test_show_says_what_it_is(version: Path) -> None:
    result = CliRunner().invoke(app, ["show", str(version)])
    assert result.exit_code == 0
    for said in (
        "bundle     logistic 1.2.3",
        "market     SIM 1m",
        "model      logistic, 2 classes, sees one row of features",
        "outputs    p_up, q05, q50, q95",
        "returns    net log returns over 30 bars, learned in units of realised_volatility_60",
        "selection.auc                0.51",
        "long_above                   0.55",
        "seed                         7",
    ):
        assert said in result.stdout


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("entry", ["model      entry, 2 classes, sees one row of features", "outputs    p_entry"]),
        ("risk", ["model      risk, sees one row of features", "outputs    sl_kATR, sl_kATR_q60, sl_kATR_q70, sl_kATR_q80"]),
        (
            "pattern_cnn",
            [
                "model      pattern_cnn, 5 classes, sees images of the last 64 bars",
                "features   4: open, high, low, close",
                "outputs    p_none, p_flag, p_wedge, p_blow_off, p_wick_exhaustion, quality, pole_kATR, embedding_00, embedding_01, "
                "embedding_02, embedding_03, embedding_04, and 59 more",
            ],
        ),
    ],
)
def test_a_bundle_of_another_question_is_shown_and_verified(making, tmp_path: Path, model: str, said: list[str]) -> None:
    version = publish(making.files_of(model), tmp_path / "r", model)
    shown = CliRunner().invoke(app, ["show", str(version)])
    assert shown.exit_code == 0
    assert set(said) <= set(shown.stdout.splitlines())
    assert "returns" not in shown.stdout
    verified = CliRunner().invoke(app, ["verify", str(version)])
    assert verified.exit_code == 0
    assert "golden inputs and 64 golden bars come out to the bit" in verified.stdout


def test_show_as_json_holds_the_manifest(version: Path) -> None:
    result = CliRunner().invoke(app, ["show", str(version), "--json"])
    shown = json.loads(result.stdout)
    assert shown["manifest"] == json.loads((version / "manifest.json").read_bytes())
    assert shown["metrics"] == {"selection": {"auc": 0.51}}


def test_the_help_has_examples() -> None:
    for command in ("verify", "show"):
        assert "Example: barmill bundle" in CliRunner().invoke(app, [command, "--help"]).stdout


def test_promote_moves_the_pointer_to_a_version_that_is_whole(version: Path, making) -> None:
    second = publish(making.files_of("lightgbm"), version.parent.parent, version.parent.name)
    result = CliRunner().invoke(app, ["promote", str(version.parent), "1"])
    assert (result.exit_code, result.stdout.split()[:2]) == (0, ["current", str(version)])
    assert json.loads((version.parent / "current.json").read_bytes())["version"] == 1
    (second / "metrics.json").unlink()
    for number, said in (("2", "metrics.json"), ("3", "no bundle here"), ("../2", "the number of a version's folder")):
        result = CliRunner().invoke(app, ["promote", str(version.parent), number])
        assert said in str(result.exception)
        assert json.loads((version.parent / "current.json").read_bytes())["version"] == 1

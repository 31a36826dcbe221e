"""`barmill prove`: certificate, page and exit code from the command line."""

import json
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from barmill.cli.__main__ import app
from barmill.pipeline import proving
from barmill.pipeline.proving import CERTIFICATE_FILE, Caps, Demands, ProofSettings

RECIPE = """
name: proof
bars: {simulate: {n_bars: 5000, seed: 3, strength: 2.0}}
features: {timeframes: [1m]}
labels: {horizon: 12, k_up: 2.0, k_down: 2.0, atr_window: 30, every: 3}
splits: {embargo: 60, purge: 12}
base_models: [{name: logistic, inputs: [log_return_5, ema_distance_200], config: {C: 0.01}}]
"""
TINY = ProofSettings(
    name="tiny",
    markets=4,
    most_markets=4,
    useful_bars=2_500,
    bars_per_horizon=1,
    kinds=("random_walk", "sign_flipped"),
    folds=2,
    short_folds=4,
    strengths=(3.0,),
    control_markets=4,
    caps=Caps(),
    demands=Demands(width=0.5),
)


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(proving, "QUICK", TINY)
    monkeypatch.setattr(proving, "prove_recipe", partial(proving.prove_recipe, workers=0))  # processes have a test of their own
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "proof.yaml"
    path.write_text(RECIPE)
    return path


def test_a_granted_certificate_is_printed_written_and_exits_with_0(recipe: Path) -> None:
    result = CliRunner().invoke(app, ["prove", str(recipe), "--quick"])
    assert result.exit_code == 0, result.output
    assert "certificate granted" in result.stdout
    assert "edge of strength 3" in result.stdout
    folder = recipe.parent / "runs" / "proof" / "prove"
    assert json.loads((folder / CERTIFICATE_FILE).read_bytes())["verdict"] == "granted"
    assert b"Granted" in (folder / "certificate.html").read_bytes()
    assert "override splits.purge" not in result.stderr


def test_a_refused_one_exits_with_1_and_its_json_tells_why(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proving, "QUICK", TINY.model_copy(update={"demands": Demands(width=0.0001), "control_markets": 0}))
    arguments = ["prove", str(recipe), "--quick", "--out", str(recipe.parent / "out"), "--markets", "2", "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    content = json.loads(result.stdout)
    assert content["verdict"] == "refused"
    assert any("add markets" in reason for reason in content["reasons"])
    assert content == json.loads((recipe.parent / "out" / CERTIFICATE_FILE).read_bytes())


def test_a_bad_recipe_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="there is no such file"):
        CliRunner().invoke(app, ["prove", str(tmp_path / "none.yaml")], catch_exceptions=False)
    assert not (tmp_path / "runs").exists()

"""What a run tells of its models' parameters, before any work and ever after: no refusal, and never silence."""

import json

import pytest
from typer.testing import CliRunner

import barmill as bm
from barmill.cli.__main__ import app
from barmill.cli.terminal import Terminal
from barmill.pipeline import plan_recipe

TEXT = """
labels: {horizon: 10, atr_window: 30, every: 4}
splits: {embargo: 30}
features: {timeframes: [1m]}
base_models:
  - {name: tcn, alias: short, config: {num_channels: [2, 2], kernel_size: 2, seq_len: 16, epochs: 1, batch_size: 64}}
random_signals: 20
"""
TOLD = "2 levels of num_channels with kernel_size 2 see the last 7 of the window's 16 bars, and no bar before them. "


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    path = tmp_path_factory.mktemp("notes") / "short.yaml"
    path.write_text(TEXT)
    return path


@pytest.fixture(scope="module")
def bars():
    return bm.simulate(6_000, seed=5, strength=2.5).bars


@pytest.fixture(scope="module")
def run(recipe, bars, cache_in):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BARMILL_LEDGER", str(recipe.parent / "ledger"))
        patch.setenv("BARMILL_CACHE", cache_in(recipe.parent))
        return bm.train(recipe, bars=bars, out=recipe.parent / "run")


def test_a_recipe_that_is_checked_is_told_beside_what_is_printed(recipe):
    done = CliRunner().invoke(app, ["recipe", "check", str(recipe), "--json"])
    assert done.exit_code == 0
    assert done.stderr.startswith(f"note: short: {TOLD}")
    assert json.loads(done.stdout)["name"] == "short"


def test_a_plan_tells_it_to_whoever_looks(recipe, bars, capsys):
    plan = plan_recipe(recipe, bars, out=recipe.parent / "never")
    assert [note.startswith(f"note: short: {TOLD}") for note in plan.notes] == [True]
    Terminal().planned(plan)
    assert capsys.readouterr().err.startswith(f"note: short: {TOLD}")


def test_the_report_and_the_model_card_tell_it(run):
    (note,) = run.judgement["notes"]
    assert (note["model"], note["text"].startswith(TOLD)) == ("short", True)
    assert f"<p><b>short</b>: {TOLD}".replace("'", "&#39;") in run.report.read_text()
    assert f"- **To know** short: {TOLD}" in (run.bundle_paths["short"] / "model_card.md").read_text()

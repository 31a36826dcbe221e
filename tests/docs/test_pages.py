"""Examples in the pages work: commands parse, recipes are recipes, Python runs."""

import importlib.util
import re
import shlex
import sys
from pathlib import Path

import pytest
import typer
import yaml

from barmill.cli.__main__ import app
from barmill.factory import train
from barmill.market import Instrument, simulate
from barmill.pipeline.recipe_reading import recipe_from_text

REPOSITORY = Path(__file__).parents[2]


def _pages():
    spec = importlib.util.spec_from_file_location("docs_pages", Path(__file__).with_name("pages.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules["docs_pages"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


pages = _pages()


def _named(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


README = REPOSITORY / "README.md"
COMMANDS = [
    pytest.param(command, id=f"{_named(page)}: {command}"[:120])
    for page in [*pages.PAGES, README]
    for block in pages.blocks_of(page, "console", "")
    for command in (block.commands if block.kind else block.text.splitlines())
    if re.match(r"(.*[|&;] )?(\w+=\S+ )*barmill ", f"{command} ") and "[OPTIONS]" not in command and not command.startswith("bundle")
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shown_exists_with_its_options(command):
    words = shlex.split(re.split(r" [<>|] ", command[command.index("barmill ") :])[0], comments=True)[1:]
    found = typer.main.get_command(app)
    while hasattr(found, "commands"):
        name = words.pop(0)
        if name.startswith("--"):
            return
        assert name in found.commands, f"there is no command '{name}'"
        found = found.commands[name]
    found.make_context(found.name, words)  # parses, runs nothing


RECIPES = [
    pytest.param(block.text, id=f"{_named(page)}-{number}")
    for page in pages.PAGES
    for number, block in enumerate(pages.blocks_of(page, "yaml"))
]


@pytest.mark.parametrize("text", RECIPES)
def test_every_yaml_shown_is_a_recipe_or_a_part_of_one_or_an_instrument(text, tmp_path):
    value = yaml.safe_load(text)
    if value is None:
        return
    if "tick_size" in value:
        (tmp_path / "instrument.yaml").write_text(text)
        assert Instrument.read(tmp_path / "instrument.yaml").symbol == value["symbol"]
        return
    whole = text if "base_models" in value else text + "\nbase_models: [{name: logistic}]\n"
    recipe_from_text(whole, "page.yaml")


PYTHON = [pytest.param(page, id=_named(page)) for page in pages.PAGES if page.parent.name != "tutorial" and pages.blocks_of(page, "python")]

SMALL_RUN = """
name: quickstart
bars: {simulate: {n_bars: 9000, seed: 3, strength: 2.0}}
labels: {horizon: 30, atr_window: 30, every: 5}
splits: {embargo: 60}
base_models:
  - {name: lightgbm, config: {n_estimators: 10, num_leaves: 7}}
random_signals: 20
"""


@pytest.fixture(scope="module")
def workplace(tmp_path_factory, cache_in):
    """A folder as a reader would have it: bars, recipes, a finished run."""
    folder = tmp_path_factory.mktemp("workplace")
    (folder / "recipes").symlink_to(REPOSITORY / "recipes")
    bars = simulate(9_000, seed=3, strength=2.0).bars
    bars.write(folder / "bars.parquet")
    bars.frame.write_csv(folder / "bars.csv")
    (folder / "small.yaml").write_text(SMALL_RUN)
    state = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BARMILL_LEDGER", str(state / "ledger"))
        patch.setenv("BARMILL_CACHE", cache_in(state))
        train(folder / "small.yaml", out=folder / "runs" / "quickstart")
    return folder


@pytest.mark.xdist_group("docs")
@pytest.mark.parametrize("page", PYTHON)
def test_every_python_example_runs(page, workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    names: dict[str, object] = {}
    for block in pages.blocks_of(page, "python"):
        exec(compile(block.text, str(page), "exec"), names)


@pytest.mark.xdist_group("docs")
def test_the_first_result_of_the_readme_runs(workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    (block,) = pages.blocks_of(README, "python")
    (workplace / "readme.yaml").write_text(SMALL_RUN.replace("name: quickstart", "name: readme"))
    code = block.text.replace("recipes/config-1.yaml", "readme.yaml")
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)
    assert names["run"].bundle.outputs[0] == "p_up"


@pytest.mark.xdist_group("docs")
def test_a_measured_run_is_told_with_a_row_for_each_model(workplace, monkeypatch):
    monkeypatch.syspath_prepend(str(REPOSITORY))
    from benchmarks.run_report import HEADINGS, Measured, table

    heading, _, row, _, note = table([Measured(workplace / "runs" / "quickstart", 12.4)]).splitlines()
    assert heading.count("|") == row.count("|") == len(HEADINGS) + 1
    assert row.startswith("| SIM 1m | lightgbm * | ")
    assert "9,000 bars" in note
    assert "12 s in all" in note


def test_every_benchmark_has_quick_sizes(monkeypatch):
    monkeypatch.syspath_prepend(str(REPOSITORY))
    from benchmarks.__main__ import QUICK, names

    assert set(QUICK) == set(names())

"""The tutorial runs as it stands, on the real bars and on simulated ones; the test only makes its models smaller."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from barmill.market import simulate

REPOSITORY = Path(__file__).parents[2]
FILE = Path("crypto/FILUSDT_um_1m_2023-08_2023-11.parquet")
SMALLER = (
    "base_models[1].config.n_estimators=20",
    "base_models[2].config.n_estimators=20",
    "base_models[3].config.epochs=1",
    "base_models[3].config.seq_len=8",
    "base_models[3].config.hidden_size=8",
    "base_models[3].config.num_layers=1",
    "labels.every=15",
    "random_signals=20",
)


def _pages():
    spec = importlib.util.spec_from_file_location("docs_pages", Path(__file__).with_name("pages.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules["docs_pages"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


pages = _pages()
TUTORIAL = pages.DOCS / "tutorial" / "first-run.md"


def _run(command: str, folder: Path, data: Path) -> str:
    """Run a line of the page in a shell, in which `barmill` is the one under test."""
    environment = {**os.environ, "BARMILL_DATA": str(data), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def _words(text: str) -> list[str]:
    """Words and numbers, without the lines of tables; how a table is wrapped does not matter."""
    return re.sub(r"[━┃│╇╈┏┓┗┛─┼]", " ", text).split()


def _follow_the_page(folder: Path, data: Path, *, compare: bool) -> str:
    """Run every block in order; returns all that was said."""
    (folder / "recipes").symlink_to(REPOSITORY / "recipes")
    names: dict[str, object] = {}
    said = ""
    for block in pages.blocks_of(TUTORIAL, "console", "python"):
        if block.kind == "python":
            code = block.text.replace('bm.train("recipes/crypto-1m.yaml")', f'bm.train("recipes/crypto-1m.yaml", overrides={SMALLER})')
            exec(compile(code, str(TUTORIAL), "exec"), names)
            continue
        for command in block.commands:
            extra = "".join(f" --set '{each}'" for each in SMALLER) if "smaller in the test" in block.remark else ""
            output = _run(command + extra, folder, data)
            said += output
            if compare and "compared on real bars" in block.remark:
                for line in block.output:
                    assert " ".join(_words(line)) in " ".join(_words(output)), f"the page shows {line!r}; it was\n{output}"
    return said


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pytest.importorskip("torch", reason="the tutorial trains a network")
    folder = tmp_path / "checkout"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def _check(folder: Path, said: str) -> None:
    assert "nothing to do" in said
    assert (folder / "runs/crypto-1m/report.html").stat().st_size > 10_000
    assert "to the bit" in said
    assert 2000 - 509 <= len((folder / "live.jsonl").read_text().splitlines()) < 2000


def _real() -> Path:
    """Where the bars of the page lie, if they are here."""
    return Path(os.environ.get("BARMILL_DATA", REPOSITORY / "../shared/data")).resolve() / FILE


@pytest.mark.skipif(_real().exists(), reason="the real bars are here: the tutorial runs on them, and there is time for one of the two")
def test_the_tutorial_runs_on_simulated_bars(in_folder, tmp_path, monkeypatch):
    data = tmp_path / "data"
    (data / FILE).parent.mkdir(parents=True)
    simulate(20_000, seed=5, strength=2.0, symbol="FILUSDT").bars.write(data / FILE)
    monkeypatch.setenv("BARMILL_DATA", str(data))
    _check(in_folder, _follow_the_page(in_folder, data, compare=False))


def test_the_tutorial_runs_on_real_bars_and_shows_what_they_give(in_folder, real_data, monkeypatch):
    if not (real_data / FILE).exists():
        pytest.skip(f"no {FILE} in {real_data}: set BARMILL_DATA")
    data = real_data.absolute()
    monkeypatch.setenv("BARMILL_DATA", str(data))
    _check(in_folder, _follow_the_page(in_folder, data, compare=True))

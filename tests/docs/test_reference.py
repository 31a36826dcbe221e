"""The reference says what the code says."""

import importlib.util
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def _generator():
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = _generator()


@pytest.mark.parametrize("name", generate.PAGES)
def test_committed_pages_are_what_the_code_gives(name):
    if name == "python-api.md":
        pytest.importorskip("torch", reason="barmill.training is part of this page")
    written = (DOCS / "reference" / name).read_text(encoding="utf-8")
    assert written == generate.PAGES[name](), f"docs/reference/{name} differs from the code: run `make docs`"


def test_every_finding_is_explained_with_its_severity():
    from barmill.market.findings import CODES

    assert set(generate._meanings()) == set(CODES)
    severities = generate._severities()
    assert set(severities) == set(CODES)
    assert all(words and set(words) <= {"error", "warning", "info"} for words in severities.values())


def test_every_recipe_key_has_a_meaning():
    rows = [line for line in generate.recipe().splitlines() if line.startswith("| `")]
    later = ("ensemble.", "inference.uncertainty", "policy.")  # read, and refused with a reason of their own
    unexplained = [row for row in rows if row.endswith("|  |") and not row.startswith(tuple(f"| `{part}" for part in later))]
    assert not unexplained


def test_a_signature_is_told_as_it_was_written():
    from barmill.labels import concurrency

    assert generate._signature(concurrency) == "(t0: npt.ArrayLike, t1: npt.ArrayLike, n_bars: int) -> Int64Array"


def _anchor(heading: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).strip().replace(" ", "-")


PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name):
    file = DOCS / name
    text = re.sub(r"```.*?```", "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = target.partition("#")
        there = (file.parent / path).resolve() if path else file
        assert there.exists(), f"{name} links to {target}, which is not there"
        if fragment and there.suffix == ".md":
            headings = re.findall(r"^#+ (.+)$", there.read_text(encoding="utf-8"), flags=re.MULTILINE)
            assert fragment in {_anchor(heading) for heading in headings}, f"{name} links to {target}, a heading that is not there"


def test_every_page_is_on_the_map():
    map_text = (DOCS / "README.md").read_text(encoding="utf-8")
    assert [name for name in PAGES if name != "README.md" and f"({name})" not in map_text] == []

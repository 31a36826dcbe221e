"""The report as bytes: whole, safe, the same twice, and honest about what is not known."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from barmill.cli.report import report
from barmill.console import render_report
from barmill.console.page import SECTIONS

VOID = {"meta", "link", "input", "br", "img", "hr"}
RUNS = ["usual_run", "simulated_run", "degenerate_run", "validated_run"]
ONLY_IN = {
    "oracle": "simulated_run",
    "bands": "validated_run",
    "bench": "no run here",
    "certificate": "no run here",
    "explanations": "no run here",
    "experts": "no run here",
    "ensembles": "no run here",
    "leaderboard": "no run here",
    "targets": "no run here",
    **dict.fromkeys(("paths", "luck", "tuning", "leakage"), "validated_run"),
}


class Page(HTMLParser):
    """Checks nesting and keeps what the tests ask for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.words: list[str] = []
        self.tags: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attrs)
        assert not [name for name in values if name.startswith("on")], "an inline handler"
        if values.get("id"):
            self.ids.append(values["id"] or "")
        self.references += [value or "" for name, value in attrs if name in ("src", "href", "action", "data")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def page_of(run: Path) -> Page:
    return Page(render_report(run).decode())


@pytest.mark.parametrize("name", RUNS)
def test_every_section_is_there_once_and_in_order(name: str, request: pytest.FixtureRequest) -> None:
    page = page_of(request.getfixturevalue(name))
    assert len(page.ids) == len(set(page.ids))
    wanted = [anchor for anchor, _ in SECTIONS if ONLY_IN.get(anchor, name) == name]
    assert [anchor for anchor in page.ids if anchor in wanted] == wanted
    assert {reference[1:] for reference in page.references if reference.startswith("#")} <= set(page.ids)


@pytest.mark.parametrize("name", RUNS)
def test_nothing_is_loaded_from_elsewhere(name: str, request: pytest.FixtureRequest) -> None:
    text = render_report(request.getfixturevalue(name)).decode()
    assert [reference for reference in Page(text).references if not reference.startswith(("#", "data:,"))] == []
    style = text.split("<style>")[1].split("</style>")[0]
    assert "@import" not in style
    assert "url(" not in style
    assert "default-src 'none'" in text[:600]


@pytest.mark.parametrize("name", RUNS)
def test_the_same_files_give_the_same_bytes_and_a_light_page(name: str, request: pytest.FixtureRequest) -> None:
    run = request.getfixturevalue(name)
    first = render_report(run)
    assert first == render_report(run)
    assert len(first) <= 6_000_000


def test_bytes_do_not_depend_on_the_hash_seed(usual_run: Path) -> None:
    code = "import sys, hashlib, pathlib as p; from barmill.console import render_report as r"
    code += "; print(hashlib.sha256(r(p.Path(sys.argv[1]))).hexdigest())"
    printed = {
        subprocess.run([sys.executable, "-c", code, str(usual_run)], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True).stdout
        for seed in "12"
    }
    assert len(printed) == 1


def test_hostile_words_stay_words(make_run: Any, judgement: dict[str, Any]) -> None:
    attack = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7*7 }}"
    for place, key in (
        (judgement, "name"),
        (judgement, "symbol"),
        (judgement["models"][1], "name"),
        (judgement["models"][1], "family"),
        (judgement["labels"], "method"),
        (judgement["data"]["findings"][0], "message"),
        (judgement["data"]["findings"][0], "severity"),
        (judgement["provenance"][0], "what"),
        (judgement["splits"]["blocks"][0], "name"),
        (judgement["models"][1]["importance"][0], "feature"),
        (judgement["costs"], "fee"),
    ):
        place[key] = attack
    judgement["data"]["notes"] = [attack]
    judgement["labels"]["excluded"] = judgement["splits"]["dropped"] = {attack: 3}
    judgement["models"][2]["fit"] = {attack: attack}
    judgement["fingerprints"]["stages"] = {attack: attack}
    run = make_run(judgement)
    (run / "recipe.yaml").write_text(f"name: {attack}\n")
    text = render_report(run).decode()
    page = Page(text)
    assert "img" not in page.tags
    assert page.tags.count("script") == 3
    assert page.text.count(attack) > 12
    json.loads(text.split('id="chart-data">')[1].split("</script>")[0])


def test_the_verdict_stands_first_and_is_honest(usual_run: Path) -> None:
    said = page_of(usual_run).text
    assert said.index("On the test block no model beat chance after costs.") < said.index("Key figures Of lightgbm")
    assert "inside the random band: −7.10 to 2.80" in said
    assert "12 trials on these bars" in said


def test_no_winner_is_marked_within_the_noise(usual_run: Path) -> None:
    text = render_report(usual_run).decode()
    table = text.split('class="models"')[1].split("</table>")[0]
    assert re.findall(r'<span class="real">([^<]*)<', table) == ["0.513", "0.519", "0.525"]


def test_what_is_not_known_says_so(degenerate_run: Path) -> None:
    said = page_of(degenerate_run).text
    for words in (
        "no trades",
        "one class only",
        "No importances were measured",
        "The fit left no record",
        "Nothing was fitted",
        "∞ (no loss)",
    ):
        assert words in said
    assert re.search(r"\b(nan|None(?! were| of)|inf|undefined)\b", said) is None


def test_a_recipe_shows_as_written(usual_run: Path) -> None:
    assert "base_models: - name: logistic" in page_of(usual_run).text


def test_the_command_renders_into_the_run_or_elsewhere(
    make_run: Any, judgement: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(judgement)
    report(run)
    report(run, tmp_path / "elsewhere.html")
    assert (run / "report.html").read_bytes() == (tmp_path / "elsewhere.html").read_bytes() == render_report(run)
    assert capsys.readouterr().out.splitlines() == [str(run / "report.html"), str(tmp_path / "elsewhere.html")]


def test_importing_the_console_loads_neither_plotly_nor_jinja() -> None:
    code = "import sys, barmill.console; print([name for name in ('plotly', 'jinja2', 'pandas', 'polars') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.strip() == "[]"


def test_says_whether_calibration_helped_where_it_was_not_fitted(usual_run: Path) -> None:
    text = render_report(usual_run).decode()
    assert "temperature scaling, 0.0312 without: helped" in text
    assert "temperature scaling, 0.0312 without: no difference beyond chance" in text
    assert "Resolution (0 tells nothing apart)" in text

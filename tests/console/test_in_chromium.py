"""The page in a real browser: no error, nothing loaded, nothing wider than a phone, and charts that follow the theme."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from barmill.console import render_report
from console.chromium import CHROMIUM, Browser, browser, opens_cleanly

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("chromium")) as running:
        yield running


@pytest.mark.parametrize(
    ("run", "width", "dark"),
    [
        ("usual_run", 360, False),
        ("simulated_run", 390, True),
        ("degenerate_run", 390, False),
        ("usual_run", 1280, True),
        ("validated_run", 360, True),
        ("validated_run", 1280, False),
    ],
)
def test_opens_without_errors_loads_nothing_and_fits(
    run: str, width: int, dark: bool, request: pytest.FixtureRequest, tab: Browser, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    page.write_bytes(render_report(request.getfixturevalue(run)))
    opens_cleanly(tab, page, width, dark)


def test_charts_follow_the_system_and_then_the_choice(usual_run: Path, tab: Browser, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_bytes(render_report(usual_run))
    ink = "document.getElementById('equity-curves')._fullLayout.font.color"
    tab.open(page, 1000, dark=False)
    light = tab.value(ink)
    tab.system_theme(dark=True)
    tab.until(f"{ink} !== '{light}'")
    tab.value("document.querySelector('input[value=light]').click()")
    tab.until(f"{ink} === '{light}'")


def test_a_hostile_name_runs_nothing(make_run: Any, judgement: dict[str, Any], tab: Browser, tmp_path: Path) -> None:
    attack = "</script><script>window.broken=1</script><img src=x onerror=window.broken=1>"
    judgement["name"] = judgement["models"][1]["name"] = judgement["data"]["notes"][0] = attack
    page = tmp_path / "report.html"
    page.write_bytes(render_report(make_run(judgement)))
    tab.open(page, 1000, dark=False)
    assert tab.value("window.broken === undefined")
    assert tab.value("document.querySelectorAll('img').length") == 0
    assert tab.value("document.querySelector('.crumb').textContent") == attack

"""The page in a real browser: no error, nothing loaded, nothing wider than a phone, and charts that follow the theme."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from barmill.console import render_report

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--hide-scrollbars",
]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")


class Browser:
    """Chromium's own protocol over two pipes: JSON messages, each ended by a zero byte."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._rest, self._last = b"", 0
        self.events: list[dict[str, Any]] = []
        self.session: str | None = None

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._last += 1
        session = {"sessionId": self.session} if self.session else {}
        os.write(self._to, json.dumps({"id": self._last, "method": method, "params": params, **session}).encode() + b"\0")
        while True:
            message = self._receive()
            if message.get("id") == self._last:
                assert "error" not in message, message
                return message["result"]
            self.events.append(message)

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            chunk = os.read(self._from, 1 << 20)
            assert chunk, "the browser ended"
            self._rest += chunk
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def open(self, page: Path, width: int, dark: bool) -> None:
        self.session, self.events = None, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600)
        self.system_theme(dark)
        self.call("Page.navigate", url=page.as_uri())
        self.until("document.readyState === 'complete' && (document.querySelectorAll('.js-plotly-plot').length > 0)")

    def system_theme(self, dark: bool) -> None:
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def value(self, expression: str) -> Any:
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)["result"].get("value")

    def until(self, expression: str, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not self.value(expression):
            assert time.monotonic() < deadline, f"never true: {expression}"

    def said_of(self, *methods: str) -> list[dict[str, Any]]:
        return [event["params"] for event in self.events if event.get("method") in methods]


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    assert CHROMIUM is not None
    read_commands, to_browser = os.pipe()
    from_browser, write_events = os.pipe()

    # The protocol wants its pipes at 3 and 4, whatever numbers ours have: the shell moves them there.
    arguments = [*FLAGS, f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"]
    line = f'exec "$0" "$@" 3<&{read_commands} 4>&{write_events}'
    process = subprocess.Popen(
        ["/bin/bash", "-c", line, CHROMIUM, *arguments],
        pass_fds=(read_commands, write_events),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(read_commands)
    os.close(write_events)
    try:
        yield Browser(to_browser, from_browser)
    finally:
        os.close(to_browser)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(from_browser)


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("chromium")) as running:
        yield running


WIDER_THAN_THE_PAGE = """
[...document.querySelectorAll('body *')]
  .filter((box) => box.getBoundingClientRect().right > document.documentElement.clientWidth + 1 && !box.closest('.scroll, pre, .sr, svg'))
  .map((box) => box.tagName + '.' + box.className)
"""


@pytest.mark.parametrize(
    ("run", "width", "dark"),
    [("usual_run", 360, False), ("simulated_run", 390, True), ("degenerate_run", 390, False), ("usual_run", 1280, True)],
)
def test_opens_without_errors_loads_nothing_and_fits(
    run: str, width: int, dark: bool, request: pytest.FixtureRequest, tab: Browser, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    page.write_bytes(render_report(request.getfixturevalue(run)))
    tab.open(page, width, dark)
    assert tab.value("document.documentElement.scrollWidth") <= width
    assert tab.value(WIDER_THAN_THE_PAGE) == []
    assert tab.said_of("Runtime.exceptionThrown") == []
    assert [entry for entry in tab.said_of("Log.entryAdded") if entry["entry"]["level"] in ("error", "warning")] == []
    assert [call for call in tab.said_of("Runtime.consoleAPICalled") if call["type"] in ("error", "warning")] == []
    addresses = [event["request"]["url"] for event in tab.said_of("Network.requestWillBeSent")]
    assert page.as_uri() in addresses
    assert [address for address in addresses if address != page.as_uri() and not address.startswith("data:")] == []


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

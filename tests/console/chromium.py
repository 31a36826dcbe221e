"""A real browser for the tests of pages: Chromium, spoken to over two pipes."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
CHARTS = "document.querySelectorAll('.js-plotly-plot').length > 0"

WIDER_THAN_THE_PAGE = """
[...document.querySelectorAll('body *')]
  .filter((box) => box.getBoundingClientRect().right > document.documentElement.clientWidth + 1 && !box.closest('.scroll, pre, .sr, svg'))
  .map((box) => box.tagName + '.' + box.className)
"""


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

    def open(self, page: Path, width: int, dark: bool, ready: str = CHARTS) -> None:
        self.session, self.events = None, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600)
        self.system_theme(dark)
        self.call("Page.navigate", url=page.as_uri())
        self.until(f"document.readyState === 'complete' && ({ready})")

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


def opens_cleanly(tab: Browser, page: Path, width: int, dark: bool, ready: str = CHARTS) -> None:
    """No error, nothing loaded, nothing wider than the window."""
    tab.open(page, width, dark, ready)
    assert tab.value("document.documentElement.scrollWidth") <= width
    assert tab.value(WIDER_THAN_THE_PAGE) == []
    assert tab.said_of("Runtime.exceptionThrown") == []
    assert [entry for entry in tab.said_of("Log.entryAdded") if entry["entry"]["level"] in ("error", "warning")] == []
    assert [call for call in tab.said_of("Runtime.consoleAPICalled") if call["type"] in ("error", "warning")] == []
    addresses = [event["request"]["url"] for event in tab.said_of("Network.requestWillBeSent")]
    assert page.as_uri() in addresses
    assert [address for address in addresses if address != page.as_uri() and not address.startswith("data:")] == []

"""The page of a certificate: it says what the JSON says, loads nothing, and stands in a browser."""

import copy
import json
import re
from pathlib import Path

import pytest

from barmill.console import render_certificate
from barmill.console.certificate_page import dots, headline
from barmill.pipeline.proving.certificate import certificate
from barmill.pipeline.proving.settings import QUICK, Demands
from console.chromium import CHROMIUM, Browser, browser, opens_cleanly

MODELS = ("lightgbm", "logistic")
READY = "document.querySelector('.intervals') !== null"
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")


def measured(kind: str, number: int, shift: float, strength: float | None = None) -> dict:
    """What `prove_market` says of a market, made up."""
    n, luck = 4_000, 0.004 * ((number * 7) % 11 - 5) / 5
    score = {"total": (shift + luck) * n / 2, "n": n}
    one = {"direction": score, "label_auc": 0.51, "fold_auc": 0.505}
    traded = {"sharpe": 0.01 if strength else -0.002, "sr0": 0.0, "dsr": 0.3}
    found = {
        "task": {"kind": kind, "number": number, "seed": 1000 + number, "n_bars": 14_000, "strength": strength},
        "data": f"{number:02d}" + "ab" * 31,
        "n_labels": n,
        "trials": 2,
        "border": {"total": 0.4 * luck * 60, "n": 60},
        "models": {name: {**one, "net": traded, "gross": traded} for name in MODELS},
    }
    return {**found, "oracle": {"sharpe": 20.0, "periods": 525_600.0}} if strength else found


def content(shift: float = 0.0) -> dict:
    identity = {
        "name": "quickstart",
        "symbol": "SIM",
        "timeframe": "1m",
        "settings": QUICK.model_dump(mode="json", exclude={"demands"}),
        "seed": 0,
        "horizon": 12,
        "embargo_bars": 1440,
        "fingerprints": {"recipe": "aa" * 32, "code": "bb" * 32, "data": "cc" * 32},
        "overrides": [{"key": "lightgbm.n_estimators", "was": 300, "now": 40, "why": "a small model finds a leak too"}],
        "left_out": [{"kind": "sign_flipped", "why": "it needs 9,000 bars at least, there are 100"}],
    }
    nulls = [measured(kind, number, shift) for number in range(10) for kind in ("random_walk", "garch")]
    controls = [measured("control", number, 0.1, strength) for number in range(3) for strength in (1.0, 3.0)]
    return certificate(identity, [*nulls, *controls], Demands()).content


@pytest.fixture(scope="module")
def granted() -> dict:
    return content()


@pytest.fixture(scope="module")
def refused() -> dict:
    return content(shift=0.03)


def text_of(page: bytes) -> str:
    return re.sub(r"<[^>]+>", " ", page.decode())


def test_a_granted_certificate_says_so_with_its_interval(granted: dict) -> None:
    page = text_of(render_certificate(granted))
    assert headline(granted) in page
    assert f"{granted['null']['auc']['value']:.4f}" in page
    assert "lightgbm.n_estimators" in page.replace(" ", "") or "n_estimators" in page
    assert "it needs 9,000 bars at least" in page


def test_a_refused_one_tells_every_reason(refused: dict) -> None:
    page = text_of(render_certificate(refused))
    assert refused["verdict"] == "refused"
    for reason in refused["reasons"]:
        assert reason in page
    assert 'class="bad"' in render_certificate(refused).decode()


def test_the_same_certificate_gives_the_same_bytes_and_loads_nothing(granted: dict) -> None:
    page = render_certificate(granted)
    assert page == render_certificate(json.loads(json.dumps(granted)))
    assert not re.search(rb"(?:src|href)=[\"']?(?:https?:)?//", page)
    assert len(page) < 400_000


def test_a_proof_of_nothing_known_still_makes_a_page(granted: dict) -> None:
    bare = copy.deepcopy(granted)
    bare["controls"] = []
    for estimate in (bare["null"]["auc"], bare["null"]["border"]):
        estimate.update(value=None, low=None, high=None)
    assert b"Where it is known" not in render_certificate(bare)


def test_every_market_without_an_edge_is_a_dot_within_the_picture(granted: dict) -> None:
    drawn = dots(granted["markets"])
    assert len(drawn) == 20
    assert all(0 < dot.x < 1000 and 0 < dot.y < 120 for dot in drawn)


def test_markup_in_a_name_is_shown_and_not_obeyed(granted: dict) -> None:
    odd = {**granted, "name": "<script>alert(1)</script>"}
    assert b"<script>alert(1)" not in render_certificate(odd)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory):
    with browser(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


@needs_chromium
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_stands_in_a_browser(width: int, dark: bool, chromium: Browser, refused: dict, tmp_path: Path) -> None:
    page = tmp_path / "certificate.html"
    page.write_bytes(render_certificate(refused))
    opens_cleanly(chromium, page, width, dark, READY)

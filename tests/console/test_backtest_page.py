"""The page of a backtest: what it says, and that it opens in a real browser and loads nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from barmill.bundles import Bundle, publish
from barmill.console.backtest_page import render_backtest
from barmill.pipeline.bundle_backtest import BundleBacktest, backtest_bundle, bundle_config
from console.chromium import CHROMIUM, Browser, browser, opens_cleanly
from oracles import seen_bundles


def made(folder: Path, n_bars: int, *overrides: str) -> BundleBacktest:
    bundle = Bundle.load(publish(seen_bundles.files(), folder / "bundle", "logistic"))
    return backtest_bundle(bundle, seen_bundles.bars_of(n_bars), bundle_config(bundle, None, overrides))


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("needs chromium")
    with browser(tmp_path_factory.mktemp("chromium")) as running:
        yield running


def test_the_headline_is_about_what_it_had_not_seen(tmp_path: Path) -> None:
    done = made(tmp_path, 4_500)
    page = render_backtest(done).decode()
    assert "On bars that it had not seen it " in page
    assert f"in {len(done.judged.result.trades):,} trades" in page
    assert page == render_backtest(done).decode()


def test_in_sample_is_called_so(tmp_path: Path) -> None:
    page = render_backtest(made(tmp_path, 3_000)).decode()
    assert "On bars that it had seen it " in page
    assert "says nothing about the future" in page


@pytest.mark.parametrize(
    ("n_bars", "overrides", "width", "dark"),
    [(4_500, (), 1280, False), (4_500, ("stop_atr=2", "target_r=2"), 390, True), (3_050, ("max_trades=0",), 360, False)],
)
def test_opens_without_errors_loads_nothing_and_fits(n_bars, overrides, width, dark, tmp_path: Path, tab: Browser) -> None:
    page = tmp_path / "backtest.html"
    page.write_bytes(render_backtest(made(tmp_path, n_bars, *overrides)))
    opens_cleanly(tab, page, width, dark)

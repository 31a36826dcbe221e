"""The page of features: whole, safe, the same twice, light, and in a browser; beside the report of a run, and from a file of bars."""

import base64
import json
import re
import shutil
import zlib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from typer.testing import CliRunner

from barmill.artefacts import write_json
from barmill.cli.features import app
from barmill.console import FeatureSubject, render_features, render_pages, render_report
from barmill.console.feature_marks import correlation_picture, histogram_outlines, memory_bars, missing_runs
from barmill.console.feature_words import MEANINGS
from barmill.errors import DataError
from barmill.evaluation import FLAG_KINDS, Histogram, profile_features
from barmill.market import simulate
from barmill.pipeline import read_recipe, recipe_file
from barmill.pipeline.events import Silence
from barmill.pipeline.inputs import gather_inputs
from barmill.pipeline.plan import stages_of
from barmill.pipeline.prepare import prepare
from barmill.pipeline.workspace import Workspace
from console.chromium import CHROMIUM, Browser, browser, opens_cleanly

DRAWN = "document.querySelector('table.features button') !== null"
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")


def made_page(values: npt.NDArray[np.float64], names: list[str], title: str = "core") -> bytes:
    n = len(values)
    train, test = np.arange(int(0.7 * n)), np.arange(int(0.7 * n), n)
    open_time = 1_690_848_000_000 + 60_000 * np.arange(n, dtype=np.int64)
    subject = FeatureSubject(title, "core", "FILUSDT", "1m", open_time, train, test)
    return render_features(profile_features(values, names, train, test), subject)


def table(n_features: int = 12, n: int = 3_000) -> npt.NDArray[np.float64]:
    rng = np.random.default_rng(8)
    values = rng.standard_normal((n, n_features)) + 0.6 * rng.standard_normal((n, 1))
    values[:, 1] = values[:, 0] * 2
    values[:, 2] = 4.0
    values[int(0.7 * n) :, 3] *= 4
    values[:400, 4] = np.nan
    return values


NAMES = [f"feature_{i}" for i in range(12)]


@pytest.fixture(scope="module")
def page() -> bytes:
    return made_page(table(), NAMES)


class Words(HTMLParser):
    """The text of a page and what its parts refer to; every tag must be closed."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.words: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.tags: list[str] = []
        self.feed(page.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            assert not name.startswith("on"), "an inline handler"
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "href", "action", "data"):
                self.references.append(value or "")

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_the_page_says_how_many_deserve_a_look_and_why(page: bytes) -> None:
    said = Words(page).text
    assert "3 of 12 features deserve a look. 1 constant, 1 drifted, 1 duplicated and 1 often missing." in said
    assert "rank correlation 1.000 with feature_0" in said
    assert "every row is 4" in said


def test_references_lead_somewhere_and_nothing_is_loaded(page: bytes) -> None:
    found = Words(page)
    assert len(found.ids) == len(set(found.ids))
    assert {place[1:] for place in found.references if place.startswith("#")} <= set(found.ids)
    assert [place for place in found.references if not place.startswith(("#", "data:"))] == []
    assert b"default-src 'none'" in page[:700]


def test_the_same_table_gives_the_same_bytes(page: bytes) -> None:
    assert made_page(table(), NAMES) == page


def test_two_hundred_features_stay_light() -> None:
    names = [f"feature_with_a_long_name_{i}@15m" for i in range(205)]
    assert len(made_page(table(205, 2_000), names)) < 1_000_000


def test_hostile_names_stay_words() -> None:
    attack = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7*7 }}"
    page = made_page(table(), [attack, *NAMES[1:]], title=attack)
    found = Words(page)
    assert found.tags.count("img") == 1  # the map of correlations
    assert found.tags.count("script") == 2
    assert json.loads(page.decode().split('id="likeness-data">')[1].split("</script>")[0])["names"].count(attack) == 1


@pytest.mark.parametrize("values", [np.full((50, 2), np.nan), np.ones((50, 2)), np.arange(2.0)[:, None] * [[1.0, 2.0]]])
def test_tables_with_nothing_to_say_say_so(values: npt.NDArray[np.float64]) -> None:
    said = Words(made_page(values, ["a", "b"])).text
    assert "It does not vary." in said or "n/a" in said
    assert re.search(r"\b(nan|None|inf)\b", said.split("How it was computed")[0]) is None


def test_nothing_to_object_to_is_said_plainly() -> None:
    values = np.random.default_rng(0).standard_normal((2_000, 3))
    said = Words(made_page(values, ["a", "b", "c"])).text
    assert "Nothing stands out in these 3 features." in said
    assert "Every feature has a value on every row." in said
    assert "No two features belong together." in said


def test_every_flag_has_its_words() -> None:
    assert list(MEANINGS) == [kind.code for kind in FLAG_KINDS]


def test_outlines_are_to_one_scale() -> None:
    histogram = Histogram(np.arange(5.0), np.array([0.0, 0.5, 0.25, 0.25]), np.array([0.0, 0.0, 0.0, 1.0]))
    train, test = histogram_outlines(histogram)
    assert train == "M0 50h40V25h40V37.5h40h40V50H0z"
    assert test == "M0 50h40h40h40V0h40"


def test_memory_bars_point_up_and_down_and_leave_out_what_is_not_known() -> None:
    assert memory_bars(np.array([1.0, -0.5, np.nan, 0.0])) == "M5 20V0h15V20zM30 20V30h15V20zM80 20V20h15V20z"


def test_missing_runs_join_equal_neighbours() -> None:
    assert missing_runs(np.array([1.0, 1.0, 0.4, 0.0, 0.0, 0.4])) == [(0, 2, 1.0), (2, 1, 0.4), (5, 1, 0.4)]
    assert missing_runs(np.zeros(4)) == []


def test_the_map_is_a_picture_with_a_pixel_for_each_pair() -> None:
    rho = np.array([[100, -100, 0], [-100, 100, 50], [0, 50, 100]], dtype=np.int8)
    picture = base64.b64decode(correlation_picture(rho).removeprefix("data:image/png;base64,"))
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    start = picture.index(b"IDAT") + 4
    length = int.from_bytes(picture[start - 8 : start - 4], "big")
    lines = np.frombuffer(zlib.decompress(picture[start : start + length]), np.uint8).reshape(3, 4)
    np.testing.assert_array_equal(lines[:, 1:].astype(int) - 100, rho)
    alpha = picture[picture.index(b"tRNS") + 4 :]
    assert (alpha[0], alpha[100], alpha[200]) == (255, 0, 255)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, usual_run: Path) -> Path:
    """A run folder whose data stages are real, on simulated bars; its judgement is made up."""
    root = tmp_path_factory.mktemp("features") / "run"
    recipe = read_recipe(recipe_file("quickstart"), ["splits.embargo=120"])
    inputs = gather_inputs(recipe, simulate(12_000, seed=4).bars, None, None)
    stages, workspace = stages_of(inputs), Workspace(root)
    prepare(inputs, stages, workspace, Silence())
    for name in ("recipe.yaml", "environment.json", "metrics/judgement.json"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes((usual_run / name).read_bytes())
    write_json(root / "recipe.json", recipe.model_dump(mode="json"))
    places = SimpleNamespace(features=stages.table.folder, labels=stages.labels.folder, splits=stages.splits.folder)
    write_json(root / "fingerprints.json", {"files": {"bars": f"{stages.bars.folder}/bars.parquet", **vars(places)}})
    return root


def test_a_run_has_the_page_beside_its_report_and_each_leads_to_the_other(run: Path) -> None:
    pages = render_pages(run)
    assert list(pages) == ["features.html", "report.html"]
    assert "features.html" in Words(pages["report.html"]).references
    assert "report.html" in Words(pages["features.html"]).references
    assert "59, set core" in Words(pages["features.html"]).text


def test_train_and_test_are_the_bars_of_the_runs_samples(run: Path) -> None:
    from barmill.console.feature_folder import read_features

    found = read_features(run)
    assert found.values.shape == (len(found.open_time), len(found.names))
    assert np.isfinite(found.values[found.train]).all()
    assert found.train[-1] < found.test[0]
    assert f"{found.train.size:,} rows" in Words(render_pages(run)["features.html"]).text


def test_a_run_without_features_has_a_report_alone(usual_run: Path) -> None:
    assert render_pages(usual_run) == {"report.html": render_report(usual_run)}


def test_a_run_whose_data_was_removed_has_a_report_alone(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("data"))
    assert list(render_pages(tmp_path / "run")) == ["report.html"]


def test_a_stage_that_is_gone_is_named(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("splits-*"))
    with pytest.raises(DataError, match=r"the features of the run cannot be read.*splits-"):
        render_pages(tmp_path / "run")


def test_the_command_makes_the_page_from_a_file_of_bars(tmp_path: Path) -> None:
    bars = simulate(4_000, seed=4).bars
    bars.write(tmp_path / "SIM_1m.parquet")
    out = tmp_path / "core.html"
    told = CliRunner().invoke(app, ["report", str(tmp_path / "SIM_1m.parquet"), "--out", str(out), "--json"], catch_exceptions=False)
    assert told.exit_code == 0, told.output
    said = json.loads(told.stdout)
    assert (said["file"], said["bars"]) == (str(out), 4_000)
    assert "duplicate" in said["features"]["return_std_60"]
    assert "2,800 rows" in Words(out.read_bytes()).text


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("chromium")) as running:
        yield running


@pytest.fixture
def file(page: bytes, tmp_path: Path) -> Path:
    (tmp_path / "features.html").write_bytes(page)
    return tmp_path / "features.html"


@needs_chromium
@pytest.mark.parametrize(("width", "dark"), [(360, False), (390, True), (1280, True)])
def test_opens_without_errors_loads_nothing_and_fits(width: int, dark: bool, tab: Browser, file: Path) -> None:
    opens_cleanly(tab, file, width, dark, DRAWN)


@needs_chromium
def test_real_bars_without_volume_say_which_features_stand_still(tab: Browser, real_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "es.html"
    bars = real_data / "futures" / "ES_1m_2025-07_2025-10.parquet"
    told = CliRunner().invoke(app, ["report", str(bars), "--out", str(out), "--json"], catch_exceptions=False)
    flags = json.loads(told.stdout)["features"]
    still = {name for name, own in flags.items() if "constant" in own}
    assert still == {name for name in flags if name.split("@")[0] in ("volume_ratio_20", "obv_zscore_60", "vwap_distance_60")}
    assert "duplicate" in flags["garman_klass_volatility_20"]
    assert out.stat().st_size < 1_000_000
    opens_cleanly(tab, out, 390, True, DRAWN)


@needs_chromium
def test_a_heading_sorts_by_the_figure_with_what_is_not_known_last(tab: Browser, file: Path) -> None:
    tab.open(file, 1280, False, DRAWN)
    column = "[...document.querySelectorAll('table.features tbody tr')].map((row) => row.cells[2].dataset.key)"
    press = "document.querySelectorAll('table.features thead button')[2].click()"
    for order in (-1, 1):
        tab.value(press)
        keys: list[Any] = tab.value(column)
        known = [order * float(key) for key in keys if key]
        assert known == sorted(known)
        assert keys == [key for key in keys if key] + [key for key in keys if not key]
    tab.value("document.querySelectorAll('table.features thead button')[0].click()")
    names = tab.value("[...document.querySelectorAll('table.features tbody tr')].map((row) => row.dataset.name)")
    assert names == NAMES


@needs_chromium
def test_choosing_hides_rows_and_pictures_alike(tab: Browser, file: Path) -> None:
    tab.open(file, 1280, False, DRAWN)
    tab.value(
        "{ const form = document.querySelector('.tools'); form.elements.flag.value = 'drifted';"
        " form.dispatchEvent(new Event('input', { bubbles: true })); }"
    )
    for parts in ("table.features tbody tr", ".shape"):
        shown = tab.value(f"[...document.querySelectorAll('{parts}')].filter((one) => one.offsetParent).map((one) => one.dataset.name)")
        assert shown == ["feature_3"]
    assert tab.value("document.querySelector('.tools output').value") == "1 of 12"


@needs_chromium
def test_the_map_says_what_is_pointed_at(tab: Browser, file: Path) -> None:
    tab.open(file, 1280, False, DRAWN)
    tab.value(
        "{ const map = document.querySelector('.map'); const box = map.querySelector('img').getBoundingClientRect();"
        " map.dispatchEvent(new PointerEvent('pointermove', { clientX: box.left + 2, clientY: box.top + 2 })); }"
    )
    assert tab.value("document.querySelector('.pair').textContent") in NAMES

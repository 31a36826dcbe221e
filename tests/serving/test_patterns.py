"""Patterns and neighbours are what the bundle says, by picture as by bars; what is no picture or direction is refused by the field."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from barmill.bundles import Bundle, assemble, publish, read_bundle
from barmill.bundles.neighbours import Neighbours
from barmill.market import Bars
from barmill.serving.answers import Ask, RawBars
from barmill.serving.model_table import ModelTable
from barmill.serving.patterns import classify_bars, classify_image, nearest
from barmill.serving.plane import Plane
from barmill.serving.refusals import Refusal
from barmill.serving.served import warm
from barmill.views import PatternImage

pytestmark = pytest.mark.xdist_group("a bundle of patterns")  # one process, which trains it once

PATTERNS, PLAIN = Ask("pattern_cnn"), Ask("logistic")


def raw_of(bars: Bars) -> RawBars:
    return RawBars(bars.open_time.copy(), np.column_stack([bars.open, bars.high, bars.low, bars.close, bars.volume]))


@pytest.fixture(scope="module")
def bars(making: ModuleType) -> Bars:
    return making.walk(1200, seed=23)


@pytest.fixture(scope="module")
def bundle(pattern_bundle: Bundle) -> Bundle:
    return pattern_bundle


@pytest.fixture(scope="module")
def plane(bundle: Bundle, files_of: Callable[..., dict[str, bytes]], tmp_path_factory: pytest.TempPathFactory) -> Plane:
    table = ModelTable()
    table.install(warm(bundle, 1), champion=True)
    other = publish(files_of("logistic"), tmp_path_factory.mktemp("plain"), "logistic")
    table.install(warm(Bundle.from_verified(read_bundle(other)), 1), champion=True)
    return Plane(table)


def test_a_picture_is_what_the_bars_are_and_what_the_bundle_says_of_them(plane: Plane, bundle: Bundle, bars: Bars) -> None:
    row = bundle.forecast(bars).frame.tail(1)
    image = PatternImage.of(bars, [len(bars) - 1]).gather([0], layout="channels_last")[0]
    by_image, by_bars = classify_image(plane, PATTERNS, image), classify_bars(plane, PATTERNS, raw_of(bars))
    for found in (by_image, by_bars):
        assert found.digest == bundle.digest
        assert found.probabilities == {name: row[f"p_{name}"][0] for name in found.probabilities}
        assert sum(found.probabilities.values()) == pytest.approx(1.0, abs=1e-12)
        assert found.pattern == max(found.probabilities, key=lambda name: found.probabilities[name])
        assert (found.quality, found.pole_kATR) == (row["quality"][0], row["pole_kATR"][0])
        assert found.embed.tolist() == [row[f"embedding_{number:02}"][0] for number in range(64)]
    assert len(by_image.probabilities) == 5


IMAGE = np.full((64, 64, 3), 0.5, dtype=np.float32)


def _with(value: float) -> np.ndarray:
    image = IMAGE.copy()
    image[3, 5, 1] = value
    return image


@pytest.mark.parametrize(
    ("image", "place"),
    [
        (_with(np.nan), "image[3][5][1]"),
        (_with(-0.01), "image[3][5][1]"),
        (_with(1.01), "image[3][5][1]"),
        (_with(np.inf), "image[3][5][1]"),
        (IMAGE[:63], "image"),
        (IMAGE.transpose(2, 0, 1), "image"),
        (IMAGE.astype(np.float64), "image"),
    ],
)
def test_what_is_no_picture_is_refused(plane: Plane, image: np.ndarray, place: str) -> None:
    with pytest.raises(Refusal) as refused:
        classify_image(plane, PATTERNS, image)
    assert (refused.value.kind, refused.value.place) == ("invalid", place)


def test_bars_that_make_no_picture_are_refused(plane: Plane, bars: Bars) -> None:
    for raw, code in (
        (raw_of(bars.slice(0, 83)), "history_too_short"),
        (raw_of(bars.slice(0, 0)), "no_bars"),
        (raw_of(bars)._replace(values=-raw_of(bars).values), "price_not_positive"),
        (raw_of(bars)._replace(open_time=bars.open_time[::-1].copy()), "bars_out_of_order"),
    ):
        with pytest.raises(Refusal) as refused:
            classify_bars(plane, PATTERNS, raw)
        assert (refused.value.kind, refused.value.code) == ("invalid", code)
    assert classify_bars(plane, PATTERNS, raw_of(bars.slice(0, 84))).pattern


def test_neighbours_are_judged_by_the_charters_formulas(plane: Plane, bundle: Bundle) -> None:
    kept = bundle.neighbours
    assert isinstance(kept, Neighbours)
    embed = np.random.default_rng(5).standard_normal(64)
    found = nearest(plane, PATTERNS, embed.astype(np.float32))
    cosine = kept.embed.astype(np.float64) @ embed / np.linalg.norm(embed)
    best = np.argsort(-cosine, kind="stable")[:20]
    assert found.sim_conf == pytest.approx(kept.quality[best].mean() * cosine[best].mean(), abs=1e-6)
    assert found.hist_rr_pct == pytest.approx(np.quantile(kept.realised_R[best], 0.65), abs=1e-6)
    np.testing.assert_array_equal(found.open_time, kept.open_time[best])
    np.testing.assert_array_equal(found.realised_R, kept.realised_R[best])
    assert len(found.pattern) == 20


def test_a_replay_sees_no_neighbour_of_its_future_and_none_is_no_error(plane: Plane, bundle: Bundle) -> None:
    kept = bundle.neighbours
    assert kept is not None
    embed, third = kept.embed[150], int(kept.known_at[3])
    found = nearest(plane, PATTERNS, embed, 20, before=third)
    assert sorted(found.open_time) == kept.open_time[:3].tolist()
    none = nearest(plane, PATTERNS, embed, 20, before=0)
    assert (none.sim_conf, none.hist_rr_pct, len(none.cosine)) == (0.0, 0.0, 0)


@pytest.mark.parametrize(
    ("embed", "k", "place"),
    [
        (np.zeros(64), 20, "embed"),
        (np.ones(63), 20, "embed"),
        (np.full(64, np.nan), 20, "embed"),
        (np.ones(64), 0, "k"),
        (np.ones(64), 1001, "k"),
    ],
)
def test_an_embedding_without_direction_is_refused(plane: Plane, embed: np.ndarray, k: int, place: str) -> None:
    with pytest.raises(Refusal) as refused:
        nearest(plane, PATTERNS, embed.astype(np.float32), k)
    assert (refused.value.kind, refused.value.place) == ("invalid", place)


def test_a_model_without_patterns_or_library_says_so(plane: Plane, making: ModuleType, bars: Bars, tmp_path: Path) -> None:
    for ask in (lambda: classify_image(plane, PLAIN, IMAGE), lambda: classify_bars(plane, PLAIN, raw_of(bars))):
        with pytest.raises(Refusal, match="sees no chart patterns") as refused:
            ask()
        assert refused.value.kind == "not_found"
    table = ModelTable()
    files = assemble(replace(making.contents_of("pattern_cnn"), version="1.0.0"))
    table.install(warm(Bundle.from_verified(read_bundle(publish(files, tmp_path, "pattern_cnn"))), 1), champion=True)
    with pytest.raises(Refusal) as refused:
        nearest(Plane(table), PATTERNS, np.ones(64, dtype=np.float32))
    assert (refused.value.kind, refused.value.code) == ("not_found", "no_neighbours")

"""The library of a model of patterns: found exactly, never from the future, and refused where it is not whole."""

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barmill.bundles.neighbours import Neighbours
from barmill.errors import BundleCorruption, BundleError, SchemaError, ShapeError

MINUTE = 60_000


def library(n: int = 300, width: int = 64, seed: int = 1, clusters: int = 0) -> Neighbours:
    """Random decisions, one a minute, each known five minutes later; `clusters` of them hold equal embeddings."""
    rng = np.random.default_rng(seed)
    embed = rng.standard_normal((n, width))
    if clusters:
        embed = embed[rng.integers(0, min(n, clusters), n)]
    open_time = 1_700_000_040_000 + MINUTE * np.arange(n)
    return Neighbours(
        embed=(embed / np.linalg.norm(embed, axis=1, keepdims=True)).astype(np.float32),
        pattern=rng.integers(0, 5, n).astype(np.int8),
        quality=rng.uniform(size=n),
        realised_R=rng.standard_normal(n),
        open_time=open_time,
        known_at=open_time + 6 * MINUTE,
    )


def slowly(found: Neighbours, embed: np.ndarray, k: int, before: int | None) -> list[tuple[float, int]]:
    """Cosine and row of the nearest, by a loop over all of them in double precision."""
    one = embed.astype(np.float64)
    scores = []
    for row in range(len(found)):
        if before is None or found.known_at[row] < before:
            other = found.embed[row].astype(np.float64)
            scores.append((-float(one @ other / np.sqrt(one @ one) / np.sqrt(other @ other)), row))
    return [(-score, row) for score, row in sorted(scores)[:k]]


@given(
    seed=st.integers(0, 2**16),
    n=st.integers(1, 120),
    k=st.integers(1, 30),
    scale=st.sampled_from([1e-30, 1e-3, 1.0, 1e30]),
    cut=st.none() | st.integers(0, 140),
    clusters=st.sampled_from([0, 1, 4]),
)
def test_the_nearest_are_those_that_a_plain_loop_finds(seed: int, n: int, k: int, scale: float, cut: int | None, clusters: int) -> None:
    kept = library(n, 8, seed, clusters)
    embed = (np.random.default_rng(seed + 1).standard_normal(8) * scale).astype(np.float32)
    before = None if cut is None else int(kept.open_time[0] + cut * MINUTE)
    found, expected = kept.nearest(embed, k, before), slowly(kept, embed, k, before)
    assert len(found.rows) == len(expected)
    np.testing.assert_allclose(found.cosine, [score for score, _ in expected], rtol=0, atol=1e-12)
    if not clusters:  # among equals the last digit of a sum decides
        assert found.rows.tolist() == [row for _, row in expected]


@given(cut=st.integers(-10, 320), seed=st.integers(0, 99))
def test_no_neighbour_comes_from_the_future(cut: int, seed: int) -> None:
    kept = library()
    before = int(kept.open_time[0] + cut * MINUTE)
    found = kept.nearest(np.random.default_rng(seed).standard_normal(64), 20, before)
    assert (kept.known_at[found.rows] < before).all()
    assert len(found.rows) == min(20, int((kept.known_at < before).sum()))


def test_of_equals_the_earlier_comes_first() -> None:
    kept = library(50)
    kept = replace(kept, embed=np.repeat(kept.embed[:1], 50, axis=0))
    assert kept.nearest(kept.embed[0], 5).rows.tolist() == [0, 1, 2, 3, 4]


def test_single_precision_alone_would_miss_a_neighbour() -> None:
    """Two rows whose difference is lost in a float32 product come out in their true order."""
    rng = np.random.default_rng(2)
    query = rng.standard_normal(64)
    query /= np.linalg.norm(query)
    close = np.repeat(query[None], 400, axis=0) + 1e-4 * rng.standard_normal((400, 64))
    kept = replace(library(400), embed=(close / np.linalg.norm(close, axis=1, keepdims=True)).astype(np.float32))
    assert kept.nearest(query, 10).rows.tolist() == [row for _, row in slowly(kept, query, 10, None)]
    rough = np.argsort(-(kept.embed @ query.astype(np.float32)), kind="stable")[:10].tolist()
    assert rough != kept.nearest(query, 10).rows.tolist()


@pytest.mark.parametrize(
    ("embed", "k", "place"),
    [
        (np.zeros(64), 5, "embed"),
        (np.ones(63), 5, "embed"),
        (np.ones((1, 64)), 5, "embed"),
        (np.full(64, np.nan), 5, "embed"),
        (np.full(64, np.inf), 5, "embed"),
        (np.ones(64), 0, "k"),
    ],
)
def test_what_has_no_direction_has_no_neighbours(embed: np.ndarray, k: int, place: str) -> None:
    with pytest.raises(ShapeError) as refused:
        library().nearest(embed, k)
    assert refused.value.place == place


def test_a_library_is_read_as_it_was_written() -> None:
    kept = library()
    read = Neighbours.from_bytes(kept.to_bytes(), "place")
    for one in fields(kept):
        np.testing.assert_array_equal(getattr(read, one.name), getattr(kept, one.name))
    assert kept.to_bytes() == library().to_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"embed": np.ones((300, 64), dtype=np.float32)},
        {"embed": np.ones((300, 64))},
        {"quality": np.full(300, 2.0)},
        {"quality": np.full(299, 0.5)},
        {"realised_R": np.full(300, np.nan)},
        {"pattern": np.full(300, -1, dtype=np.int8)},
        {"open_time": np.zeros(300, dtype=np.int64)},
        {"known_at": np.zeros(300, dtype=np.int64)},
    ],
)
def test_a_library_that_is_not_whole_is_none(change: dict[str, np.ndarray]) -> None:
    with pytest.raises(BundleError):
        replace(library(), **change)


@pytest.mark.parametrize("data", [b"", b"{}", library().to_bytes()[:-1], b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "])
def test_bytes_that_are_no_library_are_refused_by_the_file(data: bytes) -> None:
    with pytest.raises(BundleCorruption) as refused:
        Neighbours.from_bytes(data, "bundle/neighbours.safetensors")
    assert refused.value.place == "bundle/neighbours.safetensors"


def test_a_bundle_of_another_model_has_none(forge: Callable[..., Path]) -> None:
    from barmill.bundles import Bundle, read_bundle

    with pytest.raises(SchemaError, match="gives no embedding"):
        Bundle.from_verified(read_bundle(forge({"neighbours.safetensors": library().to_bytes()}, of="logistic")))


def test_neighbours_of_other_numbers_than_the_models_are_refused(making, tmp_path: Path) -> None:
    from barmill.bundles import Bundle, assemble, publish, read_bundle

    contents = making.contents_of("pattern_cnn")
    with pytest.raises(SchemaError, match="neighbours of 32 numbers"):
        assemble(replace(contents, neighbours=library(width=32)))
    files = assemble(replace(contents, neighbours=library()))
    bundle = Bundle.from_verified(read_bundle(publish(files, tmp_path, "pattern_cnn")))
    assert bundle.neighbours is not None
    assert len(bundle.neighbours) == 300
    assert making.files_of("pattern_cnn").keys() == files.keys() - {"neighbours.safetensors"}

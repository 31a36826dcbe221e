"""Bundles to test with. `sealed` needs no model: what concerns bytes alone is tested on bytes alone."""

from collections.abc import Callable, Mapping

import pytest

from barmill.bundles.manifest import MANIFEST, PARTS, SEAL, Manifest, ModelEntry, list_files, seal_of

Seal = Callable[..., dict[str, bytes]]


def seal(parts: Mapping[str, bytes], *, name: str = "demo", version: str = "1.0.0") -> dict[str, bytes]:
    """`parts` with a manifest that agrees with them."""
    manifest = Manifest(
        name=name,
        version=version,
        symbol="SIM",
        timeframe="1m",
        model=ModelEntry("logistic", "feature_matrix", None, 2, ("rsi_14",), ("p_up", "q05", "q50", "q95")),
        schema_hash="0" * 64,
        fingerprints={"code": "c", "data": "d", "libraries": {"numpy": "2.4.6"}, "recipe": "r", "seed": 7},
        files=list_files(parts),
    ).to_bytes()
    return {**parts, MANIFEST: manifest, SEAL: seal_of(manifest)}


@pytest.fixture
def sealed() -> Seal:
    """Makes a small bundle of bytes that mean nothing; `content` sets one bundle apart from another."""

    def make(content: str = "", **names: str) -> dict[str, bytes]:
        parts = {path: f"{path} {content}".encode() for path in PARTS.values()} | {"weights/model.json": b"{}"}
        return seal(parts, **names)

    return make

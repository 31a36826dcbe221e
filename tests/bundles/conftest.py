"""Bundles to test with. `sealed` needs no model: what concerns bytes alone is tested on bytes alone."""

import importlib.util
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from barmill.bundles import Bundle, publish, read_bundle
from barmill.bundles.manifest import MANIFEST, PARTS, SEAL, Manifest, ModelEntry, list_files, parse_manifest, seal_of

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


@pytest.fixture(scope="session")
def making() -> ModuleType:
    """The module making.py."""
    return _loaded("making")


@pytest.fixture(scope="session")
def ensembles() -> ModuleType:
    """The module making_ensembles.py."""
    return _loaded("making_ensembles")


def _loaded(file: str) -> ModuleType:
    name = f"barmill_{file}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{file}.py"))
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="session")
def load_ensemble(making: ModuleType, ensembles: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Bundle]:
    """Publishes and loads the bundle of an ensemble, once a session: `load_ensemble("ridge_stacking", ensembles.WIDE)`."""

    @cache
    def make(kind: str, *labels_and_classes: object) -> Bundle:
        files = ensembles.files_of(making, kind, *labels_and_classes)
        return Bundle.from_verified(read_bundle(publish(files, tmp_path_factory.mktemp("ensembles"), kind)))

    return make


@pytest.fixture(scope="session")
def load_once(making: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Bundle]:
    """Publishes and loads a real bundle, once a session: `load_once("lightgbm")`, `load_once("logistic", 3)`.

    It is loaded in this process alone. The child process of a first load takes 2 s, and has tests of its own: test_first_load.py, and
    test_serving_side.py for every kind of model.
    """

    @cache
    def make(model: str, n_classes: int = 2) -> Bundle:
        return Bundle.from_verified(read_bundle(publish(making.files_of(model, n_classes), tmp_path_factory.mktemp("bundles"), model)))

    return make


@pytest.fixture
def forge(making: ModuleType, tmp_path: Path) -> Callable[..., Path]:
    """Publishes a real bundle with some of its files changed and the manifest signed anew, as a forger would."""

    def make(changes: Mapping[str, bytes], of: str = "lightgbm", **fields: object) -> Path:
        files = making.files_of(of)
        parts = {path: data for path, data in files.items() if path not in (MANIFEST, SEAL)} | dict(changes)
        old = parse_manifest(files[MANIFEST], MANIFEST)
        values = {name: getattr(old, name) for name in Manifest.__dataclass_fields__} | {"files": list_files(parts), **fields}
        manifest = Manifest(**values).to_bytes()
        return publish({**parts, MANIFEST: manifest, SEAL: seal_of(manifest)}, tmp_path / "forged", of)

    return make

"""Repositories of small real bundles to serve. What needs no model is tested without one."""

import asyncio
import importlib.util
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from copy import copy
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import grpc
import httpx
import numpy as np
import pytest

from barmill.artefacts import sha256
from barmill.bundles import Bundle, assemble, publish, read_bundle
from barmill.bundles.neighbours import Neighbours
from barmill.serving.breaker import Breaker
from barmill.serving.building import Job, Parts
from barmill.serving.listening import HeldPort
from barmill.serving.metrics import Metrics
from barmill.serving.plane import Plane
from barmill.serving.schema import FeatureSchema
from barmill.serving.served import ServedModel, warm
from barmill.serving.server_config import ServerConfig
from barmill.serving.settings import PlaneSettings
from barmill.serving.telemetry import Silent, Telemetry

Published = Callable[..., Path]


def _loaded(name: str) -> ModuleType:
    """A module of tests/bundles, under a name that tests of other folders share."""
    shared = f"barmill_{name}"
    if shared not in sys.modules:
        spec = importlib.util.spec_from_file_location(shared, Path(__file__).parents[1] / "bundles" / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[shared] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[shared])
    return sys.modules[shared]


@pytest.fixture(scope="session")
def making() -> ModuleType:
    """The module tests/bundles/making.py: bars, and the contents and files of small bundles."""
    return _loaded("making")


@pytest.fixture(scope="session")
def making_ensembles() -> ModuleType:
    """The module tests/bundles/making_ensembles.py."""
    return _loaded("making_ensembles")


@pytest.fixture(scope="session")
def files_of(making: ModuleType) -> Callable[..., dict[str, bytes]]:
    """Files of a small bundle: `files_of("logistic", version="1.3.0", seed=7)`; another seed gives other bars, and so another model."""

    @cache
    def make(model: str, version: str = "1.2.3", seed: int = 7) -> dict[str, bytes]:
        return assemble(replace(making.contents_of(model, seed=seed), version=version))

    return make


@dataclass(frozen=True)
class Stood:
    """A version as a stream sees it, without a table."""

    bundle: Bundle
    number: int = 1
    inline: bool = True

    @property
    def name(self) -> str:
        return self.bundle.manifest.name


@pytest.fixture(scope="session")
def stood(making: ModuleType, files_of: Callable[..., dict[str, bytes]], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Stood]:
    """A small bundle, loaded once a session: `stood("logistic", version="1.3.0", number=2)`."""

    @cache
    def make(model: str = "logistic", version: str = "1.2.3", seed: int = 7, number: int = 1) -> Stood:
        folder = publish(files_of(model, version, seed), tmp_path_factory.mktemp("stood"), model)
        return Stood(Bundle.from_verified(read_bundle(folder)), number)

    return make


@pytest.fixture(scope="session")
def small(stood: Callable[..., Stood]) -> Stood:
    """A logistic model of two features of the base bars: what costs next to nothing, so that there may be thousands of its streams."""
    plain = stood("logistic")
    names = ("rsi_14", "realised_volatility_60")
    plan, pipeline = plain.bundle.plan.only(names), plain.bundle.pipeline
    places = [pipeline.names.index(name) for name in plan.names]
    scaler = replace(pipeline.scaler, names=plan.names, center=pipeline.scaler.center[places], scale=pipeline.scaler.scale[places])
    forecaster = copy(pipeline.forecaster)
    forecaster._coefficients = forecaster._coefficients[:, places].copy()
    pipeline = replace(pipeline, names=plan.names, input_names=plan.names, scaler=scaler, forecaster=forecaster)
    return replace(plain, bundle=replace(plain.bundle, plan=plan, pipeline=pipeline, digest="5" * 64))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """An empty folder of models."""
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


@pytest.fixture
def published(files_of: Callable[..., dict[str, bytes]], repository: Path) -> Published:
    """Publishes a small bundle to `repository`, as its model's next version: `published("logistic", version="1.3.0")`."""

    def make(model: str, version: str = "1.2.3", seed: int = 7, name: str | None = None) -> Path:
        return publish(files_of(model, version, seed), repository, name or model)

    return make


@pytest.fixture(scope="session")
def pattern_bundle(making: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle of pattern_cnn that remembers 300 random decisions."""
    rng = np.random.default_rng(1)
    embed = rng.standard_normal((300, 64))
    open_time = 1_600_000_020_000 + 60_000 * np.arange(300)
    neighbours = Neighbours(
        embed=(embed / np.linalg.norm(embed, axis=1, keepdims=True)).astype(np.float32),
        pattern=rng.integers(0, 5, 300).astype(np.int8),
        quality=rng.uniform(size=300),
        realised_R=rng.standard_normal(300),
        open_time=open_time,
        known_at=open_time + 7 * 60_000,
    )
    files = assemble(replace(making.contents_of("pattern_cnn"), neighbours=neighbours))
    return Bundle.from_verified(read_bundle(publish(files, tmp_path_factory.mktemp("patterns"), "pattern_cnn")))


@pytest.fixture(scope="session")
def bundle_of(files_of: Callable[..., dict[str, bytes]], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Bundle]:
    """Small bundles, each loaded once a session: `bundle_of("logistic", seed=8)`. To be shared: nothing may change one."""

    @cache
    def load(model: str, version: str = "1.2.3", seed: int = 7) -> Bundle:
        folder = publish(files_of(model, version, seed), tmp_path_factory.mktemp("models"), model)
        return Bundle.from_verified(read_bundle(folder))  # without a child process, which test_first_load is about

    return load


@pytest.fixture(scope="session")
def served_of(bundle_of: Callable[..., Bundle]) -> Callable[..., ServedModel]:
    """Small bundles that are warm, as a version of their own each: `served_of("logistic", "1.3.0", 4)`; only what they say is shared."""

    @cache
    def warmed(model: str, seed: int) -> ServedModel:
        return warm(bundle_of(model, seed=seed), 1)

    def make(model: str = "logistic", version: str = "1.2.3", number: int = 1, seed: int = 7, name: str | None = None) -> ServedModel:
        first = warmed(model, seed)
        manifest = replace(first.bundle.manifest, version=version)
        bundle = replace(first.bundle, manifest=manifest, digest=sha256(f"{model} {version} {number} {seed}".encode()))
        settings = PlaneSettings()
        schema = FeatureSchema.of(bundle, settings.range_iqr)
        return ServedModel(bundle, name or model, number, 1e-4, True, schema, Breaker(settings), first.prior, 0.0)

    return make


class Both(NamedTuple):
    """Clients of one process that serves HTTP and gRPC. http, grpc : its addresses"""

    client: httpx.Client
    channel: grpc.Channel
    http: str
    grpc: str


@contextmanager
def _serving_both(plane: Plane, telemetry: Telemetry | None = None) -> Generator[Both]:
    from barmill.serving.worker import serve

    told = telemetry or Silent()
    held = HeldPort("127.0.0.1", 0), HeldPort("127.0.0.1", 0)
    config = ServerConfig(bundles=("x",), port=held[0].number, grpc_port=held[1].number, drain_seconds=6.0)
    loop, stop, ready = asyncio.new_event_loop(), asyncio.Event(), threading.Event()
    job = Job(config, held[0].number, held[1].number)
    render = told.render if isinstance(told, Metrics) else None
    parts = Parts(plane, told, render, stops=[lambda: plane.close(5.0) and None])
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve(job, parts, ready.set, stop)))
    thread.start()
    try:
        assert ready.wait(60)
        http, rpc = (f"127.0.0.1:{one.number}" for one in held)
        with httpx.Client(base_url=f"http://{http}") as client, grpc.insecure_channel(rpc) as channel:
            yield Both(client, channel, http, rpc)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(60)
        loop.close()
        for one in held:
            one.close()


@pytest.fixture(scope="session")
def serving_both() -> Callable[..., AbstractContextManager[Both]]:
    """One process that serves both, as `barmill serve` does: `with serving_both(plane, telemetry) as both`."""
    return _serving_both

"""What a server's process is put together from: bundles that are watched, an operator's load and unload, a feature store."""

import asyncio
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

import pytest

from barmill.bundles.manifest import SEAL
from barmill.errors import BundleError, InputError
from barmill.serving.answers import Ask
from barmill.serving.building import Job, Parts, build
from barmill.serving.refusals import Refusal
from barmill.serving.server_config import ServerConfig

pytestmark = pytest.mark.xdist_group("small served bundles")


@contextmanager
def built(**config) -> Generator[Parts]:
    parts = build(Job(ServerConfig(**config, log_level="error"), 0))
    try:
        yield parts
    finally:
        asyncio.run(parts.stop())


def numbers(parts: Parts, model: str = "logistic") -> dict[int, str]:
    return {one.number: one.state for one in parts.plane.index() if one.model == model}


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


def test_a_folder_of_models_is_watched_and_what_is_bad_is_noted_in_the_state(repository, published, tmp_path):
    published("logistic")
    with built(models=str(repository), state=str(tmp_path / "state")) as parts:
        assert numbers(parts) == {1: "ready"}
        folder = published("logistic", "1.2.4", seed=8)
        until(lambda: numbers(parts) == {1: "ready", 2: "ready"})
        with parts.plane.lease(Ask("logistic")) as served:
            assert served.number == 2
        (repository / "logistic" / "3").mkdir()
        (repository / "logistic" / "3" / "manifest.json").write_bytes((folder / "manifest.json").read_bytes())
        until(lambda: numbers(parts).get(3) == "unavailable")
        until(lambda: [path.name for path in (tmp_path / "state" / "quarantine").glob("*")] == ["logistic-3-unread.json"])


def test_a_named_bundle_that_cannot_be_served_keeps_the_server_from_beginning(repository, published, tmp_path):
    published("logistic")
    version = published("lightgbm")
    next((version / "weights").iterdir()).write_bytes(b"")
    good = str(repository / "logistic")
    for bad in (version, version.parent, tmp_path / "nowhere"):
        with pytest.raises(BundleError) as raised, built(bundles=(good, str(bad))):
            pass
        assert raised.value.place == str(bad)
    with built(models=str(repository)) as parts:
        assert numbers(parts) == {1: "ready"}
        assert parts.plane.readiness("logistic").ready


def test_a_named_version_is_its_models_champion_whatever_is_published_beside_it(repository, published):
    first = published("logistic")
    published("logistic", "1.2.4", seed=8)
    with built(bundles=(str(first),)) as parts:
        assert numbers(parts) == {0: "ready"}
        with parts.plane.lease(Ask()) as served:
            assert served.version == "1.2.3"


def test_what_an_operator_unloads_stays_unloaded_until_it_is_loaded_again(repository, published, tmp_path):
    published("logistic")
    keys = tmp_path / "keys.json"
    with built(models=str(repository), manage=True, keys=str(keys)) as parts:
        assert parts.management is not None
        parts.management.unload("logistic")
        published("logistic", "1.2.4", seed=8)
        published("lightgbm")
        until(lambda: numbers(parts, "lightgbm") == {1: "ready"})
        assert numbers(parts) == {}
        parts.management.load("logistic")
        assert numbers(parts) == {1: "ready", 2: "ready"}
        for name, kind in (("nobody", "not_found"), ("../logistic", "not_found")):
            with pytest.raises(Refusal) as raised:
                parts.management.load(name)
            assert raised.value.kind == kind
        with pytest.raises(Refusal, match="nobody"):
            parts.management.unload("nobody")


def test_a_model_of_which_nothing_can_be_served_is_refused_with_the_reason_when_it_is_loaded(repository, published, tmp_path):
    version = published("logistic")
    (version / SEAL).unlink()
    with built(models=str(repository), manage=True, keys=str(tmp_path / "keys.json")) as parts:
        assert parts.management is not None
        with pytest.raises(Refusal) as raised:
            parts.management.load("logistic")
        assert (raised.value.kind, raised.value.code) == ("conflict", "not_loaded")


def test_a_url_that_is_none_is_refused_without_being_told(published, repository):
    published("logistic")
    with (
        pytest.raises(InputError, match="feature_store: is no URL of a Redis") as raised,
        built(models=str(repository), feature_store="x:secret@h"),
    ):
        pass
    assert "secret" not in str(raised.value)

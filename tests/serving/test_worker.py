"""One process as it is put together: HTTP and gRPC ask the same keys and count by the same rates."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import httpx
import pytest

from barmill.serving.building import Job, Parts
from barmill.serving.grpc.calls import _address
from barmill.serving.http.keys import add_key
from barmill.serving.listening import HeldPort
from barmill.serving.model_table import ModelTable
from barmill.serving.plane import Plane
from barmill.serving.server_config import ServerConfig
from barmill.serving.worker import serve

SECONDS = 60.0


class Running(NamedTuple):
    url: str
    grpc: str


@contextmanager
def running(plane: Plane, n_workers: int = 1, folder: Path | None = None, **config: Any) -> Generator[Running]:
    """What a process serves with, on a thread of this one."""
    held, held_grpc = HeldPort("127.0.0.1", 0), HeldPort("127.0.0.1", 0)
    told = ServerConfig(bundles=("x",), drain_seconds=1.0, **config)
    job = Job(told, held.number, held_grpc.number, 0, n_workers, folder)
    began, loop, stop = threading.Event(), asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve(job, Parts(plane), began.set, stop)))
    thread.start()
    try:
        assert began.wait(SECONDS)
        yield Running(f"http://127.0.0.1:{held.number}", f"127.0.0.1:{held_grpc.number}")
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(SECONDS)
        loop.close()
        held.close()
        held_grpc.close()


@pytest.fixture
def plane(served_of: Callable[..., Any]) -> Plane:
    table = ModelTable()
    table.install(served_of("logistic"), champion=True)
    return Plane(table)


def by_http(server: Running, key: str | None = None) -> int:
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    return httpx.get(f"{server.url}/v1/models", headers=headers, timeout=SECONDS).status_code


def by_grpc(server: Running, key: str | None = None) -> str:
    metadata = [] if key is None else [("authorization", f"Bearer {key}")]
    with grpc.insecure_channel(server.grpc) as channel:
        try:
            channel.unary_unary("/inference.GRPCInferenceService/RepositoryIndex")(b"", metadata=metadata, timeout=SECONDS)
        except grpc.RpcError as error:
            return error.code().name
    return "OK"


@pytest.mark.parametrize(("peer", "address"), [("ipv4:127.0.0.1:5000", "127.0.0.1"), ("ipv6:%5B::1%5D:5000", "::1"), ("unix:/x", "")])
def test_an_address_is_written_as_http_writes_it(peer: str, address: str) -> None:
    class Context:
        def peer(self) -> str:
            return peer

    assert _address(Context()) == address


def test_a_revoked_key_stops_working_on_both_without_a_restart(plane: Plane, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    desk, board = add_key(file, "desk", ["read"]), add_key(file, "board", ["read"])
    with running(plane, keys=str(file)) as server:
        assert (by_http(server, desk), by_grpc(server, desk)) == (200, "OK")
        file.write_text(json.dumps({"keys": [one for one in json.loads(file.read_text())["keys"] if one["name"] != "desk"]}))
        end = time.monotonic() + SECONDS
        while by_http(server, desk) == 200:
            assert time.monotonic() < end
            time.sleep(0.02)
        assert by_grpc(server, desk) == "UNAUTHENTICATED"
        assert (by_http(server, board), by_grpc(server, board)) == (200, "OK")
    assert not [thread for thread in threading.enumerate() if thread.name == "barmill-keys"]


@pytest.mark.parametrize("n_workers", [1, 2])
def test_a_rate_is_of_both_protocols_together_and_of_all_workers(plane: Plane, tmp_path: Path, n_workers: int) -> None:
    file = tmp_path / "keys.json"
    desk = add_key(file, "desk", ["read"])
    slow = {"limits": {"rate": 1e-3, "burst": 8}}
    config = ServerConfig.of({"bundles": ["x"], **slow}, "test")
    for keys, key in ((None, None), (str(file), desk)):  # of an address, and of a key
        with running(plane, n_workers, tmp_path, limits=config.limits, keys=keys) as server:
            for _ in range(4 // n_workers):
                assert (by_http(server, key), by_grpc(server, key)) == (200, "OK")
            assert (by_http(server, key), by_grpc(server, key)) == (429, "RESOURCE_EXHAUSTED")

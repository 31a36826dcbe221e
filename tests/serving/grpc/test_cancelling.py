"""Clients that leave in the middle leave nothing behind: no task, no file, no thread, no memory that grows with them."""

import asyncio
import gc
import os
import random
import threading
import tracemalloc
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest

from barmill.bundles import Bundle
from barmill.serving.grpc.protocol import inference_pb2 as pb
from barmill.serving.plane import Plane
from barmill.serving.signature import signature_of

CALLS = int(os.environ.get("BARMILL_CANCELLED_CALLS", "2000"))
AT_ONCE = 50
INFER = "/inference.GRPCInferenceService/ModelInfer"


@pytest.fixture(scope="module")
def requests(load: Callable[..., Bundle]) -> list[bytes]:
    """One row, which the event loop answers, and many, which a thread answers."""
    found = []
    for n_rows in (1, 40):
        features = np.zeros((n_rows, len(signature_of(load("logistic")).features)))
        request = pb.ModelInferRequest(model_name="logistic", raw_input_contents=[features.tobytes()])
        request.inputs.add(name="features", datatype="FP64", shape=features.shape)
        found.append(request.SerializeToString())
    return found


async def _leave(address: str, requests: list[bytes], n: int, seed: int) -> Counter[str]:
    """Begin `n` calls, some at once, and cancel each after a moment; how they ended."""
    moments, ended = random.Random(seed), Counter[str]()
    async with grpc.aio.insecure_channel(address) as channel:
        infer = channel.unary_unary(INFER)

        async def one() -> None:
            call = infer(moments.choice(requests), timeout=moments.choice((None, 0.0005, 5.0)))
            for _ in range(moments.choice((0, 1, 5, 50, 500))):
                await asyncio.sleep(0)
            call.cancel()
            try:
                await call
                ended["answered"] += 1
            except asyncio.CancelledError:
                ended["cancelled"] += 1
            except grpc.aio.AioRpcError as error:
                ended[error.code().name] += 1

        for _ in range(n // AT_ONCE):
            await asyncio.gather(*(one() for _ in range(AT_ONCE)))
    return ended


def _collect() -> None:
    """Collect garbage, whoever left it: gRPC drops event loops of its own without closing them, and another test's may be among it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def _standing(server: Any) -> tuple[int, int, int]:
    """Tasks of the server's loop, open files and threads of the process, once nothing moves any more."""

    async def tasks() -> int:
        for _ in range(1000):
            if len(asyncio.all_tasks()) <= 4:
                break
            await asyncio.sleep(0.005)
        return len(asyncio.all_tasks())

    _collect()
    return server.do(tasks()), len(list(Path("/proc/self/fd").iterdir())), threading.active_count()


def test_clients_that_cancel_leave_nothing(plane: Plane, run: Callable[..., Any], requests: list[bytes]) -> None:
    with run(plane) as server:
        asyncio.run(_leave(server.address, requests, 500, 1))  # what is made once is made
        before = _standing(server)
        tracemalloc.start()
        asyncio.run(_leave(server.address, requests, AT_ONCE, 2))
        _collect()
        held = tracemalloc.get_traced_memory()[0]
        ended = asyncio.run(_leave(server.address, requests, CALLS, 3))
        after = _standing(server)
        grown = tracemalloc.get_traced_memory()[0] - held
        tracemalloc.stop()
        assert ended["cancelled"] > CALLS // 10
        assert set(ended) <= {"cancelled", "answered", "DEADLINE_EXCEEDED", "UNAVAILABLE"}  # the last where all threads are at work
        tasks, files, threads = (now - then for now, then in zip(after, before, strict=True))
        assert tasks <= 0
        assert files <= 2  # gRPC keeps a poller or two
        assert threads <= 16  # two pools of eight, which fill as they are used
        assert grown < 200 * CALLS  # bytes: a task or a message that stayed would be some thousands a call
        with server.channel() as channel:
            answer = channel.unary_unary(INFER)(requests[0], wait_for_ready=True)
            assert pb.ModelInferResponse.FromString(answer).outputs


def test_more_calls_than_are_allowed_at_once_are_told_so(plane: Plane, run: Callable[..., Any], requests: list[bytes]) -> None:
    begun, go = threading.Semaphore(0), threading.Event()

    class Waiting:
        """A plane that answers when it is let."""

        def __getattr__(self, name: str) -> Any:
            return getattr(plane, name)

        def forecast(self, *arguments: Any) -> Any:
            begun.release()
            assert go.wait(30)
            return plane.forecast(*arguments)

    with run(Waiting(), max_calls=2, threads=4) as server, server.channel() as channel:
        infer = channel.unary_unary(INFER)
        waiting = [infer.future(requests[1]) for _ in range(2)]
        for _ in waiting:
            assert begun.acquire(timeout=30)
        with pytest.raises(grpc.RpcError) as refused:
            infer(requests[1], timeout=30)
        go.set()
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert all(one.result(30) for one in waiting)


def test_a_server_that_stops_answers_what_it_began(plane: Plane, run: Callable[..., Any], requests: list[bytes]) -> None:
    begun, go = threading.Event(), threading.Event()

    class Waiting:
        def __getattr__(self, name: str) -> Any:
            return getattr(plane, name)

        def forecast(self, *arguments: Any) -> Any:
            begun.set()
            assert go.wait(30)
            return plane.forecast(*arguments)

    with run(Waiting()) as server, server.channel() as channel:
        call = channel.unary_unary(INFER).future(requests[1])
        assert begun.wait(30)
        stopping = asyncio.run_coroutine_threadsafe(server.server.stop(), server.loop)
        go.set()
        assert pb.ModelInferResponse.FromString(call.result(30)).outputs
        stopping.result(30)

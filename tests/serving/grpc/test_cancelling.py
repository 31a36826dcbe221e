"""Clients that leave in the middle leave nothing behind: no task, no file, no thread, no memory that grows with them."""

import asyncio
import gc
import os
import random
import threading
import time
import tracemalloc
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import grpc.aio
import numpy as np
import pytest

from barmill.bundles import Bundle
from barmill.serving.grpc.protocol import inference_pb2 as pb
from barmill.serving.plane import Plane
from barmill.serving.signature import signature_of

CALLS = int(os.environ.get("BARMILL_CANCELLED_CALLS", "1000"))
AT_ONCE = 50
ROUNDS = 5
POLLERS = 2  # files that gRPC keeps open for itself
SECONDS = 60.0  # that no test takes
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
            for _ in range(moments.choice((0, 1, 10))):  # before it is sent, under way, while it is answered
                await asyncio.sleep(moments.choice((0, 0.001, 0.003, 0.01)))
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


class Standing(NamedTuple):
    """What stands while nobody asks.

    tasks : of the server's loop; files, threads : of the process
    traced : bytes of the Python objects that were made since they are traced; what gRPC's client keeps in C would hide the server's own
    """

    tasks: int
    files: int
    threads: int
    traced: int


def _standing(server: Any) -> Standing:
    async def tasks() -> int:
        return len(asyncio.all_tasks())

    with warnings.catch_warnings():  # gRPC drops event loops of its own without closing them, and another test's may be among the garbage
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    files = len(list(Path("/proc/self/fd").iterdir()))
    return Standing(server.do(tasks()), files, threading.active_count(), tracemalloc.get_traced_memory()[0])


def _settled(server: Any, before: Standing) -> Standing:
    """What stands once tasks and files are as `before`, or after a time in which the slowest machine is done with what was left to it."""
    end = time.monotonic() + SECONDS
    while True:
        found = _standing(server)
        if (found.tasks <= before.tasks and found.files <= before.files + POLLERS) or time.monotonic() > end:
            return found
        time.sleep(0.02)


def test_clients_that_cancel_leave_nothing(plane: Plane, run: Callable[..., Any], requests: list[bytes]) -> None:
    arrived: list[str] = []
    with run(plane, take=arrived.append) as server:
        with server.channel() as channel:
            channel.unary_unary(INFER)(requests[1], timeout=SECONDS)
        idle = _standing(server)
        asyncio.run(_leave(server.address, requests, 500, 1))  # what is made once is made
        tracemalloc.start()
        then, ended, kept = _settled(server, idle), Counter[str](), list[float]()
        for seed in range(ROUNDS):
            arrived.clear()
            ended += asyncio.run(_leave(server.address, requests, CALLS // ROUNDS, 2 + seed))
            now, n_arrived = _settled(server, idle), len(arrived)
            kept.append((now.traced - then.traced) / n_arrived)
            then = now
        tracemalloc.stop()
        # Some are told before they leave that their time is up, that all threads are at work, or that too many have come at once.
        assert set(ended) <= {"cancelled", "answered", "DEADLINE_EXCEEDED", "UNAVAILABLE", "RESOURCE_EXHAUSTED"}
        assert ended["cancelled"] > CALLS // 10
        assert then.tasks <= idle.tasks
        assert then.files <= idle.files + POLLERS
        assert then.threads <= idle.threads + 16  # two pools of eight, which fill as they are used
        # Bytes of each call that came in. What is kept of a call is kept in every round, a message of hundreds or a task of thousands;
        # what else grows, grows in some.
        assert min(kept) < 300
        with server.channel() as channel:
            answer = channel.unary_unary(INFER)(requests[0], timeout=SECONDS, wait_for_ready=True)
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

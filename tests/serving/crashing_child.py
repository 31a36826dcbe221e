"""A server of two workers whose model dies in a segfault when the first feature of a row is 13: `python crashing_child.py MODELS`."""

import ctypes
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from barmill.serving.answers import Ask
from barmill.serving.building import Job, Parts, build
from barmill.serving.server_config import ServerConfig
from barmill.serving.supervisor import Order, Supervisor
from barmill.serving.worker import run

UNLUCKY = 13.0


class Crashing:
    """A pipeline that ends its process as a fault in C does."""

    def __init__(self, pipeline: Any, column: int) -> None:
        self._pipeline, self._column = pipeline, column

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pipeline, name)

    def run(self, values: Any, rows: Any, **named: Any) -> Any:
        if values[rows[-1], self._column] == UNLUCKY:
            ctypes.string_at(0)
        return self._pipeline.run(values, rows, **named)


def planted(job: Job) -> Parts:
    parts = build(job)
    with parts.plane.lease(Ask()) as served:
        crashing: Any = Crashing(served.bundle.pipeline, int(served.schema.positions[0]))
        served.bundle = replace(served.bundle, pipeline=crashing)
    return parts


def spawn(order: Order) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, pass_fds=(order.ready,))
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(order) + b"\n")
    process.stdin.flush()
    return process


def work() -> None:
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=Order)
    job = Job(order.config, order.port, order.grpc_port, order.worker, order.n_workers, Path(order.folder))
    run(job, lambda: os.write(order.ready, b"r") and os.close(order.ready), planted, sys.stdin.fileno())


if __name__ == "__main__":
    if len(sys.argv) == 1:
        work()
    else:
        config = ServerConfig(models=sys.argv[1], port=0, grpc_port=0, workers=2, drain_seconds=6.0, log_level="error")
        Supervisor(config, lambda line: sys.stderr.write(f"{line}\n") and None, spawn).run()

"""Keeps several worker processes alive: begins them, begins one again that died, and lets all of them drain when it is told to stop.

It loads no model and answers nobody, so that little can happen to it; were it killed all the same, the workers see its pipe end, and drain.
"""

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from types import FrameType

import msgspec

from barmill.errors import BarmillError
from barmill.serving.listening import HeldPort
from barmill.serving.server_config import ServerConfig
from barmill.serving.worker import sockets_folder, tell_addresses

POLL_SECONDS = 0.1
FIRST_BACK_OFF = 0.1  # seconds before a worker that died is begun again; twice as long each time that it dies young
LONGEST_BACK_OFF = 30.0
YOUNG_SECONDS = 20.0
KILL_SECONDS = 5.0  # beyond the time to drain


class Order(msgspec.Struct, frozen=True):
    """What a worker is told. ready : the descriptor to which it writes a byte once it answers."""

    config: ServerConfig
    port: int
    grpc_port: int | None
    worker: int
    n_workers: int
    folder: str
    ready: int


@dataclass(slots=True)
class Child:
    """One worker. ready : the reading end of its pipe, until it is ready; died : how often in a row it died young"""

    process: "subprocess.Popen[bytes]"
    ready: int | None
    began: float
    died: int = 0
    again_at: float | None = None


Spawn = Callable[[Order], "subprocess.Popen[bytes]"]


def spawn(order: Order) -> "subprocess.Popen[bytes]":
    """A worker process, with its order on a pipe that stays open as long as this process lives."""
    process = subprocess.Popen([sys.executable, "-m", "barmill.serving.worker"], stdin=subprocess.PIPE, pass_fds=(order.ready,))
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(order) + b"\n")
    process.stdin.flush()
    return process


@dataclass(slots=True)
class Supervisor:
    """Runs `config.workers` workers until it is told to stop.

    say : is told what happens, a line each
    spawn : begins a worker
    clock : seconds that only grow
    """

    config: ServerConfig
    say: Callable[[str], None]
    spawn: Spawn = spawn
    clock: Callable[[], float] = time.monotonic
    _children: dict[int, Child] = field(default_factory=dict[int, Child])
    _stop: threading.Event = field(default_factory=threading.Event)

    def stop(self) -> None:
        """Let `run` drain and return. May be called from anywhere."""
        self._stop.set()

    def run(self) -> None:
        """Begin all workers, keep them alive, drain them. Raises BarmillError where one never becomes ready."""
        held = HeldPort(self.config.host, self.config.port)
        held_grpc = None if self.config.grpc_port is None else HeldPort(self.config.host, self.config.grpc_port)
        folder = sockets_folder(self.config)
        try:
            orders = [
                Order(self.config, held.number, held_grpc and held_grpc.number, worker, self.config.workers, str(folder), -1)
                for worker in range(self.config.workers)
            ]
            with _told_to_stop(self.stop):
                for order in orders:
                    self._begin(order, 0)
                if self._all_ready():
                    tell_addresses(self.config, held.number, held_grpc and held_grpc.number, self.say)
                    self._watch(orders)
        finally:
            self._end_all()
            shutil.rmtree(folder, ignore_errors=True)
            held.close()
            if held_grpc is not None:
                held_grpc.close()

    def _begin(self, order: Order, died: int) -> None:
        reading, writing = os.pipe()
        try:
            process = self.spawn(msgspec.structs.replace(order, ready=writing))
        finally:
            os.close(writing)
        self._children[order.worker] = Child(process, reading, self.clock(), died)

    def _all_ready(self) -> bool:
        """Wait until every worker answers; False if told to stop before. Raises BarmillError where one ended instead."""
        while not self._stop.is_set():
            waiting = {child.ready: worker for worker, child in self._children.items() if child.ready is not None}
            if not waiting:
                return True
            for descriptor in select.select(list(waiting), [], [], POLL_SECONDS)[0]:
                if not self._heard(waiting[descriptor]):
                    code = self._children[waiting[descriptor]].process.wait()
                    mend = "See what it said before."
                    raise BarmillError(f"worker {waiting[descriptor]}", f"ended with {_told(code)} before it was ready", mend=mend)
        return False

    def _heard(self, worker: int) -> bool:
        """Whether a worker said that it is ready; its pipe has said something, or ended."""
        child = self._children[worker]
        assert child.ready is not None
        said = os.read(child.ready, 1)
        os.close(child.ready)
        child.ready = None
        return bool(said)

    def _watch(self, orders: list[Order]) -> None:
        while not self._stop.wait(POLL_SECONDS):
            for order in orders:
                self._look_at(order)

    def _look_at(self, order: Order) -> None:
        child, now = self._children[order.worker], self.clock()
        if child.again_at is not None:
            if now >= child.again_at:
                self._begin(order, child.died)
            return
        code = child.process.poll()
        if code is None:
            if child.ready is not None and select.select([child.ready], [], [], 0)[0] and self._heard(order.worker):
                self.say(f"worker {order.worker} serves again, {now - child.began:.1f} s after it was begun")
            return
        if child.ready is not None:
            os.close(child.ready)
            child.ready = None
        _close_input(child)
        child.died = child.died + 1 if now - child.began < YOUNG_SECONDS else 1
        wait = min(FIRST_BACK_OFF * 2 ** (child.died - 1), LONGEST_BACK_OFF)
        child.again_at = now + wait
        self.say(f"worker {order.worker} ended with {_told(code)}; it is begun again in {wait:g} s")

    def _end_all(self) -> None:
        """SIGTERM to all, and SIGKILL to those that do not end in time."""
        living = [child for child in self._children.values() if child.process.poll() is None]
        for child in living:
            child.process.send_signal(signal.SIGTERM)
        end = self.clock() + self.config.drain_seconds + KILL_SECONDS
        for child in living:
            try:
                child.process.wait(max(end - self.clock(), 0.1))
            except subprocess.TimeoutExpired:
                self.say(f"worker process {child.process.pid} did not end in time and is killed")
                child.process.kill()
                child.process.wait()
        for child in self._children.values():
            _close_input(child)
            if child.ready is not None:
                os.close(child.ready)
                child.ready = None


def _close_input(child: Child) -> None:
    if child.process.stdin is not None:
        with contextlib.suppress(OSError):
            child.process.stdin.close()


def _told(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


@contextlib.contextmanager
def _told_to_stop(stop: Callable[[], None]) -> Generator[None]:
    """SIGTERM and SIGINT call `stop`; as before after the block."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop()

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_server(config: ServerConfig, say: Callable[[str], None]) -> None:
    """Serve until told to stop: in this process, or in several under a supervisor."""
    from barmill.serving.worker import run_alone

    if config.workers == 1:
        run_alone(config, say)
    else:
        Supervisor(config, say).run()


__all__ = ["Child", "Order", "Supervisor", "run_server", "spawn"]

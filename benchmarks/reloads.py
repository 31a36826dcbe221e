"""New versions, one after the other, while a server is asked at half of what it can: what fails, what is mixed up, what it costs.

    python -m benchmarks.reloads [--model FOLDER] [--reloads 1000] [--minutes 10] [--workers 1] [--rate N] [--steady SECONDS]

Each reload is a version that the server did not have: copied beside the others under the next number, verified, replayed, warmed and made
the champion, while the oldest goes. Requests are sent by the clock, whether the ones before were answered or not, and are timed from when
they were due. Each answer is held to what the bundle of the digest that it names says of the same features in this process, to the bit.
Client, reloader and server share the machine. A child process is the first to load each model, which is seen in the first reloads alone.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import orjson

from barmill.bundles import Bundle, promote, publish
from barmill.bundles.folder import read_version
from barmill.serving.answers import Ask
from barmill.serving.model_table import ModelTable
from barmill.serving.plane import Plane
from barmill.serving.served import warm

MODEL = "logistic"
ROWS = 16  # of features, which are asked for in turn
CONNECTIONS = 8
KEPT = 6  # numbers whose folders stay: more than a server keeps loaded
REMEMBERED = (10, 300)  # reloads after which the memory is noted

Json = dict[str, object]


class Truth:
    """What each version says of the same rows, in this process. bodies : of the requests; said : by digest, of each row"""

    def __init__(self, versions: Sequence[Path]) -> None:
        bundles = [Bundle.from_verified(read_version(version)) for version in versions]
        features = bundles[0].plan.compute(bundles[0].golden_bars.bars)
        rows = features.values[-ROWS:]
        self.bodies = [json.dumps({"features": dict(zip(features.names, row, strict=True))}).encode() for row in rows.tolist()]
        self.said: dict[str, list[Json]] = {}
        for bundle in bundles:
            table = ModelTable()
            table.install(warm(bundle, 1), champion=True)
            positions = warm(bundle, 1).schema.positions
            answers = [Plane(table).forecast(Ask(), row[None, positions].copy()) for row in rows]
            self.said[bundle.digest] = [{name: values.tolist() for name, values in answer.columns.items()} for answer in answers]

    def agrees(self, row: int, answer: Json) -> bool:
        """Whether an answer is that of the version which it names."""
        return answer["degraded"] is False and self.said[str(answer["digest"])][row] == answer["forecast"]


@dataclass
class Seen:
    """What clients saw. took : seconds from when each answer was due; failed, mixed : what was said instead"""

    took: list[float] = field(default_factory=list[float])
    failed: list[str] = field(default_factory=list[str])
    mixed: list[str] = field(default_factory=list[str])

    def quantile(self, share: float) -> float:
        """Milliseconds."""
        return 1e3 * float(np.quantile(self.took, share)) if self.took else float("nan")


async def asked(port: int, truth: Truth, seen: Seen, rate: float, stop: asyncio.Event) -> None:
    """Ask `rate` times a second, by the clock, until `stop`; as fast as it goes where the rate is 0."""
    began, number = time.perf_counter(), itertools.count()

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while not stop.is_set():
            mine = next(number)
            due = began + mine / rate if rate else time.perf_counter()
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            row = mine % len(truth.bodies)
            try:
                status, body = await _answer(reader, writer, truth.bodies[row])
            except (OSError, EOFError) as error:
                seen.failed.append(repr(error))
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                continue
            seen.took.append(time.perf_counter() - due)
            if status != 200:
                seen.failed.append(body.decode())
            elif not truth.agrees(row, orjson.loads(body)):
                seen.mixed.append(body.decode())
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(client() for _ in range(CONNECTIONS)))


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes) -> tuple[int, bytes]:
    told = ("Host: 127.0.0.1", "Content-Type: application/json", f"Content-Length: {len(body)}")
    writer.write("\r\n".join((f"POST /v1/models/{MODEL}/forecast HTTP/1.1", *told, "", "")).encode() + body)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    said = await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
    return int(head.split(b" ", 2)[1]), said


class Reloader:
    """Gives a server one version after the other.

    number : of the last; waited : seconds until each was the champion, as one worker says; resident : MiB after so many reloads
    """

    def __init__(self, port: int, folder: Path, versions: Sequence[Path], processes: Sequence[int]) -> None:
        self._port, self._folder, self._versions, self._processes = port, folder, versions, processes
        self.number = max(int(one.name) for one in folder.iterdir() if one.name.isdigit())
        self.waited: list[float] = []
        self.resident: dict[int, float] = {}

    def run(self, reloads: int, seconds: float, stop: threading.Event) -> None:
        """So many reloads, or as many as there is time for."""
        began = time.monotonic()
        for done in range(1, reloads + 1):
            self.reload()
            if done in (*REMEMBERED, reloads):
                self.resident[done] = self.memory()
            late = time.monotonic() - began
            if late > seconds or stop.wait(max(done * seconds / reloads - late, 0)):
                break
        self.resident[len(self.waited)] = self.memory()

    def reload(self) -> None:
        self.number += 1
        incoming = self._folder / f".incoming-{self.number}"
        shutil.copytree(self._versions[self.number % len(self._versions)], incoming)
        incoming.rename(self._folder / str(self.number))
        promote(self._folder, self.number)
        began = time.monotonic()
        while self._champion() != self.number:
            if time.monotonic() - began > 120:
                raise RuntimeError(f"version {self.number} is not served")
            time.sleep(0.02)
        self.waited.append(time.monotonic() - began)
        shutil.rmtree(self._folder / str(self.number - KEPT), ignore_errors=True)

    def memory(self) -> float:
        """MiB resident, of all processes."""
        pages = sum(int(Path(f"/proc/{process}/statm").read_text().split()[1]) for process in self._processes)
        return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)

    def _champion(self) -> object:
        from urllib.request import urlopen

        with urlopen(f"http://127.0.0.1:{self._port}/v1/models/{MODEL}") as answered:
            return json.load(answered)["number"]


async def steadily(port: int, truth: Truth, rate: float, seconds: float) -> Seen:
    """What is seen while nothing changes."""
    seen, stop = Seen(), asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, stop.set)
    await asked(port, truth, seen, rate, stop)
    return seen


async def meanwhile(port: int, truth: Truth, rate: float, reloader: Reloader, reloads: int, seconds: float) -> Seen:
    """What is seen while versions are replaced."""
    seen, stop, ended = Seen(), asyncio.Event(), threading.Event()
    asking = asyncio.ensure_future(asked(port, truth, seen, rate, stop))
    try:
        await asyncio.to_thread(reloader.run, reloads, seconds, ended)
    finally:
        ended.set()
        stop.set()
        await asking
    return seen


def spreads(lines: Sequence[Json], workers: int) -> list[float]:
    """Seconds between the first and the last worker that answered with each version, from the server's log."""
    from datetime import datetime

    told: dict[object, list[float]] = {}
    for line in lines:
        if line.get("event") == "swapped":
            told.setdefault(line["number"], []).append(datetime.fromisoformat(str(line["time"])).timestamp())
    return [max(times) - min(times) for times in told.values() if len(times) == workers]


def make_versions(folder: Path, n: int) -> list[Path]:
    """So many versions of one model, each fitted on another market."""
    from barmill.factory import train

    os.environ.update(BARMILL_LEDGER=str(folder / "ledger"))
    for number in range(n):
        recipe = folder / f"recipe-{number}.yaml"
        recipe.write_text(
            f"name: reloaded\nversion: 1.0.{number}\nbars: {{simulate: {{n_bars: 9000, seed: {3 + number}, strength: 2.0}}}}\n"
            "labels: {horizon: 30, atr_window: 30, every: 5}\n"
            f"splits: {{embargo: 60}}\nbase_models:\n  - {{name: {MODEL}}}\nrandom_signals: 20\n"
        )
        train(recipe, out=folder / f"run-{number}")
    return [folder / f"run-{number}" / "bundle" / MODEL / "1" for number in range(n)]


def main() -> None:
    from benchmarks.serving import free_port, until_it_answers

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, metavar="FOLDER", help="of a model with versions 1, 2 and 3, instead of training some")
    parser.add_argument("--reloads", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--rate", type=float, default=0.0, help="requests a second; half of what the server can if it is left out")
    parser.add_argument("--steady", type=float, default=20.0, metavar="SECONDS", help="asked before and after, while nothing changes")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder, port = Path(name), free_port()
        versions = [told.model / name for name in ("1", "2", "3")] if told.model else make_versions(folder, 3)
        models = folder / "models" / MODEL
        publish(Bundle.from_verified(read_version(versions[0])).files, models.parent, MODEL)
        log = stack.enter_context((folder / "log").open("w+"))
        command = [sys.executable, "-m", "barmill.cli", "serve", "--models", str(models.parent), "--port", str(port)]
        process = stack.enter_context(begun([*command, "--workers", str(told.workers)], log, folder))
        truth = Truth(versions)
        until_it_answers(port, f"/v1/models/{MODEL}/forecast", truth.bodies[0])
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        reloader = Reloader(port, models, versions, [int(child) for child in children] if told.workers > 1 else [process])
        print(f"three versions served by process {process}", file=sys.stderr, flush=True)
        rate = told.rate or len(asyncio.run(steadily(port, truth, 0.0, 5.0)).took) / 5.0 / 2
        before = asyncio.run(steadily(port, truth, rate, told.steady))
        during = asyncio.run(meanwhile(port, truth, rate, reloader, told.reloads, 60 * told.minutes))
        after = asyncio.run(steadily(port, truth, rate, told.steady))
        report(rate, {"before": before, "during": during, "after": after}, reloader)
        log.seek(0)
        lines = [json.loads(line) for line in log if line.startswith("{")]
        if told.workers > 1 and (found := spreads(lines, told.workers)):
            print(f"all {told.workers} workers within {max(found):.2f} s of each other, {float(np.median(found)):.2f} s at the median")


@contextlib.contextmanager
def begun(command: list[str], log: object, folder: Path):
    import subprocess

    environment = {**os.environ, "BARMILL_CACHE": str(folder / "cache")}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log, env=environment)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(60)


def report(rate: float, seen: dict[str, Seen], reloader: Reloader) -> None:
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    print(f"{len(reloader.waited)} reloads, {rate:.0f} requests a second over {CONNECTIONS} connections; {load}\n")
    print("| | requests | failed | mixed | p50 ms | p99 ms | p99.9 ms |\n|---|---|---|---|---|---|---|")
    for name, one in seen.items():
        p50, p99, p999 = (one.quantile(share) for share in (0.5, 0.99, 0.999))
        print(f"| {name} | {len(one.took):,} | {len(one.failed)} | {len(one.mixed)} | {p50:.2f} | {p99:.2f} | {p999:.2f} |")
    for what in (*seen["during"].failed[:3], *seen["during"].mixed[:3]):
        print(what)
    waited = np.quantile(reloader.waited, [0.5, 0.99, 1.0])
    print(
        "\nfrom promotion to champion: "
        + ", ".join(f"{one:.2f} s {name}" for name, one in zip(("p50", "p99", "most"), waited, strict=True))
    )
    print("MiB resident: " + ", ".join(f"{mib:.1f} after {done}" for done, mib in sorted(reloader.resident.items())))


if __name__ == "__main__":
    main()

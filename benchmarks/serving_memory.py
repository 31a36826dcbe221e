"""Memory of a server that is asked again and again: what it holds resident, every so many requests.

    python -m benchmarks.serving_memory [--requests N] [--lines N]

One process serves a small bundle; one client asks over one connection that is kept: a forecast from features and a bar of a stream in turn.
What grows with requests would grow without end; what a server holds once (threads, pools of its allocator, metrics) is held after the first
line.
"""

import argparse
import asyncio
import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path

from benchmarks.serving import begun, free_port, make_bundle, row_of

FORECAST, BARS = "/v1/models/logistic/forecast", "/v1/models/logistic/streams/memory/bars"
MEBIBYTE = 1 << 20


def resident(process: int) -> float:
    """MiB."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MEBIBYTE


def bar(number: int) -> bytes:
    """A bar of a market that goes to and fro."""
    price = 1 + 0.01 * (number % 17) / 17
    told = {"open": price, "high": price * 1.001, "low": price * 0.999, "close": price, "volume": 10.0 + number % 7}
    return json.dumps({"open_time": 1_600_000_020_000 + 60_000 * number, **told}).encode()


def request(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def asked(port: int, process: int, n_requests: int, lines: int) -> list[tuple[int, float]]:
    """Requests so far and MiB, so many times."""
    forecast = request(FORECAST, json.dumps({"features": row_of(port, "logistic")}).encode())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    found: list[tuple[int, float]] = []
    for number in range(1, n_requests + 1):
        writer.write(forecast if number % 2 else request(BARS, bar(number // 2)))
        told = (await reader.readuntil(b"\r\n\r\n")).lower()
        body = await reader.readexactly(int(told.split(b"content-length: ")[1].split(b"\r\n")[0]))
        if b" 200 " not in told[:20]:
            raise RuntimeError(body.decode())
        if number % max(n_requests // lines, 1) == 0:
            found.append((number, resident(process)))
            print(f"| {number:,} | {found[-1][1]:.1f} |", flush=True)
    writer.close()
    await writer.wait_closed()
    return found


def serving(port: int) -> int:
    """The process that listens at a port: a child of this one."""
    own = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return next(int(child) for child in own if f"--port\0{port}\0" in Path(f"/proc/{child}/cmdline").read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--lines", type=int, default=10)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder, port = Path(name), free_port()
        bundle = make_bundle(folder)
        command = [sys.executable, "-m", "barmill.cli", "serve", str(bundle), "--port", str(port), "--state", str(folder / "state")]
        stack.enter_context(begun([*command, "--log-level", "error"], port, Path.cwd()))
        print("| requests | MiB resident |\n|---|---|")
        found = asyncio.run(asked(port, serving(port), told.requests, told.lines))
    (first, before), (last, after) = found[0], found[-1]
    print(f"\n{after - before:+.1f} MiB in {last - first:,} requests, {(after - before) * MEBIBYTE / max(last - first, 1):+.2f} bytes each")


if __name__ == "__main__":
    main()

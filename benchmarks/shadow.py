"""A second version asked of everything beside the champion: what it costs those who are answered by the champion.

    python -m benchmarks.shadow [--model FOLDER] [--share 1.0] [--rounds 4] [--seconds 10] [--rate N]

A server without a shadow and one with, asked in turns by the clock at half of what the first can. Requests are timed from when they were
due, and every answer is held to what the champion's bundle says of the same features in this process, to the bit. Client and servers share
the machine.
"""

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
from pathlib import Path

import httpx
import numpy as np

from barmill.bundles import Bundle, promote, publish
from barmill.bundles.folder import read_version
from benchmarks.reloads import MODEL, Seen, Truth, begun, make_versions, steadily
from benchmarks.serving import free_port, until_it_answers


def served(stack: contextlib.ExitStack, folder: Path, name: str, share: float, body: bytes) -> int:
    """The port of a server of the models in `folder`, of which the second version has this share to answer beside the champion."""
    port, config = free_port(), folder / f"{name}.yaml"
    alias = f"{{{MODEL}: {{shadow: {{version: latest, share: {share}}}}}}}" if share else "{}"
    config.write_text(f"models: {folder / 'models'}\nport: {port}\naliases: {alias}\n")
    log = stack.enter_context((folder / f"{name}.log").open("w+"))
    stack.enter_context(begun([sys.executable, "-m", "barmill.cli", "serve", "--config", str(config)], log, folder))
    until_it_answers(port, f"/v1/models/{MODEL}/forecast", body)
    return port


def asked_beside(port: int) -> float:
    """How many answers of the shadow the server has recorded."""
    lines = httpx.get(f"http://127.0.0.1:{port}/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("barmill_shadow_p_up_difference_count"))


def report(name: str, rounds: list[Seen]) -> list[float]:
    """A line of the table; returns the p99 of each round, in milliseconds."""
    p50, p99 = ([one.quantile(share) for one in rounds] for share in (0.5, 0.99))
    spread = f"{min(p99):.2f} to {max(p99):.2f}"
    counts = [sum(map(len, what)) for what in zip(*((one.took, one.failed, one.mixed) for one in rounds), strict=True)]
    print(f"| {name} | {counts[0]:,} | {counts[1]} | {counts[2]} | {np.median(p50):.2f} | {np.median(p99):.2f} | {spread} |")
    return p99


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, metavar="FOLDER", help="of a model with versions 1 and 2, instead of training some")
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each half of a round")
    parser.add_argument("--rate", type=float, default=0.0, help="requests a second; half of what the server can if it is left out")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        versions = [told.model / number for number in ("1", "2")] if told.model else make_versions(folder, 2)
        for version in versions:
            publish(Bundle.from_verified(read_version(version)).files, folder / "models", MODEL)
        promote(folder / "models" / MODEL, 1)
        truth = Truth(versions[:1])
        alone, beside = (served(stack, folder, name, share, truth.bodies[0]) for name, share in (("alone", 0.0), ("beside", told.share)))
        rate = told.rate or len(asyncio.run(steadily(alone, truth, 0.0, 5.0)).took) / 5.0 / 2
        rounds = [[asyncio.run(steadily(port, truth, rate, told.seconds)) for port in (alone, beside)] for _ in range(told.rounds)]
        print(f"{rate:.0f} requests a second, {told.rounds} rounds; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
        print("| | requests | failed | of another version | p50 ms | p99 ms | p99 of the rounds |\n|---|---|---|---|---|---|---|")
        without, shadowed = (
            report(name, list(seen)) for name, seen in zip(("without", "with a shadow"), zip(*rounds, strict=True), strict=True)
        )
        ratio = np.median(shadowed) / np.median(without)
        print(f"\np99 with it over p99 without: {ratio:.2f}; the shadow forecast {asked_beside(beside):,.0f} of them too")


if __name__ == "__main__":
    main()

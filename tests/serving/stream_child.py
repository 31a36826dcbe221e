"""A server's process, to be killed: pushes bars to a stream, writes it down at every seventh, and says each bar's open time."""

import sys
from pathlib import Path

import numpy as np

from barmill.bundles import Bundle, read_bundle
from barmill.market import Bar
from barmill.serving.streams import Streams


class Served:
    def __init__(self, bundle: Bundle) -> None:
        self.bundle, self.name, self.number, self.inline = bundle, bundle.manifest.name, 1, True


def main(bundle: str, state: str, bars: str) -> None:
    served, streams = Served(Bundle.from_verified(read_bundle(Path(bundle)))), Streams(Path(state))
    for turn, (open_time, *values) in enumerate(np.load(bars).tolist()):
        streams.push(served, "es", Bar(int(open_time), *values))
        if turn % 7 == 6:
            streams.snapshot()
        sys.stdout.write(f"{int(open_time)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Progress on one line of a terminal; silent elsewhere."""

import sys


class ProgressLine:
    """A `Progress` on standard error."""

    def update(self, done: int, total: int, note: str = "") -> None:
        """Write over the line."""
        if sys.stderr.isatty():
            print(f"\r\x1b[K{done:,} of {total:,} {note}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Clear it."""
        if sys.stderr.isatty():
            print("\r\x1b[K", end="", file=sys.stderr)

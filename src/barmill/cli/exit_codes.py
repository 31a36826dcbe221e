"""Exit codes, in one table: 0 done, 1 failed, 2 bad input, 130 interrupted."""

from barmill.errors import BarmillError, InputError

DONE = 0
FAILED = 1
BAD_INPUT = 2
INTERRUPTED = 130


def exit_code(error: BarmillError) -> int:
    """2 where the mend is in what was given, 1 otherwise."""
    return BAD_INPUT if isinstance(error, InputError) else FAILED

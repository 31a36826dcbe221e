"""Publishes the files of a folder, importing almost nothing: `SOURCE_ROOT FILES REPOSITORY MODEL [CALL NUMBER]`.

With CALL and NUMBER the process ends at once before its NUMBER-th CALL, which does in the process what strace does from
outside (for machines that do not allow strace).
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])

from barmill.bundles.publishing import publish


def end_at(call: str, number: int) -> None:
    """Leave without a word before the `number`-th `os.<call>`."""
    original = getattr(os, call)
    count = 0

    def counted(*args: object, **kwargs: object) -> object:
        nonlocal count
        count += 1
        if count == number:
            os._exit(137)
        return original(*args, **kwargs)

    setattr(os, call, counted)


source, repository, model = Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
files = {path.relative_to(source).as_posix(): path.read_bytes() for path in sorted(source.rglob("*")) if path.is_file()}
if len(sys.argv) > 5:
    end_at(sys.argv[5], int(sys.argv[6]))
publish(files, repository, model)

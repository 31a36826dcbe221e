"""What the processes of one fit do alike: they tell in lines of JSON, and end with the process that asked for the fit."""

import json
import os
import shutil
from pathlib import Path
from typing import Any


def tell(**event: Any) -> None:
    """Write one line to the standard output, in one piece, so that the lines of several processes do not mix."""
    os.write(1, (json.dumps(event) + "\n").encode())


def end_with_input(folder: Path) -> None:
    """Wait until the standard input closes, which happens however the asking process ends, then end; leave nothing in `folder`."""
    while os.read(0, 4096):
        continue
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)

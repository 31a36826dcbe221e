"""TensorBoard events, for whoever watches a training; nothing that is fitted depends on them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from barmill.errors import MissingDependency


class Events:
    """Scalars into a folder that TensorBoard reads; a folder of None writes nothing."""

    def __init__(self, folder: Path | None, first_step: int = 0) -> None:
        self._writer: Any = None
        if folder is not None:
            try:
                from tensorboardX import SummaryWriter
            except ModuleNotFoundError as error:
                mend = 'Install it with: pip install "barmill[torch]".'
                raise MissingDependency("TensorBoard logs", "need tensorboardX, not installed here", mend=mend) from error
            # After a resume TensorBoard drops what the killed process wrote beyond its last checkpoint.
            self._writer = SummaryWriter(logdir=str(folder), purge_step=first_step)

    def write(self, step: int, scalars: Mapping[str, float]) -> None:
        """Record `scalars` at optimizer step `step`."""
        if self._writer is not None:
            for name, value in scalars.items():
                self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()

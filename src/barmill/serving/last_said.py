"""What a stream said of its last bar, kept to be said again."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from barmill.errors import ForecastError
from barmill.serving.answers import Float64Array


class Said(NamedTuple):
    """What was said of one bar, and by which version.

    row : float64 (n_outputs,), or None where there was no forecast; error : what the model raised instead of one
    """

    version: str
    number: int
    digest: str
    outputs: tuple[str, ...]
    row: Float64Array | None = None
    error: Exception | None = None

    def to_json(self) -> list[Any]:
        """As plain JSON, exact but for the kind of an error."""
        row = None if self.row is None else floats_to_text(self.row)
        return [self.version, self.number, self.digest, list(self.outputs), row, None if self.error is None else str(self.error)]

    @classmethod
    def from_json(cls, value: Sequence[Any]) -> "Said":
        """What `to_json` gave. Raises ValueError or TypeError for something else."""
        version, number, digest, outputs, row, error = value
        values = None if row is None else floats_from_text(row)
        if values is not None and values.shape != (len(outputs),):
            raise ValueError(f"{values.size} values of {len(outputs)} outputs")
        failed = None if error is None else ForecastError("the last bar", str(error))
        return cls(str(version), int(number), str(digest), tuple(map(str, outputs)), values, failed)


def floats_to_text(values: Float64Array) -> str:
    """The bits of `values` in hexadecimal: JSON has no NaN."""
    return values.astype("<f8").tobytes().hex()


def floats_from_text(text: str) -> Float64Array:
    """What `floats_to_text` was given. Raises ValueError or TypeError for something else."""
    return np.frombuffer(bytes.fromhex(text), dtype="<f8").astype(np.float64)


__all__ = ["Said", "floats_from_text", "floats_to_text"]

"""What came of a question at each decision: the labels of another question than direction, and the file that holds them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from barmill.artefacts import read_json, readable_json, write_new
from barmill.labels import average_uniqueness
from barmill.models.contract import Float64Array, ModelSpec
from barmill.models.pattern.detectors import PATTERNS

Int64Array = npt.NDArray[np.int64]

CLASSES: Mapping[str, tuple[str, ...]] = {"outcomes": ("not reached", "reached"), "patterns": PATTERNS}


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What came of one question, in the order of t0; arrays of shape (n_labels,).

    t0 : int64, the bar at whose close it is asked; t1 : int64, the bar at whose close the answer is known
    y : int8, class index, a place in CLASSES of the question
    targets : float64 by name, see `Samples.targets`; NaN where a row has none
    tables : float64 of shape (n_labels, k) by name, what judging reads beside the targets
    n_bars : int, of the run
    excluded : reason to number of decisions that were set aside
    """

    t0: Int64Array
    t1: Int64Array
    y: npt.NDArray[np.int8]
    targets: Mapping[str, Float64Array]
    n_bars: int
    tables: Mapping[str, Float64Array] = field(default_factory=dict[str, Float64Array])
    excluded: Mapping[str, int] = field(default_factory=dict[str, int])

    def __len__(self) -> int:
        return len(self.t0)

    @property
    def uniqueness(self) -> Float64Array:
        """What each answer weighs: less, the more others share its bars."""
        return average_uniqueness(self.t0, self.t1, self.n_bars)

    def targets_at(self, positions: Int64Array) -> dict[str, Float64Array]:
        return {name: values[positions] for name, values in self.targets.items()}

    def save(self, folder: Path) -> None:
        """Write one safetensors file, and what was set aside as JSON."""
        named = {f"target.{name}": values for name, values in self.targets.items()}
        named |= {f"table.{name}": values for name, values in self.tables.items()}
        arrays = {name: np.ascontiguousarray(values) for name, values in {"t0": self.t0, "t1": self.t1, "y": self.y, **named}.items()}
        write_new(folder / "answers.safetensors", save_tensors(arrays))
        write_new(folder / "answers.json", readable_json({"n_bars": self.n_bars, "excluded": dict(self.excluded)}))

    @classmethod
    def load(cls, folder: Path) -> "Answers":
        arrays: dict[str, Any] = load_tensors((folder / "answers.safetensors").read_bytes())
        plain = read_json(folder / "answers.json")
        named = {
            kind: {name.partition(".")[2]: values for name, values in arrays.items() if name.startswith(f"{kind}.")}
            for kind in ("target", "table")
        }
        return cls(arrays["t0"], arrays["t1"], arrays["y"], named["target"], plain["n_bars"], named["table"], plain["excluded"])


def classes_of(spec: ModelSpec) -> int:
    """Classes that a model of another question tells apart; 0 for one that learns an outcome's quantiles."""
    return 0 if spec.question == "outcomes" and spec.targets else len(CLASSES[spec.question])


__all__ = ["CLASSES", "Answers", "classes_of"]

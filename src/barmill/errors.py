"""Every error that Barmill raises on purpose, in one tree.

    BarmillError
    ├── InputError             mend what was given
    │   ├── DataError          bars
    │   ├── InstrumentError    instruments, timeframes, calendars
    │   ├── RecipeError        recipes and their parameters
    │   │   └── EnsembleError      members that cannot be combined
    │   ├── SchemaError        features or columns that differ from those trained on
    │   ├── ShapeError         arrays that do not fit together
    │   ├── LabelError         labels that cannot be made
    │   ├── SplitError         splits that leave nothing to train or judge on
    │   └── BundleError        bundles that cannot be used
    │       ├── BundleCorruption   bytes that differ from the manifest
    │       └── BundleVersionError a format this version does not know
    ├── SetupError             mend the machine
    │   ├── MissingDependency  an optional library that is not installed
    │   └── StorageError       a full disk, a folder that cannot be written
    ├── TrainingError          a fit that went wrong
    ├── ForecastError          a forecast that would not be finite or ordered
    ├── ProvenanceError        something fitted on what it is judged on
    ├── LeakageError           a critical leakage finding that the recipe does not allow
    └── LedgerError            a trial ledger that was altered

A message names the place, what was found, what was expected and the mend. The errors know
nothing of HTTP or exit codes; each rim translates them in one table.
"""

import difflib
from collections.abc import Iterable, Sequence
from typing import Self


class BarmillError(Exception):
    """Root of the family.

    Parameters
    ----------
    place : str, file, key, row or column, as precise as it can be named
    found : str, what is there
    expected : str, what would have been right; empty where `found` says it
    mend : str, a sentence that says what to do
    """

    def __init__(self, place: str, found: str, *, expected: str = "", mend: str = "") -> None:
        self.place = place
        self.found = found
        self.expected = expected
        self.mend = mend
        self.problems: tuple[BarmillError, ...] = ()
        super().__init__(self._sentence())

    def _sentence(self) -> str:
        text = f"{self.place}: {self.found}" if self.place else self.found
        if self.expected:
            text += f"; expected {self.expected}"
        if not text.endswith((".", "?", "!")):
            text += "."
        return f"{text} {self.mend}" if self.mend else text

    def __str__(self) -> str:
        if self.problems:
            return "\n".join(str(problem) for problem in self.problems)
        return self._sentence()

    @classmethod
    def gathered(cls, problems: Sequence["BarmillError"]) -> Self:
        """One error that tells all `problems` (at least one), a line each."""
        first = problems[0]
        error = cls(first.place, first.found, expected=first.expected, mend=first.mend)
        error.problems = tuple(problems) if len(problems) > 1 else ()
        return error


def nearest(name: str, known: Iterable[str]) -> str:
    """The mend of a misspelt name: `Did you mean 'x'?` where something close is known, else what is known."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"Did you mean '{close[0]}'?"
    return f"There are {', '.join(names)}." if names else ""


class InputError(BarmillError):
    """What was given is wrong."""


class DataError(InputError):
    """Bars that cannot be used."""


class InstrumentError(InputError):
    """An instrument, timeframe or calendar that does not exist or makes no sense."""


class RecipeError(InputError):
    """A recipe that cannot be run."""


class EnsembleError(RecipeError):
    """Members of an ensemble that cannot be combined as the recipe asks."""


class SchemaError(InputError):
    """Features or columns that differ from those trained on."""


class ShapeError(InputError):
    """Arrays that do not fit together."""


class LabelError(InputError):
    """Labels that cannot be made from these bars and parameters."""


class SplitError(InputError):
    """A split that leaves nothing to train or to judge on."""


class BundleError(InputError):
    """A bundle that cannot be used."""


class BundleCorruption(BundleError):
    """Bytes, names or kinds of files that differ from the manifest."""


class BundleVersionError(BundleError):
    """A bundle format that this version of Barmill does not know."""


class SetupError(BarmillError):
    """The machine or the installation lacks something."""


class MissingDependency(SetupError):
    """An optional library that is not installed."""


class StorageError(SetupError):
    """A disk that is full or a folder that cannot be written."""


class TrainingError(BarmillError):
    """A fit that went wrong."""


class ForecastError(BarmillError):
    """A forecast that would not be finite, ordered or within its bounds.

    reason : "not_finite", "out_of_bounds", "wrong_rows", or "model_error" for anything else, for who must tell one from another
    """

    def __init__(self, place: str, found: str, *, expected: str = "", mend: str = "", reason: str = "model_error") -> None:
        self.reason = reason
        super().__init__(place, found, expected=expected, mend=mend)


class ProvenanceError(BarmillError):
    """Something was fitted on rows on which it is judged."""


class LeakageError(BarmillError):
    """A critical leakage finding that the recipe does not allow: the run stops before anything is trained."""


class LedgerError(BarmillError):
    """A trial ledger whose lines were altered or removed."""


__all__ = [
    "BarmillError",
    "BundleCorruption",
    "BundleError",
    "BundleVersionError",
    "DataError",
    "EnsembleError",
    "ForecastError",
    "InputError",
    "InstrumentError",
    "LabelError",
    "LeakageError",
    "LedgerError",
    "MissingDependency",
    "ProvenanceError",
    "RecipeError",
    "SchemaError",
    "SetupError",
    "ShapeError",
    "SplitError",
    "StorageError",
    "TrainingError",
    "nearest",
]

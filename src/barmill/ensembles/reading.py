"""A fitted ensemble from its bytes: the kind that `ensemble.json` names says which class reads the rest."""

import importlib
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Protocol, cast

from barmill.ensembles.contract import Combiner
from barmill.errors import BundleError, nearest

ENSEMBLE_FILE = "ensemble.json"

# By kind "module:Class", written here by us and never read from a file; what reads an ensemble needs NumPy alone.
KINDS: Mapping[str, str] = MappingProxyType(
    {
        "fusion": "barmill.ensembles.fusion:Fusion",
        "gating": "barmill.ensembles.gating:Gating",
        "stacking": "barmill.ensembles.stacking:Stacking",
        "voting": "barmill.ensembles.voting:Voting",
    }
)


class CombinerClass(Protocol):
    """What KINDS names."""

    def from_files(self, files: Mapping[str, bytes]) -> Combiner:
        """The ensemble that wrote `files`. Raises BundleError where they are something else."""
        ...


def read_combiner(files: Mapping[str, bytes]) -> Combiner:
    """The fitted ensemble that wrote `files`, the same to the bit. Raises BundleError for anything else."""
    kind = read_ensemble_file(files).get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise BundleError(f"{ENSEMBLE_FILE} kind", f"no ensemble of the kind {kind!r}", mend=nearest(str(kind), KINDS))
    module, name = KINDS[kind].split(":")
    return cast(CombinerClass, getattr(importlib.import_module(module), name)).from_files(files)


def read_ensemble_file(files: Mapping[str, bytes]) -> Mapping[str, Any]:
    """What `ensemble.json` says, an object. Raises BundleError where it is missing or no JSON object."""
    if ENSEMBLE_FILE not in files:
        raise BundleError(ENSEMBLE_FILE, "is missing", mend="Build the bundle again.")
    try:
        content = json.loads(files[ENSEMBLE_FILE])
    except ValueError as error:
        raise BundleError(ENSEMBLE_FILE, f"cannot be read: {error!r}", mend="Build the bundle again.") from error
    if not isinstance(content, dict):
        raise BundleError(ENSEMBLE_FILE, "holds no object", mend="Build the bundle again.")
    return cast(dict[str, Any], content)


__all__ = ["ENSEMBLE_FILE", "KINDS", "CombinerClass", "read_combiner", "read_ensemble_file"]

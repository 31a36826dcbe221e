"""The manifest: what a bundle is, and the size and digest of each of its files.

`manifest.json` is canonical JSON without time stamp or host, so the same contents give the same bytes. Its own SHA-256
is the bundle's digest and stands beside it in `manifest.sha256` (in the format of `sha256sum -c`), so that a change to
any byte of the folder shows. That proves integrity, not authorship.

This module, like all that publishing needs, imports the standard library alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from barmill.artefacts import canonical_json, sha256
from barmill.bundles.manifest_rules import (
    ENSEMBLE,
    ENSEMBLE_VIEW,
    FOLDERS,
    FORMAT,
    MANIFEST,
    MAX_FILES,
    MAX_MANIFEST_BYTES,
    NAME,
    NEIGHBOURS,
    ONNX,
    PARTS,
    READS_WITH,
    SEAL,
    VERSION,
    WEIGHTS,
    first_problem,
    model_problem,
)
from barmill.bundles.strict_json import parse_canonical
from barmill.errors import BundleCorruption, BundleError, BundleVersionError

_MEND = "Publish the run again with this version of Barmill."


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of the bundle; `path` is relative, with forward slashes."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """Which model the weights belong to, and what goes in and comes out.

    name : as in the catalogue of models; of an ensemble, as in that of ensembles
    view : "feature_matrix", "window_tensor", "multi_resolution", "pattern_image", or "ensemble", whose members have views of their own
    window : int, bars; for several timeframes, bars of each by its name; None for a feature matrix and for an ensemble
    classes : 2 or 3 of direction (an entry has 2), 5 patterns, 0 for a model that says nothing of classes
    inputs : tuple of str, features (of several timeframes and of images, columns of bars) in the order of the model's columns; of an
        ensemble all that some member sees or the combiner reads, features in the order of the plan, then columns of bars
    outputs : tuple of str, columns of the forecast
    """

    name: str
    view: str
    window: int | Mapping[str, int] | None
    classes: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "classes": self.classes,
            "inputs": list(self.inputs),
            "name": self.name,
            "outputs": list(self.outputs),
            "view": self.view,
            "window": dict(self.window) if isinstance(self.window, Mapping) else self.window,
        }

    @classmethod
    def from_json(cls, value: Any, place: str) -> "ModelEntry":
        """Read what `to_json` wrote. Raises BundleCorruption naming `place` for anything else."""
        if problem := model_problem(value):
            raise BundleCorruption(place, problem, mend=_MEND)
        names = {key: tuple(value[key]) for key in ("inputs", "outputs")}
        return cls(name=value["name"], view=value["view"], window=value["window"], classes=value["classes"], **names)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What `manifest.json` says."""

    name: str
    version: str
    symbol: str
    timeframe: str
    model: ModelEntry
    schema_hash: str
    fingerprints: Mapping[str, Any]
    files: tuple[FileEntry, ...]

    @property
    def weights(self) -> tuple[str, ...]:
        """Paths of the model's own files, of all members of an ensemble."""
        return self._below(WEIGHTS)

    @property
    def ensemble(self) -> tuple[str, ...]:
        """Paths of what makes one forecast of those of the members; none for a single model."""
        return self._below(ENSEMBLE)

    @property
    def graphs(self) -> tuple[str, ...]:
        """Paths of its ONNX graphs; none where it has none."""
        return self._below(ONNX)

    def _below(self, folder: str) -> tuple[str, ...]:
        return tuple(entry.path for entry in self.files if entry.path.startswith(f"{folder}/"))

    def to_json(self) -> dict[str, Any]:
        return {
            **PARTS,
            WEIGHTS: list(self.weights),
            ENSEMBLE: list(self.ensemble),
            ONNX: list(self.graphs),
            "files": [{"path": entry.path, "sha256": entry.sha256, "size": entry.size} for entry in self.files],
            "fingerprints": dict(self.fingerprints),
            "format": FORMAT,
            "inference_signature": {
                "inputs": [self.model.view],
                "outputs": list(self.model.outputs),
                "version": f"v{self.version}",
            },
            "model": self.model.to_json(),
            "name": self.name,
            "neighbours": NEIGHBOURS if any(entry.path == NEIGHBOURS for entry in self.files) else None,
            "reads_with": READS_WITH,
            "schema_hash": self.schema_hash,
            "symbol": self.symbol,
            "timeframe": self.timeframe,
            "version": self.version,
        }

    def to_bytes(self) -> bytes:
        return canonical_json(self.to_json())


def check_name(name: str) -> None:
    """Raise BundleError unless `name` can be a model's name and folder."""
    if not NAME.fullmatch(name):
        raise BundleError("name", repr(name), expected="1 to 64 of a-z, 0-9, '_', '-', '.', beginning with a letter or digit")


def check_version(version: str) -> None:
    """Raise BundleError unless `version` is a semantic version such as '1.4.0'."""
    if not VERSION.fullmatch(version):
        raise BundleError("version", repr(version), expected="a semantic version such as '1.4.0'")


def list_files(files: Mapping[str, bytes]) -> tuple[FileEntry, ...]:
    """The manifest's entries of `files`, sorted by path."""
    return tuple(FileEntry(path, len(data), sha256(data)) for path, data in sorted(files.items()))


def seal_of(manifest: bytes) -> bytes:
    """Content of `manifest.sha256` for these manifest bytes."""
    return f"{sha256(manifest)}  {MANIFEST}\n".encode()


def parse_manifest(data: bytes, place: str) -> Manifest:
    """The manifest in `data`, whose digest was checked before.

    Raises BundleVersionError for a format this version does not know, BundleCorruption for anything else that is off.
    """
    value = parse_canonical(data, place)
    if not isinstance(value, dict):
        raise BundleCorruption(place, "is not an object", mend=_MEND)
    _check_format(value, place)
    if problem := first_problem(value):
        raise BundleCorruption(place, problem, mend=_MEND)
    manifest = Manifest(
        name=value["name"],
        version=value["version"],
        symbol=value["symbol"],
        timeframe=value["timeframe"],
        model=ModelEntry.from_json(value["model"], place),
        schema_hash=value["schema_hash"],
        fingerprints=MappingProxyType(value["fingerprints"]),
        files=tuple(FileEntry(entry["path"], entry["size"], entry["sha256"]) for entry in value["files"]),
    )
    # Everything that is not free is derived from the rest: what is derived must be what stands there.
    if manifest.to_json() != value:
        wrong = sorted(key for key in value if manifest.to_json()[key] != value[key])
        raise BundleCorruption(place, f"{', '.join(wrong)} contradicts the rest of the manifest", mend=_MEND)
    return manifest


def _check_format(value: Mapping[str, Any], place: str) -> None:
    found: object = value.get("format")
    if type(found) is int and found == FORMAT:
        return
    if type(found) is int and found > FORMAT:
        reader = value.get("reads_with")
        needs = f"Barmill {reader} or newer" if isinstance(reader, str) and VERSION.fullmatch(reader) else "a newer Barmill"
        raise BundleVersionError(
            place, f"bundle format {found}", expected=f"format {FORMAT}", mend=f"{needs} reads it: upgrade, then try again."
        )
    raise BundleVersionError(place, f"bundle format {found!r}", expected=f"format {FORMAT}", mend=_MEND)


__all__ = [
    "ENSEMBLE",
    "ENSEMBLE_VIEW",
    "FOLDERS",
    "FORMAT",
    "MANIFEST",
    "MAX_FILES",
    "MAX_MANIFEST_BYTES",
    "NEIGHBOURS",
    "ONNX",
    "PARTS",
    "READS_WITH",
    "SEAL",
    "WEIGHTS",
    "FileEntry",
    "Manifest",
    "ModelEntry",
    "check_name",
    "check_version",
    "list_files",
    "parse_manifest",
    "seal_of",
]

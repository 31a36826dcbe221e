"""The manifest: what a bundle is, and the size and digest of each of its files.

`manifest.json` is canonical JSON without time stamp or host, so the same contents give the same bytes. Its own SHA-256
is the bundle's digest and stands beside it in `manifest.sha256` (in the format of `sha256sum -c`), so that a change to
any byte of the folder shows. That proves integrity, not authorship.

This module, like all that publishing needs, imports the standard library alone.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from barmill.artefacts import canonical_json, sha256
from barmill.bundles.strict_json import parse_canonical
from barmill.errors import BundleCorruption, BundleError, BundleVersionError

FORMAT = 1
READS_WITH = "0.1.0"  # the first version of Barmill that reads FORMAT; a newer format names a newer one

MANIFEST = "manifest.json"
SEAL = "manifest.sha256"

# Manifest key to file name. `preproc`, `schema`, `metrics`, `calibrator` and `weights` are the charter's artefact keys. Those that it adds
# for ensembles: `meta_model` and `gating_model` are the files under ENSEMBLE, `oof_preds` stay in the run, which a server does not need.
PARTS: Mapping[str, str] = MappingProxyType(
    {
        "calibrator": "calibrator.json",
        "conformal": "conformal.json",
        "features": "features.json",
        "golden": "golden.safetensors",
        "instrument": "instrument.json",
        "members": "members.json",
        "metrics": "metrics.json",
        "model_card": "model_card.md",
        "preproc": "preproc.json",
        "provenance": "provenance.json",
        "quantiles": "quantiles.json",
        "recipe": "recipe.json",
        "reference_profile": "reference_profile.json",
        "schema": "schema.json",
        "thresholds": "thresholds.json",
    }
)
WEIGHTS = "weights"  # folder of the model's own files; of an ensemble's, of a folder for each member
ENSEMBLE = "ensemble"  # folder of what an ensemble makes of its members' forecasts: a vote, a meta-learner, a gate
FOLDERS = (WEIGHTS, ENSEMBLE)
ENSEMBLE_VIEW = "ensemble"

MAX_FILES = 256
MAX_FILE_BYTES = 1 << 30
MAX_TOTAL_BYTES = 2 << 30
MAX_TEXT_BYTES = 32 << 20  # JSON and Markdown
MAX_MANIFEST_BYTES = 4 << 20

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?")
_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}"  # begins with no dot: neither the folder above nor a hidden file
_PATH = re.compile(rf"(?:{WEIGHTS}/)?{_PART}(?:/{_PART})?")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_KEYS = frozenset(
    {
        "fingerprints",
        "files",
        "format",
        "inference_signature",
        "model",
        "name",
        "reads_with",
        "schema_hash",
        "symbol",
        "timeframe",
        "version",
    }
    | set(FOLDERS)
    | set(PARTS)
)
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
        if problem := _model_problem(value):
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

    def _below(self, folder: str) -> tuple[str, ...]:
        return tuple(entry.path for entry in self.files if entry.path.startswith(f"{folder}/"))

    def to_json(self) -> dict[str, Any]:
        return {
            **PARTS,
            WEIGHTS: list(self.weights),
            ENSEMBLE: list(self.ensemble),
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
    if not _NAME.fullmatch(name):
        raise BundleError("name", repr(name), expected="1 to 64 of a-z, 0-9, '_', '-', '.', beginning with a letter or digit")


def check_version(version: str) -> None:
    """Raise BundleError unless `version` is a semantic version such as '1.4.0'."""
    if not _VERSION.fullmatch(version):
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
    if problem := _first_problem(value):
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
        needs = f"Barmill {reader} or newer" if isinstance(reader, str) and _VERSION.fullmatch(reader) else "a newer Barmill"
        raise BundleVersionError(
            place, f"bundle format {found}", expected=f"format {FORMAT}", mend=f"{needs} reads it: upgrade, then try again."
        )
    raise BundleVersionError(place, f"bundle format {found!r}", expected=f"format {FORMAT}", mend=_MEND)


def _first_problem(value: Mapping[str, Any]) -> str:
    """What is wrong with the shape of a format-1 manifest; empty if nothing."""
    missing, unknown = sorted(_KEYS - set(value)), sorted(set(value) - _KEYS)
    if missing or unknown:
        return f"lacks {', '.join(missing)}" if missing else f"has the unknown key {unknown[0]!r}"
    for key, pattern in (("name", _NAME), ("version", _VERSION), ("schema_hash", _DIGEST)):
        if not isinstance(value[key], str) or not pattern.fullmatch(value[key]):
            return f"{key} is {value[key]!r}"
    if not all(isinstance(value[key], str) for key in ("symbol", "timeframe")) or not isinstance(value["fingerprints"], dict):
        return "symbol, timeframe or fingerprints has a wrong type"
    return _model_problem(value["model"]) or _files_problem(value["files"], value["model"]["view"] == ENSEMBLE_VIEW)


def _model_problem(model: Any) -> str:
    if not isinstance(model, dict) or set(model) != {"classes", "inputs", "name", "outputs", "view", "window"}:
        return "model has missing or unknown keys"
    lists: list[Any] = [model["inputs"], model["outputs"]]
    if not all(isinstance(names, list) and names and all(isinstance(name, str) for name in names) for names in lists):
        return "model.inputs or model.outputs is not a list of names"
    if any(len(set(names)) < len(names) for names in lists):
        return "model.inputs or model.outputs names one twice"
    if type(model["classes"]) is not int or model["classes"] not in (0, 2, 3, 5):
        return f"model.classes is {model['classes']!r}"
    if model["view"] not in _views_of(model["window"]):
        return f"model.view {model['view']!r} does not go with window {model['window']!r}"
    return "" if isinstance(model["name"], str) else "model.name is not a name"


def _views_of(window: Any) -> tuple[str, ...]:
    """The views that such a window can belong to; none for what is no window."""
    if window is None:
        return ("feature_matrix", ENSEMBLE_VIEW)
    if isinstance(window, dict):
        lengths: dict[str, Any] = window
        return ("multi_resolution",) if lengths and all(_is_length(length) for length in lengths.values()) else ()
    return ("window_tensor", "pattern_image") if _is_length(window) else ()


def _is_length(value: Any) -> bool:
    return type(value) is int and value >= 1


def _files_problem(entries: Any, of_ensemble: bool) -> str:
    if not isinstance(entries, list) or not 0 < len(entries) <= MAX_FILES:
        return f"files is not a list of 1 to {MAX_FILES} entries"
    paths: list[str] = []
    total = 0
    for entry in entries:
        if not isinstance(entry, dict) or set(entry) != {"path", "sha256", "size"}:
            return "an entry of files has missing or unknown keys"
        path, size, digest = entry["path"], entry["size"], entry["sha256"]
        if not isinstance(path, str) or not _PATH.fullmatch(path):
            return f"file path {path!r} leaves the folder or has unusual characters"
        if type(size) is not int or not 0 <= size <= (
            MAX_TEXT_BYTES if path.endswith((".json", ".md")) and "/" not in path else MAX_FILE_BYTES
        ):
            return f"size of {path} is {size!r}"
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            return f"sha256 of {path} is {digest!r}"
        paths.append(path)
        total += size
    return _paths_problem(paths, of_ensemble) or (f"files have {total} bytes in all" if total > MAX_TOTAL_BYTES else "")


def _paths_problem(paths: Sequence[str], of_ensemble: bool) -> str:
    if list(paths) != sorted(set(paths)):
        return "files are not sorted by path, or one stands twice"
    if len({path.casefold() for path in paths}) < len(paths):
        return "two files differ in upper and lower case alone"
    expected = set(PARTS.values())
    if missing := sorted(expected - set(paths)):
        return f"files lacks {missing[0]}"
    further = [path for path in paths if path not in expected]
    if strangers := [path for path in further if not _belongs(path, of_ensemble)]:
        return f"files lists {strangers[0]}, which belongs to no part of a bundle"
    folders = {path.split("/")[0] for path in further}
    if WEIGHTS not in folders:
        return "files lists no weights"
    return f"files lists nothing under {ENSEMBLE}" if of_ensemble and ENSEMBLE not in folders else ""


def _belongs(path: str, of_ensemble: bool) -> bool:
    """Whether there may be such a file: weights/<file> of a model; weights/<member>/<file> and ensemble/<file> of an ensemble."""
    folder, *below = path.split("/")
    if not of_ensemble:
        return folder == WEIGHTS and len(below) == 1
    return (folder, len(below)) in ((WEIGHTS, 2), (ENSEMBLE, 1))


__all__ = [
    "ENSEMBLE",
    "ENSEMBLE_VIEW",
    "FOLDERS",
    "FORMAT",
    "MANIFEST",
    "MAX_FILES",
    "MAX_MANIFEST_BYTES",
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

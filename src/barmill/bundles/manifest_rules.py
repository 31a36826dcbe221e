"""What a manifest may say: the parts of a bundle, its limits, and what is wrong with a value that comes from a file.

Standard library alone, as the manifest itself.
"""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

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
        "parity": "parity.json",
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
ONNX = "onnx"  # folder of the bundle's forecast, and of each of its models, as ONNX graphs; there may be none
FOLDERS = (WEIGHTS, ENSEMBLE, ONNX)
ENSEMBLE_VIEW = "ensemble"

NEIGHBOURS = "neighbours.safetensors"  # of a model of patterns: its training rows, and what became of them; there may be none

MAX_FILES = 256
MAX_FILE_BYTES = 1 << 30
MAX_TOTAL_BYTES = 2 << 30
MAX_TEXT_BYTES = 32 << 20  # JSON and Markdown
MAX_MANIFEST_BYTES = 4 << 20

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?")
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
        "neighbours",
        "reads_with",
        "schema_hash",
        "symbol",
        "timeframe",
        "version",
    }
    | set(FOLDERS)
    | set(PARTS)
)


def first_problem(value: Mapping[str, Any]) -> str:
    """What is wrong with the shape of a format-1 manifest; empty if nothing."""
    missing, unknown = sorted(_KEYS - set(value)), sorted(set(value) - _KEYS)
    if missing or unknown:
        return f"lacks {', '.join(missing)}" if missing else f"has the unknown key {unknown[0]!r}"
    for key, pattern in (("name", NAME), ("version", VERSION), ("schema_hash", _DIGEST)):
        if not isinstance(value[key], str) or not pattern.fullmatch(value[key]):
            return f"{key} is {value[key]!r}"
    if not all(isinstance(value[key], str) for key in ("symbol", "timeframe")) or not isinstance(value["fingerprints"], dict):
        return "symbol, timeframe or fingerprints has a wrong type"
    return model_problem(value["model"]) or _files_problem(value["files"], value["model"]["view"] == ENSEMBLE_VIEW)


def model_problem(model: Any) -> str:
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
    """Whether there may be such a file: weights/<file> of a model; weights/<member>/<file> and ensemble/<file> of an ensemble; graphs."""
    if path == NEIGHBOURS:
        return not of_ensemble
    folder, *below = path.split("/")
    if folder == ONNX:
        return len(below) == 1 and path.endswith(".onnx")
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
    "NAME",
    "NEIGHBOURS",
    "ONNX",
    "PARTS",
    "READS_WITH",
    "SEAL",
    "VERSION",
    "WEIGHTS",
    "first_problem",
    "model_problem",
]

"""What names a result: the code that made it, the libraries under it, and the machine's environment."""

import functools
import importlib.metadata
import os
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import barmill
from barmill.artefacts import canonical_json, sha256

_SOURCES = (".py", ".yaml", ".j2", ".css", ".js")
_CORE_LIBRARIES = ("numpy", "scipy", "polars", "numba", "llvmlite", "scikit-learn")
_FAMILY_LIBRARIES = {
    "linear": ("scikit-learn",),
    "boosting": ("lightgbm", "xgboost-cpu"),
    "recurrent": ("torch", "onnx", "onnxscript", "onnxruntime"),
    "pattern": ("torch", "onnx", "onnxscript", "onnxruntime"),
    "expert": ("lightgbm",),
}


@functools.cache
def code_fingerprint(*packages: str) -> str:
    """SHA-256 over the source of `packages` (such as "features"), or of all of Barmill if none is named.

    The ground floor (errors, artefacts) is always part of it; recipes that are packed beside the code when it is installed
    are not, so that a checkout and an installation of the same code agree.
    """
    root = Path(barmill.__file__).parent
    folders = [root / name for name in packages] if packages else [root]
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix in _SOURCES and path.parent.name != "recipes"]
    files += [root / "errors.py", root / "artefacts.py"]
    named = {path.relative_to(root).as_posix(): sha256(path.read_bytes()) for path in files}
    return sha256(canonical_json(named))


def library_versions(names: Iterable[str]) -> dict[str, str]:
    """Installed versions of distributions, without local labels; those not installed are left out."""
    versions: dict[str, str] = {}
    for name in sorted(set(names)):
        try:
            versions[name] = importlib.metadata.version(name).split("+")[0]
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def core_versions() -> dict[str, str]:
    """Versions of the libraries under features, labels and statistics."""
    return library_versions(_CORE_LIBRARIES)


def family_versions(family: str) -> dict[str, str]:
    """Versions of the libraries under a model family."""
    return library_versions(_FAMILY_LIBRARIES.get(family, ()))


def environment() -> dict[str, Any]:
    """What the run ran on; for people, not part of any fingerprint, and without the machine's name."""
    libraries = {name for group in _FAMILY_LIBRARIES.values() for name in group} | set(_CORE_LIBRARIES)
    return {
        "barmill": barmill.__version__,
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "libraries": library_versions(libraries | {"onnxruntime", "pyarrow", "pydantic", "plotly"}),
    }


def key_of(**parts: Any) -> str:
    """The content address of a stage: a digest of everything that its result depends on."""
    return sha256(canonical_json(parts))

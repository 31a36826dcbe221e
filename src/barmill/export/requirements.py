"""What an export needs beyond the core."""

import importlib.util

from barmill.errors import MissingDependency


def require_onnx() -> None:
    """Raise MissingDependency with the line that installs the `onnx` package, where it is not there."""
    if importlib.util.find_spec("onnx") is None:
        raise MissingDependency("export", "needs onnx, which is not installed here", mend='Install it with: pip install "barmill[export]".')


__all__ = ["require_onnx"]

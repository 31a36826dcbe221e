"""Features from a function of the user's own. It runs because the user asked for it, in this process."""

import contextlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from barmill.errors import DataError, InputError, nearest
from barmill.evaluation.audit.tables import MadeTable
from barmill.evaluation.audit.user_frames import FrameKind, as_frame, as_table, kind_for

if TYPE_CHECKING:
    from barmill.market import Bars

_PREFIX = "_audited_"  # a file's module goes by this name, so that it takes the place of no module of ours


class CallableTable:
    """The table that a function makes of a frame of bars.

    Parameters
    ----------
    function : takes a frame of bars, gives a frame, an array or a dict with a row per bar
    target : what messages call it; None takes the function's name
    frame : "pandas", "polars", "dict" or "bars"; None goes by the function's annotation, or by what its module imports

    Raises: InputError if nothing tells what frame it takes.
    """

    exact = False
    costly_start = False

    def __init__(self, function: Callable[[Any], object], target: str | None = None, frame: str | None = None) -> None:
        self.target = target or str(getattr(function, "__qualname__", function))
        self._function = function
        self._folder: Path | None = None
        self._kind: FrameKind = kind_for(function, frame, self.target)

    @classmethod
    def load(cls, target: str, frame: str | None = None) -> "CallableTable":
        """From `module:function` or `file.py:function`; see `load_function`."""
        made = cls(load_function(target), target, frame)
        made._folder = _folder_of(target)
        return made

    def make(self, bars: "Bars") -> MadeTable:
        """See FeatureMaker. Raises DataError with what the function raised, and where."""
        frame = as_frame(bars, self._kind)
        with _looking_in(self._folder), told(f"{self.target} on {len(bars):,} bars"):
            made = self._function(frame)
        return as_table(made, self.target)

    def source_of(self, feature: str) -> str:
        """Nothing: which line of a function makes a column cannot be told."""
        return ""


def load_function(target: str) -> Callable[[Any], object]:
    """The function that `module:function` or `file.py:function` names.

    A file is run as a module of its own. While it is, and while its functions run within an audit, its folder stands behind the
    others where Python looks: it can import what lies beside it, and hides no installed module.
    Raises: InputError if there is no such file, module or function; DataError if importing it fails.
    """
    place, _, name = target.rpartition(":")
    if not place or not name:
        raise InputError(target, "names no function", expected="module:function or file.py:function")
    with _looking_in(_folder_of(target)):
        module = _from_file(Path(place)) if place.endswith(".py") else _from_module(place)
    function = getattr(module, name, None)
    if not callable(function):
        functions = [known for known, value in vars(module).items() if callable(value) and not known.startswith("_")]
        raise InputError(target, f"there is no function '{name}' in {place}", mend=nearest(name, functions))
    return function


def _from_file(path: Path) -> Any:
    if not path.is_file():
        raise InputError(str(path), "there is no such file", mend="Look at the path.")
    name = f"{_PREFIX}{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None  # a file that ends in .py has a loader
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickles look their module up
    with told(f"importing {path}"):
        spec.loader.exec_module(module)
    return module


def _from_module(name: str) -> Any:
    try:
        known = importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        known = False
    if not known:
        raise InputError(name, "there is no such module", mend="Give the path of the file instead, as in features.py:function.")
    with told(f"importing {name}"):
        return importlib.import_module(name)


def _folder_of(target: str) -> Path:
    """Where a file's neighbours lie, or the modules of the current folder."""
    place = target.rpartition(":")[0]
    return Path(place).resolve().parent if place.endswith(".py") else Path.cwd()


@contextlib.contextmanager
def _looking_in(folder: Path | None) -> Generator[None]:
    """Python finds modules in `folder` too, after all others."""
    if folder is None or str(folder) in sys.path:
        yield
        return
    sys.path.append(str(folder))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(folder))


@contextlib.contextmanager
def told(place: str) -> Generator[None]:
    """Run code of the user's: what it prints goes to standard error, what it raises becomes a DataError that says where."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except (Exception, SystemExit) as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        said = f"{type(error).__name__}: {error}".rstrip(": ").splitlines()[0]
        raise DataError(place, f"{said} ({Path(last.filename).name}, line {last.lineno})") from error


__all__ = ["CallableTable", "load_function"]

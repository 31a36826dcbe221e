"""Every model that can be built, in one table. Reading it imports no learning library."""

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import cast

from barmill.errors import MissingDependency, RecipeError, nearest
from barmill.models.boosting import specs as boosting
from barmill.models.contract import Fit, Forecaster, ForecasterClass, ModelParams, ModelSpec, Window
from barmill.models.convolution import specs as convolution
from barmill.models.decomposition import specs as decomposition
from barmill.models.expert import specs as expert
from barmill.models.foundation import specs as foundation
from barmill.models.linear import specs as linear
from barmill.models.network_params import NetworkParams
from barmill.models.pattern import specs as pattern
from barmill.models.probabilistic import specs as probabilistic
from barmill.models.recurrent import specs as recurrent
from barmill.models.transformer import specs as transformer

_FAMILIES = (linear, boosting, recurrent, convolution, transformer, probabilistic, decomposition, foundation, pattern, expert)

MODELS: Mapping[str, ModelSpec] = MappingProxyType({spec.name: spec for family in _FAMILIES for spec in family.SPECS})


def spec_of(name: str) -> ModelSpec:
    """The catalogue entry `name`. Raises RecipeError with the nearest name that exists."""
    if name in MODELS:
        return MODELS[name]
    raise RecipeError("models", f"no model named '{name}'", mend=nearest(name, MODELS))


def window_of(spec: ModelSpec, params: ModelParams) -> Window:
    """Bars of the windows that a model with these parameters sees.

    An int for windows of one timeframe, bars by timeframe (finest first) for windows of several, None for a model of the feature matrix.
    """
    if spec.view == "feature_matrix":
        return None
    resolutions: Mapping[str, int] | None = getattr(params, "resolutions", None)  # a pretrained network has no other view to offer
    return resolutions or cast(NetworkParams, params).seq_len


def view_of(window: Window) -> str:
    """The view, out of `VIEWS`, on which a model sees such a window."""
    if window is None:
        return "feature_matrix"
    return "window_tensor" if isinstance(window, int) else "multi_resolution"


def missing_requirements(spec: ModelSpec) -> tuple[str, ...]:
    """Modules that the model's fit needs and that are not installed; none of them is imported to find out."""
    return tuple(name for name in spec.requires if not _is_installed(name))


def require_ready(spec: ModelSpec, params: ModelParams) -> None:
    """Ask before any work whether what the model needs beside libraries (weights) is there. Raises what tells how to get it."""
    if spec.ready:
        cast(Callable[[ModelSpec, ModelParams], None], _target(spec.ready))(spec, params)


def load_fit(spec: ModelSpec) -> Fit:
    """The function that fits the model. Raises MissingDependency with the line that installs what it needs."""
    missing = missing_requirements(spec)
    if missing:
        mend = f'Install it with: pip install "barmill[{spec.extra}]".'
        raise MissingDependency(f"model '{spec.name}'", f"needs {', '.join(missing)}, not installed here", mend=mend)
    return cast(Fit, _target(spec.fit))


def load_forecaster(spec: ModelSpec, files: Mapping[str, bytes]) -> Forecaster:
    """A forecaster from a fitted model's bytes, which were verified before; needs none of the fit's libraries."""
    return cast(ForecasterClass, _target(spec.forecaster)).from_files(files)


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ValueError:  # the import of the module was blocked: `sys.modules[name] = None`
        return False


def _target(path: str) -> object:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


__all__ = ["MODELS", "load_fit", "load_forecaster", "missing_requirements", "require_ready", "spec_of", "view_of", "window_of"]

"""The contract between the factory and a model.

A fit is a pure function `fit(params, train, valid, context) -> FittedModel`, and a fitted model is a value: named
bytes in safe formats. Whoever forecasts, in training as in serving, builds a `Forecaster` from those bytes with
`load_forecaster`, so there is one forecasting code, and nothing that lives only in the trainer's memory.

Three views. A feature matrix is one row of scaled features for each sample; a window tensor the last `seq_len` rows. With several
timeframes (`multi_resolution`) a sample is one window too, (sum of the lengths, columns): the last closed bars of each
timeframe, finest first, each with its newest bar last. So any network of windows can read it as it is; one that treats
the timeframes apart cuts the window by `params.lengths`, which is () for a window of one timeframe.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from barmill.progress import Progress, SilentProgress
from barmill.views import FeatureMatrix, MultiResolution, PatternImage, WindowTensor

View: TypeAlias = FeatureMatrix | WindowTensor | MultiResolution | PatternImage
Window: TypeAlias = int | Mapping[str, int] | None  # bars of a window, bars of each timeframe, or None for one row
Float64Array: TypeAlias = npt.NDArray[np.float64]

VIEWS = ("feature_matrix", "window_tensor", "multi_resolution", "pattern_image")
OUTPUTS = ("p_up", "E_r", "q05", "q50", "q95")
QUANTILES = OUTPUTS[2:]
QUESTIONS = ("direction", "outcomes", "patterns")
LEVELS = (0.05, 0.5, 0.95)  # of QUANTILES


class ModelParams(BaseModel):
    """Base of every model's parameters: frozen, unknown keys refused, ranges on the fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def no_notes(_: Any) -> tuple[str, ...]:
    """Of parameters that hold no surprise."""
    return ()


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A catalogue entry: what can be built, and what it needs; loading it imports nothing heavy.

    Parameters
    ----------
    name, family : str, as written in a recipe and in the tree
    view : str, one of VIEWS: what it sees unless a recipe says otherwise
    views : tuple of str, all that it can see, `view` first; `view` alone if left out
    outputs : tuple of str, what the model itself learns, out of OUTPUTS, the quantiles all three or none; to a model that learns none,
        or is not asked for them, they are added from the residuals of its calibration rows. A model of another question (`targets`)
        names what `RawForecast.values` holds of it
    causal : bool, no output depends on a bar after the window's end
    zero_shot : bool, forecasts without a fit
    params : ModelParams type, whose defaults and ranges are the documentation
    fit : str, "module:function", written here by us and never read from a file
    forecaster : str, "module:Class", likewise; imports nothing of the training side
    trunk : str, "module:function", likewise: `build(params, n_features) -> (module, width)`, a network below its head;
        on the view of several timeframes `params.lengths` tells how many bars of the window belong to each, finest first
    requires : tuple of str, importable modules that the fit needs beyond the core
    extra : str, the install extra that brings them
    ready : str, "module:function", likewise: asked `(spec, params)` before any work, raises where something is missing
    reference : str, where the model is described
    question : str, one of QUESTIONS: where the label goes, what becomes of a proposed trade, or which chart pattern stands there
    notes : function of the parameters, to sentences on what they lead to that nobody may expect; told before any work, and no refusal
    targets : tuple of str, what the fit reads of `Samples.targets`, for a model whose question is not the label's direction
    """

    name: str
    family: str
    view: str
    outputs: tuple[str, ...]
    causal: bool
    zero_shot: bool
    params: type[ModelParams]
    fit: str
    forecaster: str
    requires: tuple[str, ...] = ()
    extra: str = ""
    reference: str = ""
    summary: str = ""
    question: str = "direction"
    targets: tuple[str, ...] = ()
    trunk: str = ""
    ready: str = ""
    views: tuple[str, ...] = ()
    notes: Callable[[Any], tuple[str, ...]] = no_notes

    def __post_init__(self) -> None:
        if not self.views:
            object.__setattr__(self, "views", (self.view,))


@dataclass(frozen=True, slots=True)
class Samples:
    """Rows to learn from or to judge on.

    view : the inputs, float32, one row per sample
    y : int8 of shape (n,), class index: two classes 0 (not up), 1 (up); three 0 (down), 1 (neither), 2 (up)
    z : float64 of shape (n,), net log return from entry to label end, in units of the volatility known at the decision
    weight : float64 of shape (n,), mean 1
    targets : further outcomes by name, float64 of shape (n,), for the models that name them in their spec; NaN where a row has none
    """

    view: View
    y: npt.NDArray[np.int8]
    z: Float64Array
    weight: Float64Array
    targets: Mapping[str, Float64Array] = field(default_factory=dict[str, Float64Array])

    def __len__(self) -> int:
        return len(self.y)


class RawForecast(NamedTuple):
    """What a forecaster says before calibration.

    logits : float64 of shape (n,) for two classes (log-odds of up), (n, k) for k of them (softmax scores in class order), (n, 0) where the
        model has nothing to say of classes
    expected : float64 of shape (n,), expected z, or None where the model does not learn E_r
    quantiles : float64 of shape (n, 3), the 5, 50 and 95 % quantiles of z, not falling in a row, or None where it does not learn them
    values : what else the model says, by name (a stop in ATR, an embedding), float64 of shape (n,) or (n, k), or None
    """

    logits: Float64Array
    expected: Float64Array | None = None
    quantiles: Float64Array | None = None
    values: Mapping[str, Float64Array] | None = None


class Forecaster(Protocol):
    """A fitted model that forecasts; immutable, safe to share between threads."""

    def raw(self, view: View) -> RawForecast:
        """Forecast each sample of `view`; a row's result depends on that row alone."""
        ...


@runtime_checkable
class KeepingForecaster(Forecaster, Protocol):
    """A forecaster that is slow and the same in every fold, and so can keep what it has said."""

    def keeping(self, folder: Path) -> Forecaster:
        """The same, which looks a window up in `folder` before it is forecast, and keeps there what is new."""
        ...


@runtime_checkable
class AnsweringForecaster(Forecaster, Protocol):
    """A forecaster of another question than direction, which says itself what the columns of its forecasts are called."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of what `table` gives, in its order: probabilities begin with "p_", quantiles end in "_q" and a level in percent."""
        ...

    def table(self, raw: RawForecast, p: Float64Array) -> dict[str, Float64Array]:
        """`raw` as float64 columns of shape (n,), by the names of `columns`.

        p : its calibrated probabilities, (n,) for two classes, (n, k) for k of them, (n, 0) for none
        """
        ...


@runtime_checkable
class ImageForecaster(AnsweringForecaster, Protocol):
    """One that sees images, and takes them drawn as well."""

    def raw_images(self, images: npt.NDArray[np.float32]) -> RawForecast:
        """Forecast each picture, float32 (n, 3, 64, 64), every value in 0 .. 1."""
        ...


class ForecasterClass(Protocol):
    """What a catalogue entry's `forecaster` names."""

    def from_files(self, files: Mapping[str, bytes]) -> Forecaster:
        """Build the forecaster from a fitted model's bytes, which were verified before."""
        ...


@dataclass(frozen=True, slots=True)
class FittedModel:
    """A fitted model as a value.

    files : the bytes that a forecaster needs (safe formats only); these go into the bundle
    training_files : further bytes kept in the run alone (weights before export)
    summary : plain JSON of how the fit went: iterations, losses, stopping reason, seconds are not in it; under "health" the figures
        that tell a sound fit from a sick one
    explanation : plain JSON of what the model looks at on the samples of `FitContext.explain`, see `explaining`; in no bundle
    """

    name: str
    files: Mapping[str, bytes]
    training_files: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    summary: Mapping[str, Any] = field(default_factory=dict[str, Any])
    explanation: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class FitContext:
    """What a fit is given beyond data and parameters.

    seed : int, the only source of randomness
    n_classes : int, 2 or 3; of patterns as many as there are
    outputs : tuple of str, the outputs asked for (a subset of the spec's); p_up is learned in any case, calibration stands on it
    feature_names : tuple of str, columns of the view in order; of several timeframes, those of their bars
    threads : int, threads that a library may use; the training loop has one for every process, whatever it says
    scratch : folder for checkpoints that a resumed fit finds again; None keeps none
    logs : folder for TensorBoard events; None writes none
    device : "cpu", "cuda", "cuda:1" or "auto"; several of them, "cuda:0,cuda:1", only through `barmill.training.fit_on_devices`
    train_network : the torch training loop, for models that are networks (see `barmill.training`)
    horizon : int, bars from a decision to the label's time barrier
    explain : samples on which the fitted model is explained, none of which taught it; None explains nothing
    """

    seed: int
    n_classes: int
    outputs: tuple[str, ...]
    feature_names: tuple[str, ...]
    threads: int = 1
    scratch: Path | None = None
    logs: Path | None = None
    device: str = "cpu"
    progress: Progress = field(default_factory=SilentProgress)
    train_network: Callable[..., Any] | None = None
    horizon: int = 1
    explain: View | None = None


class Fit(Protocol):
    """What a catalogue entry's `fit` names."""

    def __call__(self, params: Any, train: Samples, valid: Samples, context: FitContext) -> FittedModel: ...

"""Does a model see what it must not? Of a network, whether a hidden state depends on a newer bar; of any, on rows after its window.

A window ends at the decision bar, so nothing within it can know the future of the decision, and most networks read it as a
whole. Those that have `states` promise more: a state has read no bar after its own, so that bars can be fed as they come and
states of earlier positions mean what they meant then. That is proved here by changing all bars from some bar on, and
comparing bits; in training mode too, where normalisation over the batch and the window would mix positions.
That no feature knows a later bar is held elsewhere: by the feature engine, and by the leakage checks of a run. Images are drawn from bars
by the model's own view, so there each answer is asked for with the bars up to its own, and compared with that from all bars.

Axes: B batch, W window, F features, P positions with a state, D width of a state.
"""

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from barmill.models.catalogue import load_fit, load_forecaster, spec_of
from barmill.models.contract import FitContext, ModelSpec, Samples, View
from barmill.models.network_params import NetworkParams
from barmill.models.pattern.params import PatternCNNParams
from barmill.views import FeatureMatrix, ImageBars, WindowTensor

SEED = 0
N_FEATURES = 4
N_WINDOWS = 3
FITTED_ROWS = 300
APPENDED_ROWS = 50
IMAGE_BARS = 200


@dataclass(frozen=True, slots=True)
class CausalityCheck:
    """One check of a model.

    what : str, what was compared
    passed : bool, or None where the check does not apply
    found : str
    """

    what: str
    passed: bool | None
    found: str


@dataclass(frozen=True, slots=True)
class CausalityReport:
    """What was found of one model.

    strictly_causal : bool, whether the model promises hidden states that see no newer bar
    """

    model: str
    strictly_causal: bool
    checks: tuple[CausalityCheck, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return all(check.passed is not False for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return {**asdict(self), "checks": [asdict(check) for check in self.checks], "ok": self.ok}


def verify_model(name: str) -> CausalityReport:
    """Check the model `name` with the parameters that it has by default, its weights drawn from a seed, on random inputs.

    Raises RecipeError if there is no such model, MissingDependency if what it needs is not installed.
    """
    spec = spec_of(name)
    if not spec.trunk:
        check = _bars_after(spec) if spec.view == "pattern_image" else _rows_after(spec)
        return CausalityReport(name, strictly_causal=False, checks=(check,))
    load_fit(spec)  # tells what is not installed
    params = spec.params()
    assert isinstance(params, NetworkParams)
    trunk = _built(spec, params)
    strict = hasattr(trunk, "states")
    checks = verify_states(trunk, params.window, N_FEATURES) if strict else ()
    return CausalityReport(name, strict, (*checks, _windows_after(trunk, params.window)))


def verify_states(trunk: nn.Module, window: int, n_features: int) -> tuple[CausalityCheck, ...]:
    """Whether the `states` of `trunk` see no newer bar than their own, in evaluation and in training mode.

    `state_ends` of the trunk, where it has them, tells the last bar that each position has read; otherwise there is a state per bar.
    Dropout is drawn from one seed for both of the runs that are compared, so that it drops the same.
    """
    cuts = sorted({1, window // 3, window // 2, window - 1} - {0})
    return tuple(_states_check(trunk, window, n_features, cuts, training=training) for training in (False, True))


def _states_check(trunk: nn.Module, window: int, n_features: int, cuts: Sequence[int], *, training: bool) -> CausalityCheck:
    what = f"hidden states, {'training' if training else 'evaluation'}"
    generator = torch.Generator().manual_seed(SEED)
    x_BWF = torch.randn(N_WINDOWS, window, n_features, generator=generator)
    before_BPD = _states(trunk, x_BWF, training=training)
    ends = tuple(getattr(trunk, "state_ends", range(window)))
    if len(ends) != before_BPD.shape[1]:
        return CausalityCheck(what, False, f"{before_BPD.shape[1]} positions, and the last bar is told of {len(ends)}")
    for cut in cuts:
        changed_BWF = x_BWF.clone()
        changed_BWF[:, cut:] = 3 * torch.randn(N_WINDOWS, window - cut, n_features, generator=generator)
        after_BPD = _states(trunk, changed_BWF, training=training)
        for position, end in enumerate(ends):
            difference = float((after_BPD[:, position] - before_BPD[:, position]).abs().max())
            if end < cut and not torch.equal(after_BPD[:, position], before_BPD[:, position]):
                found = f"bars from {cut} on were changed, and the state that ends at bar {end} differs by {difference:.3g}"
                return CausalityCheck(what, False, found)
        if torch.equal(after_BPD[:, -1], before_BPD[:, -1]):
            return CausalityCheck(what, False, f"bars from {cut} on were changed, and the last state does not notice: nothing is proved")
    return CausalityCheck(
        what, True, f"the same to the bit before bars {', '.join(map(str, cuts))} of {window} when all from there on change"
    )


def _states(trunk: nn.Module, x_BWF: Tensor, *, training: bool) -> Tensor:
    was_training = trunk.training
    kept = {name: value.clone() for name, value in trunk.state_dict().items()}  # running statistics move in training mode
    trunk.train(training)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(SEED)
        states: Any = trunk.states  # only trunks that have it come here
        found: Tensor = states(x_BWF).clone()
    trunk.load_state_dict(kept)
    trunk.train(was_training)
    return found


def _windows_after(trunk: nn.Module, window: int) -> CausalityCheck:
    """Whether the trunk's vectors stay as they are when the table of bars grows beyond the windows."""
    ends = np.arange(window - 1, window - 1 + N_WINDOWS)
    trunk.eval()
    vectors: list[bytes] = []
    with torch.no_grad():
        for base in _grown(int(ends[-1]) + 1):
            windows = WindowTensor(base, ends, window).gather(np.arange(N_WINDOWS))
            vectors.append(trunk(torch.from_numpy(windows)).numpy().tobytes())
    return _compared(vectors, f"{N_WINDOWS} windows")


def _rows_after(spec: ModelSpec) -> CausalityCheck:
    """Whether a small fitted model's forecasts stay as they are when the table grows beyond the rows forecast."""
    what = "rows after the window"
    if spec.zero_shot:
        return CausalityCheck(what, None, "its weights are not ours to draw; it is given the bars of a window and no others")
    names = tuple(f"feature_{i}" for i in range(N_FEATURES))
    rng = np.random.default_rng(SEED)
    base = rng.standard_normal((FITTED_ROWS, N_FEATURES)).astype(np.float32)
    z = base[:, 0] + rng.standard_normal(FITTED_ROWS)
    small = {"n_estimators": 10} if "n_estimators" in spec.params.model_fields else {}
    context = FitContext(seed=SEED, n_classes=2, outputs=spec.outputs, feature_names=names)
    train, valid = (_samples(spec, base, z, at) for at in (np.arange(200), np.arange(200, FITTED_ROWS)))
    forecaster = load_forecaster(spec, load_fit(spec)(spec.params(**small), train, valid, context).files)
    said: list[bytes] = []
    for grown in _grown(FITTED_ROWS):
        raw = forecaster.raw(FeatureMatrix(grown, np.arange(FITTED_ROWS)))
        told = (raw.logits, raw.expected, *(raw.values or {}).values())
        said.append(b"".join(part.tobytes() for part in told if part is not None))
    return _compared(said, f"{FITTED_ROWS} forecasts")


def _samples(spec: ModelSpec, base: Any, z: Any, at: Any) -> Samples:
    view: View = FeatureMatrix(base, at)
    return Samples(view, (z[at] > 0).astype(np.int8), z[at], np.ones(at.size), {name: np.abs(z[at]) for name in spec.targets})


def _bars_after(spec: ModelSpec) -> CausalityCheck:
    """Whether what a network says of images stays to the bit as it is when each is drawn from the bars up to its own alone."""
    load_fit(spec)  # tells what is not installed
    from barmill.models.pattern.network import PatternNetwork, built

    params = spec.params()
    assert isinstance(params, PatternCNNParams)
    network: PatternNetwork = built(params, SEED).eval()
    ends = np.arange(IMAGE_BARS - APPENDED_ROWS - N_WINDOWS, IMAGE_BARS - APPENDED_ROWS)
    prices = _prices(IMAGE_BARS)

    def said(known: int, end: int) -> bytes:
        image = ImageBars.of_prices(prices[:known].copy()).samples([end]).gather(slice(None))
        with torch.no_grad():
            return network(torch.from_numpy(image)).numpy().tobytes()

    alone = b"".join(said(int(end) + 1, int(end)) for end in ends)
    return _compared([alone, b"".join(said(IMAGE_BARS, int(end)) for end in ends)], f"{N_WINDOWS} answers to images", "bars")


def _prices(n_bars: int) -> Any:
    """Open, high, low and close, (n_bars, 4), of a walk near 100."""
    moves, wicks = np.split(np.random.default_rng(SEED).normal(0.0, 0.1, (n_bars, 3)), [1], axis=1)
    close = 100.0 + np.cumsum(moves[:, 0])
    opened = np.concatenate((close[:1], close[:-1]))
    high, low = np.maximum(opened, close) + np.abs(wicks[:, 0]), np.minimum(opened, close) - np.abs(wicks[:, 1])
    return np.column_stack([opened, high, low, close])


def _grown(n_rows: int) -> Iterator[Any]:
    """A table of `n_rows`, and the same with rows after its end."""
    rows = np.random.default_rng(SEED).standard_normal((n_rows + APPENDED_ROWS, N_FEATURES)).astype(np.float32)
    yield rows[:n_rows].copy()
    yield rows


def _compared(said: Sequence[bytes], of: str, rows: str = "rows") -> CausalityCheck:
    what = f"{rows} after the window"
    if said[0] == said[1]:
        return CausalityCheck(what, True, f"{APPENDED_ROWS} {rows} were appended, and {of} are the same to the bit")
    return CausalityCheck(what, False, f"{APPENDED_ROWS} {rows} were appended, and {of} changed")


def _built(spec: ModelSpec, params: NetworkParams) -> nn.Module:
    """The model's trunk, its weights drawn from the seed; torch's own random state is left as it was."""
    module, _, name = spec.trunk.partition(":")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(SEED)
        return getattr(importlib.import_module(module), name)(params, N_FEATURES)[0]


__all__ = ["CausalityCheck", "CausalityReport", "verify_model", "verify_states"]

"""The memory plan: an estimate of a run's peak, printed before it starts and kept."""

from pathlib import Path

from barmill.models.catalogue import spec_of
from barmill.pipeline.inputs import RunInputs

MIB = 2**20
_PARENT_MB = 620  # interpreter, NumPy, Polars, Numba with the compiled kernels; LightGBM and SciPy of the leakage checks
_CHECKED_ROWS, _CHECKED_COPIES = 40_000, 4  # decisions that leakage checks look at, and how often their features are held
_WORKER_MB = {"linear": 420, "boosting": 480, "expert": 480, "recurrent": 900, "pattern": 900}  # the same plus the family's library
_MIXED_MB = 150  # of a worker that fits models of several libraries one after the other
_TUNER_MB = 110  # Optuna with its storage
_SAMPLE_COPIES = {
    "linear": 3.2,
    "boosting": 2.5,
    "expert": 2.5,
    "recurrent": 1.1,
    "pattern": 0.1,
}  # float32 copies of the training rows that a library makes

_CLOSED_BYTES = 240  # a base bar's share of the closed bars of some timeframes: values, logarithms, and which bar it knows of each


def estimate_mb(inputs: RunInputs, workers: int) -> int:
    """Peak resident memory of the run's processes together, in MiB, with `workers` fits side by side.

    Arrays are counted exactly; what libraries add was measured and rounded up. Memory-mapped features count once.
    """
    n_bars, n_features = len(inputs.bars), len(inputs.plan.names)
    bars = n_bars * 8 * 7 * 3
    features = n_bars * n_features * 8
    scaled = n_bars * n_features * 4
    checks = min(n_bars, _CHECKED_ROWS) * n_features * 8 * _CHECKED_COPIES
    prepare = _PARENT_MB * MIB + bars + max(2 * features, features + checks)
    rows = n_bars / inputs.recipe.labels.every * n_features * 4
    fitted = (*inputs.recipe.base_models, *inputs.recipe.experts)
    fits = sorted((_fit_bytes(spec_of(entry.name).family, rows, bars) for entry in fitted), reverse=True)
    closed = n_bars * _CLOSED_BYTES * len(inputs.resolutions) * workers
    fitting = _PARENT_MB * MIB + bars + features + scaled + closed + sum(fits[:workers])
    # a split or a fold scales the features for itself, and computes them for itself where some learn
    libraries = {_WORKER_MB.get(spec_of(entry.name).family, 900) for entry in inputs.recipe.base_models}
    own = scaled + (features if inputs.plan.unfitted else 0) + (_MIXED_MB * MIB if len(libraries) > 1 else 0)
    cut = inputs.recipe.cross_validation or inputs.recipe.combined or inputs.recipe.band_folds
    splits = fitting + workers * own if cut else 0
    tune = inputs.recipe.tune
    tuning = fitting + workers * (_TUNER_MB * MIB + tune.folds * scaled) if tune else 0
    forecasting = _PARENT_MB * MIB + bars + _WORKER_MB["boosting"] * MIB + bars + features + 2 * scaled
    return int(max(prepare, fitting, splits, tuning, forecasting) / MIB) + 1


def _fit_bytes(family: str, rows: float, bars: int) -> int:
    return int(_WORKER_MB.get(family, 900) * MIB + bars + _SAMPLE_COPIES.get(family, 3) * rows)


def available_mb() -> int:
    """Memory that the machine can still give, in MiB (MemAvailable, or what a memory cgroup leaves)."""
    fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    free = int(fields["MemAvailable"].split()[0]) * 1024
    limit = Path("/sys/fs/cgroup/memory.max")
    used = Path("/sys/fs/cgroup/memory.current")
    if limit.exists() and used.exists() and limit.read_text().strip() != "max":
        free = min(free, int(limit.read_text()) - int(used.read_text()))
    return max(0, free // MIB)

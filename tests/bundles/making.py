"""Real bundles of tiny models on random bars, made through the public interface alone, each once a session.

Test modules load this file under the name `barmill_making`, so that those of another folder share what was made.
"""

from functools import cache

import numpy as np

from barmill.bundles import BundleContents, Volatility, assemble
from barmill.bundles.image_scaling import ImageScaling
from barmill.features import FeaturePlan, FeatureTable
from barmill.market import Bars, Instrument
from barmill.models import FitContext, FittedModel, ModelSpec, Samples, load_fit, load_forecaster, spec_of, window_of
from barmill.models.pattern.detectors import detect_patterns
from barmill.uncertainty import Calibration, fit_calibration, fit_residual_quantiles
from barmill.views import FeatureMatrix, PatternImage, RobustScaler, WindowTensor

HORIZON = 30
START = 1_700_000_040_000  # 2023-11-14 22:14 UTC, on the grid of a minute
PARAMS = {
    "logistic": {},
    "lightgbm": {"n_estimators": 12, "num_leaves": 7},
    "xgboost": {"n_estimators": 12, "max_depth": 3},
    "lstm": {"seq_len": 8, "hidden_size": 6, "num_layers": 1, "dropout": 0.0, "epochs": 1, "batch_size": 512},
    "entry": {"n_estimators": 12, "num_leaves": 7, "liquidity": "volume_ratio_20", "min_cluster_rows": 300},
    "risk": {"n_estimators": 12, "num_leaves": 7},
    "reward": {"n_estimators": 12, "num_leaves": 7},
    "entry_offset": {"n_estimators": 12, "num_leaves": 7, "dead_band_atr": 0.0},
    "pattern_cnn": {
        "channels": (2, 4, 8),
        "hidden_size": 32,
        "epochs": 3,
        "batch_size": 16,
        "dropout": 0.0,
        "mixup_alpha": 0.0,
        "learning_rate": 0.02,
    },
}
DIRECTION = ("logistic", "lightgbm", "xgboost", "lstm")
ANSWERS = ("entry", "risk", "pattern_cnn")  # other questions, one model of each kind
N_CLASSES = {"risk": 0, "reward": 0, "entry_offset": 0, "pattern_cnn": 5}
NETWORKS = ("lstm", "pattern_cnn")


def walk(n_bars: int, seed: int = 7, gaps: tuple[int, ...] = (), start: int = START) -> Bars:
    """Random bars of SIM, one a minute; before each position in `gaps` some bars are missing."""
    rng = np.random.default_rng(seed)
    volatility = 5e-4 * np.exp(0.3 * np.sin(np.arange(n_bars) / 97))
    steps = rng.standard_normal((n_bars, 4)) * volatility[:, None] / 2
    close = 100 * np.exp(np.cumsum(steps.sum(axis=1)))
    open_ = np.concatenate(([100.0], close[:-1]))
    spread = np.abs(steps[:, :2]) * close[:, None]
    high, low = np.maximum(open_, close) + spread[:, 0], np.minimum(open_, close) - spread[:, 1]
    minutes = np.arange(n_bars) + np.sum([np.arange(n_bars) >= gap for gap in gaps], axis=0) * 7
    volume = np.round(rng.gamma(2.0, 50.0, n_bars), 3)
    return Bars.from_columns(Instrument.builtin("SIM"), "1m", start + 60_000 * minutes, open_, high, low, close, volume)


@cache
def contents_of(model: str, n_classes: int = 2, seed: int = 7) -> BundleContents:
    """A small model fitted on random bars, with everything that its bundle holds; `n_classes` is of a model of direction."""
    bars = walk(4000, seed)
    plan = FeaturePlan.build(base="1m", timeframes=("1m", "5m"), set="core")
    spec = spec_of(model)
    if spec.question != "direction":
        return _answering(spec, bars, plan, seed)
    table = plan.compute(bars)
    params = spec.params.model_validate(PARAMS[model])
    window = window_of(spec, params)
    rows = np.flatnonzero(table.ready)[window or 1 : -HORIZON]
    volatility = Volatility("realised_volatility_60", HORIZON, 1e-6)
    scaler = RobustScaler.fit(table.values, rows[:2000], names=plan.names)
    base = scaler.transform(table.values)
    z = np.log(bars.close[rows + HORIZON] / bars.close[rows]) / volatility.scale(table.column("realised_volatility_60")[rows])
    y = (z > 0).astype(np.int8) if n_classes == 2 else np.searchsorted([-0.4, 0.4], z).astype(np.int8)

    def samples(part: slice) -> Samples:
        at = np.ascontiguousarray(rows[part])
        view = FeatureMatrix(base, at) if window is None else WindowTensor(base, at, window)
        return Samples(view, y[part], z[part], np.ones(len(at)))

    train, valid, held_out = samples(slice(0, 2000)), samples(slice(2000, 2600)), samples(slice(2600, None))
    fitted = load_fit(spec)(params, train, valid, FitContext(3, n_classes, spec.outputs, plan.names, train_network=_trainer(model)))
    raw = load_forecaster(spec, fitted.files).raw(held_out.view)
    return _contents(
        fitted,
        bars,
        plan,
        seed,
        scaler=scaler,
        input_names=plan.names,
        window=window,
        n_classes=n_classes,
        outputs=spec.outputs,
        calibration=fit_calibration(["temperature_scaling", "isotonic"], raw.logits, held_out.y, n_classes),
        quantiles=fit_residual_quantiles(raw.expected, raw.logits, held_out.z),
        volatility=volatility,
        thresholds={"long_above": 0.55, "short_below": 0.45},
    )


def _answering(spec: ModelSpec, bars: Bars, plan: FeaturePlan, seed: int) -> BundleContents:
    """The same for a model of another question: outcomes of 30 bars, or the patterns that the rules see."""
    table = plan.compute(bars)
    n_classes = N_CLASSES.get(spec.name, 2)
    rows = np.flatnonzero(table.ready)[100:-HORIZON]
    scaler = RobustScaler.fit(table.values, rows[:2000], names=plan.names) if spec.view == "feature_matrix" else ImageScaling()
    samples = _of_outcomes if isinstance(scaler, RobustScaler) else _of_patterns
    train, valid, held_out = (samples(bars, table, scaler, rows[part]) for part in (slice(2000), slice(2000, 2600), slice(2600, None)))
    params = spec.params.model_validate(PARAMS[spec.name])
    names = plan.names if isinstance(scaler, RobustScaler) else scaler.names
    fitted = load_fit(spec)(params, train, valid, FitContext(3, n_classes or 2, spec.outputs, names, train_network=_trainer(spec.name)))
    calibration = Calibration(0)
    if n_classes:
        logits = load_forecaster(spec, fitted.files).raw(held_out.view).logits
        calibration = fit_calibration(["temperature_scaling"], logits, held_out.y, n_classes)
    return _contents(
        fitted,
        bars,
        plan,
        seed,
        scaler=scaler,
        input_names=names,
        window=None if isinstance(scaler, RobustScaler) else scaler.window,
        n_classes=n_classes,
        outputs=spec.outputs,
        calibration=calibration,
        quantiles=None,
        volatility=None,
        thresholds={},
    )


def _of_outcomes(bars: Bars, table: FeatureTable, scaler: RobustScaler, at: np.ndarray) -> Samples:
    z = np.log(bars.close[at + HORIZON] / bars.close[at]) / table.column("realised_volatility_60")[at] / np.sqrt(HORIZON)
    targets = {"drawdown_kATR": np.abs(z), "realised_R": z, "offset_kATR": 0.2 * np.sign(z)}
    return Samples(FeatureMatrix(scaler.transform(table.values), at), (z > 0).astype(np.int8), z, np.ones(len(at)), targets)


def _of_patterns(bars: Bars, table: FeatureTable, scaler: ImageScaling, at: np.ndarray) -> Samples:
    labels = detect_patterns(bars)
    at = at[(labels.pattern[at] > 0) | (at % 12 == 0)]  # an image takes longer than a row
    targets = {name: values[at] for name, values in labels.targets.items()}
    return Samples(PatternImage.of(bars, at), labels.pattern[at], np.zeros(len(at)), np.ones(len(at)), targets)


def _contents(fitted: FittedModel, bars: Bars, plan: FeaturePlan, seed: int, **fields: object) -> BundleContents:
    """What is the same in every bundle, and the `fields` that are not."""
    return BundleContents(
        name=fitted.name,
        version="1.2.3",
        recipe={"name": "test", "model": fitted.name},
        plan=plan,
        instrument=bars.instrument,
        timeframe=bars.timeframe,
        model_name=fitted.name,
        model_files=fitted.files,
        golden_bars=bars.slice(0, 2600),
        fingerprints={"code": "c", "data": bars.fingerprint, "libraries": {"numpy": np.__version__}, "recipe": "r", "seed": seed},
        metrics={"selection": {"auc": 0.51}},
        reference_profile={"n_rows": 2000},
        provenance=[{"what": "scaler", "fitted_on": "train"}],
        model_card="# A test bundle\n",
        **fields,
    )


def _trainer(model: str):
    if model not in NETWORKS:
        return None
    from barmill.training import train_network

    return train_network


@cache
def files_of(model: str, n_classes: int = 2, seed: int = 7) -> dict[str, bytes]:
    """The files of a bundle of `contents_of`."""
    return assemble(contents_of(model, n_classes, seed))


if __name__ == "__main__":
    # A second process assembles the same bundles: `python making.py MODEL...` prints a digest a line.
    import sys

    from barmill.artefacts import sha256

    for model in sys.argv[1:]:
        sys.stdout.write(sha256(files_of(model)["manifest.json"]) + "\n")

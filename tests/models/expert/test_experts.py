"""The experts: known quantiles are found, liquidity clusters go their own ways, and the laws of every model hold for them."""

import functools
import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.metrics import mean_pinball_loss, roc_auc_score

from barmill.artefacts import write_folder
from barmill.errors import DataError, ForecastError, RecipeError, SchemaError, ShapeError
from barmill.models import FitContext, FittedModel, ModelSpec, RawForecast, Samples, load_fit, load_forecaster
from barmill.models.expert.specs import SPECS
from barmill.models.parameters import parameters_of
from barmill.views import FeatureMatrix, WindowTensor

EXPERTS = {spec.name: spec for spec in SPECS}
QUANTILE = [spec for spec in SPECS if spec.targets]
N = 6000
TRAIN, VALID, TEST = slice(5, 3600), slice(3600, 4500), slice(4500, N)
NAMES = ("liquidity", "calm", "strength", "noise,1m", "noise_2")
SMALL: Mapping[str, Any] = {"n_estimators": 60, "num_leaves": 8, "learning_rate": 0.1, "early_stopping_rounds": 20}

every_expert = pytest.mark.parametrize("spec", [pytest.param(spec, id=spec.name) for spec in SPECS])
every_quantile = pytest.mark.parametrize("spec", [pytest.param(spec, id=spec.name) for spec in QUANTILE])


@functools.cache
def base() -> np.ndarray[Any, np.dtype[np.float32]]:
    values = np.random.default_rng(1).standard_normal((N, len(NAMES))).astype(np.float32)
    values[:5] = np.nan
    values.flags.writeable = False
    return values


@functools.cache
def world() -> dict[str, np.ndarray[Any, Any]]:
    """Outcomes whose conditional law is known: draw-downs are exponential with a scale that `calm` tells."""
    rng = np.random.default_rng(2)
    liquidity, calm, strength = np.nan_to_num(base()[:, :3].astype(np.float64)).T
    scale = np.exp(0.5 * np.sign(calm))
    drift = 0.8 * np.sign(strength)
    direction = np.where(liquidity < -0.43, -1.0, 1.0)  # the lowest third of a standard normal goes the other way
    return {
        "scale": scale,
        "drift": drift,
        "y": (direction * strength + rng.standard_normal(N) > 0).astype(np.int8),
        "drawdown_kATR": scale * rng.exponential(size=N),
        "realised_R": drift + rng.standard_normal(N),
        "runup_R": np.abs(rng.standard_normal(N)) + 2.0,
        "offset_kATR": np.where(rng.uniform(size=N) < 0.8, np.where(strength > 0, 0.25, -0.15), 0.0),
    }


def samples(part: slice) -> Samples:
    at = np.arange(N)[part]
    told = world()
    weight = np.random.default_rng(3).uniform(0.5, 1.5, at.size)
    targets = {name: told[name][at] for name in ("drawdown_kATR", "realised_R", "runup_R", "offset_kATR")}
    return Samples(FeatureMatrix(base(), at), told["y"][at], told["realised_R"][at], weight / weight.mean(), targets)


def context(spec: ModelSpec, threads: int = 1, n_classes: int = 2, **more: Any) -> FitContext:
    return FitContext(seed=7, n_classes=n_classes, outputs=spec.outputs, feature_names=NAMES, threads=threads, **more)


@functools.cache
def fitted(name: str, threads: int = 1, **changed: Any) -> FittedModel:
    spec = EXPERTS[name]
    return load_fit(spec)(spec.params(**{**SMALL, **changed}), samples(TRAIN), samples(VALID), context(spec, threads))


def forecast(model: FittedModel, part: slice = TEST) -> RawForecast:
    return load_forecaster(EXPERTS[model.name], model.files).raw(samples(part).view)


def told(raw: RawForecast) -> dict[str, np.ndarray[Any, Any]]:
    return {"logits": raw.logits, **(raw.values or {})}


def digests(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}


def test_the_stop_lies_at_the_known_quantile_of_the_draw_down():
    values = told(forecast(fitted("risk")))
    scale, came = world()["scale"][TEST], world()["drawdown_kATR"][TEST]
    levels = np.array([0.6, 0.7, 0.8])
    oracle = -np.log1p(-levels) * scale[:, None]
    found = values["sl_kATR_quantiles"]
    for number, level in enumerate(levels):
        loss, best = (mean_pinball_loss(came, said[:, number], alpha=level) for said in (found, oracle))
        unconditional = mean_pinball_loss(came, np.full(came.size, np.quantile(came, level)), alpha=level)
        assert loss < best + 0.25 * (unconditional - best)  # 0.16 of what there is to know is lost to 3595 rows and noise
        assert np.mean(came <= found[:, number]) == pytest.approx(level, abs=0.045)  # 3.5 standard errors of 1500 trades
    np.testing.assert_array_equal(values["sl_kATR"], found[:, 1])


def test_the_target_lies_at_the_known_quantile_of_what_trades_bring():
    values = told(forecast(fitted("reward")))
    found = values["rr_target_quantiles"]
    assert np.mean(np.abs(found[:, 0] - world()["drift"][TEST])) < 0.15  # the median
    np.testing.assert_array_equal(values["rr_target"], found[:, 1])
    summary = fitted("reward").summary["valid"]
    assert set(summary) == {"smape_of_median", "utility_uplift_R"}


def test_the_offset_says_which_order_would_have_been_best():
    offset = told(forecast(fitted("entry_offset")))["offset_kATR"]
    strength = base()[TEST, 2]
    clear = np.abs(strength) > 0.05
    np.testing.assert_array_equal(np.sign(offset[clear]), np.where(strength[clear] > 0, 1.0, -1.0))
    assert fitted("entry_offset").summary["valid"]["entry_style_share"] == pytest.approx(0.8, abs=0.05)


def test_offsets_within_the_dead_band_are_entries_at_the_open():
    offset = told(forecast(fitted("entry_offset", dead_band_atr=0.2)))["offset_kATR_quantiles"]
    assert not ((np.abs(offset) < 0.2) & (offset != 0.0)).any()
    assert (offset == 0.0).any()


@every_quantile
def test_quantiles_never_fall_in_a_row(spec):
    # One leaf more than the rows can carry makes neighbouring boosters cross; what is said must not.
    model = fitted(spec.name, n_estimators=40, num_leaves=64, min_data_in_leaf=5, levels=(0.48, 0.5, 0.52), alpha=0.5, learning_rate=0.3)
    quantiles = told(forecast(model))[f"{spec.outputs[0]}_quantiles"]
    assert (np.diff(quantiles, axis=1) >= 0).all()
    import lightgbm as lgb

    boosters = [lgb.Booster(model_str=model.files[f"q{level:g}.txt"].decode()) for level in (0.48, 0.5, 0.52)]
    bare = np.column_stack([booster.predict(base()[TEST]) for booster in boosters])
    assert (np.diff(bare, axis=1) < 0).any()
    if spec.name != "entry_offset":  # which moves small offsets to 0
        np.testing.assert_array_equal(np.sort(bare, axis=1), quantiles)


@every_quantile
def test_what_the_fit_tells_of_its_levels_is_measured_on_its_own_forecasts(spec):
    model = fitted(spec.name)
    quantiles = told(forecast(model, VALID))[f"{spec.outputs[0]}_quantiles"]
    came = world()[spec.targets[0]][VALID]
    for number, (level, figures) in enumerate(model.summary["levels"].items()):
        assert figures["coverage"] == np.mean(came <= quantiles[:, number])
        assert figures["pinball"] == pytest.approx(mean_pinball_loss(came, quantiles[:, number], alpha=float(level)))


def test_a_cluster_with_a_law_of_its_own_gets_a_booster_of_its_own():
    y = samples(TEST).y
    clustered = fitted("entry", liquidity="liquidity", min_cluster_rows=500, num_leaves=2)
    pooled = fitted("entry", num_leaves=2)
    assert sorted(clustered.files) == ["entry_H.txt", "entry_L.txt", "entry_M.txt", "expert.json"]
    assert sorted(pooled.files) == ["entry_pooled.txt", "expert.json"]
    # trees of one split cannot say that strength means another thing where trade is thin
    assert roc_auc_score(y, forecast(clustered).logits) > 0.8
    assert roc_auc_score(y, forecast(pooled).logits) < 0.75
    assert clustered.summary["borders"] == pytest.approx([-0.43, 0.43], abs=0.07)
    assert sum(cluster["rows"] for cluster in clustered.summary["clusters"].values()) == 3595


def test_a_cluster_with_too_few_rows_uses_the_pooled_booster_and_says_so():
    model = fitted("entry", liquidity="liquidity", min_cluster_rows=1199)  # 3595 rows in three: 1199, 1198 and 1198
    assert [name for name, cluster in model.summary["clusters"].items() if "pooled" not in cluster] == ["L"]
    assert model.summary["clusters"]["H"]["pooled"] == "1198 training rows, fewer than 1199"
    assert sorted(model.files) == ["entry_L.txt", "entry_pooled.txt", "expert.json"]
    low = base()[TEST, 0] <= model.summary["borders"][0]
    alone, pooled = forecast(model).logits, forecast(fitted("entry")).logits
    np.testing.assert_array_equal(alone[~low], pooled[~low])
    assert (alone[low] != pooled[low]).any()


def test_three_classes_give_three_scores():
    spec = EXPERTS["entry"]
    parts = [samples(part) for part in (TRAIN, VALID)]
    three = [Samples(p.view, np.digitize(p.view.values[:, 2], [-0.5, 0.5]).astype(np.int8), p.z, p.weight) for p in parts]
    model = load_fit(spec)(spec.params(**SMALL), *three, context(spec, n_classes=3))
    logits = forecast(model).logits
    assert logits.shape == (1500, 3)
    assert np.mean(logits.argmax(axis=1) == np.digitize(base()[TEST, 2], [-0.5, 0.5])) > 0.95


def test_balanced_classes_lift_the_rarer_one():
    spec = EXPERTS["entry"]
    rare = [Samples(p.view, (p.z > 2.0).astype(np.int8), p.z, p.weight) for p in (samples(TRAIN), samples(VALID))]
    mean: dict[str | None, float] = {}
    for weighting in (None, "balanced"):
        model = load_fit(spec)(spec.params(**SMALL, class_weight=weighting), *rare, context(spec))
        mean[weighting] = float((1 / (1 + np.exp(-forecast(model).logits))).mean())
    assert mean[None] == pytest.approx((samples(TEST).z > 2.0).mean(), abs=0.03)
    assert mean["balanced"] > 0.3


@every_expert
def test_forecasts_are_finite_and_of_the_declared_shape(spec):
    raw = forecast(fitted(spec.name))
    n = TEST.stop - TEST.start
    assert raw.logits.shape == ((n, 0) if spec.targets else (n,))
    assert (raw.values is None) == (not spec.targets)
    for name, said in told(raw).items():
        assert len(said) == n
        assert said.dtype == np.float64
        assert np.isfinite(said).all(), name
    if spec.targets:
        assert told(raw)[spec.outputs[0]].shape == (n,)


@every_expert
def test_files_written_and_read_back_forecast_the_same(spec, tmp_path):
    model = fitted(spec.name)
    write_folder(tmp_path / "model", model.files)
    read = {name: (tmp_path / "model" / name).read_bytes() for name in model.files}
    again, before = told(load_forecaster(spec, read).raw(samples(TEST).view)), told(forecast(model))
    assert sorted(again) == sorted(before)
    for name, said in again.items():
        np.testing.assert_array_equal(said, before[name])


@every_expert
def test_forecast_of_a_row_does_not_depend_on_its_batch(spec):
    model = fitted(spec.name, **({"liquidity": "liquidity"} if spec.name == "entry" else {}))
    forecaster, view = load_forecaster(spec, model.files), samples(TEST).view
    order = np.random.default_rng(5).permutation(len(view))
    pieces = [told(forecaster.raw(view.take(part))) for part in (order[:1], order[1:3], order[3:70], order[70:])]
    for name, said in told(forecaster.raw(view)).items():
        np.testing.assert_array_equal(np.concatenate([piece[name] for piece in pieces]), said[order], err_msg=name)
    nothing = told(forecaster.raw(view.take(np.arange(0))))
    assert all(len(said) == 0 for said in nothing.values())


_SUBPROCESS_FIT = """
import json, sys
sys.path.insert(0, {folder!r})
import test_experts as here
told = {{}}
for name in here.EXPERTS:
    model = here.fitted(name, threads=2, **({{"liquidity": "liquidity"}} if name == "entry" else {{}}))
    told[name] = [here.digests(model.files), dict(model.summary)]
print(json.dumps(told))
"""


def test_two_fits_give_equal_bytes_in_another_process_with_more_threads_and_another_hash_seed():
    environment = {"PYTHONHASHSEED": "12345", "PATH": "/usr/bin:/bin", "LC_ALL": "C", "OMP_NUM_THREADS": "2"}
    code = _SUBPROCESS_FIT.format(folder=str(Path(__file__).parent))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    for name, (files, summary) in json.loads(done.stdout.splitlines()[-1]).items():
        model = fitted(name, **({"liquidity": "liquidity"} if name == "entry" else {}))
        assert files == digests(model.files), name
        assert summary == json.loads(json.dumps(dict(model.summary), allow_nan=False)), name


_SUBPROCESS_FORECAST = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name in ("torch", "onnx", "onnxscript", "onnxruntime", "xgboost", "barmill.training"):
            raise ImportError(f"{name} must not be imported")
sys.meta_path.insert(0, Refuse())
import numpy as np
from pathlib import Path
from barmill.models import load_forecaster
from barmill.models.expert.specs import SPECS
from barmill.views import FeatureMatrix
view = FeatureMatrix(np.load("base.npy"), np.load("at.npy"))
for spec in SPECS:
    files = {path.name: path.read_bytes() for path in Path(spec.name).iterdir()}
    raw = load_forecaster(spec, files).raw(view)
    said = {"logits": raw.logits, **(raw.values or {})}
    np.savez(f"{spec.name}.npz", **said)
"""


def test_forecasts_in_a_process_without_torch_are_the_same(tmp_path):
    np.save(tmp_path / "base.npy", base())
    np.save(tmp_path / "at.npy", np.arange(N)[TEST])
    for name in EXPERTS:
        write_folder(tmp_path / name, fitted(name).files)
    done = subprocess.run([sys.executable, "-c", _SUBPROCESS_FORECAST], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in EXPERTS:
        there, here = np.load(tmp_path / f"{name}.npz"), told(forecast(fitted(name)))
        assert sorted(there.files) == sorted(here)
        for said in there.files:
            np.testing.assert_array_equal(there[said], here[said])


@every_expert
def test_what_does_not_fit_is_refused_by_fit_and_forecast(spec):
    model, train, valid = fitted(spec.name), samples(TRAIN), samples(VALID)
    narrow = FeatureMatrix(np.ascontiguousarray(base()[:, :-1]), np.arange(N)[TEST])
    with pytest.raises(SchemaError, match="4 features are offered; expected 5"):
        load_forecaster(spec, model.files).raw(narrow)
    with pytest.raises(SchemaError, match="a window_tensor is offered"):
        load_forecaster(spec, model.files).raw(WindowTensor(base(), np.arange(N)[TEST], 4))
    unready = FeatureMatrix(base(), np.r_[4, train.view.rows[1:]])
    with pytest.raises(ForecastError, match="row 0, feature 0 is nan"):
        load_forecaster(spec, model.files).raw(unready)
    fit = functools.partial(load_fit(spec), spec.params(**SMALL))
    with pytest.raises(DataError, match="feature 'liquidity' is nan at bar 4"):
        fit(Samples(unready, train.y, train.z, train.weight, train.targets), valid, context(spec))
    with pytest.raises(RecipeError, match="has no output 'trend'"):
        fit(train, valid, FitContext(1, 2, ("trend",), NAMES))
    with pytest.raises(ShapeError, match="there are none"):
        fit(Samples(train.view.take(np.arange(0)), train.y[:0], train.z[:0], train.weight[:0]), valid, context(spec))


@every_quantile
def test_targets_that_are_missing_or_broken_are_refused(spec):
    train, valid, target = samples(TRAIN), samples(VALID), spec.targets[0]

    def fit(targets: Mapping[str, Any], weight: Any = train.weight) -> None:
        load_fit(spec)(spec.params(**SMALL), Samples(train.view, train.y, train.z, weight, targets), valid, context(spec))

    with pytest.raises(ShapeError, match=f"there is no target '{target}'.*back_label"):
        fit({})
    with pytest.raises(ShapeError, match=rf"{target} has shape \(3,\); expected \(3595,\)"):
        fit({target: np.ones(3)})
    with pytest.raises(DataError, match=f"{target} of row 2 is nan"):
        fit({target: np.where(np.arange(3595) == 2, np.nan, 1.0)})
    with pytest.raises(DataError, match=r"weight of row 0 is -1\.0; expected a finite number of at least 0"):
        fit({target: np.ones(3595)}, np.where(np.arange(3595) == 0, -1.0, 1.0))


def test_a_liquidity_that_is_no_feature_is_refused_with_the_nearest_name():
    with pytest.raises(RecipeError, match=r"no feature 'liquidty' to tell liquidity by\. Did you mean 'liquidity'\?"):
        fitted("entry", liquidity="liquidty")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"levels": (0.7, 0.6)}, "do not rise"),
        ({"alpha": 0.65}, "alpha 0.65 is none of the levels"),
        ({"levels": (1.0,)}, "less than 1"),
    ],
)
def test_levels_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        EXPERTS["risk"].params(**changes)


@every_expert
def test_progress_is_told_to_the_end(spec):
    class Listener:
        def __init__(self) -> None:
            self.told: list[tuple[int, int]] = []

        def update(self, done: int, total: int, note: str = "") -> None:
            self.told.append((done, total))

    listener = Listener()
    more = {"liquidity": "liquidity"} if spec.name == "entry" else {}
    load_fit(spec)(spec.params(**{**SMALL, **more}), samples(TRAIN), samples(VALID), context(spec, progress=listener))
    assert listener.told[-1][0] == listener.told[-1][1] > 0
    assert all(before <= after for (before, _), (after, _) in zip(listener.told, listener.told[1:], strict=False))


@every_expert
def test_every_parameter_says_what_it_is_and_unknown_ones_are_refused(spec):
    assert all(parameter.description for parameter in parameters_of(spec.params))
    with pytest.raises(ValidationError, match="no_such_parameter"):
        spec.params.model_validate({"no_such_parameter": 1})
    defaults = spec.params()
    assert (defaults.num_leaves, defaults.feature_fraction, defaults.bagging_fraction) == (64, 0.9, 0.8)
    assert (defaults.min_data_in_leaf, defaults.lambda_l2) == (50, 1.0)

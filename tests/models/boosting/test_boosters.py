"""The boosters against the bare libraries, and the losses they stop by against the libraries' own."""

from typing import Any

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb
from sklearn.metrics import log_loss as peer_log_loss

from barmill.models import FitContext, FittedModel, Samples, load_fit, load_forecaster, spec_of
from barmill.models.boosting.validation_loss import log_loss, return_loss
from barmill.views import FeatureMatrix

RNG = np.random.default_rng(0)
BASE = RNG.standard_normal((3000, 5)).astype(np.float32)
Z = 0.8 * BASE[:, 0] + RNG.standard_normal(3000)
WEIGHT = RNG.uniform(0.5, 1.5, 3000)
NAMES = ("rsi_14", "rsi_14@5m", "c", "d", "e")
TRAIN, VALID, TEST = slice(0, 2000), slice(2000, 2500), slice(2500, 3000)


def _samples(part: slice, n_classes: int = 2) -> Samples:
    at = np.arange(3000)[part]
    y = (Z > 0).astype(np.int8) if n_classes == 2 else np.digitize(Z, [-0.4, 0.4]).astype(np.int8)
    return Samples(FeatureMatrix(BASE, at), y[at], Z[at], WEIGHT[at])


def _fit(name: str, n_classes: int = 2, seed: int = 3, threads: int = 1, **params: Any) -> FittedModel:
    spec = spec_of(name)
    context = FitContext(seed=seed, n_classes=n_classes, outputs=spec.outputs, feature_names=NAMES, threads=threads)
    return load_fit(spec)(spec.params(**params), _samples(TRAIN, n_classes), _samples(VALID, n_classes), context)


def _raw(name: str, model: FittedModel) -> Any:
    return load_forecaster(spec_of(name), model.files).raw(_samples(TEST).view)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_lightgbm_forecasts_are_those_of_the_bare_library(n_classes: int) -> None:
    model = _fit("lightgbm", n_classes, n_estimators=40, num_leaves=9, subsample=0.7, colsample_bytree=0.6, reg_lambda=0.5)
    y = _samples(TRAIN, n_classes).y
    settings: dict[str, Any] = {"objective": "binary"} if n_classes == 2 else {"objective": "multiclass", "num_class": 3}
    settings |= {
        "learning_rate": 0.05,
        "num_leaves": 9,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "feature_fraction": 0.6,
        "lambda_l2": 0.5,
    }
    settings |= {"seed": 3, "verbosity": -1, "num_threads": 1, "deterministic": True, "force_row_wise": True}
    peer = lgb.train(settings, lgb.Dataset(BASE[TRAIN], y, weight=WEIGHT[TRAIN]), model.summary["p_up"]["trees"])
    np.testing.assert_array_equal(_raw("lightgbm", model).logits, peer.predict(BASE[TEST], raw_score=True))
    peer = lgb.train(
        {**settings, "objective": "huber", "alpha": 1.0, "num_class": 1},
        lgb.Dataset(BASE[TRAIN], Z[TRAIN], weight=WEIGHT[TRAIN]),
        model.summary["E_r"]["trees"],
    )
    np.testing.assert_array_equal(_raw("lightgbm", model).expected, peer.predict(BASE[TEST]))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_xgboost_forecasts_are_those_of_the_bare_library(n_classes: int) -> None:
    model = _fit("xgboost", n_classes, n_estimators=40, max_depth=3, subsample=0.7, colsample_bytree=0.6, gamma=0.1)
    y = _samples(TRAIN, n_classes).y
    settings: dict[str, Any] = {"objective": "binary:logistic"} if n_classes == 2 else {"objective": "multi:softprob", "num_class": 3}
    settings |= {"eta": 0.05, "max_depth": 3, "subsample": 0.7, "colsample_bytree": 0.6, "gamma": 0.1, "seed": 3, "nthread": 1}
    rows = xgb.QuantileDMatrix(BASE[TRAIN], y)
    rows.set_weight(WEIGHT[TRAIN])  # not before: weights are for the trees, not for the bins, which two boosters share
    peer = xgb.train(settings, rows, model.summary["p_up"]["trees"])
    np.testing.assert_array_equal(_raw("xgboost", model).logits, peer.predict(xgb.DMatrix(BASE[TEST]), output_margin=True))
    settings = {**settings, "objective": "reg:pseudohubererror", "huber_slope": 1.0}
    settings.pop("num_class", None)
    rows.set_label(Z[TRAIN])
    peer = xgb.train(settings, rows, model.summary["E_r"]["trees"])
    np.testing.assert_array_equal(_raw("xgboost", model).expected, peer.predict(xgb.DMatrix(BASE[TEST])))


@pytest.mark.parametrize("name", ["lightgbm", "xgboost"])
def test_stops_early_and_keeps_the_trees_of_the_lowest_validation_loss(name: str) -> None:
    model = _fit(name, n_estimators=400, learning_rate=0.3, early_stopping_rounds=10)
    for output in ("p_up", "E_r"):
        told = model.summary[output]
        curve = told["history"]["valid"]
        assert len(curve) < 400
        assert told["trees"] == int(np.argmin(curve)) + 1 == len(curve) - 10
        assert told["best_valid_loss"] == min(curve)
    valid = _samples(VALID)
    raw = load_forecaster(spec_of(name), model.files).raw(valid.view)
    loss = log_loss(valid.y, valid.weight, 2)(1 / (1 + np.exp(-raw.logits)))
    assert loss == pytest.approx(model.summary["p_up"]["best_valid_loss"], rel=1e-6)
    huber = return_loss(valid.z, valid.weight, "huber", 1.0)(raw.expected)
    assert huber == pytest.approx(model.summary["E_r"]["best_valid_loss"], rel=1e-6)


@pytest.mark.parametrize("name", ["lightgbm", "xgboost"])
def test_thread_count_changes_no_byte_and_the_seed_does(name: str) -> None:
    # Enough rows that the libraries share the work among the threads.
    rng = np.random.default_rng(1)
    base = rng.standard_normal((40_000, 5)).astype(np.float32)
    z = base[:, 1] + rng.standard_normal(40_000)
    spec = spec_of(name)

    def fit(threads: int, seed: int = 1) -> Any:
        parts = [
            Samples(FeatureMatrix(base, at), (z[at] > 0).astype(np.int8), z[at], np.ones(at.size))
            for at in (np.arange(30_000), np.arange(30_000, 40_000))
        ]
        context = FitContext(seed=seed, n_classes=2, outputs=spec.outputs, feature_names=NAMES, threads=threads)
        return load_fit(spec)(spec.params(n_estimators=10, subsample=0.5), *parts, context)

    one, two = fit(1), fit(2)
    assert one.files == two.files
    assert one.summary == two.summary
    assert fit(1, seed=2).files != one.files


@pytest.mark.parametrize("name", ["lightgbm", "xgboost"])
def test_squared_loss_can_be_asked_for(name: str) -> None:
    model = _fit(name, n_estimators=30, return_loss="l2")
    assert np.corrcoef(_raw(name, model).expected, Z[TEST])[0, 1] > 0.5


def test_validation_losses_are_their_formulas() -> None:
    y, weight = RNG.integers(0, 2, 200).astype(np.int8), RNG.uniform(0, 1, 200)
    p = RNG.uniform(0, 1, 200)
    assert log_loss(y, weight, 2)(p) == pytest.approx(peer_log_loss(y, p, sample_weight=weight), rel=1e-12)
    three = RNG.dirichlet(np.ones(3), 200)
    y = RNG.integers(0, 3, 200).astype(np.int8)
    assert log_loss(y, weight, 3)(three) == pytest.approx(peer_log_loss(y, three, sample_weight=weight), rel=1e-12)
    assert np.isfinite(log_loss(np.array([1], dtype=np.int8), np.ones(1), 2)(np.zeros(1)))
    z = np.array([0.0, 0.0])
    assert return_loss(z, np.array([1.0, 3.0]), "huber", 0.5)(np.array([0.4, -2.0])) == pytest.approx((0.08 + 3 * 0.875) / 4)
    assert return_loss(z, np.array([1.0, 3.0]), "l2", 0.5)(np.array([0.4, -2.0])) == pytest.approx((0.08 + 3 * 2.0) / 4)


def test_the_text_names_the_features_and_not_the_settings() -> None:
    text = _fit("lightgbm", n_estimators=5).files["p_up.txt"].decode()
    assert "feature_names=rsi_14 rsi_14@5m c d e" in text
    assert "num_threads" not in text

"""CatBoost's trees, read by NumPy, against CatBoost itself."""

import json
from pathlib import Path
from typing import Any

import catboost as cb
import numpy as np
import pytest

from barmill.errors import TrainingError
from barmill.models import FitContext, FittedModel, Samples, load_fit, load_forecaster, spec_of
from barmill.models.boosting.symmetric_trees import SymmetricTrees
from barmill.models.boosting.validation_loss import log_loss, return_loss
from barmill.views import FeatureMatrix

SPEC = spec_of("catboost")
RNG = np.random.default_rng(0)
BASE = RNG.standard_normal((3000, 5)).astype(np.float32)
BASE[:, 3] = np.round(BASE[:, 3], 1)  # many rows on few values, which is where borders lie
Z = 0.8 * BASE[:, 0] + 0.5 * BASE[:, 3] + RNG.standard_normal(3000)
WEIGHT = RNG.uniform(0.5, 1.5, 3000)
TRAIN, VALID, TEST = slice(0, 2000), slice(2000, 2500), slice(2500, 3000)


def _samples(part: slice, n_classes: int = 2) -> Samples:
    at = np.arange(3000)[part]
    y = (Z > 0).astype(np.int8) if n_classes == 2 else np.digitize(Z, [-0.4, 0.4]).astype(np.int8)
    return Samples(FeatureMatrix(BASE, at), y[at], Z[at], WEIGHT[at])


def _fit(n_classes: int = 2, seed: int = 3, threads: int = 1, **params: Any) -> FittedModel:
    context = FitContext(seed=seed, n_classes=n_classes, outputs=SPEC.outputs, feature_names=tuple("abcde"), threads=threads)
    given = SPEC.params(**{"n_estimators": 60, "learning_rate": 0.1, **params})
    return load_fit(SPEC)(given, _samples(TRAIN, n_classes), _samples(VALID, n_classes), context)


def _peer(content: bytes, folder: Path) -> cb.CatBoost:
    path = folder / "model.json"
    path.write_bytes(content)
    return cb.CatBoost().load_model(str(path), format="json")


@pytest.mark.parametrize("n_classes", [2, 3])
def test_leaves_are_catboosts_on_the_borders_too_and_so_are_forecasts(n_classes: int, tmp_path: Path) -> None:
    files = _fit(n_classes, max_depth=5, subsample=0.8, colsample_bytree=0.7).files
    for name in ("p_up.json", "E_r.json"):
        trees = SymmetricTrees.read(files[name])
        asked = trees.borders[np.isfinite(trees.borders)]
        near = [asked, np.nextafter(asked, np.float32(np.inf)), np.nextafter(asked, np.float32(-np.inf))]
        rows = np.repeat(np.concatenate(near)[:, None], 5, axis=1)
        rows = np.concatenate([rows, BASE[TEST]]).astype(np.float32)
        peer = _peer(files[name], tmp_path)
        np.testing.assert_array_equal(trees.reached(rows), peer.calc_leaf_indexes(cb.Pool(rows), thread_count=1))
        theirs = np.asarray(peer.predict(rows, prediction_type="RawFormulaVal", thread_count=1))
        np.testing.assert_allclose(trees.scores(rows), theirs, rtol=0, atol=1e-14)  # sums in another order


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_fit_is_that_of_the_bare_library(n_classes: int) -> None:
    model = _fit(n_classes, max_depth=4, class_weight="balanced")
    train, valid = _samples(TRAIN, n_classes), _samples(VALID, n_classes)
    counts = np.bincount(train.y)
    settings: dict[str, Any] = {"depth": 4, "learning_rate": 0.1, "iterations": 60, "random_seed": 3, "bootstrap_type": "No"}
    settings |= {"boosting_type": "Plain", "class_weights": (2000 / (n_classes * counts)).tolist(), "od_type": "Iter", "od_wait": 50}
    peer = cb.CatBoost({**settings, "loss_function": "Logloss" if n_classes == 2 else "MultiClass", "allow_writing_files": False})
    pools = [cb.Pool(part.view.base[part.view.rows], part.y, weight=part.weight) for part in (train, valid)]  # type: ignore[union-attr]
    peer.fit(pools[0], eval_set=pools[1], use_best_model=True, verbose=False)
    raw = load_forecaster(SPEC, model.files).raw(_samples(TEST, n_classes).view)
    np.testing.assert_allclose(raw.logits, peer.predict(BASE[TEST], prediction_type="RawFormulaVal"), rtol=0, atol=1e-12)


def test_stops_early_and_keeps_the_trees_of_the_lowest_validation_loss() -> None:
    model = _fit(n_estimators=400, learning_rate=0.3, early_stopping_rounds=10)
    raw, valid = load_forecaster(SPEC, model.files).raw(_samples(VALID).view), _samples(VALID)
    assert raw.expected is not None
    losses = {"p_up": log_loss(valid.y, valid.weight, 2)(1 / (1 + np.exp(-raw.logits)))}
    losses["E_r"] = return_loss(valid.z, valid.weight, "huber", 1.0)(raw.expected)
    for output, loss in losses.items():
        told = model.summary[output]
        curve = told["history"]["valid"]
        assert len(curve) < 400
        assert told["trees"] == int(np.argmin(curve)) + 1 == len(curve) - 10
        assert told["best_valid_loss"] == min(curve) == pytest.approx(loss, rel=1e-5)


def test_thread_count_changes_no_byte_and_the_seed_does() -> None:
    rng = np.random.default_rng(1)
    base = rng.standard_normal((40_000, 5)).astype(np.float32)
    z = base[:, 1] + rng.standard_normal(40_000)

    def fit(threads: int, seed: int = 1) -> FittedModel:
        parts = [
            Samples(FeatureMatrix(base, at), (z[at] > 0).astype(np.int8), z[at], np.ones(at.size))
            for at in (np.arange(30_000), np.arange(30_000, 40_000))
        ]
        context = FitContext(seed=seed, n_classes=2, outputs=SPEC.outputs, feature_names=tuple("abcde"), threads=threads)
        return load_fit(SPEC)(SPEC.params(n_estimators=8, subsample=0.5, colsample_bytree=0.5), *parts, context)

    one, two = fit(1), fit(2)
    assert one.files == two.files
    assert one.summary == two.summary
    assert fit(1, seed=2).files != one.files


def test_the_file_says_nothing_of_where_and_when_and_catboost_reads_it(tmp_path: Path) -> None:
    content = _fit().files["p_up.json"]
    assert sorted(json.loads(content)) == ["features_info", "oblivious_trees", "scale_and_bias"]
    assert _peer(content, tmp_path).tree_count_ == len(SymmetricTrees.read(content).first_leaf)


def test_squared_loss_can_be_asked_for_and_its_mean_is_the_bias() -> None:
    raw = load_forecaster(SPEC, _fit(return_loss="l2").files).raw(_samples(TEST).view)
    assert raw.expected is not None
    assert np.corrcoef(raw.expected, Z[TEST])[0, 1] > 0.5


def test_features_that_stand_still_are_refused_in_words() -> None:
    still = Samples(FeatureMatrix(np.ones((100, 5), dtype=np.float32), np.arange(100)), *_still())
    context = FitContext(seed=1, n_classes=2, outputs=("p_up",), feature_names=tuple("abcde"))
    with pytest.raises(TrainingError, match=r"model 'catboost'.*a feature that is not the same in every row"):
        load_fit(SPEC)(SPEC.params(), still, still, context)


def _still() -> tuple[Any, Any, Any]:
    z = np.random.default_rng(2).standard_normal(100)
    return (z > 0).astype(np.int8), z, np.ones(100)


def _altered(alter: Any) -> bytes:
    content = json.loads(SMALL)
    alter(content, content["oblivious_trees"][0])
    return json.dumps(content).encode()


SMALL = json.dumps(
    {
        "features_info": {"float_features": [{}, {}]},
        "oblivious_trees": [{"splits": [{"float_feature_index": 1, "border": 0.5}], "leaf_values": [1.0, 2.0]}],
        "scale_and_bias": [1, [0.25]],
    }
).encode()


def test_a_small_text_is_read() -> None:
    trees = SymmetricTrees.read(SMALL)
    rows = np.array([[9, 0.5], [9, 0.6]], dtype=np.float32)
    np.testing.assert_array_equal(trees.scores(rows), [1.25, 2.25])
    np.testing.assert_array_equal(trees.flat().scores(rows), [1.25, 2.25])
    out = np.empty(1)
    trees.bound(rows[1], out)()
    assert out == 2.25


@pytest.mark.parametrize(
    "alter",
    [
        lambda content, tree: tree["splits"][0].update(float_feature_index=2),
        lambda content, tree: tree["splits"][0].update(float_feature_index=-1),
        lambda content, tree: tree["splits"][0].update(border="much"),
        lambda content, tree: tree["splits"][0].pop("float_feature_index"),
        lambda content, tree: tree["splits"].extend(tree["splits"] * 99),
        lambda content, tree: tree["leaf_values"].pop(),
        lambda content, tree: tree["leaf_values"].append(1.0),
        lambda content, tree: tree.update(leaf_values=[float("nan"), 1.0]),
        lambda content, tree: tree.pop("splits"),
        lambda content, tree: content.update(scale_and_bias=[1]),
        lambda content, tree: content.update(scale_and_bias=[1, [float("inf")]]),
        lambda content, tree: content.update(oblivious_trees=[]),
        lambda content, tree: content["features_info"].update(categorical_features=[{}]),
        lambda content, tree: content["features_info"].update(float_features=[]),
    ],
)
def test_another_text_is_refused(alter: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        SymmetricTrees.read(_altered(alter))


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b"[" * 100_000, b'"trees"'])
def test_what_is_no_text_of_catboost_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        SymmetricTrees.read(text)

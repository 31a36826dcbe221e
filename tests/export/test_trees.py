"""Trees in a graph against the libraries that grew them, on a million rows, half of them where a step decides."""

import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import lightgbm as lgb
import numpy as np
import onnx
import onnxruntime as ort
import pytest
import xgboost as xgb
from onnx.reference import ReferenceEvaluator

from barmill.errors import SchemaError
from barmill.export.graph import GraphBuilder
from barmill.export.threshold_rows import threshold_rows
from barmill.export.trees import add_trees
from barmill.models.boosting import lightgbm_text
from barmill.models.boosting.flat_trees import FlatTrees, Grown
from barmill.models.boosting.lightgbm_text import read_lightgbm
from barmill.models.boosting.symmetric_trees import SymmetricTrees
from barmill.models.boosting.xgboost_ubj import read_xgboost

N_FEATURES, MILLION = 6, 1_000_000
AT_ONCE = 50_000


class Case(NamedTuple):
    """A booster: its trees as they are read, and what the library says of rows, (n,) or (n, 3)."""

    content: bytes
    read: Callable[[bytes], FlatTrees]
    says: Callable[[np.ndarray], np.ndarray]


def _grown_from(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows, one column of which has few values; and classes, or an outcome in units of its own deviation."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((6000, N_FEATURES)).astype(np.float32)
    x[:, 0] = np.round(x[:, 0], 1)
    score = x[:, 0] + x[:, 1] * x[:, 2] + rng.standard_normal(6000)
    if kind == "returns":
        return x, score / score.std()
    return x, np.digitize(score, [-0.5, 0.5] if kind == "three" else [0.0])


def _lightgbm(kind: str) -> Case:
    x, y = _grown_from(kind)
    objective = {"binary": {"objective": "binary"}, "three": {"objective": "multiclass", "num_class": 3}, "returns": {"objective": "huber"}}
    given = {"num_leaves": 15, "num_threads": 1, "verbosity": -1, **objective[kind]}
    text = lgb.train(given, lgb.Dataset(x, y), 60).model_to_string().partition("\nparameters:\n")[0]
    booster = lgb.Booster(model_str=text)
    return Case(text.encode(), read_lightgbm, lambda rows: np.asarray(booster.predict(rows, raw_score=True, num_threads=1)))


def _xgboost(kind: str) -> Case:
    x, y = _grown_from(kind)
    objective = {
        "binary": {"objective": "binary:logistic"},
        "three": {"objective": "multi:softprob", "num_class": 3},
        "returns": {"objective": "reg:pseudohubererror"},
    }
    booster = xgb.train({"max_depth": 4, "nthread": 1, "verbosity": 0, **objective[kind]}, xgb.DMatrix(x, y), 60)
    return Case(bytes(booster.save_raw("ubj")), read_xgboost, lambda rows: booster.inplace_predict(rows, predict_type="margin"))


def _catboost(kind: str, folder: Path) -> Case:
    import catboost as cb

    x, y = _grown_from(kind)
    loss = {"binary": "Logloss", "three": "MultiClass", "returns": "Huber:delta=1.0"}[kind]
    settings = {"iterations": 60, "depth": 4, "learning_rate": 0.1, "loss_function": loss, "thread_count": 1, "allow_writing_files": False}
    booster = cb.CatBoost(settings).fit(x, y, silent=True)
    booster.save_model(str(folder / "model.json"), format="json")
    return Case(
        (folder / "model.json").read_bytes(),
        lambda text: SymmetricTrees.read(text).flat(),
        lambda rows: np.asarray(booster.predict(rows, prediction_type="RawFormulaVal", thread_count=1)),
    )


CASES = [(library, kind) for library in ("lightgbm", "xgboost", "catboost") for kind in ("binary", "three", "returns")]


@cache
def _made(library: str, kind: str, folder: Path) -> Case:
    return _catboost(kind, folder) if library == "catboost" else {"lightgbm": _lightgbm, "xgboost": _xgboost}[library](kind)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Case]:
    folder = tmp_path_factory.mktemp("catboost")
    return lambda library, kind: _made(library, kind, folder)


def model_of(trees: FlatTrees) -> onnx.ModelProto:
    graph = GraphBuilder()
    x = graph.input("x", np.float32, ["batch", trees.n_features])
    graph.output(add_trees(graph, trees, x), "scores", np.float64, ["batch"] if trees.n_scores == 1 else ["batch", trees.n_scores])
    return graph.model("trees", {})


def runs(model: onnx.ModelProto) -> Callable[[np.ndarray], np.ndarray]:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options)
    return lambda rows: np.asarray(session.run(None, {"x": rows})[0])


def _outputs(scores: np.ndarray, kind: str) -> np.ndarray:
    """Probabilities of scores; returns are standardised as they are."""
    scores = np.asarray(scores, dtype=np.float64)
    if kind == "returns":
        return scores
    if scores.ndim == 1:
        return 1 / (1 + np.exp(-scores))
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def _farthest(case: Case, trees: FlatTrees, kind: str, n: int) -> tuple[float, int]:
    """The largest difference between graph and library among `n` rows, and how many change sides at one half."""
    says, worst, flips = runs(model_of(trees)), 0.0, 0
    rng = np.random.default_rng(1)
    for _ in range(0, n, AT_ONCE):
        rows = threshold_rows(trees, AT_ONCE, rng)
        found, told = _outputs(says(rows), kind), _outputs(case.says(rows), kind)
        worst = max(worst, float(np.abs(found - told).max()))
        flips += int(((found > 0.5) != (told > 0.5)).sum()) if kind != "returns" else 0
    return worst, flips


@pytest.mark.parametrize(("library", "kind"), CASES)
def test_a_graph_says_what_the_library_says_on_every_row(case, library: str, kind: str) -> None:
    one = case(library, kind)
    n = MILLION if kind == "binary" and library != "catboost" else 100_000
    worst, flips = _farthest(one, one.read(one.content), kind, n)
    assert worst <= (1e-12 if library == "catboost" else 0.0)  # CatBoost itself adds groups of trees
    assert flips == 0


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_thresholds_that_are_rounded_to_the_nearest_are_found_out(case, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault of a usual export, planted: of LightGBM's float64, and of a `<` that is written as `<=`."""
    one = case(library, "binary")
    if library == "lightgbm":
        monkeypatch.setattr(lightgbm_text, "at_most", lambda threshold: threshold.astype(np.float32))
    else:
        monkeypatch.setattr("barmill.models.boosting.xgboost_ubj.below", lambda threshold: threshold)
    worst, _ = _farthest(one, one.read(one.content), "binary", AT_ONCE)
    assert worst > 1e-3


@pytest.mark.parametrize(("library", "kind"), CASES)
def test_a_row_alone_has_the_bits_it_has_among_others(case, library: str, kind: str) -> None:
    one = case(library, kind)
    trees = one.read(one.content)
    says, rows = runs(model_of(trees)), threshold_rows(trees, 200, np.random.default_rng(2))
    together = says(rows)
    np.testing.assert_array_equal(np.concatenate([says(rows[i : i + 1]) for i in range(len(rows))]), together)
    np.testing.assert_array_equal(trees.scores(rows), together)


@pytest.mark.parametrize("kind", ["binary", "three"])
def test_another_engine_finds_the_same_bits(case, kind: str) -> None:
    one = case("lightgbm", kind)
    model, rows = model_of(one.read(one.content)), threshold_rows(one.read(one.content), 40, np.random.default_rng(3))
    np.testing.assert_array_equal(np.asarray(ReferenceEvaluator(model).run(None, {"x": rows})[0]), runs(model)(rows))


def test_equal_trees_give_equal_bytes(case) -> None:
    for library in ("lightgbm", "xgboost", "catboost"):
        one = case(library, "three")
        first, second = (model_of(one.read(one.content)).SerializeToString() for _ in range(2))
        assert first == second


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_leaves_of_every_size_are_added_up_as_the_library_adds_them(dtype) -> None:
    rng = np.random.default_rng(4)
    values = (np.exp(rng.normal(0, 5, (3000, 2))) * rng.choice([-1, 1], (3000, 2))).astype(dtype)
    trees = _stumps(rng.standard_normal(3000).astype(np.float32), values)
    rows = threshold_rows(trees, 500, rng)
    np.testing.assert_array_equal(runs(model_of(trees))(rows), trees.scores(rows))
    far = [math.fsum(side) for side in values.T.tolist()]  # rounded once, it would be another number
    assert not np.isin(far, trees.scores(np.array([[-9.0], [9.0]], dtype=np.float32))).any()


def test_more_leaves_than_float32_counts_are_refused(case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("barmill.export.trees._COUNTED", 100)
    with pytest.raises(SchemaError, match=r"\d+ leaves; expected at most 100"):
        model_of(case("lightgbm", "binary").read(case("lightgbm", "binary").content))


def test_trees_that_ask_nothing_say_one_number() -> None:
    nothing = Grown(
        feature=np.array([-1, -1]),
        threshold=np.zeros(2, dtype=np.float32),
        left=np.zeros(2, dtype=np.int64),
        right=np.zeros(2, dtype=np.int64),
        value=np.array([0.25, -0.5]),
        roots=np.array([0, 1]),
        base=np.array([1.0]),
        n_features=3,
    )
    trees = FlatTrees.pack(nothing)
    rows = np.zeros((4, 3), dtype=np.float32)
    np.testing.assert_array_equal(runs(model_of(trees))(rows), np.full(4, 0.75))
    np.testing.assert_array_equal(trees.scores(rows), np.full(4, 0.75))
    assert threshold_rows(trees, 10, np.random.default_rng(0)).shape == (10, 3)


def test_threshold_rows_stand_where_they_say(case) -> None:
    trees = case("lightgbm", "binary").read(case("lightgbm", "binary").content)
    rows = threshold_rows(trees, 4000, np.random.default_rng(0))
    assert rows.dtype == np.float32
    assert np.isfinite(rows).all()
    table = list(trees.trees())
    for feature in range(N_FEATURES):
        at = np.unique(np.concatenate([tree.threshold[tree.feature == feature] for tree in table]))
        near = np.concatenate([at, np.nextafter(at, np.float32(np.inf)), np.nextafter(at, np.float32(-np.inf))])
        close = rows[2000:, feature]
        assert np.isin(close, near).mean() > 0.8
        assert (np.abs(close[~np.isin(close, near)]) <= np.float32(1e-35)).all()
        assert not np.isin(rows[:2000, feature], near).any() or feature == 0
        assert np.ptp(rows[:2000, feature]) > np.ptp(at) / 2


def test_the_trees_of_a_graph_are_plain_nodes_of_the_standard(case) -> None:
    model = model_of(case("xgboost", "three").read(case("xgboost", "three").content))
    assert {node.op_type for node in model.graph.node} == {"TreeEnsembleRegressor", "Cast", "Gather", "Reshape", "CumSum", "Identity"}
    assert {node.domain for node in model.graph.node} == {"", "ai.onnx.ml"}
    (trees,) = (node for node in model.graph.node if node.op_type == "TreeEnsembleRegressor")
    modes: Any = next(one.strings for one in trees.attribute if one.name == "nodes_modes")
    assert set(modes) == {b"LEAF", b"BRANCH_LEQ"}


def _stumps(thresholds: np.ndarray, values: np.ndarray) -> FlatTrees:
    """Trees of one question each on the only feature."""
    n = len(thresholds)
    root = 3 * np.arange(n)
    feature, left, right = np.full(3 * n, -1), np.zeros(3 * n, dtype=np.int64), np.zeros(3 * n, dtype=np.int64)
    feature[root], left[root], right[root] = 0, root + 1, root + 2
    value = np.zeros(3 * n, dtype=values.dtype)
    value[root + 1], value[root + 2] = values.T
    return FlatTrees.pack(Grown(feature, np.repeat(thresholds, 3), left, right, value, root, np.zeros(1, dtype=values.dtype), 1))

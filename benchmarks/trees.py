"""One walk through boosted trees against the libraries that grew them and ONNX Runtime: microseconds a row, on one thread.

    python -m benchmarks.trees [--trees 500] [--leaves 64] [--features 200] [--calls 2000] [--batches 64,4096]

Every contestant gets the same float32 rows and gives raw scores; whether they are the library's to the bit is checked before anything is
timed. One row: median and 99th percentile of single calls, rows changing, contestants taking turns. Batches: the least of several calls.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import lightgbm as lgb
import numpy as np
import onnxruntime as ort
import xgboost as xgb

from barmill.export.graph import GraphBuilder
from barmill.export.trees import add_trees
from barmill.models.boosting.flat_trees import FlatTrees
from barmill.models.boosting.lightgbm_text import read_lightgbm
from barmill.models.boosting.warming import warm_trees
from barmill.models.boosting.xgboost_ubj import read_xgboost

Rows = np.ndarray[Any, np.dtype[np.float32]]
Ask = Callable[[Rows], Any]
N_ROWS, LEARNED_FROM = 4096, 40_000


class Contest(NamedTuple):
    """Who is asked, first us: name and call; and the seconds that each takes to be read."""

    title: str
    asked: dict[str, Ask]
    loading: dict[str, float]


def grown_from(n_features: int) -> tuple[Rows, np.ndarray[Any, Any]]:
    """Rows, and classes that a few features tell in ways that take deep trees."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((LEARNED_FROM, n_features), dtype=np.float32)
    told = x[:, 0] + x[:, 1] * x[:, 2] + np.sin(3 * x[:, 3]) + 0.3 * x[:, 4:60].sum(axis=1) / 7 + rng.standard_normal(LEARNED_FROM)
    return x, told > 0


def timed(read: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    found = read()
    return found, time.perf_counter() - began


def by_onnx(trees: FlatTrees) -> tuple[Ask, float]:
    """ONNX Runtime on our graph, and seconds of its session's start."""
    graph = GraphBuilder()
    x = graph.input("x", np.float32, ["batch", trees.n_features])
    graph.output(add_trees(graph, trees, x), "scores", np.float64, ["batch"])
    model = graph.model("trees", {}).SerializeToString()
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session, seconds = timed(lambda: ort.InferenceSession(model, options, providers=["CPUExecutionProvider"]))
    return lambda rows: session.run(None, {"x": rows})[0], seconds


def flat(trees: FlatTrees) -> Ask:
    """Our walk: into memory that is there for one row, as the hot path asks it."""
    row, out = np.empty(trees.n_features, dtype=np.float32), np.empty(trees.n_scores)
    walk = trees.bound(row, out)

    def ask(rows: Rows) -> Any:
        if len(rows) > 1:
            return trees.scores(rows)
        row[:] = rows[0]
        walk()
        return out

    return ask


def lightgbm_contest(x: Rows, y: np.ndarray[Any, Any], n_trees: int, n_leaves: int) -> Contest:
    settings = {"objective": "binary", "num_leaves": n_leaves, "learning_rate": 0.05, "num_threads": 1, "verbosity": -1}
    text = lgb.train(settings, lgb.Dataset(x, y), n_trees).model_to_string().partition("\nparameters:\n")[0]
    booster, native = timed(lambda: lgb.Booster(model_str=text))
    trees, ours = timed(lambda: read_lightgbm(text.encode()))
    onnx, session = by_onnx(trees)
    asked = {"Barmill": flat(trees), "LightGBM": lambda rows: booster.predict(rows, raw_score=True, num_threads=1), "ONNX Runtime": onnx}
    return Contest(f"LightGBM, {n_trees} trees of {n_leaves} leaves", asked, {"Barmill": ours, "LightGBM": native, "ONNX Runtime": session})


def xgboost_contest(x: Rows, y: np.ndarray[Any, Any], n_trees: int, n_leaves: int) -> Contest:
    depth = max(1, (n_leaves - 1).bit_length())
    settings = {"objective": "binary:logistic", "max_depth": depth, "eta": 0.05, "nthread": 1, "verbosity": 0}
    content = bytes(xgb.train(settings, xgb.DMatrix(x, y), n_trees).save_raw("ubj"))

    def native() -> xgb.Booster:
        booster = xgb.Booster({"nthread": 1})
        booster.load_model(bytearray(content))
        booster.set_param({"nthread": 1})
        return booster

    (booster, theirs), (trees, ours) = timed(native), timed(lambda: read_xgboost(content))
    onnx, session = by_onnx(trees)
    asked = {"Barmill": flat(trees), "XGBoost": lambda rows: booster.inplace_predict(rows, predict_type="margin"), "ONNX Runtime": onnx}
    return Contest(f"XGBoost, {n_trees} trees of {depth} levels", asked, {"Barmill": ours, "XGBoost": theirs, "ONNX Runtime": session})


def one_row(contest: Contest, rows: Rows, calls: int) -> dict[str, np.ndarray[Any, Any]]:
    """Microseconds of single calls, by name; contestants take turns a hundred calls at a time."""
    found: dict[str, list[float]] = {name: [] for name in contest.asked}
    ones = [rows[i : i + 1] for i in range(100)]
    for _ in range(max(1, calls // 100)):
        for name, ask in contest.asked.items():
            for one in ones:
                began = time.perf_counter_ns()
                ask(one)
                found[name].append((time.perf_counter_ns() - began) / 1000)
    return {name: np.array(times) for name, times in found.items()}


def many_rows(ask: Ask, rows: Rows) -> float:
    """Microseconds a row, the least of several calls."""
    return min(timed(lambda: ask(rows))[1] for _ in range(7)) / len(rows) * 1e6


def times(theirs: Any, ours: Any) -> str:
    return f"{theirs / ours:.1f} x"


def tell(contest: Contest, rows: Rows, calls: int, batches: list[int]) -> None:
    """One table."""
    ours = np.array(contest.asked["Barmill"](rows))
    print(f"\n{contest.title}, {rows.shape[1]} features, one thread; microseconds a row, and how many times ours")
    heads = "".join(f"{f'by {n:,}':>12}{'':>8}" for n in batches)
    print(f"  {'':<14}{'p50':>8}{'p99':>9}{'':>8}{heads}{'load, ms':>12}{'same bits':>12}")
    singles = one_row(contest, rows, calls)
    for name, ask in contest.asked.items():
        p50, p99 = np.percentile(singles[name], [50, 99])
        line = f"  {name:<14}{p50:>8.1f}{p99:>9.1f}{times(p50, np.median(singles['Barmill'])):>8}"
        for n in batches:
            least = many_rows(ask, rows[:n])
            line += f"{least:>12.2f}{times(least, many_rows(contest.asked['Barmill'], rows[:n])):>8}"
        same = "yes" if np.array_equal(np.asarray(ask(rows), dtype=np.float64), ours) else "NO"
        print(f"{line}{contest.loading[name] * 1000:>12.1f}{same:>12}", flush=True)


def main() -> None:
    """Grow the boosters and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trees", type=int, default=500)
    parser.add_argument("--leaves", type=int, default=64)
    parser.add_argument("--features", type=int, default=200)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--batches", default="64,4096")
    asked = parser.parse_args()
    warm_trees()
    x, y = grown_from(asked.features)
    rows = np.random.default_rng(1).standard_normal((N_ROWS, asked.features), dtype=np.float32)
    batches = [int(n) for n in asked.batches.split(",")]
    for contest in (lightgbm_contest, xgboost_contest):
        tell(contest(x, y, asked.trees, asked.leaves), rows, asked.calls, batches)


if __name__ == "__main__":
    main()

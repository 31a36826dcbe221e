"""What a cross-validated run adds to a judgement: paths, luck, leakage checks, tuning, and other ledgers."""

from itertools import combinations, pairwise
from typing import Any

import numpy as np
import polars as pl

FIRST, BAR_MS = 1_690_848_600_000, 60_000  # 2023-08-01 00:10 UTC
N_BARS, N_GROUPS, PURGE, EMBARGO, HORIZON = 150_000, 10, 60, 1440, 60
STARTS = np.linspace(0, N_BARS, N_GROUPS + 1).astype(int)
MODELS = ("logistic", "lightgbm", "xgboost", "lstm")


def moment(bar: int) -> str:
    return str(np.datetime64(FIRST + BAR_MS * int(bar), "ms")).replace("T", " ")[:16] + " UTC"


def splits() -> list[dict[str, Any]]:
    """Every choice of two groups, purged and embargoed as the splitter does it, a decision at each bar."""
    made: list[dict[str, Any]] = []
    for number, chosen in enumerate(combinations(range(N_GROUPS), 2)):
        test: list[list[int]] = []
        for group in chosen:
            if test and test[-1][1] + 1 == STARTS[group]:
                test[-1][1] = int(STARTS[group + 1]) - 1
            else:
                test.append([int(STARTS[group]), int(STARTS[group + 1]) - 1])
        train, begin = [], 0
        for first, last in [*test, (N_BARS + HORIZON, N_BARS)]:
            end = first - HORIZON - 1
            if end >= begin:
                train.append([begin, min(end, N_BARS - 1)])
            begin = last + HORIZON + EMBARGO + 1
        n_train = sum(last + 1 - first for first, last in train)
        n_test = sum(last + 1 - first for first, last in test)
        split = {"number": number, "test_groups": list(chosen), "n_train": n_train, "n_test": n_test, "n_purged": N_BARS - n_train - n_test}
        made.append({**split, "train": train, "test": test})
    return made


def spread(values: list[float]) -> dict[str, float]:
    low, middle, high = np.percentile(values, (5, 50, 95)).tolist()
    ends = {"min": min(values), "p05": low, "p50": middle, "p95": high, "max": max(values)}
    return {"mean": float(np.mean(values)), "std": float(np.std(values, ddof=1)), **ends}


def paths_of(name: str, number: int, sharpe: float) -> dict[str, Any]:
    rng = np.random.default_rng(number)
    rows: list[dict[str, Any]] = []
    for path in range(9):
        value = sharpe + float(rng.normal(0, 1.1))
        row = {"path": path, "sharpe": value, "sortino": 1.4 * value, "calmar": 0.9 * value, "max_drawdown": -0.1 - 0.02 * abs(value)}
        row |= {"total_return": 0.03 * value, "gross_total_return": 0.03 * value + 0.3, "n_trades": 1800 + path}
        rows.append({**row, "auc": 0.51 + 0.004 * number + float(rng.normal(0, 0.002)), "log_loss": 0.692})
    keys = ("sharpe", "sortino", "calmar", "max_drawdown", "total_return", "gross_total_return", "n_trades", "auc", "log_loss")
    scores = [
        {"number": k, "is_sharpe": 8 + float(rng.normal(0, 1)), "oos_sharpe": sharpe + float(rng.normal(0, 2)), "auc": 0.513}
        for k in range(45)
    ]
    is_oos = {"mean_is": 8.02, "mean_oos": sharpe, "ratio": 8.02 / sharpe if sharpe > 0 else None, "oos_cv": 0.61 if sharpe > 0 else None}
    words = "loses out of sample: no ratio is defined, and none is needed" if sharpe <= 0 else "in-sample is 6 times out-of-sample"
    oof = {"n_paths": 9, "n_samples": N_BARS, "complete": True, "out_of_reach": 59 if name == "lstm" else 0}
    oof["not_labelled"] = {"features not ready": 30, "outcome not covered by the data": 6}
    return {
        "name": name,
        "paths": rows,
        "distribution": {key: spread([row[key] for row in rows]) for key in keys},
        "splits": scores,
        "is_oos": {**is_oos, "n_folds": 45, "words": words},
        "oof": oof,
    }


def cross_validation(sharpes: dict[str, float]) -> dict[str, Any]:
    groups = [
        {
            "number": k,
            "first_bar": int(a),
            "last_bar": int(b) - 1 + HORIZON,
            "first_time": moment(a),
            "last_time": moment(b - 1),
            "n": int(b - a),
        }
        for k, (a, b) in enumerate(pairwise(STARTS))
    ]
    head = {"method": "cpcv", "n_groups": N_GROUPS, "n_test_groups": 2, "n_splits": 45, "n_paths": 9, "embargo_bars": EMBARGO}
    where = {"purge_bars": PURGE, "n_labels": N_BARS, "first_time": moment(0), "last_time": moment(N_BARS - 1)}
    models = [paths_of(name, number, sharpe) for number, (name, sharpe) in enumerate(sharpes.items())]
    return {**head, **where, "groups": groups, "splits": splits(), "models": models}


def luck_of(name: str, sharpe: float, sr0: float, dsr: float) -> dict[str, Any]:
    promoted = dsr > 0.95
    said = "unlikely to be the luck of 41 trials" if promoted else "cannot be told from the luck of 41 trials"
    return {
        "name": name,
        "n_obs": N_BARS,
        "sharpe": sharpe,
        "standard_error": 1.87,
        "interval": [sharpe - 3.66, sharpe + 3.66],
        "skew": -0.4,
        "kurt": 41.2,
        "psr": min(0.999, dsr + 0.3),
        "dsr": dsr,
        "sr0": sr0,
        "deflated_sharpe": sharpe - sr0,
        "min_track_record_bars": "inf" if sharpe <= 0 else 2_412_300.0,
        "track_record_bars": N_BARS,
        "haircut": {"sharpe": 0.41 if sharpe > 0 else None, "haircut": 0.87 if sharpe > 0 else None},
        "promoted": promoted,
        "words": f"DSR {dsr:.3f}: {said}",
    }


def overfitting(sharpes: dict[str, float], dsr: dict[str, float]) -> dict[str, Any]:
    rng = np.random.default_rng(3)
    x = rng.normal(0.01, 0.004, 800)
    points = np.column_stack([x, 0.004 - 0.6 * x + rng.normal(0, 0.004, 800)]).round(5).tolist()
    logits = rng.normal(0.3, 1.2, 1000).round(3).tolist()
    pbo = {"pbo": 0.41, "n_combinations": 12870, "n_blocks": 16, "n_configurations": 41, "slope": -0.61, "intercept": 0.004}
    words = "PBO 41%: high overfitting risk: simplify the model, or regularise it more"
    check = {"method": "superior_predictive_ability", "p_value": 0.382, "n_configurations": 41}
    return {
        "trials": {"ledger": 34, "overlapping": 7, "total": 41, "effective": 6.3, "var_sr": 2.4e-6},
        "pbo": {**pbo, "prob_oos_loss": 0.52, "logits": logits, "points": points, "words": words},
        "reality_check": {**check, "words": "the best is not told from doing nothing"},
        "models": [luck_of(name, sharpes[name], 2.1, dsr[name]) for name in sharpes],
    }


def leakage() -> dict[str, Any]:
    finding = {
        "code": "L209",
        "severity": "critical",
        "column": "rsi_14@1h",
        "bar": 1440,
        "time": "2023-08-02 00:10 UTC",
        "reason": "shows the 1h bar that closes at 01:00 at the bar that closes at 00:10",
        "evidence": {"rows": 51},
        "page": "docs/reference/leakage-findings.md#l209",
    }
    checks = [
        ("L201", "labels in order of time", "passed", "150,000 labels in order"),
        ("L204", "features that know the outcome", "passed", "20 columns: at most 0.04 of what an outcome could tell"),
        ("L209", "higher timeframes show closed bars", "failed", finding["reason"]),
        ("L212", "second series known in time", "not applicable", "needs times of second series, which nobody gave"),
    ]
    told = [{"code": a, "name": b, "status": c, "severity": "critical" if c == "failed" else "info", "message": d} for a, b, c, d in checks]
    allowed = [{"code": "L209", "reason": "the column is a deliberate control", "found": True}]
    return {"ok": False, "critical": 1, "counts": {}, "checks": told, "findings": [finding], "allowed": allowed}


def tuning() -> list[dict[str, Any]]:
    rng = np.random.default_rng(4)
    values = (0.693 - 0.002 * rng.random(30)).round(6).tolist()
    best = np.minimum.accumulate(values).tolist()
    history = [[k, None if k == 7 else value, top] for k, (value, top) in enumerate(zip(values, best, strict=True))]
    params = {"num_leaves": 31, "learning_rate": 0.0213, "boosting": "gbdt", "extra_trees": True}
    counts = {"n_trials": 30, "n_pruned": 8, "n_failed": 1}
    return [{"model": "lightgbm", **counts, "best": params, "best_value": min(values), "metric": "log_loss", "history": history}]


def validated(judgement: dict[str, Any], sharpes: dict[str, float] | None = None, dsr: dict[str, float] | None = None) -> dict[str, Any]:
    """`judgement` with everything that proves it; the models lose on most paths unless `sharpes` says otherwise."""
    known = sharpes or {"logistic": -1.4, "lightgbm": 1.3, "xgboost": -0.6, "lstm": -3.2}
    probabilities = dict.fromkeys(known, 0.12) | (dsr or {})
    judgement |= {
        "cross_validation": cross_validation(known),
        "overfitting": overfitting(known, probabilities),
        "leakage": leakage(),
        "tuning": tuning(),
    }
    judgement["ledger"] |= {
        "overlapping": [
            {"fingerprint": "9f" * 32, "trials": 7, "test_openings": 1, "first": "2023-07-01 00:00 UTC", "last": "2023-09-30 23:59 UTC"}
        ]
    }
    for model in judgement["models"]:
        model["trading"]["intervals"] = {"sharpe": [-6.1, 0.9], "total_return": [-0.19, 0.04], "max_drawdown": [-0.27, -0.11]}
    return judgement


def path_curves(names: tuple[str, ...] = MODELS, n_rows: int = 1500) -> pl.DataFrame:
    rng = np.random.default_rng(9)
    rows = np.linspace(0, N_BARS - 1, n_rows).astype(np.int64)
    columns: dict[str, Any] = {"open_time": FIRST + BAR_MS * rows}
    for number, name in enumerate(names):
        for path in range(9):
            columns[f"{name}|{path}"] = np.exp(np.cumsum(rng.normal(-3e-5 * number, 4e-3, n_rows)))
    return pl.DataFrame(columns)

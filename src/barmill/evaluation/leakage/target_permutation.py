"""Target permutation: a model trained on shuffled labels must score chance.

Labels are shuffled by moving them round as a whole, far enough that none keeps its row: they keep their overlap, so that a split that
was not purged still shows. Two scores: against the labels that really came, where more than chance means that the model knows them from
elsewhere; and against the shuffled ones, where it means that judging rows share their labels with training rows.

A border between two long blocks is a small part of each; so the rows nearest to it are taken. It stays a blunt tool: the comparison of
label spans (L204) is exact, and this one is for what hides inside a model's own code.
"""

import numpy as np
from scipy.special import stdtr

from barmill.evaluation.classification import average_ranks
from barmill.evaluation.leakage.check import Looked, Missing, finding, need, need_values
from barmill.evaluation.leakage.dossier import Dossier, Float64Array, Int64Array
from barmill.evaluation.leakage.report import LeakageFinding
from barmill.evaluation.leakage.settings import LeakageSettings
from barmill.evaluation.leakage.temporal_order import where

SHUFFLES = 10
TRAIN_ROWS, JUDGE_ROWS = 3_000, 1_500
LEAST = 0.53  # mean AUC below which even what is certain is not worth a word
FEWEST = 100


def look_at_permuted_targets(dossier: Dossier, settings: LeakageSettings) -> Looked:
    """A model that has learned shuffled labels and still forecasts."""
    need(dossier, "blocks", "y")
    need_values(dossier)
    assert dossier.y is not None
    training = [rows for _, rows in dossier.named_blocks(dossier.trained_on)]
    judging = [rows for _, rows in dossier.named_blocks(dossier.judged_by)]
    if not training or not judging:
        raise Missing("needs a training block and one that judges")
    train, judge = _nearest(np.unique(np.concatenate(training)), np.unique(np.concatenate(judging)))
    up = (dossier.y == dossier.y.max()).astype(np.int64)
    if min(train.size, judge.size) < FEWEST or np.ptp(up[train]) == 0 or np.ptp(up[judge]) == 0:
        raise Missing(f"needs {FEWEST} rows of two classes or more on each side")
    real, shuffled = _scores(dossier, train, judge, up, settings)
    findings: list[LeakageFinding] = []
    for scores, words, cause in (
        (real, "the labels that came", "the model has them from elsewhere than the rows that it was given"),
        (shuffled, "the same shuffled labels", "judging rows share their labels with training rows"),
    ):
        mean, error = float(scores.mean()), float(scores.std(ddof=1) / np.sqrt(scores.size))
        p = float(stdtr(scores.size - 1, -(mean - 0.5) / max(error, 1e-12)))
        if mean < LEAST or p > settings.family_error / 2:
            continue
        reason = f"trained on shuffled labels, a model forecasts {words} with an AUC of {mean:.3f}, chance being 0.5: {cause}"
        evidence: dict[str, float | int | str] = {
            "auc": mean,
            "standard_error": error,
            "p_value": p,
            "shuffles": SHUFFLES,
            "against": words,
        }
        findings.append(finding("L214", "critical", "", reason, **where(dossier, int(judge[0])), evidence=evidence))
    looked = (
        f"trained on shuffled labels, a model has a mean AUC of {real.mean():.3f} against those that came, and {shuffled.mean():.3f} else"
    )
    return Looked(looked, tuple(findings))


def _nearest(train: Int64Array, judge: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Training and judging rows around the first border between them: at most `TRAIN_ROWS` and `JUDGE_ROWS`."""
    first = judge[:JUDGE_ROWS]
    around = np.argsort(np.minimum(np.abs(train - first[0]), np.abs(train - first[-1])), kind="stable")[:TRAIN_ROWS]
    return train[np.sort(around)], first


def _scores(
    dossier: Dossier, train: Int64Array, judge: Int64Array, up: Int64Array, settings: LeakageSettings
) -> tuple[Float64Array, Float64Array]:
    """AUC of each shuffle against the real labels of the judging rows, and against their shuffled ones."""
    rows = np.union1d(train, judge)
    in_train, in_judge = np.isin(rows, train), np.isin(rows, judge)
    X_train, X_judge = dossier.rows(train), dossier.rows(judge)
    fit_predict = dossier.fit_predict or _small_model
    random = np.random.default_rng(settings.seed)
    steps = random.permutation(np.linspace(0.15, 0.85, SHUFFLES)) * rows.size
    real, shuffled = np.full(SHUFFLES, 0.5), np.full(SHUFFLES, 0.5)
    for number, step in enumerate(steps.astype(np.int64).tolist()):
        y = np.roll(up[rows], step)
        if np.ptp(y[in_train]) == 0:
            continue
        p = np.asarray(fit_predict(X_train, y[in_train], X_judge, settings.seed + number), dtype=np.float64)
        real[number], shuffled[number] = _auc(p, up[judge]), _auc(p, y[in_judge])
    return real, shuffled


def _small_model(X_train: Float64Array, y_train: Int64Array, X_test: Float64Array, seed: int) -> Float64Array:
    import lightgbm

    parameters = {"objective": "binary", "num_leaves": 15, "learning_rate": 0.1, "min_data_in_leaf": 20, "max_bin": 63}
    parameters |= {"verbosity": -1, "num_threads": 1, "deterministic": True, "seed": seed, "feature_fraction": 0.5}
    model = lightgbm.train(parameters, lightgbm.Dataset(X_train, y_train), num_boost_round=25)
    return np.asarray(model.predict(X_test, num_threads=1), dtype=np.float64)


def _auc(p: Float64Array, y: Int64Array) -> float:
    n_up = float(y.sum())
    if n_up in (0.0, float(y.size)):
        return 0.5
    return float((average_ranks(p)[y == 1].sum() - n_up * (n_up + 1) / 2) / (n_up * (y.size - n_up)))


__all__ = ["look_at_permuted_targets"]

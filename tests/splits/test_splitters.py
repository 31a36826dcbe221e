"""Every splitter by scikit-learn's protocol, with the spans, times and lengths that it may be given."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score

from barmill.errors import SplitError
from barmill.market import Timeframe
from barmill.splits import CPCV, CombinatorialPurgedCV, Holdout, PurgedKFold, Splitter, WalkForward, frequency_defaults

N = 300
SPLITTERS = [
    pytest.param(lambda **own: PurgedKFold(n_splits=5, embargo=5, **own), id="PurgedKFold"),
    pytest.param(lambda **own: CombinatorialPurgedCV(n_groups=5, n_test_groups=2, embargo=5, **own), id="CombinatorialPurgedCV"),
    pytest.param(lambda **own: WalkForward(train_size=60, test_size=40, embargo=5, **own), id="WalkForward"),
    pytest.param(lambda **own: Holdout(test_size=0.25, embargo=5, **own), id="Holdout"),
]


@dataclass(frozen=True)
class Spans:
    t0: np.ndarray
    t1: np.ndarray


@pytest.fixture
def spans() -> Spans:
    rng = np.random.default_rng(3)
    t0 = np.cumsum(rng.integers(1, 3, N))
    return Spans(t0, t0 + rng.integers(0, 12, N))


@pytest.fixture
def rows() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    X = rng.normal(size=(N, 3))
    return X, (X[:, 0] + rng.normal(size=N) > 0).astype(int)


@pytest.mark.parametrize("make", SPLITTERS)
def test_positions_are_those_of_the_folds(make, spans: Spans):
    X = np.zeros((N, 2))
    folds = list(make().folds(spans))
    for cv in (make(labels=spans), make(t0=spans.t0, t1=spans.t1)):
        splits = list(cv.split(X))
        assert len(splits) == len(folds) == cv.get_n_splits(X)
        for fold, (train, test) in zip(folds, splits, strict=True):
            np.testing.assert_array_equal(fold.train.positions(), train)
            np.testing.assert_array_equal(fold.test.positions(), test)
            assert train.dtype == test.dtype == np.int64


@pytest.mark.parametrize("make", SPLITTERS)
def test_rows_without_spans_are_bars_whose_labels_last_as_long_as_the_purge(make):
    bars = np.arange(N)
    for (train, test), fold in zip(make(purge=7).split(pd.DataFrame({"x": bars})), make().folds(Spans(bars, bars + 7)), strict=True):
        np.testing.assert_array_equal(train, fold.train.positions())
        np.testing.assert_array_equal(test, fold.test.positions())


@pytest.mark.parametrize("make", SPLITTERS)
def test_scikit_learn_scores_and_searches_with_it(make, spans: Spans, rows):
    X, y = rows
    cv = make(labels=spans)
    scores = cross_val_score(LogisticRegression(), X, y, cv=cv)
    assert scores.size == cv.get_n_splits(X)
    assert scores.mean() > 0.6
    search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=cv).fit(X, y)
    assert search.n_splits_ == cv.get_n_splits(X)
    expected = [
        LogisticRegression(C=search.best_params_["C"]).fit(X[train], y[train]).score(X[test], y[test]) for train, test in cv.split(X)
    ]
    assert search.best_score_ == pytest.approx(np.mean(expected), abs=1e-12)
    assert clone(search).fit(X, y).best_score_ == search.best_score_


def test_the_calling_form_in_shares_serves_a_search_too(rows):
    X, y = rows
    search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=CPCV(n_splits=5, embargo_pct=0.01, purge_pct=0.01)).fit(X, y)
    assert search.n_splits_ == 10


def test_folds_of_k_fold_forecast_each_row_once(spans: Spans, rows):
    X, y = rows
    forecasts = cross_val_predict(LogisticRegression(), X, y, cv=PurgedKFold(4, labels=spans), method="predict_proba")
    assert forecasts.shape == (N, 2)


def test_days_and_months_in_a_search_take_the_times_that_the_splitter_holds(rows):
    X, y = rows
    times = pd.date_range("2023-01-01", periods=N, freq="D", tz="America/New_York")
    cv = WalkForward(train_size="3mo", test_size="1mo", times=times)
    assert GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=cv).fit(X, y).n_splits_ == cv.get_n_splits(X) == 6


@pytest.mark.parametrize("make", SPLITTERS)
def test_a_part_of_the_rows_is_refused_where_the_spans_are_of_all(make, spans: Spans):
    with pytest.raises(SplitError, match=f"200 rows, and the spans of {N} labels; expected one label for each row"):
        make(labels=spans).split(np.zeros(200))


@pytest.mark.parametrize("make", SPLITTERS)
def test_it_cannot_be_changed(make):
    cv: Splitter = make()
    with pytest.raises(AttributeError, match="cannot assign"):
        cv.embargo = 3


def test_a_holdout_lets_go_on_both_sides():
    spans = Spans(np.arange(100), np.arange(100) + 4)
    (fold,) = Holdout(test_size=0.2, embargo=10).folds(spans)
    # labels 76 to 79 reach bar 80; the last that trains ends at bar 79, and the embargo reaches bar 89
    assert fold.train.bounds.tolist() == [[0, 76]]
    assert fold.test.bounds.tolist() == [[90, 100]]


@pytest.mark.parametrize(
    ("frequency", "kind", "embargo"),
    [
        ("1d", "daily", 0.015),
        ("1w", "daily", 0.015),
        ("4h", "hourly", 0.0075),
        ("1h", "hourly", 0.0075),
        ("1m", "minute", 0.003),
        ("30m", "minute", 0.003),
    ],
)
def test_defaults_go_by_how_often_a_bar_comes(frequency: str, kind: str, embargo: float):
    defaults = frequency_defaults(Timeframe.parse(frequency))
    assert defaults.kind == kind
    assert defaults.embargo == defaults.purge == pytest.approx(embargo)
    assert defaults.low < defaults.embargo < defaults.high


def test_auto_is_the_share_for_the_distance_of_the_rows():
    n = 2000
    times = np.arange(n) * np.timedelta64(1, "m") + np.datetime64("2024-01-01")
    auto = PurgedKFold(n_splits=4, purge="auto", embargo="auto", times=times)
    plain = PurgedKFold(n_splits=4, purge=6, embargo=6)  # 0.3% of 2000
    for (train, _), (other, _) in zip(auto.split(np.zeros(n)), plain.split(np.zeros(n)), strict=True):
        np.testing.assert_array_equal(train, other)
    ticks = np.sort(np.random.default_rng(0).integers(0, 10**6, n))
    assert next(PurgedKFold(embargo="auto").split(np.zeros(n), times=ticks))[0][0] == 401  # 0.055% of 2000


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: PurgedKFold(embargo="auto").split(np.zeros(50)), "embargo: 'auto' without the times of the rows"),
        (lambda: PurgedKFold(embargo="often"), "PurgedKFold.embargo: 'often'; expected 0 or more bars, or 'auto'"),
        (lambda: PurgedKFold(n_splits=1), "PurgedKFold.n_splits: 1; expected 2 folds or more"),
        (lambda: PurgedKFold().split(3), "X: a value of type int; expected rows"),
        (lambda: PurgedKFold().split(np.zeros(3)), "5 folds of 3 observations"),
        (lambda: PurgedKFold(times=[1, 2]).split(np.zeros(9)), r"times: an array of shape \(2,\)"),
        (
            lambda: PurgedKFold().split(np.zeros(5), times=[1, 2, 3, 5, 4]),
            r"times\[4\]: 4 ms after 5 ms; expected rows in the order of time",
        ),
        (lambda: PurgedKFold().split(np.zeros(5), times=pd.to_datetime(["2024-01-01", None, *["2024-01-02"] * 3])), "no time at row 1"),
        (lambda: PurgedKFold().folds(Spans(np.array([2, 1, 3]), np.array([2, 1, 3]))), "labels out of order"),
        (lambda: Holdout(test_size=1.5), "Holdout.test_size: 1.5"),
        (lambda: Holdout().split(np.zeros(1)), "1 labels"),
        (lambda: next(Holdout(embargo=90).split(np.zeros(100))), "Holdout split 0: purge and embargo leave nothing to judge on"),
        (lambda: frequency_defaults("dayly"), "there is no frequency 'dayly'. Did you mean 'daily'?"),
    ],
)
def test_what_makes_no_sense_is_refused(call, message: str):
    with pytest.raises(SplitError, match=message):
        call()

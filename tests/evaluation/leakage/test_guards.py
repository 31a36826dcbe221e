"""The five guards: their calling forms, what each catches, and arrays, pandas, Polars and scikit-learn alike."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from barmill.errors import DataError, InputError, ShapeError
from barmill.evaluation import (
    FeatureTargetLeakageScanner,
    LeakageGuardSuite,
    LookAheadBiasDetector,
    NormalizationLeakageDetector,
    TemporalOrderValidator,
)

MINUTE = 60_000


@pytest.fixture
def random():
    return np.random.default_rng(0)


def minutes(first, last):
    return np.arange(first, last) * MINUTE


# ---- order


def test_times_in_order_with_the_embargo_pass():
    report = TemporalOrderValidator(min_embargo_bars=5, strict=True).validate(
        train_times=minutes(0, 100), val_times=minutes(105, 150), test_times=minutes(155, 200)
    )
    assert report.passed
    assert report.message


@pytest.mark.parametrize(("first", "passed"), [(105, True), (104, False), (99, False), (50, False)])
def test_the_embargo_counts_free_bars(first, passed):
    guard = TemporalOrderValidator(min_embargo_bars=5)
    report = guard.validate(train_times=minutes(0, 100), test_times=minutes(first, first + 60))
    assert report.passed is passed


@pytest.mark.parametrize(
    "kind",
    [
        lambda t: pd.Series(pd.to_datetime(t, unit="ms", utc=True)),
        lambda t: pd.Series(pd.to_datetime(t, unit="ms")),
        lambda t: pd.DatetimeIndex(pd.to_datetime(t, unit="ms", utc=True)),
        lambda t: pl.Series(t).cast(pl.Datetime("ms", "UTC")),
        lambda t: t.astype("datetime64[ms]"),
        lambda t: list(pd.to_datetime(t, unit="ms", utc=True).to_pydatetime()),
        list,
    ],
    ids=["pandas utc", "pandas", "index", "polars", "numpy", "datetime", "list"],
)
def test_times_of_every_kind_are_taken(kind):
    report = TemporalOrderValidator(min_embargo_bars=3).validate(kind(minutes(0, 50)), kind(minutes(52, 80)), kind(minutes(90, 120)))
    assert not report.passed
    assert report.findings[0].code == "L203"


def test_rows_out_of_order_within_a_block_fail_where_that_is_asked():
    times = minutes(0, 100)
    swapped = times.copy()
    swapped[[10, 11]] = swapped[[11, 10]]
    for strict in (True, False):
        assert TemporalOrderValidator(strict=strict).validate(swapped, test_times=minutes(110, 150)).passed is not strict


def test_what_is_no_time_and_one_block_alone_are_refused():
    with pytest.raises(DataError, match="train_times"):
        TemporalOrderValidator().validate(["yesterday?"], test_times=minutes(0, 3))
    with pytest.raises(InputError, match="two or three"):
        TemporalOrderValidator().validate(minutes(0, 3))


# ---- features and target


NAMES = ["a", "b", "c"]


@pytest.mark.parametrize("frame", [np.asarray, lambda X: pd.DataFrame(X, columns=NAMES), lambda X: pl.DataFrame(X, schema=NAMES)])
def test_the_target_among_features_is_suspicious(frame, random):
    X, y = random.standard_normal((1_500, 3)), random.standard_normal(1_500)
    X[:, 1] = y + 0.1 * random.standard_normal(1_500)
    report = FeatureTargetLeakageScanner(correlation_threshold=0.95).scan(frame(X), y, NAMES)
    assert not report.passed
    (found,) = report.details["suspicious"]
    assert (found["feature"], found["type"]) == ("b", "is the target")
    assert found["correlation"] == pytest.approx(np.corrcoef(X[:, 1], y)[0, 1])


def test_a_class_is_told_too_well_by_one_feature(random):
    y = random.integers(0, 2, 2_000)
    X = np.column_stack([random.standard_normal(2_000), y + 0.7 * random.standard_normal(2_000)])
    report = FeatureTargetLeakageScanner().scan(X, y, ["honest", "leak"])
    assert [(one["feature"], one["type"]) for one in report.details["suspicious"]] == [("leak", "predicts too well")]
    assert FeatureTargetLeakageScanner().scan(X[:, :1], y, ["honest"]).passed


def test_a_target_of_another_length_is_refused(random):
    with pytest.raises(ShapeError, match="y: has 3 rows"):
        FeatureTargetLeakageScanner().scan(random.standard_normal((4, 2)), [0, 1, 0])


# ---- scalers


@pytest.mark.parametrize("scaler", [StandardScaler, RobustScaler, MinMaxScaler, MaxAbsScaler])
@pytest.mark.parametrize("scaled", [False, True], ids=["before scaling", "after"])
def test_a_scaler_that_saw_test_is_told_before_and_after_scaling(scaler, scaled, random):
    train, test = random.standard_normal((800, 3)), random.standard_normal((400, 3)) * 4 + 2
    for rows, passed in ((train, True), (np.vstack([train, test]), False)):
        fitted = scaler().fit(rows)
        given = (fitted.transform(train), fitted.transform(test)) if scaled else (train, test)
        report = NormalizationLeakageDetector().detect(*given, scaler=fitted)
        assert report.passed is passed
        assert passed or report.severity == "critical"


def test_a_scaler_of_other_rows_is_a_warning_and_ours_is_read_too(random):
    from barmill.views import RobustScaler as OurScaler

    train, test = random.standard_normal((800, 2)), random.standard_normal((400, 2)) + 3
    assert NormalizationLeakageDetector().detect(train, test, StandardScaler().fit(train[:300])).severity == "warning"
    table = np.vstack([train, test])
    assert NormalizationLeakageDetector().detect(train, test, OurScaler.fit(table, np.arange(800))).passed
    assert not NormalizationLeakageDetector().detect(train, test, OurScaler.fit(table, np.arange(1_200))).passed


def test_without_a_scaler_the_values_tell(random):
    train, test = random.standard_normal((800, 2)), random.standard_normal((400, 2)) + 3
    scaled = StandardScaler().fit_transform(np.vstack([train, test]))
    assert not NormalizationLeakageDetector().detect(scaled[:800], scaled[800:]).passed
    assert NormalizationLeakageDetector().detect(train, test).passed
    with pytest.raises(InputError, match="no numbers"):
        NormalizationLeakageDetector().detect(train, test, scaler=object())


# ---- look-ahead


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_a_feature_of_the_future_looks_ahead_and_one_of_the_past_does_not(frame, random):
    target = random.standard_normal(3_000)
    total = np.cumsum(target)
    ahead = np.concatenate([total[5:] - total[:-5], np.zeros(5)])
    back = np.concatenate([np.zeros(5), total[5:] - total[:-5]])
    df = frame({"ahead": ahead, "back": back, "noise": random.standard_normal(3_000), "target": target})
    report = LookAheadBiasDetector(future_corr_ratio=2.0, lag_periods=10).detect(df, ["ahead", "back", "noise"], "target")
    assert not report.passed
    assert [one["feature"] for one in report.details["suspicious"]] == ["ahead"]
    assert LookAheadBiasDetector().detect(df, ["back", "noise"], "target").passed
    with pytest.raises(InputError, match="no column 'other'"):
        LookAheadBiasDetector().detect(df, ["other"], "target")


# ---- the suite


def blocks(random):
    X, y = random.standard_normal((3_000, 4)), random.integers(0, 2, 3_000)
    cut = slice(0, 2_000), slice(2_010, 2_400), slice(2_410, 3_000)
    return [X[part] for part in cut], [y[part] for part in cut], [minutes(part.start, part.stop) for part in cut]


def test_the_suite_passes_what_is_honest_and_prints_it(random, capsys):
    (X_train, X_val, X_test), (y_train, y_val, y_test), (train, val, test) = blocks(random)
    suite = LeakageGuardSuite(min_embargo_bars=5, correlation_threshold=0.95, strict=True)
    scaler = StandardScaler().fit(X_train)
    summary = suite.run_all_checks(
        X_train, X_val, X_test, y_train, y_val, y_test,
        train_times=train, val_times=val, test_times=test, scaler=scaler, n_strategies_tested=1,
    )  # fmt: skip
    assert summary.all_passed
    assert summary.summary() == {"total": 5, "passed": 5, "failed": 0, "critical": 0, "not_applicable": 0, "all_passed": True}
    summary.print_report()
    assert capsys.readouterr().out.startswith("leakage guards: 5 passed, 0 failed, 0 not applicable")


def test_the_suite_names_its_critical_failures(random):
    (X_train, X_val, X_test), (y_train, y_val, y_test), (train, val, test) = blocks(random)
    X_test[:10] = X_train[:10]
    scaler = StandardScaler().fit(np.vstack([X_train, X_test]))
    summary = LeakageGuardSuite(min_embargo_bars=50).run_all_checks(
        X_train, X_val, X_test, y_train, y_val, y_test, train, val, test, scaler, n_strategies_tested=500
    )
    assert [one.check_name for one in summary.critical_failures] == ["temporal order", "blocks apart", "normalization leakage"]
    assert summary.summary()["failed"] == 4  # and the warning of so many trials, as strict asks
    assert not summary.all_passed


def test_what_was_not_given_is_not_applicable(random):
    (X_train, X_val, X_test), (y_train, y_val, y_test), _ = blocks(random)
    summary = LeakageGuardSuite().run_all_checks(X_train, X_val, X_test, y_train, y_val, y_test)
    assert summary.summary()["not_applicable"] == 2
    assert summary.all_passed

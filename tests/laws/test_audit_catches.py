"""The audit catches each of the usual leaks, with its reach, and lets the same feature pass where it looks back alone."""

import re

import numpy as np
import pandas as pd
import pytest
import pywt
from hmmlearn.hmm import GaussianHMM

from barmill.evaluation import CallableTable, PlanTable, audit_features
from barmill.features import FeaturePlan, set_names
from barmill.features.kernels import timeframes, wilder
from barmill.features.kernels.kernel import CLOSE, Kernel, kernel
from barmill.market import Bars, simulate
from oracles.further import further_columns

N_BARS = 4_000


@pytest.fixture(scope="module")
def bars() -> Bars:
    return simulate(N_BARS, seed=5).bars


def audited(function, bars, **more):
    return audit_features(CallableTable(function), bars, **more)


def only(audit):
    """The one finding there is."""
    (finding,) = audit.findings
    return finding


# ---- leaks, each beside its clean sister


def centred_mean(df: pd.DataFrame):
    return df["close"].rolling(21, center=True).mean().rename("x")


def trailing_mean(df: pd.DataFrame):
    return df["close"].rolling(21).mean().rename("x")


def centred_partial(df: pd.DataFrame):
    return df["close"].rolling(21, center=True, min_periods=1).mean().rename("x")


def next_return(df: pd.DataFrame):
    return df["close"].pct_change().shift(-1).rename("x")


def last_return(df: pd.DataFrame):
    return df["close"].pct_change().shift(1).rename("x")


def return_of_five_later(df: pd.DataFrame):
    return df["close"].shift(-5).rename("x")


def whole_zscore(df: pd.DataFrame):
    return ((df["close"] - df["close"].mean()) / df["close"].std()).rename("x")


def expanding_zscore(df: pd.DataFrame):
    return ((df["close"] - df["close"].expanding().mean()) / df["close"].expanding().std()).rename("x")


def sparse(df):
    """A value every eight bars, as funding or open interest come."""
    return df["close"].where(np.arange(len(df)) % 8 == 7)


def back_filled(df: pd.DataFrame):
    return sparse(df).bfill().rename("x")


def forward_filled(df: pd.DataFrame):
    return sparse(df).ffill().rename("x")


def back_filled_warm_up(df: pd.DataFrame):
    return df["close"].rolling(20).mean().bfill().rename("x")


def whole_wavelet(df: pd.DataFrame):
    close = df["close"].to_numpy(copy=True)
    level = min(4, pywt.dwt_max_level(len(close), "db4"))
    parts = pywt.wavedec(close, "db4", level=level)
    threshold = np.median(np.abs(parts[-1])) / 0.6745 * np.sqrt(2.0 * np.log(len(close)))
    parts[1:] = [pywt.threshold(part, threshold, "soft") for part in parts[1:]]
    return pd.DataFrame({"x": pywt.waverec(parts, "db4")[: len(close)]}, index=df.index)


def haar_of_the_last_eight(df: pd.DataFrame):
    close = df["close"]
    return ((close.rolling(4).sum() - close.shift(4).rolling(4).sum()) / np.sqrt(8.0)).rename("x")


def _hmm() -> GaussianHMM:
    model = GaussianHMM(2, covariance_type="diag")
    model.startprob_, model.transmat_ = np.array([0.5, 0.5]), np.array([[0.98, 0.02], [0.05, 0.95]])
    model.means_, model.covars_ = np.zeros((2, 1)), np.array([[1e-7], [1e-6]])
    return model


def _returns(df):
    return np.log(df["close"]).diff().fillna(0.0).to_numpy()[:, None]


def smoothed_states(df: pd.DataFrame):
    return pd.DataFrame({"x": _hmm().predict_proba(_returns(df))[:, 1]}, index=df.index)


def fitted_states(df: pd.DataFrame):
    model = GaussianHMM(2, covariance_type="diag", n_iter=5, random_state=0, min_covar=1e-9)
    returns = _returns(df) * 1e3
    return pd.DataFrame({"x": model.fit(returns).predict_proba(returns)[:, 1]}, index=df.index)


def filtered_states(df: pd.DataFrame):
    model, returns = _hmm(), _returns(df)
    densities = model._compute_log_likelihood(returns)
    belief, said = model.startprob_, []
    for log_density in densities:
        weight = belief * np.exp(log_density - log_density.max())
        filtered = weight / weight.sum()
        said.append(filtered[1])
        belief = filtered @ model.transmat_
    return pd.DataFrame({"x": said}, index=df.index)


def hour_before_its_close(df: pd.DataFrame):
    hourly = df["close"].resample("1h").last().pct_change()
    return hourly.reindex(df.index, method="ffill").rename("x")


def hour_at_its_close(df: pd.DataFrame):
    hourly = df["close"].resample("1h").last().pct_change()
    hourly.index = hourly.index + pd.Timedelta(59, "min")  # known with the minute that opens at :59
    return hourly.reindex(df.index, method="ffill").rename("x")


def whole_bins(df: pd.DataFrame):
    return pd.qcut(df["close"], min(8, len(df)), labels=False, duplicates="drop").rename("x")


def bins_of_the_last_hundred(df: pd.DataFrame):
    return df["close"].rolling(100).rank(pct=True).mul(8).round().rename("x")


def reversed_mean(df: pd.DataFrame):
    return df["close"][::-1].ewm(span=10, adjust=False).mean()[::-1].rename("x")


def forward_mean(df: pd.DataFrame):
    return df["close"].ewm(span=10, adjust=False).mean().rename("x")


def day_high(df: pd.DataFrame):
    return df["high"].groupby(df.index.floor("D")).transform("max").rename("x")


def day_high_so_far(df: pd.DataFrame):
    return df["high"].groupby(df.index.floor("D")).cummax().rename("x")


def trend_line(df: pd.DataFrame):
    return pd.DataFrame({"x": np.arange(len(df)) / len(df)}, index=df.index)


def counter(df: pd.DataFrame):
    return pd.DataFrame({"x": np.arange(len(df))}, index=df.index)


FINITE = [
    (centred_mean, 10, "centred window of 21 bars"),
    (centred_partial, 10, "centred window of 21 bars"),
    (next_return, 1, r"shift\(-1\)"),
    (return_of_five_later, 5, r"^shift\(-5\)$"),
    (back_filled, 7, "back-fill"),
    (back_filled_warm_up, 19, "back-fill"),
    (hour_before_its_close, 59, "a bar of 1h is shown before its close"),
    (day_high, None, "a bar of 1d is shown before its close"),
]
WHOLE = [
    (whole_zscore, "F102", "scaled with a mean"),
    (whole_wavelet, "F102", "wavelet"),
    (fitted_states, "F102", "parameters fitted"),
    (whole_bins, "F102", "bins"),
    (trend_line, "F103", "number of bars"),
]
CLEAN = [
    trailing_mean,
    last_return,
    expanding_zscore,
    forward_filled,
    haar_of_the_last_eight,
    filtered_states,
    hour_at_its_close,
    bins_of_the_last_hundred,
    forward_mean,
    day_high_so_far,
    counter,
]


def name_of(value):
    return getattr(value, "__name__", None)


@pytest.mark.filterwarnings("ignore:Level value:UserWarning", "ignore:.*:RuntimeWarning", "ignore:.*:DeprecationWarning")
@pytest.mark.parametrize(("function", "ahead", "cause"), FINITE, ids=name_of)
def test_a_leak_of_some_bars_is_caught_with_its_reach(bars, function, ahead, cause):
    finding = only(audited(function, bars))
    assert (finding.code, finding.feature, finding.at_least) == ("F101", "x", False)
    assert ahead is None or finding.bars_ahead == ahead
    assert re.search(cause, finding.cause), finding.cause


@pytest.mark.parametrize(("function", "code", "cause"), WHOLE, ids=name_of)
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning", "ignore::DeprecationWarning")
def test_a_leak_of_the_whole_sample_is_caught(bars, function, code, cause):
    audit = audited(function, bars)
    (finding,) = (one for one in audit.findings if one.severity == "error")
    assert (finding.code, finding.bars_ahead) == (code, None)
    assert cause in finding.cause


@pytest.mark.parametrize("function", [reversed_mean, smoothed_states], ids=name_of)
def test_a_filter_that_runs_backwards_is_caught_as_far_as_it_fades(bars, function):
    finding = only(audited(function, bars))
    assert finding.code == "F101"
    assert 20 < finding.bars_ahead < 600
    assert "backwards" in finding.cause


@pytest.mark.parametrize("function", CLEAN, ids=name_of)
def test_a_clean_feature_passes(bars, function):
    audit = audited(function, bars)
    assert audit.findings == ()
    assert audit.ok
    assert audit.n_cuts > 40
    assert audit.n_futures >= 5


def test_each_leak_of_one_table_is_named_and_the_clean_columns_are_not(bars):
    leaks = {"centred": centred_mean, "next": next_return, "whole": whole_zscore, "hour": hour_before_its_close, "filled": back_filled}
    clean = {function.__name__: function for function in CLEAN if function is not filtered_states}

    def table(df: pd.DataFrame):
        made = {name: function(df) for name, function in (leaks | clean).items()}
        return pd.DataFrame({name: one["x"] if isinstance(one, pd.DataFrame) else one for name, one in made.items()})

    audit = audited(table, bars)
    reaches = {finding.feature: finding.bars_ahead for finding in audit.findings}
    assert reaches == {"centred": 10, "next": 1, "whole": None, "hour": 59, "filled": 7}
    assert set(audit.clean) == set(clean)


def test_a_finding_tells_the_first_bar_that_changed_with_both_values(bars):
    finding = only(audited(next_return, bars))
    change = bars.close[1] / bars.close[0] - 1
    assert (finding.row, finding.time, finding.bars_given) == (0, "2024-01-01 00:00 UTC", 1)
    assert np.isnan(finding.without_future)
    assert finding.with_future == pytest.approx(change)


# ---- our own plans

PLAN = FeaturePlan.build(timeframes=("1m", "15m"))


def test_a_plan_of_ours_passes_to_the_bit(bars):
    audit = audit_features(PlanTable(PLAN), bars)
    assert audit.findings == ()
    assert audit.rtol == 0.0
    assert len(audit.clean) == len(PLAN.names)


@kernel("peeking", ("rsi",), lambda _: 4)
def peeking(params, state, bars, out):
    """The change to the next close, in the place of rsi."""
    for t in range(bars.shape[1]):
        out[0, t] = bars[CLOSE, min(t + 1, bars.shape[1] - 1)] / bars[CLOSE, t]


def plant(monkeypatch, planted: Kernel) -> FeaturePlan:
    """A plan in which rsi is computed by another kernel."""
    monkeypatch.setitem(wilder.rsi.__dict__, "address", planted.address)
    return FeaturePlan.build(timeframes=("1m", "15m"))


def test_a_kernel_that_looks_ahead_is_caught_with_its_source_line(bars, monkeypatch):
    audit = audit_features(PlanTable(plant(monkeypatch, peeking)), bars)
    found = {finding.feature: finding for finding in audit.findings}
    assert set(found) == {name for name in PLAN.names if name.startswith("rsi")}
    finding = found["rsi_14"]
    assert (finding.code, finding.bars_ahead) == ("F101", 1)
    assert re.fullmatch(r"barmill/features/kernels/wilder\.py:\d+", finding.source)
    assert 15 <= found["rsi_14@15m"].bars_ahead < 30


class EarlyBars:
    """The resample-and-join of many a notebook: a bucket's bar is shown from the bucket's first minute on."""

    @staticmethod
    def compiled(layers, steps, firsts, sums, opens, closes, forming, sheet, n_bars, closed, counts):
        for layer in layers:
            buckets = np.floor(sheet[0, :n_bars] / steps[layer])
            first = np.flatnonzero(np.diff(buckets, prepend=-1.0))
            last = np.append(first[1:], n_bars) - 1
            for row in range(7):
                sheet[firsts[layer] + row, : first.size] = sheet[row, last]
            closed[layer, :n_bars] = np.cumsum(np.diff(buckets, prepend=-1.0) != 0)
            counts[layer] = first.size


def test_longer_bars_that_are_shown_before_their_close_are_caught(bars, monkeypatch):
    monkeypatch.setattr(timeframes, "aggregate", EarlyBars)
    audit = audit_features(PlanTable(PLAN), bars)
    found = {finding.feature: finding for finding in audit.findings}
    assert set(found) <= {name for name in PLAN.names if name.endswith("@15m")}
    assert found["log_return_1@15m"].bars_ahead == 14
    assert "a bar of 15m is shown before its close" in found["log_return_1@15m"].cause


@pytest.mark.parametrize("name", set_names())
def test_every_set_passes_its_own_audit(name):
    made = simulate(9_500, seed=4, symbol="ES").bars
    columns = {column: made.column(column) for column in ("open", "high", "low", "close", "volume")} | {"open_time": made.open_time}
    bars = Bars.from_columns(made.instrument, made.timeframe, **columns, **further_columns(seed=0, **columns))
    plan = FeaturePlan.build(set=name, needs=(), sources=bars.frame.columns, calendar=bars.instrument.calendar, anchor="session")
    plan = plan.fit(bars, [(0, 5_999)]) if plan.unfitted else plan
    audit = audit_features(PlanTable(plan), bars)
    assert audit.ok
    assert {finding.code for finding in audit.findings} <= {"F109"}  # some need more bars than these
    assert len(audit.clean) == len(plan.names)


@pytest.mark.parametrize("file", ["crypto/FILUSDT_um_1m_2023-08_2023-11.parquet", "futures/ES_1m_2025-07_2025-10.parquet"])
def test_on_real_bars_leaks_are_caught_and_the_charter_set_passes(real_data, file):
    bars = Bars.read(real_data / file).slice(0, 20_000)
    plan = FeaturePlan.build(set="charter", needs=(), sources=bars.frame.columns, calendar=bars.instrument.calendar)
    assert audit_features(PlanTable(plan), bars).ok
    for function, ahead in ((centred_mean, 10), (next_return, 1), (hour_before_its_close, 59), (back_filled, 7)):
        assert only(audited(function, bars)).bars_ahead == ahead
    for function in (trailing_mean, hour_at_its_close, forward_filled):
        assert audited(function, bars).findings == ()

"""Faults planted in a model: whoever asks gets an answer that is finite and says who gave it and why, or an error, and never a NaN."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from barmill.errors import ForecastError
from barmill.serving.answers import Answer, Ask, RawBars
from barmill.serving.model_table import ModelTable
from barmill.serving.output_checks import checked_columns
from barmill.serving.plane import Plane
from barmill.serving.prior import Prior
from barmill.serving.refusals import Refusal
from barmill.serving.served import ServedModel
from barmill.serving.settings import PlaneSettings
from barmill.serving.telemetry import Silent
from barmill.serving.workers import TooLate, Workers
from planted_faults import Faulty

LONG = 60.0  # seconds that no test takes
Fault = Callable[[dict[str, Any]], Any]


def _raise(columns: dict[str, Any]) -> Any:
    raise RuntimeError("planted")


def _set(name: str, value: float) -> Fault:
    return lambda columns: columns | {name: np.full(len(columns[name]), value)}


FAULTS: dict[str, tuple[Fault, str]] = {
    "raises": (_raise, "model_error"),
    "nan": (_set("q50", np.nan), "not_finite"),
    "inf": (_set("q95", np.inf), "not_finite"),
    "minus_inf": (_set("q05", -np.inf), "not_finite"),
    "p_above_1": (_set("p_up", 1.0000001), "out_of_bounds"),
    "p_below_0": (_set("p_up", -1e-12), "out_of_bounds"),
    "crossed": (_set("q05", 0.9), "out_of_bounds"),
    "E_r_too_large": (_set("E_r", 1.5), "out_of_bounds"),
    "one_row_more": (lambda columns: {name: np.append(column, column[-1]) for name, column in columns.items()}, "wrong_rows"),
    "no_row": (lambda columns: {name: column[:0] for name, column in columns.items()}, "wrong_rows"),
    "one_column_short": (lambda columns: columns | {"q50": columns["q50"][:0]}, "wrong_rows"),
    "column_missing": (lambda columns: {name: column for name, column in columns.items() if name != "q95"}, "model_error"),
    "float32": (lambda columns: {name: column.astype(np.float32) for name, column in columns.items()}, "model_error"),
    "objects": (lambda columns: columns | {"p_up": np.array([None] * len(columns["p_up"]))}, "model_error"),
    "list": (lambda columns: {name: column.tolist() for name, column in columns.items()}, "model_error"),
    "nothing": (lambda columns: None, "model_error"),
}


class Told(Silent):
    def __init__(self) -> None:
        self.fallen: list[tuple[str, str]] = []
        self.answers: list[Answer] = []
        self.refusals: list[tuple[str, str]] = []
        self.events: list[str] = []

    def answered(self, answer, seconds):
        self.answers.append(answer)

    def refused(self, model, kind, code, seconds):
        self.refusals.append((kind, code))

    def fell_back(self, model, version, reason):
        self.fallen.append((version, reason))

    def event(self, name, level="info", **fields):
        self.events.append(name)


class Bench:
    """A plane with one model, whose champion may be broken, and a request of each kind to it."""

    def __init__(self, served_of: Any, making: Any, *, model: str = "lightgbm", clock: Callable[[], float] | None = None, **settings: Any):
        self.told, self.settings = Told(), PlaneSettings(**settings)
        self.table = ModelTable(self.settings, self.told)
        self.served_of, self.model = served_of, model
        self.champion: ServedModel = served_of(model, "1.0.0", 1)
        self.table.install(self.champion, champion=True)
        clocked = {} if clock is None else {"clock": clock}
        self.plane = Plane(self.table, None, self.told, self.settings, **clocked)
        self.bars = making.walk(700, seed=11)
        stacked = np.stack([getattr(self.bars, name) for name in ("open", "high", "low", "close", "volume")], axis=1)
        self.raw = RawBars(self.bars.open_time.copy(), stacked)
        self.rows = self.champion.bundle.plan.compute(self.bars).values[-3:][:, self.champion.schema.positions].copy()

    def broken(self, served: ServedModel, fault: Fault) -> None:
        served.bundle = replace(served.bundle, pipeline=Faulty(served.bundle.pipeline, fault))

    def ask(self, kind: str, n_rows: int = 1, **ask: Any) -> Answer:
        if kind == "bars":
            return self.plane.forecast_bars(Ask(**ask), self.raw, last=n_rows)
        return self.plane.forecast(Ask(**ask), self.rows[-n_rows:].copy())


@pytest.fixture
def bench(served_of, making) -> Callable[..., Bench]:
    return lambda **settings: Bench(served_of, making, **settings)


def is_good(answer: Answer, outputs: tuple[str, ...], n_rows: int) -> bool:
    """Whether it may be given out, asked in words of its own."""
    columns = [answer.columns[name] for name in outputs]
    q05, q50, q95 = (answer.columns[name] for name in ("q05", "q50", "q95"))
    p = answer.columns["p_up"]
    return (
        list(answer.columns) == list(outputs)
        and all(column.shape == (n_rows,) and column.dtype == np.float64 and np.isfinite(column).all() for column in columns)
        and bool(((p >= 0) & (p <= 1) & (q05 <= q50) & (q50 <= q95)).all())
    )


@pytest.mark.parametrize("fallback", ["good", "broken", "none"])
@pytest.mark.parametrize(
    ("fault", "kind"),
    # the frame of a batch of bars makes columns of lists: there is no fault left
    [(fault, kind) for fault in FAULTS for kind in ("features", "bars") if (fault, kind) != ("list", "bars")],
)
def test_a_fault_in_the_champion_gives_a_good_answer_that_says_who_and_why(bench, fault: str, kind: str, fallback: str):
    plant, reason = FAULTS[fault]
    at = bench()
    at.broken(at.champion, plant)
    expected_source = "prior"
    if fallback != "none":
        other = at.served_of("lightgbm", "0.9.0", 2, seed=8)
        if fallback == "broken":
            at.broken(other, plant)
        at.table.install(other, champion=False)
        at.table.assign("lightgbm", "fallback", "0.9.0")
        expected_source = "fallback" if fallback == "good" else "prior"
    if kind == "bars" and fault in ("one_row_more", "no_row", "one_column_short", "nothing", "column_missing"):
        reason = "model_error"  # what makes a frame of them raises before anybody can count
    answer = at.ask(kind, n_rows=2)
    assert is_good(answer, at.champion.bundle.outputs, 2)
    assert (answer.source, answer.degraded, answer.reason) == (expected_source, True, reason)
    assert answer.version == ("0.9.0" if expected_source == "fallback" else "1.0.0")
    if kind == "bars":
        np.testing.assert_array_equal(answer.open_time, at.bars.open_time[-2:])
        np.testing.assert_array_equal(answer.known_at, at.bars.close_time[-2:])
    assert at.told.fallen[0] == ("1.0.0", reason)
    assert len(at.told.fallen) == (2 if fallback == "broken" else 1)


@pytest.mark.parametrize("kind", ["features", "bars"])
def test_without_a_fallback_and_a_prior_there_is_an_error_and_no_number(bench, kind: str):
    for settings, prior in (({"prior": False}, None), ({}, "broken")):
        at = bench(**settings)
        at.broken(at.champion, FAULTS["nan"][0])
        if prior == "broken":
            values = dict.fromkeys(at.champion.bundle.outputs, float("nan"))
            at.champion.prior = Prior(values, "training")
        with pytest.raises(Refusal) as refused:
            at.ask(kind)
        assert (refused.value.kind, refused.value.code) == ("failed", "not_finite")
        assert at.told.refusals == [("failed", "not_finite")]
        assert at.told.answers == []


@pytest.mark.parametrize("kind", ["features", "bars"])
def test_a_stall_is_left_behind_at_the_deadline_and_counted(bench, kind: str):
    at, gate = bench(max_seconds=0.5), threading.Event()
    at.broken(at.champion, lambda columns: gate.wait(LONG) and columns)
    at.champion.inline = False
    answer = at.ask(kind)
    assert (answer.source, answer.reason) == ("prior", "timed_out")
    assert is_good(answer, at.champion.bundle.outputs, 1)
    assert at.champion.stuck == 1
    gate.set()
    while at.champion.stuck:  # polls; the thread comes back on its own
        threading.Event().wait(0.001)


def test_a_stall_without_a_prior_is_a_time_out(bench):
    at, gate = bench(max_seconds=0.5, prior=False), threading.Event()
    at.broken(at.champion, lambda columns: gate.wait(LONG) and columns)
    at.champion.inline = False
    with pytest.raises(Refusal) as refused:
        at.ask("features")
    gate.set()
    assert (refused.value.kind, refused.value.code) == ("timed_out", "timed_out")


def test_the_fallback_answers_in_the_time_that_the_stalled_champion_leaves_it(bench):
    at, gate = bench(max_seconds=2.0, first_share=0.25), threading.Event()
    other = at.served_of("lightgbm", "0.9.0", 2, seed=8)
    at.table.install(other, champion=False)
    at.table.assign("lightgbm", "fallback", "0.9.0")
    at.broken(at.champion, lambda columns: gate.wait(LONG) and columns)
    at.champion.inline = False
    answer = at.ask("features")
    gate.set()
    assert (answer.source, answer.reason, answer.version) == ("fallback", "timed_out", "0.9.0")


def test_a_version_that_holds_too_many_threads_is_not_asked_until_one_comes_back(bench):
    at, gate, asked = bench(max_seconds=0.4, threads=4, max_stuck=2, breaker_failures=50), threading.Event(), []

    def stall(columns):
        asked.append(1)
        gate.wait(LONG)
        return columns

    at.broken(at.champion, stall)
    at.champion.inline = False
    reasons = [at.ask("features").reason for _ in range(5)]
    assert reasons == ["timed_out", "timed_out", "breaker_open", "breaker_open", "breaker_open"]
    assert len(asked) == 2
    gate.set()


def test_an_inline_model_that_was_late_once_is_not_asked_on_the_callers_thread_again(bench):
    now, threads = [0.0], []
    at = bench(clock=lambda: now[0])

    def late(columns):
        threads.append(threading.current_thread())
        now[0] += 3.0 if len(threads) == 1 else 0.0
        return columns

    at.broken(at.champion, late)
    at.ask("features")
    assert not at.champion.inline
    at.ask("features")
    assert threads[0] is threading.current_thread()
    assert threads[1] is not threading.current_thread()
    assert "no_longer_inline" in at.told.events


def test_five_failures_open_the_breaker_and_a_good_trial_closes_it(bench):
    now = [100.0]
    at = bench(clock=lambda: now[0])
    pipeline = at.champion.bundle.pipeline
    at.broken(at.champion, _raise)
    reasons = []
    for _ in range(7):
        now[0] += 1.0
        reasons.append(at.ask("features").reason)
    assert reasons == ["model_error"] * 5 + ["breaker_open"] * 2
    assert "breaker_opened" in at.told.events
    assert not at.plane.readiness().ready
    at.champion.bundle = replace(at.champion.bundle, pipeline=pipeline)
    assert at.ask("features").reason == "breaker_open"
    now[0] += 30.0
    answer = at.ask("features")
    assert (answer.source, answer.degraded, answer.reason) == ("champion", False, "")
    assert at.plane.readiness().ready


def test_deadlines_that_are_too_short_for_any_model_do_not_open_the_breaker_of_everybody(bench, monkeypatch):
    now = [50.0]
    at = bench(clock=lambda: now[0])
    at.champion.inline = False

    def late(workers, work, seconds, stuck):
        now[0] += seconds
        raise TooLate(started=True)

    with monkeypatch.context() as patch:
        patch.setattr(Workers, "run", late)
        for _ in range(20):
            assert at.ask("features", deadline=now[0] + 0.001).reason == "timed_out"
        assert at.champion.breaker.state == "closed"
    assert at.ask("features").source == "champion"
    monkeypatch.setattr(Workers, "run", late)
    now[0] += 100.0
    assert [at.ask("features").reason for _ in range(6)] == ["timed_out"] * 5 + ["breaker_open"]


def test_deadlines_that_are_too_short_to_consult_any_model_do_not_open_its_breaker(bench, monkeypatch):
    now = [50.0]
    at = bench(clock=lambda: now[0])

    def late(workers, work, seconds, stuck):
        now[0] += seconds
        raise TooLate(started=True)

    def refused(seconds):
        with pytest.raises(Refusal) as refusal:
            at.plane.consult(Ask(deadline=now[0] + seconds), lambda served: None)
        return refusal.value.code

    monkeypatch.setattr(Workers, "run", late)
    assert {refused(0.001) for _ in range(20)} == {"timed_out"}
    assert at.champion.breaker.state == "closed"
    now[0] += 100.0
    assert [refused(LONG) for _ in range(6)] == ["timed_out"] * 5 + ["breaker_open"]
    assert at.told.events.count("breaker_opened") == 1


def test_rows_far_outside_the_range_of_training_do_not_open_the_breaker_of_everybody(bench):
    at = bench()
    at.broken(at.champion, FAULTS["inf"][0])
    at.rows[:] = 1e300  # the bundle has no profile, and nothing on a market is so large
    for _ in range(20):
        answer = at.ask("features")
        assert (answer.source, answer.reason) == ("prior", "not_finite")
    assert at.champion.breaker.state == "closed"


def test_a_fallback_of_another_model_is_asked_with_the_features_that_it_reads(bench, served_of):
    at = bench()
    other = served_of("logistic")
    at.table.install(other, champion=True)
    with pytest.raises(Refusal, match="does not give E_r"):
        at.table.assign("lightgbm", "fallback", "logistic@champion")
    same = served_of("xgboost")
    at.table.install(same, champion=True)
    at.table.assign("lightgbm", "fallback", "xgboost@champion")
    expected = {kind: at.ask(kind, model="xgboost") for kind in ("features", "bars")}
    at.broken(at.champion, _raise)
    for kind in ("features", "bars"):
        answer = at.ask(kind, model="lightgbm")
        assert (answer.source, answer.model, answer.digest) == ("fallback", "xgboost", same.digest)
        for name, column in answer.columns.items():
            np.testing.assert_array_equal(column, expected[kind].columns[name])


def test_a_question_that_is_wrong_is_refused_and_is_nobodys_failure(bench):
    at = bench()
    at.broken(at.champion, _raise)
    with pytest.raises(Refusal) as refused:
        at.plane.forecast_bars(Ask(), RawBars(at.raw.open_time[-20:], at.raw.values[-20:]))
    assert (refused.value.kind, refused.value.code) == ("invalid", "history_too_short")
    at.rows[0, 0] = np.nan
    with pytest.raises(Refusal) as refused:
        at.ask("features", n_rows=3)
    assert (refused.value.kind, refused.value.code) == ("invalid", "not_finite")
    assert at.told.fallen == []


def test_a_deadline_that_has_passed_is_refused_before_anything_is_asked(bench):
    at = bench(clock=lambda: 50.0)
    with pytest.raises(Refusal) as refused:
        at.ask("features", deadline=49.0)
    assert refused.value.kind == "timed_out"


def test_more_requests_than_may_be_pending_are_refused_at_once_and_told_when_to_come_again(bench):
    at, gate, inside = bench(max_pending=2, threads=4), threading.Event(), threading.Semaphore(0)

    def wait(columns):
        inside.release()
        gate.wait(LONG)
        return columns

    at.broken(at.champion, wait)
    at.champion.inline = False
    callers = [threading.Thread(target=lambda: at.ask("features")) for _ in range(2)]
    for caller in callers:
        caller.start()
        assert inside.acquire(timeout=LONG)
    with pytest.raises(Refusal) as refused:
        at.ask("features")
    assert (refused.value.kind, refused.value.code, refused.value.retry_after) == ("unavailable", "overloaded", 1.0)
    gate.set()
    for caller in callers:
        caller.join()
    assert at.plane.pending == 0
    assert at.plane.close(LONG)
    with pytest.raises(Refusal, match="shutting down"):
        at.ask("features")
    assert not at.plane.readiness().ready


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault not in ("raises", "E_r_too_large")])
def test_the_last_check_knows_every_fault_by_its_reason(served_of, fault: str):
    plant, reason = FAULTS[fault]
    good = {"p_up": np.array([0.5, 0.1]), "q05": np.array([-0.1, -0.1]), "q50": np.zeros(2), "q95": np.array([0.1, 0.1])}
    with pytest.raises(ForecastError) as refused:
        checked_columns(plant(good), tuple(good), 2, 1.0, "here")
    assert refused.value.reason == reason
    assert list(checked_columns(good, tuple(good), 2, 1.0, "here")) == list(good)

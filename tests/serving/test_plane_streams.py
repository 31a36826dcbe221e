"""Bars of named streams through the plane: the same forecasts as the bundle's, and the same chain when its model fails."""

import time
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from barmill.market import Bar
from barmill.serving.answers import Answer, Ask, RawBars
from barmill.serving.model_table import ModelTable
from barmill.serving.plane import Plane
from barmill.serving.refusals import Refusal
from barmill.serving.settings import PlaneSettings
from barmill.serving.stream_settings import StreamSettings
from barmill.serving.streams import Streams
from barmill.serving.telemetry import Silent


class Faulty:
    """A pipeline that says what `fault` makes of what the real one says."""

    def __init__(self, pipeline: Any, fault: Callable[[dict[str, Any]], Any]) -> None:
        self._pipeline, self._fault = pipeline, fault

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pipeline, name)

    def run(self, *args: Any, **kwargs: Any) -> Any:
        return self._fault(self._pipeline.run(*args, **kwargs))


class Shadows(Silent):
    def __init__(self) -> None:
        self.pairs: list[tuple[Answer, Answer]] = []
        self.events: list[tuple[str, str]] = []

    def event(self, name, level="info", **fields):
        if "detail" in fields:
            self.events.append((name, fields["detail"]))

    def shadowed(self, model, primary, shadow):
        self.pairs.append((primary, shadow))


class Bench:
    """A plane that keeps streams of one model, and bars to feed one with."""

    def __init__(self, served_of: Any, making: ModuleType, *, on_gap: Any = "continue", fault: Any = None, **settings: Any) -> None:
        self.told, self.served_of = Shadows(), served_of
        self.table = ModelTable()
        self.champion = served_of("lightgbm", "1.0.0", 1)
        self.broken = fault is not None
        if fault is not None:
            bundle = self.champion.bundle
            self.champion.bundle = replace(bundle, pipeline=Faulty(bundle.pipeline, lambda said: fault(said) if self.broken else said))
        self.table.install(self.champion, champion=True)
        self.streams = Streams(settings=StreamSettings(on_gap=on_gap))
        self.wall = time.time()
        self.plane = Plane(self.table, self.streams, self.told, PlaneSettings(**settings), wall=lambda: self.wall)
        self.bars = making.walk(700, seed=11)

    def fill(self, stream: str = "eu", upto: int = 690, **ask: Any) -> Answer:
        bars = self.bars.slice(0, upto)
        stacked = np.stack([getattr(bars, name) for name in ("open", "high", "low", "close", "volume")], axis=1)
        return self.plane.extend(Ask(**ask), stream, RawBars(bars.open_time.copy(), stacked))

    def push(self, row: int, stream: str = "eu", **ask: Any) -> Answer:
        return self.plane.push(Ask(**ask), stream, self.bars.bar(row))


@pytest.fixture
def bench(served_of: Any, making: ModuleType) -> Callable[..., Bench]:
    return lambda **settings: Bench(served_of, making, **settings)


def _nan(said: dict[str, Any]) -> dict[str, Any]:
    return said | {"q50": said["q50"] * np.nan}


def _raise(said: dict[str, Any]) -> dict[str, Any]:
    raise RuntimeError("planted")


def same(answer: Answer, frame: Any) -> None:
    np.testing.assert_array_equal(answer.open_time, frame["open_time"].to_numpy())
    for name, column in answer.columns.items():
        np.testing.assert_array_equal(column, frame[name].to_numpy())


def test_a_stream_says_what_the_bundle_says_of_the_same_bars(bench):
    at = bench()
    expected = at.champion.bundle.forecast(at.bars).frame
    filled = at.fill()
    same(filled, expected[: len(filled)])
    for row in range(690, 700):
        answer = at.push(row)
        same(answer, expected[len(filled) + row - 690 :][:1])
        assert (answer.source, answer.degraded, answer.stream.state) == ("champion", False, "live")
    assert at.plane.stream(Ask(), "eu").last_open_time == int(at.bars.open_time[-1])
    at.plane.drop(Ask(), "eu")
    with pytest.raises(Refusal, match="no stream 'eu'"):
        at.plane.stream(Ask(), "eu")


def test_a_stream_that_warms_up_has_no_rows_and_nobody_answers_for_it(bench):
    at = bench()
    answer = at.fill(upto=5)
    assert (len(answer), answer.degraded, answer.stream.state) == (0, False, "warming")
    assert answer.stream.missing_bars == at.champion.bundle.needed_bars - 5


@pytest.mark.parametrize(("fault", "reason"), [(_raise, "model_error"), (_nan, "not_finite")])
def test_a_model_that_fails_leaves_the_stream_whole_and_the_fallback_answers_from_its_rows(bench, fault: Any, reason: str):
    at = bench(fault=fault)
    at.broken = False
    expected = at.champion.bundle.forecast(at.bars).frame
    at.fill()
    at.broken = True
    prior = at.push(690)
    assert (prior.source, prior.degraded, prior.reason, len(prior)) == ("prior", True, reason, 1)
    assert prior.open_time[0] == at.bars.open_time[690]
    other = at.served_of("xgboost")
    at.table.install(other, champion=True)
    at.table.assign("lightgbm", "fallback", "xgboost@champion")
    fallback = at.push(691, model="lightgbm")
    assert (fallback.source, fallback.degraded, fallback.reason, fallback.digest) == ("fallback", True, reason, other.digest)
    theirs = other.bundle.forecast(at.bars).frame.filter(other.bundle.forecast(at.bars).frame["open_time"] == int(at.bars.open_time[691]))
    same(fallback, theirs)
    at.broken = False
    again = at.push(692, model="lightgbm")
    assert (again.source, again.degraded) == ("champion", False)
    same(again, expected.filter(expected["open_time"] == int(at.bars.open_time[692])))


def test_a_stream_goes_on_taking_bars_while_the_breaker_is_open_and_closes_it_again(bench):
    now = [1000.0]
    at = bench(fault=_raise)
    at.plane = Plane(at.table, at.streams, clock=lambda: now[0])
    at.streams._timer = lambda: now[0]
    at.broken = False
    at.fill(upto=680)
    at.broken = True
    reasons = {at.push(row).reason for row in range(680, 690)}
    assert reasons == {"model_error"}
    assert at.champion.breaker.state == "open"
    at.broken = False
    expected = at.champion.bundle.forecast(at.bars).frame
    same(at.push(690), expected.filter(expected["open_time"] == int(at.bars.open_time[690])))
    assert not at.plane.readiness().ready
    now[0] += 30.0
    at.push(691)
    assert at.plane.readiness().ready


def test_a_busy_stream_holds_an_event_loop_up_for_a_moment_only(bench):
    at = bench()
    at.fill()
    with at.streams._held(at.champion, "eu", float("inf")), pytest.raises(Refusal) as refused:
        at.push(690)
    assert (refused.value.kind, refused.value.code) == ("timed_out", "stream_busy")
    assert at.push(690).source == "champion"


def test_a_fault_of_the_server_itself_is_told_to_who_watches_and_not_to_who_asks(bench):
    at = bench()
    at.streams.version_of = lambda *_: 1 / 0
    with pytest.raises(Refusal) as refused:
        at.push(690)
    assert (refused.value.kind, refused.value.code) == ("failed", "internal")
    assert "division" not in str(refused.value)
    assert at.told.events == [("internal_error", "ZeroDivisionError: division by zero")]
    assert at.plane.pending == 0


@pytest.mark.parametrize("prior", [True, False])
def test_a_gapped_stream_is_answered_by_the_prior_until_it_is_warm_again(bench, prior: bool):
    at = bench(on_gap="warm", prior=prior)
    at.fill()
    answer = at.push(694)
    assert answer.stream.state == "gapped"
    assert any("4 bars are missing" in note for note in answer.notes)
    if prior:
        assert (answer.source, answer.degraded, answer.reason, len(answer)) == ("prior", True, "gapped_stream", 1)
        assert all(np.isfinite(column).all() for column in answer.columns.values())
    else:
        assert (answer.source, len(answer)) == ("champion", 0)


def test_a_bar_that_closed_too_long_ago_is_answered_by_the_prior(bench):
    at = bench(max_bar_age_seconds=3600.0)
    at.fill()
    answer = at.push(690)
    assert (answer.source, answer.degraded, answer.reason, len(answer)) == ("prior", True, "stale_stream", 1)
    assert at.plane.stream(Ask(), "eu").last_open_time == int(at.bars.open_time[690])


@pytest.mark.parametrize(
    ("change", "code", "place"),
    [
        ({"high": float("nan")}, "not_finite", "bar.high"),
        ({"volume": float("inf")}, "not_finite", "bar.volume"),
        ({"low": -1.0}, "price_not_positive", "bar.low"),
        ({"high": 1.0}, "price_outside_bar", "bar.high"),
        ({"volume": -1.0}, "negative_volume", "bar.volume"),
        ({"open_time": -60_000}, "implausible_time", "bar.open_time"),
        ({"open_time": 4_000_000_020_000}, "bar_not_closed", "bar.open_time"),
    ],
)
def test_a_bad_bar_is_refused_by_its_field_and_the_stream_is_as_before(bench, change: dict[str, Any], code: str, place: str):
    at = bench()
    at.fill()
    bar: Bar = at.bars.bar(690)._replace(**change)
    with pytest.raises(Refusal) as refused:
        at.plane.push(Ask(), "eu", bar)
    assert (refused.value.kind, refused.value.code, refused.value.place) == ("invalid", code, place)
    assert at.push(690).source == "champion"


def test_a_canary_takes_its_share_of_the_streams_and_each_keeps_to_one_version(bench):
    at = bench()
    canary = at.served_of("lightgbm", "1.1.0", 2, seed=8)
    at.table.install(canary, champion=False)
    at.table.assign("lightgbm", "canary", "1.1.0", 0.5)
    names = [f"stream-{number}" for number in range(16)]
    by_name: dict[str, set[tuple[str, str]]] = {name: set() for name in names}
    for name in names:
        at.fill(name, upto=600)
        by_name[name] |= {(answer.source, answer.version) for answer in (at.push(row, name) for row in (600, 601, 602))}
    assert all(len(found) == 1 for found in by_name.values())
    assert set.union(*by_name.values()) == {("champion", "1.0.0"), ("canary", "1.1.0")}
    at.plane.close(60.0)
    for primary, shadow in at.told.pairs:  # what the canary said, and what the champion says of the same bar
        assert (primary.source, primary.version, shadow.version) == ("canary", "1.1.0", "1.0.0")
    frame = at.champion.bundle.forecast(at.bars).frame
    for primary, shadow in at.told.pairs:
        same(shadow, frame.filter(frame["open_time"] == int(primary.open_time[0])))
    assert len(at.told.pairs) == 3 * sum(found == {("canary", "1.1.0")} for found in by_name.values())


def test_streams_move_to_a_new_champion_and_pinned_ones_stay(bench):
    at = bench()
    at.fill("free")
    at.fill("pinned", version="1.0.0")
    at.table.install(at.served_of("lightgbm", "1.1.0", 2, seed=8), champion=True)
    free, pinned = at.push(690, "free"), at.push(690, "pinned")
    assert (free.version, pinned.version) == ("1.1.0", "1.0.0")
    assert free.digest != pinned.digest


def test_a_clock_that_is_put_back_makes_no_live_bar_one_of_the_future(bench):
    at = bench()
    at.wall = at.bars.close_time[690] / 1000
    at.plane = Plane(at.table, at.streams, wall=lambda: at.wall)
    at.fill()
    assert at.push(690).source == "champion"
    with pytest.raises(Refusal, match="closes in the future"):
        at.push(691)
    at.wall += 60.0
    assert at.push(691).source == "champion"
    at.wall -= 3600.0
    assert at.push(691).notes  # the same bar again is answered again
    at.wall += 3660.0
    assert at.push(692).source == "champion"

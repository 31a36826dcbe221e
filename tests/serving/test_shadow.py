"""A canary answers its share and says so; a shadow forecasts the same beside the champion, and no byte of an answer shows it."""

import threading
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from barmill.serving.answers import Answer, Ask, RawBars
from barmill.serving.model_table import ModelTable
from barmill.serving.plane import Plane
from barmill.serving.settings import PlaneSettings
from barmill.serving.shadow import drawn
from barmill.serving.telemetry import Silent

LONG = 60.0


class Shadows(Silent):
    def __init__(self) -> None:
        self.pairs: list[tuple[Answer, Answer]] = []
        self.gauges: dict[str, float] = {}
        self.fallen: list[str] = []

    def shadowed(self, model, primary, shadow):
        self.pairs.append((primary, shadow))

    def gauge(self, name, value, labels):
        self.gauges[name] = value

    def fell_back(self, model, version, reason):
        self.fallen.append(f"{version} {reason}")


class Held:
    """A pipeline that waits for a gate before it says anything."""

    def __init__(self, pipeline: Any, gate: threading.Event) -> None:
        self._pipeline, self._gate = pipeline, gate
        self.inside = threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pipeline, name)

    def run(self, *args: Any, **kwargs: Any) -> Any:
        self.inside.set()
        self._gate.wait(LONG)
        return self._pipeline.run(*args, **kwargs)


class Bench:
    def __init__(self, served_of: Any, making: ModuleType, **settings: Any) -> None:
        self.told, told = Shadows(), PlaneSettings(**settings)
        self.table = ModelTable(told, self.told)
        self.champion, self.second = served_of("lightgbm", "1.0.0", 1), served_of("lightgbm", "1.1.0", 2, seed=8)
        self.table.install(self.champion, champion=True)
        self.table.install(self.second, champion=False)
        self.plane = Plane(self.table, None, self.told, told)
        bars = making.walk(700, seed=11)
        self.rows = self.champion.bundle.plan.compute(bars).values[-40:][:, self.champion.schema.positions].copy()
        self.raw = RawBars(bars.open_time.copy(), np.stack([bars.column(n) for n in ("open", "high", "low", "close", "volume")], axis=1))

    def ask(self, row: int, **ask: Any) -> Answer:
        return self.plane.forecast(Ask(request_id=f"request-{row}", **ask), self.rows[row : row + 1].copy())


@pytest.fixture
def bench(served_of: Any, making: ModuleType) -> Any:
    return lambda **settings: Bench(served_of, making, **settings)


def bytes_of(answer: Answer) -> Any:
    return {name: column.tobytes() for name, column in answer.columns.items()}, replace(answer, columns={})


@pytest.mark.parametrize("share", [0.05, 0.3, 0.9])
def test_a_share_is_about_what_it_says_and_grows_without_moving_anybody_back(share: float):
    keys = [f"stream-{number}" for number in range(20_000)]
    chosen = {key for key in keys if drawn("m:canary", key, share)}
    assert abs(len(chosen) / len(keys) - share) < 0.02
    assert chosen <= {key for key in keys if drawn("m:canary", key, min(share + 0.1, 1.0))}
    assert len(chosen & {key for key in keys if drawn("m:shadow", key, share)}) / len(keys) == pytest.approx(share**2, abs=0.02)


def test_without_a_key_chance_draws():
    assert drawn("m:canary", "", 0.5, lambda: 0.49)
    assert not drawn("m:canary", "", 0.5, lambda: 0.5)
    assert drawn("m:canary", "any", 1.0)


def test_the_canary_answers_its_share_of_who_names_no_version_and_the_champion_forecasts_the_same(bench):
    at = bench()
    pinned = [at.ask(row, version="1.0.0") for row in range(40)]
    at.table.assign("lightgbm", "canary", "1.1.0", 0.5)
    answers = [at.ask(row) for row in range(40)]
    again = [at.ask(row) for row in range(40)]
    assert [answer.source for answer in answers] == [answer.source for answer in again]
    by_canary = [row for row, answer in enumerate(answers) if answer.source == "canary"]
    assert 8 < len(by_canary) < 32
    assert all(answers[row].version == "1.1.0" and not answers[row].degraded for row in by_canary)
    for row in sorted(set(range(40)) - set(by_canary)):  # the champion's answers are what they were, to the byte
        assert bytes_of(answers[row])[0] == bytes_of(pinned[row])[0]
        assert str(bytes_of(answers[row])[1]) == str(bytes_of(pinned[row])[1])
    assert all(at.ask(row, version="1.0.0").source == "champion" for row in range(40))
    assert at.plane.close(LONG)
    assert len(at.told.pairs) == 2 * len(by_canary)
    for primary, shadow in at.told.pairs:
        row = next(row for row in by_canary if bytes_of(answers[row]) == bytes_of(primary))
        assert shadow.version == "1.0.0"
        assert bytes_of(shadow)[0] == bytes_of(pinned[row])[0]


def test_a_canary_that_fails_is_told_and_the_champion_answers(bench):
    at = bench()
    expected = at.ask(0, version="1.0.0")
    at.table.assign("lightgbm", "canary", "1.1.0", 1.0)
    broken = Held(None, threading.Event())
    broken.run = lambda *args, **kwargs: {}
    at.second.bundle = replace(at.second.bundle, pipeline=broken)
    answer = at.ask(0)
    assert (answer.source, answer.version, answer.degraded, answer.reason) == ("champion", "1.0.0", False, "model_error")
    assert bytes_of(answer)[0] == bytes_of(expected)[0]
    assert at.told.fallen == ["1.1.0 model_error"]


@pytest.mark.parametrize("kind", ["features", "bars"])
def test_a_shadow_changes_no_byte_and_its_forecasts_are_its_own(bench, kind: str):
    at = bench()

    def ask(row: int, **ask: Any) -> Answer:
        if kind == "features":
            return at.ask(row, **ask)
        return at.plane.forecast_bars(Ask(**ask), at.raw, last=row + 1)

    before = [ask(row) for row in range(5)]
    at.table.assign("lightgbm", "shadow", "1.1.0", 1.0)
    with_shadow = [ask(row) for row in range(5)]
    for one, other in zip(before, with_shadow, strict=True):
        for mine, theirs in zip(bytes_of(one), bytes_of(other), strict=True):
            assert str(mine) == str(theirs)
    at.plane._shadow.close(LONG)
    expected = [ask(row, version="1.1.0") for row in range(5)]
    assert len(at.told.pairs) == 5
    for (primary, shadow), champion, own in zip(at.told.pairs, with_shadow, expected, strict=True):
        assert primary is champion
        assert bytes_of(shadow)[0] == bytes_of(own)[0]
        assert shadow.digest == at.second.digest


def test_a_slow_shadow_holds_nobody_up_and_what_it_cannot_take_is_dropped_and_counted(bench):
    at, gate = bench(shadow_queue=3), threading.Event()
    at.table.assign("lightgbm", "shadow", "1.1.0", 1.0)
    slow = Held(at.second.bundle.pipeline, gate)
    at.second.bundle = replace(at.second.bundle, pipeline=slow)
    at.ask(0)
    assert slow.inside.wait(LONG)  # it holds the first, and three may wait
    answers = [at.ask(row) for row in range(1, 11)]
    assert [answer.version for answer in answers] == ["1.0.0"] * 10
    assert at.told.gauges["shadow_dropped"] == 7
    assert [status.detail["leases"] for status in at.plane.index()] == [0, 4]
    gate.set()
    at.plane.close(LONG)
    assert len(at.told.pairs) == 4
    assert [status.detail["leases"] for status in at.plane.index()] == [0, 0]


def test_what_the_asker_writes_over_later_does_not_reach_the_shadow(bench):
    at, gate = bench(), threading.Event()
    at.table.assign("lightgbm", "shadow", "1.1.0", 1.0)
    held = Held(at.second.bundle.pipeline, gate)
    at.second.bundle = replace(at.second.bundle, pipeline=held)
    given = at.rows[:1].copy()
    at.plane.forecast(Ask(), given)
    assert held.inside.wait(LONG)
    given[:] *= -100.0
    gate.set()
    at.plane.close(LONG)
    expected, other = (held.run(at.second.schema.spread(rows), np.array([0])) for rows in (at.rows[:1], given))
    shadow = at.told.pairs[0][1]
    assert any(expected[name] != other[name] for name in expected)
    for name, column in expected.items():
        np.testing.assert_array_equal(shadow.columns[name], column)


def test_a_shadow_that_fails_is_counted_and_goes_on(bench):
    at = bench()
    at.table.assign("lightgbm", "shadow", "1.1.0", 1.0)
    pipeline = at.second.bundle.pipeline
    broken = Held(None, threading.Event())
    broken.run = lambda *args, **kwargs: {}
    at.second.bundle = replace(at.second.bundle, pipeline=broken)
    at.ask(0)
    while "shadow_failed" not in at.told.gauges:  # polls
        threading.Event().wait(0.001)
    at.second.bundle = replace(at.second.bundle, pipeline=pipeline)
    at.ask(1)
    at.plane.close(LONG)
    assert len(at.told.pairs) == 1
    assert at.told.gauges["shadow_failed"] == 1


def test_a_shadow_that_hangs_does_not_keep_the_server_from_closing(bench):
    at, gate = bench(shadow_queue=1), threading.Event()
    at.table.assign("lightgbm", "shadow", "1.1.0", 1.0)
    held = Held(at.second.bundle.pipeline, gate)
    at.second.bundle = replace(at.second.bundle, pipeline=held)
    at.ask(0)
    assert held.inside.wait(LONG)
    at.ask(1)
    assert at.plane.close(0.02)
    gate.set()

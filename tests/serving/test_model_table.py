"""The table: which version a request means, what may be served beside what, and that nothing retired stays in memory."""

import gc
import threading
import weakref
from dataclasses import replace

import pytest

from barmill.errors import BundleError
from barmill.features import FeaturePlan
from barmill.serving.answers import Ask
from barmill.serving.model_table import ModelTable
from barmill.serving.refusals import Refusal
from barmill.serving.settings import PlaneSettings
from barmill.serving.telemetry import Silent


class Told(Silent):
    """Keeps the swaps and the names of events."""

    def __init__(self) -> None:
        self.swaps: list[tuple[str, int]] = []
        self.events: list[str] = []

    def swapped(self, model, version, number, digest):
        self.swaps.append((version, number))

    def event(self, name, level="info", **fields):
        self.events.append(name)


def meant(table: ModelTable, version: str | None, model: str | None = "logistic") -> str:
    with table.lease(Ask(model, version)) as served:
        return f"{served.version} ({served.number})"


@pytest.fixture
def filled(served_of) -> ModelTable:
    table = ModelTable()
    for number, version in enumerate(("1.9.0", "1.10.0", "2.0.0-rc1", "1.10.0"), start=1):
        table.install(served_of(version=version, number=number), champion=number == 1)
    return table


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (None, "1.9.0 (1)"),
        ("champion", "1.9.0 (1)"),
        ("latest", "1.10.0 (4)"),
        ("1.10.0", "1.10.0 (4)"),
        ("2", "1.10.0 (2)"),
        ("v1", "1.10.0 (4)"),
        ("v2", "2.0.0-rc1 (3)"),
        ("2.0.0-rc1", "2.0.0-rc1 (3)"),
    ],
)
def test_a_version_means_what_the_docstring_of_ask_says(filled: ModelTable, version: str | None, expected: str):
    assert meant(filled, version) == expected


@pytest.mark.parametrize("version", ["1.9.1", "v3", "5", "", "../1", "v01", "1.9", "ready", "canary"])
def test_a_version_that_is_not_there_is_refused_with_those_that_are(filled: ModelTable, version: str):
    if version == "":
        assert meant(filled, version) == "1.9.0 (1)"
        return
    with pytest.raises(Refusal, match=r"1\.9\.0, 1\.10\.0, 2\.0\.0-rc1") as refused:
        meant(filled, version)
    assert (refused.value.kind, refused.value.code) == ("not_found", "unknown_version")


def test_the_only_model_need_not_be_named_and_of_two_one_must_be(filled: ModelTable, served_of):
    assert meant(filled, None, model=None) == "1.9.0 (1)"
    filled.install(served_of(name="other"), champion=True)
    with pytest.raises(Refusal, match="one of logistic, other") as refused:
        filled.lease(Ask())
    assert refused.value.code == "model_not_named"
    with pytest.raises(Refusal, match=r"Did you mean 'logistic'\?"):
        filled.lease(Ask("logistics"))


def test_the_champion_keeps_its_major_until_an_operator_says_otherwise(served_of):
    told = Told()
    table = ModelTable(telemetry=told)
    assert table.install(served_of(version="1.0.0", number=1), champion=True)
    assert not table.install(served_of(version="2.0.0", number=2), champion=True)
    assert meant(table, None) == "1.0.0 (1)"
    assert "champion_keeps_major" in told.events
    assert table.install(served_of(version="1.1.0", number=3), champion=True)
    assert table.set_champion("logistic", 2)
    assert table.install(served_of(version="2.1.0", number=4), champion=True)
    assert not table.set_champion("logistic", 1, across_majors=False)
    assert told.swaps == [("1.0.0", 1), ("1.1.0", 3), ("2.0.0", 2), ("2.1.0", 4)]


def test_a_version_of_the_same_major_with_another_schema_is_refused_and_the_old_goes_on(served_of):
    table, served = ModelTable(), served_of(version="1.0.0", number=1)
    table.install(served, champion=True)
    bundle = served.bundle
    columns = bundle.plan.names
    shuffled = replace(
        bundle.plan,
        features=(bundle.plan.features[1], bundle.plan.features[0], *bundle.plan.features[2:]),
        columns=(columns[1], columns[0], *columns[2:]),
    )
    instrument = bundle.instrument.model_copy(update={"symbol": "OTHER"})
    pipeline = served_of("lightgbm").bundle.pipeline
    cases = [
        (replace(bundle, plan=shuffled), rf"features at 0: '{columns[1]}' against '{columns[0]}'"),
        (replace(bundle, instrument=instrument), "symbol OTHER against SIM"),
        (replace(bundle, plan=FeaturePlan.build(base="5m", timeframes=("5m",), set="core")), "timeframe 5m against 1m"),
        (replace(bundle, pipeline=pipeline), "outputs p_up, E_r, q05, q50, q95 against p_up, q05, q50, q95"),
    ]
    for number, (changed, difference) in enumerate(cases, start=2):
        other = served_of(version="1.1.0", number=number)
        other.bundle = replace(changed, manifest=other.bundle.manifest, digest=other.digest)
        with pytest.raises(BundleError, match=difference):
            table.install(other, champion=True)
        assert meant(table, None) == "1.0.0 (1)"
        other.bundle = replace(other.bundle, manifest=replace(other.bundle.manifest, version=f"{number}.0.0"))
        table.install(other, champion=True)  # another major may differ
        assert meant(table, f"v{number}") == f"{number}.0.0 ({number})"


def test_a_refused_version_is_shown_with_its_reason_until_a_good_one_takes_its_number(filled: ModelTable, served_of):
    filled.announce("logistic", "1.11.0", 5, "d5")
    assert [status.state for status in filled.index() if status.number == 5] == ["loading"]
    filled.refuse("logistic", "1.11.0", 5, "d5", "one byte differs")
    shown = [status for status in filled.index() if status.number == 5]
    assert [(status.state, status.reason) for status in shown] == [("unavailable", "one byte differs")]
    with pytest.raises(Refusal, match="one byte differs") as refused:
        meant(filled, "1.11.0")
    assert (refused.value.kind, refused.value.code) == ("unavailable", "version_unavailable")
    filled.install(served_of(version="1.11.0", number=5), champion=False)
    assert meant(filled, "latest") == "1.11.0 (5)"
    assert [status.state for status in filled.index() if status.number == 5] == ["ready"]


def test_it_is_ready_once_every_model_has_a_champion_whose_breaker_is_closed(served_of):
    table = ModelTable()
    assert not table.readiness().ready
    table.announce("logistic", "1.0.0", 1, "d")
    assert not table.readiness().ready
    served = served_of(version="1.0.0", number=1)
    table.install(served, champion=True)
    assert table.readiness().ready
    table.refuse("logistic", "1.1.0", 2, "d2", "bad")
    assert table.readiness().ready  # the old one goes on
    assert not table.readiness("logistic", "1.1.0").ready
    table.refuse("other", "1.0.0", 1, "d3", "bad")
    assert table.readiness().reasons == ("other: no version is the champion yet",)
    table.forget("other", 1)
    assert table.readiness().ready
    for second in range(5):
        served.breaker.failed(float(second))
    assert not table.readiness().ready


def test_the_champion_is_not_retired_and_a_whole_model_may_be_removed(filled: ModelTable):
    with pytest.raises(Refusal, match="is the champion"):
        filled.retire("logistic", 1)
    filled.retire("logistic", 4)
    assert meant(filled, "latest") == "1.10.0 (2)"
    filled.remove("logistic")
    with pytest.raises(Refusal, match="no model is served yet"):
        meant(filled, None)
    assert filled.index() == []


def test_an_alias_is_given_only_to_a_version_that_gives_all_that_the_champion_gives(served_of):
    table = ModelTable()
    table.install(served_of("lightgbm", version="1.0.0", number=1), champion=True)
    table.install(served_of("logistic"), champion=True)
    with pytest.raises(Refusal, match="does not give E_r"):
        table.assign("lightgbm", "fallback", "logistic@champion")
    table.assign("logistic", "fallback", "lightgbm@champion")
    for alias, version, share, code in (
        ("canary", "lightgbm@champion", 0.5, "foreign_alias"),
        ("canary", "9.9.9", 0.5, "unknown_version"),
        ("canary", "1.2.3", 0.0, "bad_share"),
        ("beta", "1.2.3", 0.5, "unknown_alias"),
    ):
        with pytest.raises(Refusal) as refused:
            table.assign("logistic", alias, version, share)
        assert refused.value.code == code


def test_a_retired_version_drains_and_then_nothing_holds_it(served_of):
    now = [0.0]
    told = Told()
    table = ModelTable(PlaneSettings(drain_seconds=30.0), told, clock=lambda: now[0])
    for number in (1, 2, 3):
        table.install(served_of(version=f"1.{number}.0", number=number), champion=number == 1)
    quick, slow = table.lease(Ask(version="2")), table.lease(Ask(version="3"))
    gone = weakref.ref(quick.__enter__())
    kept = weakref.ref(slow.__enter__())
    table.retire("logistic", 2)
    table.retire("logistic", 3)
    assert [status.state for status in table.index()] == ["ready", "draining", "draining"]
    assert [status.detail["leases"] for status in table.index()] == [0, 1, 1]
    quick.__exit__(None, None, None)
    del quick
    gc.collect()
    assert gone() is None
    assert "released" in told.events
    now[0] = 30.1
    assert [status.number for status in table.index()] == [1]  # forgotten at the deadline ..
    assert kept() is not None  # .. and still there for who holds it
    slow.__exit__(None, None, None)
    del slow
    gc.collect()
    assert kept() is None


def test_three_hundred_swaps_leave_one_version_in_memory(served_of):
    table = ModelTable()
    seen: list[weakref.ref] = []
    for number in range(1, 301):
        served = served_of(version=f"1.0.{number}", number=number)
        seen += [weakref.ref(served), weakref.ref(served.bundle)]
        table.install(served, champion=True)
        if number > 1:
            table.retire("logistic", number - 1)
    del served
    gc.collect()
    assert [reference() is not None for reference in seen] == [False] * 598 + [True] * 2
    assert len(table.index()) == 1


def test_a_follower_hears_of_each_new_champion_once_it_answers(served_of):
    table, heard = ModelTable(), []
    table.follow(lambda served: heard.append((served.number, meant(table, None))))
    table.install(served_of(version="1.0.0", number=1), champion=True)
    table.install(served_of(version="1.1.0", number=2), champion=False)
    table.set_champion("logistic", 2)
    table.set_champion("logistic", 2)
    assert heard == [(1, "1.0.0 (1)"), (2, "1.1.0 (2)")]


def test_readers_always_find_a_whole_version_while_it_is_swapped(served_of):
    table, stop, wrong = ModelTable(), threading.Event(), []
    table.install(served_of(version="1.0.0", number=0), champion=True)

    def read() -> None:
        before = -1
        while not stop.is_set():
            with table.lease(Ask(version=None)) as served:
                if served.version != f"1.0.{served.number}" or served.number < before:
                    wrong.append((before, served.label))
                before = served.number

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for number in range(1, 200):
        table.install(served_of(version=f"1.0.{number}", number=number), champion=True)
        table.retire("logistic", number - 1)
    stop.set()
    for reader in readers:
        reader.join()
    assert wrong == []

"""An alias is given while its version is served and may have it, and waits else; a setting that is none is refused by its path."""

from typing import Any

import msgspec
import pytest

from barmill.errors import InputError
from barmill.pipeline.yaml_reading import read_yaml
from barmill.serving.aliases import Assigned
from barmill.serving.model_table import ModelTable
from barmill.serving.refusals import Refusal
from barmill.serving.server_config import ServerConfig
from barmill.serving.supervisor import Order
from barmill.serving.telemetry import Silent


class Told(Silent):
    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []

    def event(self, name: str, level: str = "info", **fields: Any) -> None:
        if name in ("assigned", "alias_waits"):
            self.events.append((name, fields["alias"]))


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def table(told: Told) -> ModelTable:
    return ModelTable(telemetry=told)


def held(table: ModelTable, name: str = "logistic") -> dict[str, str]:
    """Which version has each alias, empty where none has, as it is told and as requests find it."""
    found = {one.alias: "" if one.by is None else one.by.version for one in table.aliases(name)}
    routes = table.known(name)
    for alias, version in found.items():
        entry = None if routes is None else table.assigned(routes, alias)
        assert version == ("" if entry is None else entry[0].served.version)
    return found


def test_what_a_configuration_wants_is_given_when_it_appears_and_taken_away_with_it(table, told, served_of):
    table.want("logistic", "canary", Assigned("1.1.0", 0.25))
    table.want("logistic", "fallback", Assigned("lightgbm@champion"))
    assert held(table) == {"canary": "", "fallback": ""}
    table.install(served_of(version="1.0.0", number=1), champion=True)
    assert held(table) == {"canary": "", "fallback": ""}
    table.install(served_of(version="1.1.0", number=2), champion=False)
    assert held(table) == {"canary": "1.1.0", "fallback": ""}
    table.install(served_of("lightgbm", version="2.0.0", number=1), champion=True)
    assert held(table) == {"canary": "1.1.0", "fallback": "2.0.0"}
    assert [(one.given.share, one.by.number) for one in table.aliases("logistic")] == [(0.25, 2), (1.0, 1)]
    table.install(served_of(version="1.1.1", number=3), champion=False)  # nothing changes, and nothing is told
    assert told.events == [("alias_waits", "canary"), ("alias_waits", "fallback"), ("assigned", "canary"), ("assigned", "fallback")]
    told.events.clear()
    table.remove("lightgbm")
    assert held(table) == {"canary": "1.1.0", "fallback": ""}
    table.install(served_of("lightgbm", version="2.0.0", number=1), champion=True)
    table.retire("logistic", 2)
    assert held(table) == {"canary": "", "fallback": "2.0.0"}
    assert told.events == [("alias_waits", "fallback"), ("assigned", "fallback"), ("alias_waits", "canary")]


def test_what_an_operator_says_goes_before_the_configuration_and_survives_a_load(table, served_of):
    table.want("logistic", "canary", Assigned("1.1.0", 0.25))
    for number in (1, 2, 3):
        table.install(served_of(version=f"1.{number - 1}.0", number=number), champion=number == 1)
    assert held(table) == {"canary": "1.1.0"}
    table.assign("logistic", "canary", "1.2.0", 0.5)
    assert held(table) == {"canary": "1.2.0"}
    with pytest.raises(Refusal):
        table.assign("logistic", "canary", "9.9.9", 0.5)
    assert held(table) == {"canary": "1.2.0"}  # what is refused changes nothing
    table.remove("logistic")
    assert held(table) == {"canary": ""}
    for number in (1, 2, 3):
        table.install(served_of(version=f"1.{number - 1}.0", number=number), champion=number == 1)
    assert held(table) == {"canary": "1.2.0"}
    table.assign("logistic", "canary", None)
    table.install(served_of(version="1.3.0", number=4), champion=False)
    assert held(table) == {}


def test_a_canary_keeps_to_the_major_version_of_the_champion_also_when_latest_moves(table, served_of):
    table.install(served_of(version="1.0.0", number=1), champion=True)
    table.install(served_of(version="1.1.0", number=2), champion=False)
    table.assign("logistic", "canary", "latest", 0.5)
    table.assign("logistic", "shadow", "latest", 0.5)
    table.install(served_of(version="2.0.0", number=3), champion=False)
    assert held(table) == {"canary": "", "shadow": "2.0.0"}
    (canary, _) = table.aliases("logistic")
    assert "is of another major version" in canary.reason
    with pytest.raises(Refusal, match="is of another major version") as refused:
        table.assign("logistic", "canary", "v2", 0.5)
    assert (refused.value.kind, refused.value.place) == ("conflict", "version")
    table.set_champion("logistic", 3)
    assert held(table) == {"canary": "2.0.0", "shadow": "2.0.0"}


def test_a_version_that_another_model_falls_back_to_is_counted_on(table, served_of):
    for number in (1, 2):
        table.install(served_of("lightgbm", version=f"1.{number}.0", number=number), champion=number == 2)
    table.install(served_of("logistic"), champion=True)
    assert [table.is_counted_on("lightgbm", number) for number in (1, 2, 9)] == [False, True, False]
    table.assign("logistic", "fallback", "lightgbm@1.1.0")
    assert table.is_counted_on("lightgbm", 1)
    assert not table.is_counted_on("nobody", 1)


def test_aliases_of_a_model_that_nobody_knows_are_refused(table, served_of):
    table.install(served_of("logistic"), champion=True)
    assert table.aliases("logistic") == []
    with pytest.raises(Refusal, match="Did you mean 'logistic'"):
        table.aliases("logistik")


GOOD = """
models: models
aliases:
  lightgbm:
    canary: {version: 1.3.0, share: 0.1}
    shadow: {version: latest}
    fallback: {version: logistic@champion}
  logistic:
    canary: {version: "3", share: 1}
"""


def test_a_configuration_says_aliases_by_model_and_workers_are_told_them():
    told = ServerConfig.of(read_yaml(GOOD, "serve.yaml").value, "serve.yaml")
    assert told.aliases == {
        "lightgbm": {"canary": Assigned("1.3.0", 0.1), "shadow": Assigned("latest"), "fallback": Assigned("logistic@champion")},
        "logistic": {"canary": Assigned("3", 1.0)},
    }
    order = Order(told, 1, None, 0, 2, "folder", 3)
    assert msgspec.json.decode(msgspec.json.encode(order), type=Order).config == told


@pytest.mark.parametrize(
    ("aliases", "place"),
    [
        ("5", ""),
        ("[a]", ""),
        ("{lightgbm: canary}", ".lightgbm"),
        ("{../up: {canary: {version: 1.3.0, share: 0.1}}}", ".../up"),
        ("{lightgbm: {canry: {version: 1.3.0, share: 0.1}}}", ".lightgbm.canry"),
        ("{lightgbm: {canary: 1.3.0}}", ".lightgbm.canary"),
        ("{lightgbm: {canary: {version: 1.3.0, share: 0.1, weight: 2}}}", ".lightgbm.canary.weight"),
        ("{lightgbm: {canary: {share: 0.1}}}", ".lightgbm.canary.version"),
        ("{lightgbm: {canary: {version: 3, share: 0.1}}}", ".lightgbm.canary.version"),
        ('{lightgbm: {canary: {version: "", share: 0.1}}}', ".lightgbm.canary.version"),
        ("{lightgbm: {canary: {version: logistic@1.0.0, share: 0.1}}}", ".lightgbm.canary.version"),
        ("{lightgbm: {canary: {version: 1.3.0}}}", ".lightgbm.canary.share"),
        ("{lightgbm: {canary: {version: 1.3.0, share: 0}}}", ".lightgbm.canary.share"),
        ("{lightgbm: {shadow: {version: 1.3.0, share: 1.5}}}", ".lightgbm.shadow.share"),
        ("{lightgbm: {shadow: {version: 1.3.0, share: true}}}", ".lightgbm.shadow.share"),
        ("{lightgbm: {shadow: {version: 1.3.0, share: 10%}}}", ".lightgbm.shadow.share"),
        ("{lightgbm: {fallback: {version: 1.3.0, share: 0.5}}}", ".lightgbm.fallback.share"),
    ],
)
def test_an_alias_that_is_none_is_refused_by_its_setting(aliases: str, place: str):
    with pytest.raises(InputError) as refused:
        ServerConfig.of(read_yaml(f"models: models\naliases: {aliases}", "serve.yaml").value, "serve.yaml")
    assert refused.value.place == f"serve.yaml:aliases{place}"


def test_a_misspelt_alias_is_told_the_nearest():
    with pytest.raises(InputError, match="Did you mean 'canary'"):
        ServerConfig.of({"aliases": {"m": {"canry": {"version": "1.0.0", "share": 1}}}}, "serve.yaml")

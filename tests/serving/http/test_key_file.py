"""A key that is taken out of the file stops working within two seconds, and a file that is broken takes nobody's key."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from barmill.serving.http import key_file as module
from barmill.serving.http.key_file import KeyFile
from barmill.serving.http.keys import add_key
from barmill.serving.refusals import Refusal
from barmill.serving.telemetry import Silent


class Told(Silent):
    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def event(self, name: str, level: str = "info", **fields: Any) -> None:
        self.events.append((name, fields))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.events]


class Clock:
    """A clock on which nothing happens but by plan: what is to be done at a second, and what was seen at each look after it."""

    def __init__(self, until: float, plan: dict[float, Callable[[], object]], seen: Callable[[], object]) -> None:
        self.now, self._until, self._plan, self._seen = 0.0, until, plan, seen
        self.history: list[tuple[float, object]] = []

    def wait(self, seconds: float) -> bool:
        self.history.append((self.now, self._seen()))
        for at in [at for at in sorted(self._plan) if at < self.now + seconds]:
            self._plan.pop(at)()
        self.now += seconds
        return self.now > self._until


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def without(file: Path, name: str) -> None:
    """Take a key out, as an operator does with an editor that writes in place: the same file, by another content."""
    told = json.loads(file.read_text())
    told["keys"] = [one for one in told["keys"] if one["name"] != name]
    file.write_text(json.dumps(told))


def works(keys: KeyFile, key: str) -> bool:
    try:
        keys.principal(key)
    except Refusal:
        return False
    return True


def test_a_revoked_key_stops_within_two_seconds_and_a_new_one_begins(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk, board, looks, told = add_key(file, "desk", ["forecast"]), add_key(file, "board", ["read"]), [], Told()
    keys = KeyFile(file, told)
    made: list[str] = []
    plan = {10.5: lambda: without(file, "desk"), 20.5: lambda: made.append(add_key(file, "other", ["read"]))}
    clock = Clock(30.0, plan, lambda: (works(keys, desk), works(keys, board), bool(made) and works(keys, made[0])))
    keys._wait = clock.wait
    really = module._looks_of

    def looks_of(path: Path) -> Any:
        looks.append(clock.now)
        return really(path)

    monkeypatch.setattr(module, "_looks_of", looks_of)
    keys._run()
    assert looks == [float(second) for second in range(1, 31)]  # once a second, whoever asks meanwhile
    for now, (first, second, third) in clock.history:
        assert (first, second) == (now < 11.0, True)
        assert third == (now >= 21.0)
    assert told.names == ["keys_read", "keys_read"]
    assert [fields["n_keys"] for _, fields in told.events] == [1, 2]


@pytest.mark.parametrize("broken", [b"", b"{", b"[" * 100_000, b'{"keys": [{"name": "desk"}]}', b"\xff", None], ids=range(6))
def test_a_broken_file_keeps_the_keys_of_before_and_is_told_once(file: Path, broken: bytes | None) -> None:
    desk, told = add_key(file, "desk", ["forecast"]), Told()
    good, keys = file.read_bytes(), KeyFile(file, told)
    if broken is None:
        file.unlink()
    else:
        file.write_bytes(broken)
    for _ in range(5):
        keys.look()
        assert works(keys, desk)
    assert told.names == ["keys_unreadable"]
    assert json.loads(good)["keys"][0]["sha256"] not in str(told.events)
    file.write_bytes(good.replace(b'"forecast"', b'"read"'))
    keys.look()
    assert keys.principal(desk).scopes == {"read"}
    file.write_bytes(broken or b"")
    keys.look()
    assert told.names == ["keys_unreadable", "keys_read", "keys_unreadable"]


def test_scopes_of_another_type_are_told_and_end_no_watch(file: Path) -> None:
    desk, told = add_key(file, "desk", ["forecast"]), Told()
    keys = KeyFile(file, told)
    for scopes in (5, None, "all", [["read"]], {"read": 1}):
        entries = json.loads(file.read_text())
        entries["keys"][0]["scopes"] = scopes
        file.write_text(json.dumps(entries))
        keys.look()
        assert works(keys, desk)
    assert set(told.names) == {"keys_unreadable"}


def test_what_is_written_within_one_tick_of_the_file_systems_clock_is_seen_too(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file looks the same after both changes, and is read once more all the same; then no more."""
    desk = add_key(file, "desk", ["forecast"])
    keys, content = KeyFile(file), file.read_bytes()
    keys.look()
    monkeypatch.setattr(module, "_looks_of", lambda _: (1, 2, 3, 4))
    for name in (b"tick", b"tock"):
        file.write_bytes(content.replace(b"desk", name))
        keys.look()
        assert keys.principal(desk).name == name.decode()
    file.write_bytes(content)
    keys.look()
    assert keys.principal(desk).name == "tock"


def test_a_file_that_is_bad_from_the_beginning_is_refused(file: Path) -> None:
    from barmill.errors import InputError

    file.write_text("{}")
    with pytest.raises(InputError, match="is no file of keys"):
        KeyFile(file)

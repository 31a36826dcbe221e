"""Logs are lines of JSON that nobody can forge, hold no secret, and make no request wait."""

import io
import json
import threading

import numpy as np
import pytest

from barmill.serving.answers import Answer
from barmill.serving.logs import HIDDEN, QUEUED, Logs, line_of

SECRETS = {
    "header": ("authorization", "Bearer 3f9c0d1e7a"),
    "key": ("api_key", "3f9c0d1e7a"),
    "nested": ("headers", {"X-Api-Key": "3f9c0d1e7a", "Cookie": "3f9c0d1e7a"}),
    "url": ("reason", "cannot connect to redis://quant:3f9c0d1e7a@store:6379/0"),
    "query": ("path", "/v1/models?api_key=3f9c0d1e7a&x=1"),
    "words": ("detail", "it sent 'Authorization: Bearer 3f9c0d1e7a'"),
    "list": ("lines", ["password=3f9c0d1e7a", "fine"]),
    "basic": ("detail", "Basic 3f9c0d1e7aAA=="),
}


def written(*events: tuple[str, dict], level: str = "debug") -> list[dict]:
    out = io.StringIO()
    logs = Logs(level, out, now=lambda: 1_700_000_000.5)
    for name, fields in events:
        logs.event(name, **fields)
    logs.close()
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_is_one_object_with_its_time_level_and_event():
    (told,) = written(("swapped", {"model": "trees", "number": 2, "reason": ""}))
    assert told == {"time": "2023-11-14T22:13:20.500+00:00", "level": "info", "event": "swapped", "model": "trees", "number": 2}


@pytest.mark.parametrize("case", SECRETS)
def test_no_secret_is_written(case):
    field, value = SECRETS[case]
    line = line_of(0.0, "error", "failed", {field: value})
    assert "3f9c0d1e7a" not in line
    assert HIDDEN in line


@pytest.mark.parametrize("text", ['a\n{"event": "swapped"}', "a\r\nb", "\x1b[2Jgone", "\x7f", "\u2028", "a\x00b"])
def test_nothing_in_a_field_forges_a_line_or_moves_a_terminal(text):
    line = line_of(0.0, "info", "request", {"path": text})
    assert line.count("\n") == 1
    assert line.isascii()
    assert all(letter.isprintable() for letter in line[:-1])
    assert json.loads(line)["path"] == text


def test_numbers_that_json_has_not_are_words():
    (told,) = written(("odd", {"value": float("nan"), "other": float("-inf")}))
    assert (told["value"], told["other"]) == ("nan", "-inf")


def test_answers_are_told_at_debug_and_degraded_ones_always():
    fine = Answer("trees", "1.2.3", 1, "d", {"p_up": np.array([0.5])})
    poor = Answer("trees", "1.2.3", 1, "d", {"p_up": np.array([0.5])}, source="prior", degraded=True, reason="model_error")
    told = {}
    for level in ("debug", "info"):
        out = io.StringIO()
        logs = Logs(level, out)
        logs.answered(fine, 1e-4)
        logs.answered(poor, 1e-4)
        logs.close()
        told[level] = [(line["level"], line.get("reason")) for line in map(json.loads, out.getvalue().splitlines())]
    assert told == {"debug": [("debug", None), ("warning", "model_error")], "info": [("warning", "model_error")]}


def test_a_disk_that_stands_still_stops_nobody_and_the_loss_is_told():
    class Stuck(io.StringIO):
        go = threading.Event()

        def write(self, text: str) -> int:
            self.go.wait(30)
            return super().write(text)

    out = Stuck()
    logs = Logs("info", out)
    for number in range(QUEUED + 100):
        logs.event("request", number=number)
    out.go.set()
    logs.close()
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    dropped = sum(line["lines"] for line in lines if line["event"] == "log_lines_dropped")
    kept = sum(line["event"] == "request" for line in lines)
    assert 98 <= dropped <= 100
    assert kept + dropped == QUEUED + 100

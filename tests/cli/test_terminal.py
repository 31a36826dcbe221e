"""What a run says where nobody can watch a bar: few lines, and never none for long."""

import pytest

from barmill.cli import terminal


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(terminal, "time", clock)
    return clock


def test_a_long_stage_says_a_minute_apart_how_long_it_may_still_take(clock, capsys):
    listener = terminal.Terminal()
    for done in range(1, 301):  # a step a second
        listener.progressed("fit lstm", done, 300, "")
        clock.now += 1.0
    said = [line for line in capsys.readouterr().err.splitlines() if line]
    assert said == [
        "fit lstm: 4 of 300, at most 4 min 56 s to go",
        "fit lstm: 64 of 300, at most 3 min 56 s to go",
        "fit lstm: 124 of 300, at most 2 min 56 s to go",
        "fit lstm: 184 of 300, at most 1 min 56 s to go",
        "fit lstm: 244 of 300, at most 56.0 s to go",
    ]


def test_a_stage_that_is_over_at_once_says_nothing_of_its_steps(clock, capsys):
    listener = terminal.Terminal()
    for done in range(1, 301):
        listener.progressed("fit lstm", done, 300, "")
        clock.now += 0.005
    assert capsys.readouterr().err == ""

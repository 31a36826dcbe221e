"""Threads that are waited for until a deadline, and counted when they are left behind."""

import threading
from itertools import count

import pytest

from barmill.serving.workers import TooLate, Workers


def test_what_is_returned_or_raised_comes_out():
    workers = Workers(2)
    assert workers.run(lambda: 41 + 1, 60.0) == 42
    with pytest.raises(KeyError, match="planted"):
        workers.run(lambda: {}["planted"], 60.0)
    workers.close()


def test_a_call_that_never_ends_is_left_behind_and_counted_until_it_comes_back():
    workers, gate, back, stuck = Workers(1), threading.Event(), threading.Event(), []

    def told(change: int) -> None:
        stuck.append(change)
        if change < 0:
            back.set()

    with pytest.raises(TooLate) as late:
        workers.run(gate.wait, 0.5, told)
    assert late.value.started
    assert stuck == [1]
    gate.set()
    assert back.wait(60)
    assert stuck == [1, -1]
    assert workers.run(lambda: "next", 60.0) == "next"
    workers.close()


def test_a_call_that_found_no_free_thread_says_so_and_is_never_made():
    workers, gate, began, made = Workers(1), threading.Event(), threading.Event(), []

    def block() -> None:
        began.set()
        gate.wait()

    first = threading.Thread(target=lambda: workers.run(block, 60.0))
    first.start()
    assert began.wait(60)
    with pytest.raises(TooLate) as late:
        workers.run(lambda: made.append(1), 0.02)
    assert not late.value.started
    gate.set()
    first.join()
    assert workers.run(lambda: list(made), 60.0) == []
    workers.close()


def test_no_more_threads_are_begun_than_are_needed_or_allowed():
    names, before = set(), threading.active_count()
    workers, numbers = Workers(3, "counted"), count()
    for _ in range(20):
        workers.run(lambda: names.add(threading.current_thread().name), 60.0)
    together = threading.Barrier(3)
    callers = [threading.Thread(target=lambda: workers.run(lambda: (together.wait(60), next(numbers)), 60.0)) for _ in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert threading.active_count() - before <= 3
    assert next(numbers) == 3
    workers.close()

"""A version that fails often is left alone for a while, and then tried once."""

from barmill.serving.breaker import Breaker
from barmill.serving.settings import PlaneSettings

SETTINGS = PlaneSettings(breaker_failures=5, breaker_window=10.0, breaker_open=30.0)


def opened(at: float = 4.0) -> Breaker:
    breaker = Breaker(SETTINGS)
    assert [breaker.failed(at - 4 + second) for second in range(5)] == [False, False, False, False, True]
    return breaker


def test_five_failures_in_ten_seconds_open_it_for_thirty():
    breaker = opened()
    assert breaker.state == "open"
    assert not breaker.allows(33.9)
    assert breaker.allows(34.0)


def test_failures_that_lie_further_apart_leave_it_closed():
    breaker = Breaker(SETTINGS)
    assert not any(breaker.failed(3.0 * number) for number in range(50))
    assert breaker.state == "closed"


def test_one_request_alone_tries_a_half_open_one():
    breaker = opened()
    assert [breaker.allows(40.0) for _ in range(4)] == [True, False, False, False]
    assert breaker.state == "half_open"


def test_a_trial_that_goes_well_closes_it_and_forgets_the_failures():
    breaker = opened()
    assert breaker.allows(40.0)
    breaker.succeeded()
    assert breaker.state == "closed"
    assert not breaker.failed(40.5)


def test_a_trial_that_fails_opens_it_for_another_thirty_seconds():
    breaker = opened()
    assert breaker.allows(40.0)
    breaker.failed(41.0)
    assert not breaker.allows(70.9)
    assert breaker.allows(71.0)


def test_a_trial_of_which_nobody_tells_does_not_keep_it_open_for_ever():
    breaker = opened()
    assert breaker.allows(40.0)
    assert not breaker.allows(69.9)
    assert breaker.allows(70.0)


def test_an_answer_to_a_request_from_before_does_not_close_it():
    breaker = opened()
    breaker.succeeded()
    assert not breaker.allows(5.0)

"""Every kind of refusal has one status code, and is written so that a client can act on it."""

from typing import get_args

import grpc
import pytest

from barmill.serving.grpc.statuses import CODES, details_of, trailers_of
from barmill.serving.refusals import Kind, Refusal


def test_the_table_is_complete() -> None:
    assert set(CODES) == set(get_args(Kind))


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("invalid", "INVALID_ARGUMENT"),
        ("malformed", "INVALID_ARGUMENT"),
        ("not_found", "NOT_FOUND"),
        ("too_many", "RESOURCE_EXHAUSTED"),
        ("too_large", "RESOURCE_EXHAUSTED"),
        ("unavailable", "UNAVAILABLE"),
        ("timed_out", "DEADLINE_EXCEEDED"),
        ("unauthorised", "UNAUTHENTICATED"),
        ("forbidden", "PERMISSION_DENIED"),
        ("conflict", "FAILED_PRECONDITION"),
        ("precondition", "FAILED_PRECONDITION"),
        ("failed", "INTERNAL"),
    ],
)
def test_refusals_have_the_codes_that_clients_expect(kind: Kind, code: str) -> None:
    assert CODES[kind] is grpc.StatusCode[code]


def test_a_refusal_says_when_to_try_again() -> None:
    refusal = Refusal("unavailable", "overloaded", "plane", "256 requests are pending", retry_after=1.5)
    assert trailers_of(refusal) == (("barmill-code", "overloaded"), ("barmill-field", "plane"), ("grpc-retry-pushback-ms", "1500"))
    assert details_of(refusal) == "plane: 256 requests are pending."


def test_words_of_a_stranger_do_not_break_the_headers() -> None:
    refusal = Refusal("invalid", "unknown_parameter", "parameters.naïve\r\nx: y\x00", "no" * 5000)
    assert dict(trailers_of(refusal))["barmill-field"] == "parameters.na?ve??x: y?"
    assert len(details_of(refusal)) < 2100

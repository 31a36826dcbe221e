import pytest

from barmill.console.figures import basis_points, duration, fixed, instant, listed, percent, plural, significant, span

N = "\N{NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.0, "0"),
        (12345.6, "12,346"),
        (123.456, "123"),
        (1.23456, "1.23"),
        (0.00123456, "0.00123"),
        (-0.5, "−0.500"),
        (1.234e-7, "1.23e−7"),
        (2.5e11, "2.50e11"),
        (None, "n/a"),
        (float("nan"), "n/a"),
        (float("inf"), "∞"),
        (float("-inf"), "−∞"),
    ],
)
def test_significant_digits(value: float | None, said: str) -> None:
    assert significant(value) == said


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0.7123, f"71.2{N}%"),
        (0.0001, f"0.01{N}%"),
        (-1.5, f"−150{N}%"),
        (0.0, f"0{N}%"),
        (1.0, f"100{N}%"),
        (None, "n/a"),
        (float("inf"), "∞"),
    ],
)
def test_shares_read_as_percent(share: float | None, said: str) -> None:
    assert percent(share) == said


def test_what_rounds_to_zero_has_no_minus() -> None:
    assert fixed(-0.0004, 2) == "0.00"
    assert fixed(-0.006, 2) == "−0.01"
    assert basis_points(-0.001) == f"0.00{N}bps"


def test_basis_points_show_two_decimals_at_most() -> None:
    assert basis_points(-0.2000001) == f"−0.20{N}bps"
    assert basis_points(10.23) == f"10.2{N}bps"
    assert basis_points(None) == "n/a"


def test_an_interval_with_an_unknown_end_is_unknown() -> None:
    assert span(0.508, 0.5383, 3) == "0.508 to 0.538"
    assert span(0.508, None, 3) == "n/a"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.213, f"0.213{N}s"), (192.4, f"3{N}min 12{N}s"), (7260, f"2{N}h 1{N}min"), (121 * 86_400, f"121{N}days"), (None, "n/a")],
)
def test_durations_in_their_natural_unit(seconds: float | None, said: str) -> None:
    assert duration(seconds) == said


def test_words() -> None:
    assert (plural(1, "trial"), plural(1200, "trial"), plural(None, "trial")) == ("1 trial", "1,200 trials", "n/a trials")
    assert (listed(["a"]), listed(["a", "b", "c"]), listed([])) == ("a", "a, b and c", "")


def test_instants_are_utc_or_nothing() -> None:
    moment = instant("2023-08-01 00:00 UTC")
    assert moment is not None
    assert moment.isoformat() == "2023-08-01T00:00:00+00:00"
    assert instant("soon") is None
    assert instant(None) is None

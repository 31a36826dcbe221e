"""The series that a model continues."""

import pytest

from barmill.errors import RecipeError
from barmill.models.target_column import target_column


@pytest.mark.parametrize(
    ("names", "column"),
    [
        (("rsi_14", "return_1", "log_return_1"), 2),
        (("rsi_14", "return_1"), 1),
        (("rsi_14", "log_return_10"), 0),
        (("open", "high", "low", "close", "volume"), 3),
    ],
)
def test_without_a_name_it_is_the_one_bar_return_or_the_close_or_else_the_first_feature(names: tuple[str, ...], column: int) -> None:
    assert target_column("nbeats", None, names) == column


def test_a_named_feature_is_taken_and_an_unknown_one_is_answered_with_the_nearest() -> None:
    assert target_column("nbeats", "rsi_14", ("log_return_1", "rsi_14")) == 1
    with pytest.raises(RecipeError, match=r"model 'nbeats', target: no feature named 'rsi_41'\. Did you mean 'rsi_14'\?"):
        target_column("nbeats", "rsi_41", ("log_return_1", "rsi_14"))

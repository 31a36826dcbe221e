"""Splits of a recipe: shares, and bars or durations."""

import pytest
from pydantic import ValidationError

from barmill.market import Timeframe
from barmill.splits import SplitConfig


def test_defaults_are_those_of_the_issue():
    config = SplitConfig()
    assert (config.train, config.validation, config.test) == (0.70, 0.15, 0.15)
    assert (config.purge, config.embargo) == (60, 1440)


@pytest.mark.parametrize(
    ("value", "timeframe", "bars"),
    [(1440, "5m", 1440), ("1d", "1m", 1440), ("1d", "5m", 288), ("90m", "1h", 2), ("4h", "1d", 1), (0, "1m", 0)],
)
def test_a_duration_is_the_bars_that_fill_it(value: int | str, timeframe: str, bars: int):
    config = SplitConfig(purge=value, embargo=value)
    assert config.purge_bars(Timeframe.parse(timeframe)) == bars
    assert config.embargo_bars(Timeframe.parse(timeframe)) == bars


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": 0.8}, "the three shares add up to 1.1; make them add up to 1"),
        ({"train": 1.0}, "less than 1"),
        ({"embargo": "soon"}, "'soon' is neither a number of bars nor a duration such as 90m, 4h or 1d"),
        ({"purge": -1}, "greater than or equal to 0"),
        ({"purge": 1.5}, "valid integer"),
        ({"purge": True}, "valid integer"),
        ({"method": "random"}, "'holdout'"),
        ({"embargoo": 3}, "Extra inputs"),
    ],
)
def test_what_is_wrong_in_a_recipe_is_refused(changes: dict, message: str):
    with pytest.raises(ValidationError, match=message):
        SplitConfig(**changes)


def test_json_gives_the_config_back():
    config = SplitConfig(purge="1d", embargo=12)
    assert SplitConfig.model_validate_json(config.model_dump_json()) == config

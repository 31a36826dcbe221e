"""The cross-validation of a recipe."""

import pytest
from pydantic import ValidationError

from barmill.market import Timeframe
from barmill.splits import CombinatorialPurgedCV, CrossValidationConfig, PurgedKFold, WalkForward

MINUTE = Timeframe.parse("1m")


def test_the_default_is_ten_groups_of_which_two_judge():
    splitter = CrossValidationConfig().splitter(MINUTE, purge_bars=60, embargo_bars=1440)
    assert isinstance(splitter, CombinatorialPurgedCV)
    assert (splitter.n_groups, splitter.n_test_groups, splitter.purge, splitter.embargo) == (10, 2, 60, 1440)
    assert splitter.get_n_splits() == 45


def test_each_method_gives_its_splitter():
    folds = CrossValidationConfig(method="purged_kfold").splitter(MINUTE, 60, 1440)
    assert isinstance(folds, PurgedKFold)
    assert folds.n_splits == 5
    config = CrossValidationConfig(method="walk_forward", train_size="120d", test_size="60d", anchored=True, embargo="1h", purge=3)
    walk = config.splitter(Timeframe.parse("5m"), 60, 1440)
    assert isinstance(walk, WalkForward)
    assert (walk.train_size, walk.test_size, walk.anchored, walk.n_splits) == ("120d", "60d", True, None)
    assert (walk.purge, walk.embargo) == (3, 12)
    assert config.needs_times
    assert not CrossValidationConfig(method="walk_forward", train_size=500, test_size=100).needs_times


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "kfold"}, "'cpcv', 'purged_kfold' or 'walk_forward'"),
        ({"n_splits": 5}, "'n_splits' belongs to purged_kfold and walk_forward, and the method is cpcv"),
        ({"method": "purged_kfold", "n_groups": 6}, "'n_groups' belongs to cpcv, and the method is purged_kfold"),
        ({"method": "purged_kfold", "n_splits": 1}, "one fold leaves nothing to train on"),
        ({"n_groups": 3, "n_test_groups": 3}, "3 of 3 groups would judge; leave at least one to train on"),
        ({"n_groups": 40, "n_test_groups": 20}, "make 137,846,528,820 splits; at most 10,000"),
        ({"method": "walk_forward", "train_size": "soon"}, "'soon' is no size; expected a number of bars"),
        ({"method": "walk_forward", "test_size": 0}, "0 is no size"),
        ({"embargo": "soon"}, "'soon' is neither a number of bars nor a duration"),
        ({"groups": 3}, "Extra inputs"),
    ],
)
def test_what_is_wrong_in_a_recipe_is_refused(changes: dict, message: str):
    with pytest.raises(ValidationError, match=message):
        CrossValidationConfig(**changes)


@pytest.mark.parametrize(
    "config", [CrossValidationConfig(n_groups=6, embargo="1d"), CrossValidationConfig(method="walk_forward", train_size=90)]
)
def test_json_gives_the_config_back(config: CrossValidationConfig):
    assert CrossValidationConfig.model_validate_json(config.model_dump_json()) == config

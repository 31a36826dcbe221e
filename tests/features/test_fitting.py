"""Features that learn: on training rows alone, before anything is computed with them."""

import numpy as np
import pytest

from barmill.errors import InputError, SchemaError
from barmill.features import FeaturePlan

LEARNED = "hmm_probability_2_1(log_return_1,realised_volatility_20)"
PLAN = FeaturePlan.build(timeframes=("1m",), add=(LEARNED, f"zscore_20({LEARNED})"), needs=())
STRETCHES = [(0, 799), (1_000, 1_499)]


def test_nothing_is_computed_before_the_fit(bars):
    assert [feature.name for feature in PLAN.unfitted] == [LEARNED]
    with pytest.raises(SchemaError, match=r"not fitted\. Fit the plan on training rows first"):
        PLAN.compute(bars)


def test_what_is_not_in_the_stretches_does_not_move_the_fit(bars):
    fitted = PLAN.fit(bars, STRETCHES)
    assert fitted.unfitted == ()
    assert PLAN.fit(bars.slice(0, 1_500), STRETCHES).fitted == fitted.fitted
    assert PLAN.fit(bars, [(0, 799)]).fitted != fitted.fitted


def test_a_fitted_plan_goes_through_json_with_its_numbers(bars):
    fitted = PLAN.fit(bars, STRETCHES)
    again = FeaturePlan.from_json(fitted.to_json())
    assert again.fitted == fitted.fitted
    assert again.schema_hash == PLAN.schema_hash
    np.testing.assert_array_equal(again.compute(bars).values, fitted.compute(bars).values)
    short = {"fitted": {LEARNED: [1.0]}}
    with pytest.raises(SchemaError, match="1 fitted numbers; expected"):
        FeaturePlan.from_json(fitted.to_json() | short).compute(bars)


def test_the_plan_without_fits_has_what_the_others_are_computed_from(bars):
    rest = PLAN.without_fits()
    assert LEARNED not in rest.names
    assert {"log_return_1", "realised_volatility_20"} <= set(rest.names)
    assert rest.unfitted == ()
    fitted = PLAN.fit(bars, STRETCHES)
    assert fitted.without_fits() is fitted


def test_a_fit_needs_rows(bars):
    for stretches in ([], [(0, 3)]):
        with pytest.raises(InputError, match="no training row on which its arguments have a value"):
            PLAN.fit(bars, stretches)

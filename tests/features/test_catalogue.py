"""Names and what they stand for."""

import math
import re

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from pydantic import ValidationError

from barmill.errors import RecipeError
from barmill.features import FEATURES, parse_feature, usual_feature, warm_kernels
from barmill.features.kernels import KERNELS
from barmill.features.spec import Feature
from barmill.market import Timeframe

MINUTE = Timeframe.parse("1m")


@st.composite
def features_of_any_kind(draw):
    """A feature with parameters from their own ranges, on the base or a higher timeframe."""
    spec = FEATURES[draw(st.sampled_from(sorted(FEATURES)))]
    params = {}
    for name, field in spec.params.model_fields.items():
        bounds = {type(bound).__name__: getattr(bound, type(bound).__name__.lower()) for bound in field.metadata}
        low, high = bounds.get("Ge", bounds.get("Gt", 0)), bounds.get("Le", bounds.get("Lt", 1e9))
        whole = draw(st.integers(math.floor(low), math.ceil(min(high, low + 500))))
        params[name] = whole if field.annotation is int else draw(st.sampled_from([0.05, 0.25, 0.5, float(whole)]))
    try:
        made = spec.params.model_validate(params)
    except ValidationError:  # out of a range that is open, or a fast mean slower than the slow one
        reject()
    timeframe = draw(st.sampled_from([None, "5m", "1h", "1d"]))
    higher = None if timeframe is None or spec.base_only else Timeframe.parse(timeframe)
    return Feature(spec, made, higher, usual_feature(spec, higher).args)


@given(features_of_any_kind())
def test_a_name_and_its_feature_determine_each_other(feature):
    assert parse_feature(feature.name, MINUTE) == feature
    assert parse_feature(feature.name, MINUTE).name == feature.name


def test_the_base_timeframe_and_other_spellings_of_one_come_to_one_name():
    assert parse_feature("rsi_14@1m", MINUTE).name == "rsi_14"
    assert parse_feature("rsi_14@60m", MINUTE).name == "rsi_14@1h"
    assert parse_feature("bollinger_width_20_2.5", MINUTE).name == "bollinger_width_20_2.5"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rsl_14", "features: no feature named 'rsl_14'. Did you mean 'rsi_14'?"),
        ("macd_histo_12_26_9@5m", "features: no feature named 'macd_histo_12_26_9@5m'. Did you mean 'macd_hist_12_26_9@5m'?"),
        ("zzz", "features: no feature named 'zzz'. 'barmill features list' shows them all."),
        ("", "features: no feature named ''. 'barmill features list' shows them all."),
        ("rsi", "features: 'rsi': 0 parameters; expected window, as in 'rsi_14'."),
        ("rsi_14_3", "features: 'rsi_14_3': 2 parameters; expected window, as in 'rsi_14'."),
        ("time_of_day_sin_3", "features: 'time_of_day_sin_3': 1 parameters; expected none: 'time_of_day_sin'."),
        ("rsi_1", "features: 'rsi_1': window: is 1; expected greater than or equal to 2."),
        ("rsi_14.5", "features: 'rsi_14.5': window: is 14.5; expected a valid integer, unable to parse string as an integer."),
        ("rsi_014", "features: 'rsi_014' is another spelling. Write 'rsi_14'."),
        ("macd_26_12_9", "features: 'macd_26_12_9': parameters do not fit together; expected fast must be below slow."),
        ("rsi_14@5x", "features: 'rsi_14@5x': no timeframe '5x'; expected such as 5m, 1h or 1d."),
        ("rsi_14@", "features: 'rsi_14@': no timeframe ''; expected such as 5m, 1h or 1d."),
        ("time_of_day_sin@5m", "features: 'time_of_day_sin@5m': time_of_day_sin has no higher timeframe. Write 'time_of_day_sin'."),
    ],
)
def test_a_bad_name_is_refused_and_told_why(name, message):
    with pytest.raises(RecipeError, match=re.escape(message) + "$"):
        parse_feature(name, MINUTE)


def test_a_timeframe_must_be_a_multiple_of_the_base():
    with pytest.raises(RecipeError, match=r"'rsi_14@7m': timeframe 7m on 5m bars; expected a whole multiple of 5m\."):
        parse_feature("rsi_14@7m", Timeframe.parse("5m"))
    with pytest.raises(RecipeError, match="timeframe 1m on 5m bars"):
        parse_feature("rsi_14@1m", Timeframe.parse("5m"))


def test_warming_the_kernels_tells_how_far_it_is():
    class Told:
        def __init__(self):
            self.steps = []

        def update(self, done, total, note=""):
            self.steps.append((done, total, note))

    told = Told()
    warm_kernels(told)
    assert [done for done, _, _ in told.steps] == list(range(len(told.steps)))
    assert told.steps[-1][0] == told.steps[-1][1]
    assert {kernel.name for kernel in KERNELS} <= {note for _, _, note in told.steps}


def test_every_kernel_serves_a_feature_or_a_public_function():
    used = {spec.kernel.name for spec in FEATURES.values()} | {"obv"}
    assert used == {kernel.name for kernel in KERNELS}

"""Session: the time of day and of the week, as points on a circle, so that midnight is next to midnight."""

from barmill.features.kernels import cycles
from barmill.features.params import NoParams
from barmill.features.spec import FeatureSpec

FAMILY = "session"

FEATURES = (
    FeatureSpec(
        name="time_of_day_sin",
        family=FAMILY,
        version=1,
        params=NoParams,
        usual=NoParams(),
        inputs=("close_time",),
        kernel=cycles.cycles,
        output="day_sin",
        kernel_params=lambda _: (),
        lookback=lambda _: 0,
        unit="-1 to 1",
        formula="sin(2π·share of the UTC day gone at the bar's close)",
        source="Andersen & Bollerslev (1997), Journal of Empirical Finance 4",
        base_only=True,
    ),
    FeatureSpec(
        name="time_of_day_cos",
        family=FAMILY,
        version=1,
        params=NoParams,
        usual=NoParams(),
        inputs=("close_time",),
        kernel=cycles.cycles,
        output="day_cos",
        kernel_params=lambda _: (),
        lookback=lambda _: 0,
        unit="-1 to 1",
        formula="cos(2π·share of the UTC day gone at the bar's close)",
        source="Andersen & Bollerslev (1997), Journal of Empirical Finance 4",
        base_only=True,
    ),
    FeatureSpec(
        name="time_of_week_sin",
        family=FAMILY,
        version=1,
        params=NoParams,
        usual=NoParams(),
        inputs=("close_time",),
        kernel=cycles.cycles,
        output="week_sin",
        kernel_params=lambda _: (),
        lookback=lambda _: 0,
        unit="-1 to 1",
        formula="sin(2π·share of the UTC week gone at the bar's close); the week starts on Monday",
        source="Andersen & Bollerslev (1997), Journal of Empirical Finance 4",
        base_only=True,
    ),
    FeatureSpec(
        name="time_of_week_cos",
        family=FAMILY,
        version=1,
        params=NoParams,
        usual=NoParams(),
        inputs=("close_time",),
        kernel=cycles.cycles,
        output="week_cos",
        kernel_params=lambda _: (),
        lookback=lambda _: 0,
        unit="-1 to 1",
        formula="cos(2π·share of the UTC week gone at the bar's close); the week starts on Monday",
        source="Andersen & Bollerslev (1997), Journal of Empirical Finance 4",
        base_only=True,
    ),
)

__all__ = ["FAMILY", "FEATURES"]

"""Session: the hour and the day as a clock shows them, and how much of the session is left.

A session is the calendar's: the UTC day of a market that never closes, the day from 17:00 to 17:00 in New York for forex, the
trading day of an exchange. Opening hours are scheduled, so a bar may know when its session will close; what an exchange decides
at short notice is not in the schedule. Where a bar opens while the market is closed, the features of its session are 0.
"""

from functools import partial

from barmill.features.kernels import cycles, sessions
from barmill.features.params import MinutesParams, NoParams
from barmill.features.spec import FeatureSpec

FAMILY = "session"

_CYCLES = "Andersen & Bollerslev (1997), Journal of Empirical Finance 4"
_INTRADAY = "Wood, McInish & Ord (1985), Journal of Finance 40(3)"
_CITIES = "Ito & Hashimoto (2006), Journal of the Japanese and International Economies 20(4)"
_HOLIDAYS = "Ariel (1990), Journal of Finance 45(5)"
_MONTHS = "Ariel (1987), Journal of Financial Economics 18(1)"
_WEEKEND = "French (1980), Journal of Financial Economics 8(1)"

_feature = partial(
    FeatureSpec,
    family=FAMILY,
    version=1,
    params=NoParams,
    usual=NoParams(),
    kernel_params=lambda _: (),
    lookback=lambda _: 0,
    base_only=True,
)
_cycle = partial(_feature, inputs=("close_time",), kernel=cycles.cycles, unit="-1 to 1", source=_CYCLES)
_near = partial(
    _feature, params=MinutesParams, usual=MinutesParams(minutes=30), kernel_params=lambda p: (p.minutes,), output="is_near", unit="0 or 1"
)
_city = partial(_feature, kernel=sessions.office, output="is_open", unit="0 or 1", source=_CITIES)
_pause = partial(_feature, inputs=("open_time", "close_time"), kernel=sessions.pause, lookback=lambda _: 1, source=_WEEKEND)

FEATURES = (
    _cycle(name="time_of_day_sin", output="day_sin", formula="sin(2π·share of the UTC day gone at the bar's close)"),
    _cycle(name="time_of_day_cos", output="day_cos", formula="cos(2π·share of the UTC day gone at the bar's close)"),
    _cycle(
        name="time_of_week_sin",
        output="week_sin",
        formula="sin(2π·share of the UTC week gone at the bar's close); the week starts on Monday",
    ),
    _cycle(
        name="time_of_week_cos",
        output="week_cos",
        formula="cos(2π·share of the UTC week gone at the bar's close); the week starts on Monday",
    ),
    _feature(
        name="minutes_since_open",
        inputs=("close_time", "session_open", "in_session"),
        kernel=sessions.since_open,
        output="minutes",
        unit="minutes",
        formula="from the session's open to the bar's close; 0 if the market is closed",
        source=_INTRADAY,
    ),
    _feature(
        name="minutes_to_close",
        inputs=("close_time", "session_close", "in_session"),
        kernel=sessions.to_close,
        output="minutes",
        unit="minutes",
        formula="from the bar's close to the scheduled close of its session, half days included; 0 if the market is closed",
        source=_INTRADAY,
    ),
    _feature(
        name="session_progress",
        inputs=("close_time", "session_open", "session_close", "in_session"),
        kernel=sessions.progress,
        output="share",
        unit="0 to 1",
        formula="share of the session gone at the bar's close; 0 if the market is closed",
        source=_INTRADAY,
    ),
    _near(
        name="near_open",
        inputs=("close_time", "session_open", "in_session"),
        kernel=sessions.near_open,
        formula="1 if the bar closes within the session's first n minutes, else 0",
        source=_INTRADAY,
    ),
    _near(
        name="near_close",
        inputs=("open_time", "session_close", "in_session"),
        kernel=sessions.near_close,
        formula="1 if the bar opens within the session's last n minutes, else 0",
        source=_INTRADAY,
    ),
    _feature(
        name="closed_ahead",
        inputs=("session_close", "next_session_open"),
        kernel=sessions.closed_ahead,
        output="minutes",
        unit="minutes",
        formula="from the scheduled close of the session to the next open: a night, a weekend; 0 if the market is closed",
        source=_WEEKEND,
    ),
    _feature(
        name="holiday_eve",
        inputs=("next_session_open", "usual_next_open"),
        kernel=sessions.later_than_usual,
        output="is_later",
        unit="0 or 1",
        formula="1 if the next open is over 2 hours later than is usual after this day of the week in this year (the median), else 0",
        source=_HOLIDAYS,
    ),
    _feature(
        name="day_of_week",
        inputs=("session_day",),
        kernel=sessions.days,
        output="of_week",
        unit="0 (Monday) to 6",
        formula="of the date that the session is called by; closed hours count to the session after them",
        source=_WEEKEND,
    ),
    _feature(
        name="days_to_month_end",
        inputs=("session_day", "month_end_day"),
        kernel=sessions.days,
        output="to_month_end",
        unit="days",
        formula="from the session's date to that of the month's last session",
        source=_MONTHS,
    ),
    _city(
        name="asia_session",
        inputs=("close_time", "tokyo_open", "tokyo_close"),
        formula="1 if at the bar's close it is 09:00 to 18:00 of a weekday in Tokyo, else 0",
    ),
    _city(
        name="london_session",
        inputs=("close_time", "london_open", "london_close"),
        formula="1 if at the bar's close it is 08:00 to 17:00 of a weekday in London, else 0",
    ),
    _city(
        name="new_york_session",
        inputs=("close_time", "new_york_open", "new_york_close"),
        formula="1 if at the bar's close it is 08:00 to 17:00 of a weekday in New York, else 0",
    ),
    _city(
        name="london_new_york_overlap",
        inputs=("close_time", "london_open", "london_close", "new_york_open", "new_york_close"),
        formula="1 if at the bar's close it is office time in London and in New York, else 0",
    ),
    _pause(
        name="minutes_since_last_bar",
        output="minutes",
        unit="minutes",
        formula="from the close of the last bar to the open of this one: 0 without a gap",
    ),
    _pause(name="after_break", output="is_after", unit="0 or 1", formula="1 if the bar does not open where the last one closed, else 0"),
)

__all__ = ["FAMILY", "FEATURES"]

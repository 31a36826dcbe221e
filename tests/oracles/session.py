"""The clocks by the standard library, one bar at a time; the market of the tests never closes."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

DAY = timedelta(days=1)


def of_each(times, function):
    """`function` of each time as a datetime in UTC."""
    return np.array([function(datetime.fromtimestamp(int(time) / 1000, UTC)) for time in times], dtype=np.float64)


def cycle(turn, period, start=datetime(1970, 1, 5, tzinfo=UTC)):
    """A point on a circle that is gone round once a period; 1970-01-05 was a Monday."""
    return lambda b, p: of_each(b.close_time, lambda now: turn(2 * np.pi * (((now - start) % period) / period)))


def midnight(moment):
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def opened(b):
    """When the UTC day of each bar began."""
    return [midnight(datetime.fromtimestamp(int(time) / 1000, UTC)) for time in b.open_time]


def since_open(b, p):
    return np.array([(now - start.timestamp() * 1000) / 60_000 for now, start in zip(b.close_time, opened(b), strict=True)])


def office(*cities):
    """Whether it is a weekday and between the hours in each of these cities."""

    def open_in(now, zone, first, last):
        there = now.astimezone(ZoneInfo(zone))
        return there.weekday() < 5 and first <= there.hour < last

    return lambda b, p: of_each(b.close_time, lambda now: all(open_in(now, *city) for city in cities))


def month_end(b, p):
    def left(now):
        first_of_next = (now.date().replace(day=1) + 32 * DAY).replace(day=1)
        return (first_of_next - timedelta(days=1) - date(now.year, now.month, now.day)).days

    return of_each(b.open_time, left)


def pause(b):
    return np.concatenate([[np.nan], (b.open_time[1:] - b.close_time[:-1]) / 60_000])


TOKYO, LONDON, NEW_YORK = ("Asia/Tokyo", 9, 18), ("Europe/London", 8, 17), ("America/New_York", 8, 17)

ORACLES = {
    "time_of_day_sin": cycle(np.sin, DAY),
    "time_of_day_cos": cycle(np.cos, DAY),
    "time_of_week_sin": cycle(np.sin, 7 * DAY),
    "time_of_week_cos": cycle(np.cos, 7 * DAY),
    "minutes_since_open": since_open,
    "minutes_to_close": lambda b, p: 1440 - since_open(b, p),
    "session_progress": lambda b, p: since_open(b, p) / 1440,
    "near_open": lambda b, p: since_open(b, p) <= p.minutes,
    "near_close": lambda b, p: since_open(b, p) > 1440 - p.minutes,
    "closed_ahead": lambda b, p: np.zeros(len(b.close)),
    "holiday_eve": lambda b, p: np.zeros(len(b.close)),
    "day_of_week": lambda b, p: of_each(b.open_time, lambda now: now.weekday()),
    "days_to_month_end": month_end,
    "asia_session": office(TOKYO),
    "london_session": office(LONDON),
    "new_york_session": office(NEW_YORK),
    "london_new_york_overlap": office(LONDON, NEW_YORK),
    "minutes_since_last_bar": lambda b, p: pause(b),
    "after_break": lambda b, p: np.where(np.isnan(pause(b)), np.nan, pause(b) > 0),
}

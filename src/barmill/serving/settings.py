"""What an operator may set of the plane; the defaults are meant for one model of a few milliseconds on a small machine."""

from dataclasses import dataclass, fields

from barmill.errors import InputError

_MAY_BE_ZERO = frozenset({"range_iqr", "future_seconds", "drain_seconds"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneSettings:
    """Limits, deadlines and what happens when a model does not answer.

    max_seconds : of one request, whatever deadline it names
    max_pending : requests in the plane at once; the next are refused at once, instead of waiting in a queue without end
    max_rows : rows of one request, asked for or given as features
    max_bars : bars of one request, history included
    retry_after : seconds that a refused request is told to wait
    threads : on which models run that are not answered inline, and batches
    max_stuck : threads that one version may hold beyond its deadlines; with as many it is not asked until one comes back
    inline_seconds : a version that answers one row faster, as measured when it warmed up, may be answered on an event loop
    first_share : of the time that is left, what the first of a chain may take where another stands behind it
    prior : whether the constant prior answers where no model does
    breaker_failures, breaker_window, breaker_open : so many failures of a version within so many seconds, and it is not asked for so many
    max_expected_return : largest |E_r|, a log return, that is given out
    range_iqr : features further than so many interquartile ranges outside those of training are told in the answer's notes
    future_seconds : by how much a bar may close after this machine's clock
    max_bar_age_seconds : how long ago the last bar may have closed; None for any time, as a replay of history needs
    drain_seconds : how long a retired version may finish what it began before it is forgotten
    slower_at_most : a new version may answer so many times slower than the champion
    shadow_queue : requests that wait for the shadow; more are dropped, and counted
    """

    max_seconds: float = 2.0
    max_pending: int = 256
    max_rows: int = 4096
    max_bars: int = 65_536
    retry_after: float = 1.0
    threads: int = 8
    max_stuck: int = 3
    inline_seconds: float = 0.001
    first_share: float = 0.8
    prior: bool = True
    breaker_failures: int = 5
    breaker_window: float = 10.0
    breaker_open: float = 30.0
    max_expected_return: float = 1.0
    range_iqr: float = 3.0
    future_seconds: float = 5.0
    max_bar_age_seconds: float | None = None
    drain_seconds: float = 30.0
    slower_at_most: float = 10.0
    shadow_queue: int = 64

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or value is None:
                continue
            if not (value >= 0 if field.name in _MAY_BE_ZERO else value > 0):
                raise InputError(f"settings.{field.name}", f"is {value}", expected="more than 0")
        if self.first_share > 1:
            raise InputError("settings.first_share", f"is {self.first_share}", expected="at most 1")
        if self.max_stuck >= self.threads:
            found = f"is {self.max_stuck} of {self.threads} threads"
            raise InputError("settings.max_stuck", found, expected="fewer than threads, so that other versions still answer")


__all__ = ["PlaneSettings"]

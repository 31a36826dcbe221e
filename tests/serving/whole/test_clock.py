"""A clock that is put back, or jumps ahead, in the middle of streams: no forecast changes, and no bar is taken twice."""

import numpy as np
import pytest

from barmill.serving.answers import Ask, RawBars
from barmill.serving.model_table import ModelTable
from barmill.serving.plane import Plane
from barmill.serving.refusals import Refusal
from barmill.serving.streams import Streams

pytestmark = pytest.mark.xdist_group("small served bundles")

HOUR = 3600.0


class Clock:
    """Unix time as the test sets it; and seconds that only grow, of which it knows nothing."""

    def __init__(self, now):
        self.now, self.grown = now, 1000.0

    def wall(self):
        return self.now

    def timer(self):
        return self.grown

    def pass_by(self, seconds):
        self.now, self.grown = self.now + seconds, self.grown + seconds


@pytest.mark.parametrize("jump", [-HOUR, -24 * HOUR, -365 * 24 * HOUR, 24 * HOUR])
def test_a_clock_that_jumps_changes_no_forecast_and_takes_no_bar_twice(jump, served_of, making, tmp_path):
    served = served_of("logistic")
    bars = making.walk(served.bundle.needed_bars + 60, seed=31)
    begin = served.bundle.needed_bars
    alone = served.bundle.stream()
    expected = [alone.push(bars.bar(row)) for row in range(len(bars))]
    clock = Clock(bars.open_time[begin] / 1000 + 60)

    def started():
        table = ModelTable(clock=clock.timer)
        table.install(served, champion=True)
        streams = Streams(tmp_path, timer=clock.timer, clock=clock.wall)
        return Plane(table, streams, clock=clock.timer, wall=clock.wall)

    plane, ask = started(), Ask("logistic")
    history = bars.slice(0, begin)
    plane.extend(ask, "a", raw(history))
    for row in range(begin, len(bars)):
        if row == begin + 10:
            clock.now += jump
        if row == begin + 30:  # a restart; what begins under a clock that is slow has to take live bars for bars of the future
            plane.close(5.0)
            clock.now -= min(jump, 0)
            plane = started()
            assert plane.stream(ask, "a").last_open_time == bars.open_time[row - 1]
        answer = plane.push(ask, "a", bars.bar(row))
        assert {name: float(values[0]) for name, values in answer.columns.items()} == {
            name: expected[row][name] for name in served.bundle.outputs
        }
        assert answer.stream.bars_seen == row + 1
        assert not answer.degraded
        again = plane.push(ask, "a", bars.bar(row))
        assert again.stream.bars_seen == row + 1
        with pytest.raises(Refusal):
            plane.push(ask, "a", bars.bar(row - 1))
        clock.pass_by(60)
    assert plane.stream(ask, "a").state == "live"
    plane.close(5.0)


def raw(bars):
    return RawBars(bars.open_time, np.column_stack([bars.open, bars.high, bars.low, bars.close, bars.volume]))

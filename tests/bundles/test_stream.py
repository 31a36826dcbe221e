"""Live equals batch, bar by bar or in any pieces, and a bar that cannot follow is refused without a trace."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from barmill.errors import DataError
from barmill.market import Bar

TOLERANCE = {"lstm": 1e-6, "pattern_cnn": 1e-6}  # all others to the bit, and what these networks see
ANSWERS = ("entry", "risk", "pattern_cnn")


@pytest.mark.parametrize(
    ("model", "n_classes"),
    [("logistic", 2), ("logistic", 3), ("lightgbm", 2), ("xgboost", 3), ("lstm", 2), *((model, 2) for model in ANSWERS)],
)
def test_live_equals_batch(making, load_once, model: str, n_classes: int) -> None:
    bundle, bars = load_once(model, n_classes), making.walk(600, 3, gaps=(230, 231, 405))
    batch = bundle.forecast(bars)
    stream = bundle.stream()
    said = [stream.push(bars.bar(row)) for row in range(len(bars))]
    live = [row for row in said if row is not None]
    assert said.count(None) == batch.n_not_ready
    assert [row["open_time"] for row in live] == batch.frame["open_time"].to_list()
    assert [row["known_at"] for row in live] == batch.frame["known_at"].to_list()
    for name in bundle.outputs:
        found = np.array([row[name] for row in live])
        if model in TOLERANCE:
            np.testing.assert_allclose(found, batch.frame[name].to_numpy(), rtol=0, atol=TOLERANCE[model])
        else:
            np.testing.assert_array_equal(found, batch.frame[name].to_numpy())


@pytest.mark.parametrize("model", ["lightgbm", "lstm", "pattern_cnn"])
def test_any_pieces_give_what_the_whole_gives(making, load_once, model: str) -> None:
    bundle, bars = load_once(model), making.walk(420, 3, gaps=(300,))
    whole = bundle.forecast(bars).frame

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.integers(0, len(bars)), max_size=6).map(sorted))
    def check(cuts: list[int]) -> None:
        stream = bundle.stream()
        rows: list[dict] = []
        for turn, (start, stop) in enumerate(zip([0, *cuts], [*cuts, len(bars)], strict=True)):
            if turn % 3 == 2 and stop - start < 40:
                rows += [row for at in range(start, stop) if (row := stream.push(bars.bar(at))) is not None]
            else:
                rows += stream.extend(bars.slice(start, stop)).frame.to_dicts()
        assert [row["open_time"] for row in rows] == whole["open_time"].to_list()
        for name in bundle.outputs:
            np.testing.assert_allclose([row[name] for row in rows], whole[name].to_numpy(), rtol=0, atol=TOLERANCE.get(model, 0.0))

    check()


def test_the_images_of_a_stream_are_those_of_the_batch_to_the_bit(making, load_once) -> None:
    bundle, bars = load_once("pattern_cnn"), making.walk(400, 3, gaps=(230,))
    whole = bundle.pipeline.closed(bars)
    images = whole.samples(np.flatnonzero(whole.ready)).gather(slice(None))
    stream = bundle.pipeline.scaler.stream(bundle.timeframe, "24/7")
    pushed = [stream.push(bars.bar(row)) for row in range(len(bars))]
    assert [one.ready.tolist() for one in pushed] == [[row >= 83] for row in range(len(bars))]
    live = np.concatenate([one.samples([0]).gather([0]) for one in pushed if one.ready[0]])
    np.testing.assert_array_equal(live, images)
    assert len({image.tobytes() for image in images}) > 300  # and they are not all alike


GOOD = Bar(0, 100.0, 101.0, 99.0, 100.5, 5.0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"step": 0}, "bar {t}: was sent before. Send each closed bar once, in time order."),
        ({"step": -60_000}, "is older than the last bar, {last}. Send each closed bar once, in time order."),
        ({"step": 61_000}, "is off the grid; expected steps of 60000 ms (1m) from the bars before, the last at {last}."),
        ({"high": 100.2}, "open 100.0, high 100.2, low 99.0, close 100.5, volume 5.0; expected 0 < low <= open, close <= high."),
        ({"low": 100.2}, "expected 0 < low <= open, close <= high."),
        ({"low": -1.0}, "expected 0 < low <= open, close <= high."),
        ({"close": float("nan")}, "is not all finite; expected five finite numbers. Send the bar again as it closed."),
        ({"volume": float("inf")}, "is not all finite"),
        ({"volume": -1.0}, "volume -1.0; expected 0 or more."),
        ({"open_time": 10**15}, "lies outside 1970 to 2100; expected the open time in UTC milliseconds."),
    ],
)
@pytest.mark.parametrize("model", ["lightgbm", "pattern_cnn"])
def test_a_bar_that_cannot_follow_is_refused_and_leaves_no_trace(making, load_once, change: dict, said: str, model: str) -> None:
    bundle, bars = load_once(model), making.walk(300, 3)
    stream, clean = bundle.stream(), bundle.stream()
    stream.extend(bars.slice(0, 299))
    clean.extend(bars.slice(0, 299))
    last = int(bars.open_time[298])
    values = dict(change)
    open_time = values.pop("open_time", last + values.pop("step", 60_000))
    with pytest.raises(DataError) as caught:
        stream.push(GOOD._replace(open_time=open_time, **values))
    assert said.format(t=open_time, last=last) in str(caught.value)
    assert stream.last_open_time == last
    assert stream.push(bars.bar(299)) == clean.push(bars.bar(299))


def test_bars_that_overlap_what_was_sent_are_refused(making, load_once) -> None:
    bundle, bars = load_once("lightgbm"), making.walk(300, 3)
    stream = bundle.stream()
    stream.extend(bars.slice(0, 200))
    with pytest.raises(DataError, match="was sent before"):
        stream.extend(bars.slice(199, 300))
    assert len(stream.extend(bars.slice(200, 300))) > 0


def test_a_first_bar_off_the_grid_sets_the_grid(making, load_once) -> None:
    stream = load_once("lightgbm").stream()
    stream.push(GOOD._replace(open_time=1_700_000_000_007))
    stream.push(GOOD._replace(open_time=1_700_000_060_007))
    with pytest.raises(DataError, match="is off the grid"):
        stream.push(GOOD._replace(open_time=1_700_000_120_000))

"""One bar at a time in memory that is there: the bits of the ordinary way, its refusals, and no array for a bar."""

import gc
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from barmill.bundles import Bundle, HotPath
from barmill.errors import DataError, ForecastError
from barmill.market import Bar
from barmill.models.contract import RawForecast

MODELS = [("logistic", 2), ("logistic", 3), ("lightgbm", 2), ("lightgbm", 3), ("xgboost", 2), ("lstm", 2), ("risk", 2)]
MODELS += [("entry", 2), ("entry_offset", 2), ("pattern_cnn", 2)]
ENSEMBLES = ["soft_voting", "ridge_stacking", "lightgbm_stacking", "softmax_gating"]
ALONE = ("logistic", "lightgbm", "entry", "risk", "three classes", *ENSEMBLES)  # whose forecasts make nothing


def ordinary(path: HotPath) -> np.ndarray:
    """What the pipeline says of the stream's last rows when it is asked as for many; not for models that see bars."""
    rows = path.stream._recent
    columns = path.bundle.pipeline.run(rows, np.array([len(rows) - 1]))
    return np.array([columns[name][0] for name in path.outputs])


@pytest.fixture(scope="module")
def history(making):
    """Bars with gaps, the first of which warm up."""
    return making.walk(290, 3, gaps=(230, 231, 265))


@pytest.fixture
def load_any(load_once, load_ensemble) -> Callable[..., Bundle]:
    def make(name: str, n_classes: int = 2) -> Bundle:
        if name in ENSEMBLES:
            return load_ensemble(name, ("logistic", "lightgbm"), n_classes)
        return load_once("logistic", 3) if name == "three classes" else load_once(name, n_classes)

    return make


@pytest.mark.parametrize(("name", "n_classes"), [*MODELS, *((kind, n) for kind in ENSEMBLES for n in (2, 3))])
def test_each_bar_gives_the_bits_of_the_ordinary_way_and_of_a_stream(load_any, history, name: str, n_classes: int) -> None:
    bundle = load_any(name, n_classes)
    path, stream = HotPath(bundle), bundle.stream()
    batch = bundle.forecast(history)
    path.extend(history.slice(0, 190))
    stream.extend(history.slice(0, 190))
    found = []
    for row in range(190, len(history)):
        bar = history.bar(row)
        said = path.push(*bar[:6])
        in_words = stream.push(bar)
        assert (path.last_open_time, path.known_at) == (bar.open_time, bar.open_time + 60_000)
        assert (said is None) == (in_words is None)
        if said is None or in_words is None:
            continue
        assert said.tolist() == [in_words[column] for column in path.outputs]
        if name != "pattern_cnn" and len(found) % 7 == 0:
            assert said.tobytes() == ordinary(path).tobytes()
        found.append(said.copy())
    assert len(found) > 60
    assert (path.allocates == "") == (name != "pattern_cnn")
    many = batch.frame.select(bundle.outputs).to_numpy()[-len(found) :]
    np.testing.assert_allclose(np.array(found), many, rtol=0, atol=1e-6 if name in ("lstm", "pattern_cnn") else 0)


def test_members_that_see_three_ways_give_the_bits_of_the_ordinary_way(load_ensemble, ensembles, history) -> None:
    bundle = load_ensemble("soft_voting", ("logistic", "lstm"))
    path = HotPath(bundle)
    path.extend(history.slice(0, 240))
    for row in range(240, 270):
        assert path.push(*history.bar(row)[:6]).tobytes() == ordinary(path).tobytes()
    assert path.allocates == ""
    wide = HotPath(load_ensemble("soft_voting", ensembles.WIDE))
    assert "sees bars" in wide.allocates


@pytest.mark.parametrize("name", ["lightgbm", "lstm"])
def test_history_given_at_once_between_bars_changes_no_bit(load_once, history, name: str) -> None:
    bundle = load_once(name)
    one, other = HotPath(bundle), HotPath(bundle)
    one.extend(history.slice(0, 230))
    other.extend(history.slice(0, 230))
    for row in range(230, 260):
        one.push(*history.bar(row)[:6])
        if row < 245:
            other.push(*history.bar(row)[:6])
    other.extend(history.slice(245, 260))
    last = history.bar(260)[:6]
    assert one.push(*last).tobytes() == other.push(*last).tobytes()


def test_a_window_warms_up_again_after_a_row_that_is_not_whole(load_once, history) -> None:
    path = HotPath(load_once("lstm"))
    path.extend(history.slice(0, 230))
    path.stream._recent[-3, 5] = np.nan
    said = [path.push(*history.bar(row)[:6]) is not None for row in range(230, 240)]
    assert said == [row >= 5 for row in range(10)], "a window of 8 holds the broken row for 5 bars more"
    assert path.stream._recent.shape == (8, len(path.bundle.plan.names))


BROKEN = st.sampled_from(["again", "older", "off the grid", "high", "low", "nan", "volume", "year"])


def broken(bar: Bar, how: str, last: int) -> tuple[float, ...]:
    change = {
        "again": {"open_time": last},
        "older": {"open_time": last - 60_000},
        "off the grid": {"open_time": last + 59_999},
        "high": {"high": bar.low / 2},
        "low": {"low": -bar.low},
        "nan": {"close": float("nan")},
        "volume": {"volume": -1.0},
        "year": {"open_time": 10**15},
    }[how]
    return bar._replace(**change)[:6]


@pytest.mark.parametrize("name", ["lightgbm", "lstm", "softmax_gating", "pattern_cnn"])
def test_a_bad_bar_is_refused_in_the_words_of_a_stream_and_leaves_no_trace(load_any, history, name: str) -> None:
    bundle = load_any(name)

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.tuples(st.integers(240, 259), BROKEN), max_size=8))
    def check(faults: list[tuple[int, str]]) -> None:
        path, stream = HotPath(bundle), bundle.stream()
        path.extend(history.slice(0, 240))
        stream.extend(history.slice(0, 240))
        for row in range(240, 260):
            bar = history.bar(row)
            for _, how in (one for one in faults if one[0] == row):
                bad = broken(bar, how, path.last_open_time)
                with pytest.raises(DataError) as refused:
                    path.push(*bad)
                with pytest.raises(DataError) as said:
                    stream.push(Bar(*bad))
                assert str(refused.value) == str(said.value)
            said_of, in_words = path.push(*bar[:6]), stream.push(bar)
            assert said_of.tolist() == [in_words[column] for column in path.outputs]
        clean = HotPath(bundle)
        clean.extend(history.slice(0, 260))
        assert path.push(*history.bar(260)[:6]).tobytes() == clean.push(*history.bar(260)[:6]).tobytes()

    check()


def test_a_further_column_too_many_is_refused(load_once, history) -> None:
    path = HotPath(load_once("logistic"))
    with pytest.raises(DataError, match="1 further columns; expected none"):
        path.push(*history.bar(0)[:6], 1.0)
    assert path.last_open_time is None
    assert path.known_at is None


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (RawForecast(np.array([np.nan]), np.array([0.1])), "logits row 0: is nan"),
        (RawForecast(np.array([0.1]), np.array([np.inf])), "E_r row 0: is inf"),
    ],
)
def test_what_the_pipeline_refuses_the_path_refuses_in_its_words(load_once, history, monkeypatch, raw: RawForecast, said: str) -> None:
    bundle = load_once("lightgbm")
    path = HotPath(bundle)
    path.extend(history.slice(0, 240))
    model = path.stream._path._model
    monkeypatch.setattr(model.row, "raw", lambda: raw)
    monkeypatch.setattr(type(bundle.pipeline.forecaster), "raw", lambda _self, _view: raw)
    with pytest.raises(ForecastError, match=said):
        path.push(*history.bar(240)[:6])
    assert path.last_open_time == history.bar(240).open_time, "the bar has gone in"


@pytest.mark.parametrize("name", ALONE)
def test_many_bars_make_no_array(load_any, making, name: str) -> None:
    bars = making.walk(10_400 if name == "logistic" else 1_400, 5)
    path = HotPath(load_any(name))
    assert path.allocates == ""
    path.extend(bars.slice(0, 300))
    first, second, *later = [bars.bar(row)[:6] for row in range(300, len(bars))]
    path.push(*first)
    taken = np.zeros(len(later), dtype=np.int64)  # of each bar, at its peak
    gc.collect()
    gc.disable()  # what it calls back in other tests' tools makes objects of its own
    tracemalloc.start()
    try:
        path.push(*second)
        began = tracemalloc.get_traced_memory()[0]
        for place, row in enumerate(later):
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            path.push(*row)
            taken[place] = tracemalloc.get_traced_memory()[1] - before
        grown = tracemalloc.get_traced_memory()[0] - began
    finally:
        tracemalloc.stop()
        gc.enable()
    assert grown < 1000, "numbers that the last bar left"
    assert np.sort(taken)[-5] < 2000, "what a rolling kernel or a NumPy sum works in while it runs"

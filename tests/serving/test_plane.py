"""The plane answers what the bundle says, to the bit, and refuses by name what the bundle does not ask for."""

import threading
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barmill.bundles import Bundle
from barmill.serving.answers import Ask, RawBars
from barmill.serving.model_table import ModelTable
from barmill.serving.plane import Plane
from barmill.serving.refusals import Refusal
from barmill.serving.schema import feature_rows, needed_features
from barmill.serving.served import warm


def raw_of(bars, n: int | None = None) -> RawBars:
    """The last `n` of `bars` as they come from outside."""
    chosen = bars if n is None else bars.slice(len(bars) - n, len(bars))
    values = np.stack([chosen.open, chosen.high, chosen.low, chosen.close, chosen.volume], axis=1)
    return RawBars(chosen.open_time.copy(), values)


@pytest.fixture(scope="module", params=["lightgbm", "lstm", "risk"])
def bundle(request, bundle_of: Callable[..., Bundle]) -> Bundle:
    return bundle_of(request.param)


@pytest.fixture(scope="module")
def plane(bundle: Bundle) -> Plane:
    table = ModelTable()
    table.install(warm(bundle, 1), champion=True)
    return Plane(table)


@pytest.fixture
def quick(served_of) -> Plane:
    """A plane of one model whose versions are made at once."""
    table = ModelTable()
    table.install(served_of("lightgbm", "1.0.0", 1), champion=True)
    return Plane(table)


def test_bars_are_forecast_as_the_bundle_forecasts_them(bundle: Bundle, plane: Plane, making: ModuleType):
    bars = making.walk(900, seed=11)
    answer = plane.forecast_bars(Ask(), raw_of(bars), last=7)
    expected = bundle.forecast(bars).frame.tail(7)
    assert (answer.source, answer.degraded, answer.reason, answer.digest) == ("champion", False, "", bundle.digest)
    assert list(answer.columns) == list(bundle.outputs)
    for name in ("open_time", "known_at"):
        np.testing.assert_array_equal(getattr(answer, name), expected[name].to_numpy())
    for name in bundle.outputs:
        np.testing.assert_array_equal(answer.columns[name], expected[name].to_numpy())


def test_features_are_forecast_as_the_bars_that_they_come_from(bundle: Bundle, plane: Plane, making: ModuleType):
    bars = making.walk(900, seed=11)
    table, depth, names = bundle.plan.compute(bars), feature_rows(bundle), needed_features(bundle)
    columns = [table.names.index(name) for name in names]
    ends = np.arange(len(bars) - 5, len(bars))
    windows = np.stack([table.values[end - depth + 1 : end + 1][:, columns] for end in ends])
    features = windows if depth > 1 else windows[:, 0]
    expected = bundle.forecast(bars).frame.tail(5)
    shuffled = np.random.default_rng(3).permutation(len(names))
    for sent, told in ((features, None), (features[..., shuffled], [names[i] for i in shuffled])):
        answer = plane.forecast(Ask(), np.ascontiguousarray(sent), told)
        for name in bundle.outputs:
            np.testing.assert_allclose(answer.columns[name], expected[name].to_numpy(), rtol=0, atol=1e-12)


def test_an_unknown_model_is_refused_with_the_nearest_name(plane: Plane, bundle: Bundle):
    with pytest.raises(Refusal) as refused:
        plane.forecast_bars(Ask(model=f"{bundle.manifest.name}x"), raw_of(bundle.golden_bars.bars))
    assert (refused.value.kind, refused.value.code) == ("not_found", "unknown_model")
    assert bundle.manifest.name in refused.value.mend


def test_too_short_a_history_is_told_by_how_many_bars_and_a_young_one_in_a_note(bundle: Bundle, plane: Plane, making: ModuleType):
    bars, needed = making.walk(900, seed=11), bundle.needed_bars
    with pytest.raises(Refusal, match=rf"at least 3 more must come before them; expected {needed} bars") as refused:
        plane.forecast_bars(Ask(), raw_of(bars.slice(0, needed - 3)))
    assert (refused.value.kind, refused.value.code) == ("invalid", "history_too_short")
    young = plane.forecast_bars(Ask(), raw_of(bars.slice(0, needed + 20)), last=400)
    assert 1 <= len(young) <= 21 + 5 * 60
    assert f"{len(young)} of 400 rows: the bars before them warm up" in young.notes
    assert any("where it began no longer matters" in note for note in young.notes) == (needed + 20 < bundle.settled_bars)


def test_bars_on_which_a_feature_is_never_defined_are_told_so_and_not_that_they_are_few(quick: Plane, making: ModuleType):
    bars = raw_of(making.walk(900, seed=11))
    bars.values[:, :4] *= 1e200  # whose squares no number holds
    with pytest.raises(Refusal, match="900 bars, none of which can be forecast: no value of '") as refused:
        quick.forecast_bars(Ask(), bars)
    assert (refused.value.kind, refused.value.code) == ("invalid", "feature_undefined")


@pytest.mark.parametrize("last", [0, -1, 4097])
def test_so_many_rows_cannot_be_asked_for(quick: Plane, making: ModuleType, last: int):
    with pytest.raises(Refusal) as refused:
        quick.forecast_bars(Ask(), raw_of(making.walk(400)), last=last)
    assert (refused.value.code, refused.value.place) == ("bad_last", "last")


def test_streams_are_refused_by_a_plane_without(quick: Plane, making: ModuleType):
    with pytest.raises(Refusal, match="keeps no streams"):
        quick.push(Ask(), "eu", making.walk(10).bar(3))


VALUES = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, -0.0, 1e308, -1e308, 5e-324, 1e-300, 1.0, float(np.float32(1e38)), 3.5e38]),
)


@settings(max_examples=150)
@given(st.data())
def test_no_valid_row_of_features_gives_anything_but_a_finite_forecast(plane: Plane, bundle: Bundle, data: st.DataObject):
    width, depth = len(needed_features(bundle)), feature_rows(bundle)
    shape = (1, width) if depth == 1 else (1, depth, width)
    row = np.array(data.draw(st.lists(VALUES, min_size=width, max_size=width)))
    features = np.broadcast_to(row, shape).copy()
    answer = plane.forecast(Ask(), features)
    assert len(answer) == 1
    for name, column in answer.columns.items():
        assert np.isfinite(column).all()
        assert not name.startswith("p_") or 0 <= column[0] <= 1
    assert answer.degraded == (answer.source != "champion") == bool(answer.reason)


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), scale=st.sampled_from([1e-12, 1e-3, 1.0, 1e6, 1e200]), jump=st.floats(1e-6, 1e6), flat=st.booleans())
def test_no_valid_bars_give_anything_but_a_finite_forecast(plane: Plane, seed: int, scale: float, jump: float, flat: bool):
    rng, n = np.random.default_rng(seed), 380
    close = scale * np.cumprod(np.where(rng.random(n) < 0.01, jump ** rng.choice([-1.0, 1.0], n), 1.0))
    close = np.clip(close, 1e-300, 1e300) if not flat else np.full(n, scale)
    values = np.stack([close, close * 1.001, close * 0.999, close, rng.choice([0.0, 1.0, 1e12, 1e300], n)], axis=1)
    bars = RawBars(1_700_000_040_000 + 60_000 * np.arange(n, dtype=np.int64), values)
    try:
        answer = plane.forecast_bars(Ask(), bars, last=3)
    except Refusal as refusal:
        if refusal.code != "feature_undefined":  # features that overflow are never ready
            raise
        return
    assert len(answer)
    assert all(np.isfinite(column).all() for column in answer.columns.values())


def test_no_answer_mixes_versions_while_they_are_swapped_under_load(quick: Plane, served_of, making: ModuleType):
    """Every answer's digest reproduces its numbers, whichever version was the champion when it was asked."""
    bars = making.walk(400, seed=11)
    raw, expected, kinds = raw_of(bars), {}, {}
    columns = served_of("lightgbm").schema.positions
    features = served_of("lightgbm").bundle.plan.compute(bars).values[-1:][:, columns].copy()
    versions = [served_of("lightgbm", f"1.{number}.0", number, seed=7 + number % 2) for number in range(2, 42)]
    for served in versions[:2]:
        other = ModelTable()
        other.install(served, champion=True)
        alone = Plane(other)
        kinds[served.number % 2] = (alone.forecast(Ask(), features).columns, alone.forecast_bars(Ask(), raw).columns)
    expected = {served.digest: kinds[served.number % 2] for served in versions}
    answers, failures, stop = [], [], threading.Event()

    def ask() -> None:
        while not stop.is_set():
            try:
                answers.append((0, quick.forecast(Ask(), features)))
                answers.append((1, quick.forecast_bars(Ask(), raw)))
            except Exception as error:  # noqa: BLE001  # whatever it is, the test tells it
                failures.append(error)

    quick.table.install(versions[0], champion=True)
    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    for served in versions[1:]:
        seen = len(answers)
        quick.table.install(served, champion=True)
        quick.table.retire("lightgbm", served.number - 1)
        while len(answers) < seen + 4 and not failures:  # polls: each version answers some
            threading.Event().wait(0.0005)
    stop.set()
    for asker in askers:
        asker.join()
    assert failures == []
    assert len({answer.digest for _, answer in answers}) == len(versions)
    for kind, answer in answers:
        assert (answer.source, answer.degraded) == ("champion", False)
        for name, column in expected[answer.digest][kind].items():
            np.testing.assert_array_equal(answer.columns[name], column)

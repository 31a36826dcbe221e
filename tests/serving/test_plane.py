"""The plane answers what the bundle says, to the bit, and refuses by name what the bundle does not ask for."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from barmill.bundles import Bundle
from barmill.serving.answers import Ask, RawBars
from barmill.serving.model_table import ModelTable
from barmill.serving.plane import Plane
from barmill.serving.refusals import Refusal
from barmill.serving.schema import feature_rows, needed_features
from barmill.serving.served import warm

Published = Callable[..., Path]


def raw_of(bars, n: int | None = None) -> RawBars:
    """The last `n` of `bars` as they come from outside."""
    chosen = bars if n is None else bars.slice(len(bars) - n, len(bars))
    values = np.stack([chosen.open, chosen.high, chosen.low, chosen.close, chosen.volume], axis=1)
    return RawBars(chosen.open_time.copy(), values)


@pytest.fixture(params=["logistic", "lstm", "risk"])
def bundle(request, published: Published) -> Bundle:
    return Bundle.load(published(request.param))


@pytest.fixture
def plane(bundle: Bundle) -> Plane:
    table = ModelTable()
    table.install(warm(bundle, 1), champion=True)
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
    for given, told in ((features, None), (features[..., shuffled], [names[i] for i in shuffled])):
        answer = plane.forecast(Ask(), np.ascontiguousarray(given), told)
        for name in bundle.outputs:
            np.testing.assert_allclose(answer.columns[name], expected[name].to_numpy(), rtol=0, atol=1e-12)


def test_an_unknown_model_is_refused_with_the_nearest_name(plane: Plane, bundle: Bundle):
    with pytest.raises(Refusal) as refused:
        plane.forecast_bars(Ask(model=f"{bundle.manifest.name}x"), raw_of(bundle.golden_bars.bars))
    assert (refused.value.kind, refused.value.code) == ("not_found", "unknown_model")
    assert bundle.manifest.name in refused.value.mend

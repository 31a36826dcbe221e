"""One row on the quick way gives the bits of the pipeline, from any thread."""

import threading
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from barmill.bundles.forecasting import ForecastPipeline
from barmill.serving.row_paths import RowPaths


@pytest.fixture(scope="module", params=["logistic", "lightgbm", "lstm"])
def bundle(request: pytest.FixtureRequest, bundle_of: Any) -> Any:
    return bundle_of(request.param)


@pytest.fixture(scope="module")
def windows(bundle: Any, making: Any) -> list[np.ndarray]:
    """What one forecast reads, of each of some bars."""
    values, depth = bundle.plan.compute(making.walk(500, seed=11)).values, bundle.pipeline.depth
    return [values[end - depth : end].copy() for end in range(460, 500)]


def of_pipeline(bundle: Any, window: np.ndarray) -> dict[str, np.ndarray]:
    return bundle.pipeline.run(window, np.array([len(window) - 1]))


def test_the_bits_are_those_of_the_pipeline_whatever_was_asked_before(bundle: Any, windows: list[np.ndarray]):
    paths = RowPaths(bundle)
    for window in [*windows, *windows[::-3]]:
        found, expected = paths.forecast(window), of_pipeline(bundle, window)
        assert found is not None
        assert list(found) == list(expected)
        assert all(found[name].tobytes() == expected[name].tobytes() for name in expected)


def test_an_answer_is_not_written_over_by_the_next(bundle: Any, windows: list[np.ndarray]):
    paths = RowPaths(bundle)
    first = paths.forecast(windows[0])
    kept = {name: column.copy() for name, column in first.items()}
    paths.forecast(windows[1])
    assert all(first[name].tobytes() == kept[name].tobytes() for name in kept)


def test_threads_do_not_meet_on_one_way(bundle: Any, windows: list[np.ndarray]):
    paths, wrong = RowPaths(bundle), []
    expected = [of_pipeline(bundle, window) for window in windows]

    def ask(start: int) -> None:
        for at in [*range(start, len(windows)), *range(start)] * 5:
            found = paths.forecast(windows[at])
            if any(found[name].tobytes() != expected[at][name].tobytes() for name in found):
                wrong.append(at)

    threads = [threading.Thread(target=ask, args=(start,)) for start in (0, 10, 20, 30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_what_the_pipeline_refuses_is_left_to_it(bundle: Any, windows: list[np.ndarray]):
    broken = windows[0].copy()
    broken[-1, bundle.plan.names.index(bundle.pipeline.volatility.feature)] = 1e308
    volatility = replace(bundle.pipeline.volatility, horizon=10**6)
    refusing = replace(bundle, pipeline=replace(bundle.pipeline, volatility=volatility))
    with np.errstate(over="ignore"):
        assert RowPaths(refusing).forecast(broken) is None


def test_an_expert_answers_on_the_quick_way_too(bundle_of: Any, making: Any):
    bundle = bundle_of("risk")
    paths = RowPaths(bundle)
    for row in bundle.plan.compute(making.walk(500, seed=11)).values[480:]:
        found, expected = paths.forecast(row[None]), of_pipeline(bundle, row[None])
        assert {name: column.tobytes() for name, column in found.items()} == {name: column.tobytes() for name, column in expected.items()}


class OtherPipeline(ForecastPipeline):
    """One that may do something else than the quick way knows of."""


def test_a_bundle_without_a_quick_way_has_none(bundle: Any):
    told = {field.name: getattr(bundle.pipeline, field.name) for field in fields(bundle.pipeline)}
    assert RowPaths(replace(bundle, pipeline=OtherPipeline(**told))).forecast(np.zeros((1, 1))) is None

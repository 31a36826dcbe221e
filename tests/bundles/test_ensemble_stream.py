"""An ensemble live is the ensemble in a batch, whatever its members see and however the bars come."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from barmill.bundles import BandOutcomes, ForecastBand
from barmill.labels import LabelConfig
from barmill.uncertainty.conformal import AdaptiveConformal

SMALL, WIDE = ("logistic", "lightgbm"), ("logistic", "lstm", "scales")
# Networks differ by the number of rows, by up to 1e-6. Trees on their forecasts are not among these: a last bit can take another branch.
CASES = [*((kind, SMALL) for kind in ("soft_voting", "ridge_stacking", "lightgbm_stacking", "softmax_gating"))]
CASES += [(kind, WIDE) for kind in ("soft_voting", "ridge_stacking", "softmax_gating")]


@pytest.mark.parametrize(("kind", "labels"), CASES)
def test_live_equals_batch(making, load_ensemble, kind: str, labels: tuple[str, ...]) -> None:
    bundle, bars = load_ensemble(kind, labels), making.walk(400, 3, gaps=(230, 231, 305))
    batch, stream = bundle.forecast(bars), bundle.stream()
    said = [stream.push(bars.bar(row)) for row in range(len(bars))]
    live = [row for row in said if row is not None]
    assert said.count(None) == batch.n_not_ready
    assert [row["open_time"] for row in live] == batch.frame["open_time"].to_list()
    for name in bundle.outputs:
        found, expected = np.array([row[name] for row in live]), batch.frame[name].to_numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=0.0 if labels == SMALL else 1e-6)


@pytest.mark.parametrize(("kind", "labels"), [("softmax_gating", WIDE), ("lightgbm_stacking", SMALL)])
def test_any_pieces_give_what_the_whole_gives(making, load_ensemble, kind: str, labels: tuple[str, ...]) -> None:
    bundle, bars = load_ensemble(kind, labels), making.walk(260, 3, gaps=(200,))
    whole = bundle.forecast(bars).frame

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.integers(0, len(bars)), max_size=6).map(sorted))
    def check(cuts: list[int]) -> None:
        stream, rows = bundle.stream(), []
        for turn, (start, stop) in enumerate(zip([0, *cuts], [*cuts, len(bars)], strict=True)):
            if turn % 3 == 2 and stop - start < 40:
                rows += [row for at in range(start, stop) if (row := stream.push(bars.bar(at))) is not None]
            else:
                rows += stream.extend(bars.slice(start, stop)).frame.to_dicts()
        assert [row["open_time"] for row in rows] == whole["open_time"].to_list()
        for name in bundle.outputs:
            atol = 0.0 if labels == SMALL else 1e-6
            np.testing.assert_allclose([row[name] for row in rows], whole[name].to_numpy(), rtol=0, atol=atol)

    check()


def test_an_adaptive_band_walks_live_as_in_a_batch(making, load_ensemble) -> None:
    plain, bars = load_ensemble("softmax_gating", SMALL), making.walk(400, 3, gaps=(305,))
    z = np.random.default_rng(2).standard_normal(150)
    outcomes = BandOutcomes(LabelConfig(horizon=8, atr_window=10, every=2), int(bars.open_time[120]))
    band = ForecastBand(AdaptiveConformal(0.1, (0.05,), 100).start(z, 0 * z - 1, 0 * z + 1), "q05_q95", outcomes=outcomes)
    bundle = replace(plain, pipeline=replace(plain.pipeline, band=band))
    batch, stream = bundle.forecast(bars).frame, bundle.stream()
    live = [row for at in range(len(bars)) if (row := stream.push(bars.bar(at))) is not None]
    assert stream.allocates == "an adaptive band makes arrays of the outcomes that it waits for", "and nothing else does"
    assert [(row["lower"], row["upper"]) for row in live] == batch.select("lower", "upper").rows()
    beyond = (batch["q05"] - batch["lower"]) / (batch["q95"] - batch["q05"])
    assert beyond.round(9).n_unique() > 20


def test_what_the_bars_showed_may_be_given_for_the_last_of_them_alone(making, load_ensemble) -> None:
    bundle, bars = load_ensemble("softmax_gating", WIDE), making.walk(300, 3)
    table, pipeline = bundle.plan.compute(bars), bundle.pipeline
    closed, depth = pipeline.closed(bars), pipeline.depth
    row = int(np.flatnonzero(pipeline.ready(table.ready, closed))[40])
    window = np.ascontiguousarray(table.values[row + 1 - depth : row + 1])
    alone = pipeline.run(window, np.array([depth - 1]), closed=closed.known_at(row))
    among = pipeline.run(table.values, np.array([row]), closed=closed)
    assert {name: float(values[0]) for name, values in alone.items()} == {name: float(values[0]) for name, values in among.items()}
    ready = pipeline.ready(np.ones(depth, dtype=bool), closed.known_at(row))
    assert ready.tolist() == [False] * (depth - 1) + [True]

"""Adaptive bands in a run: they walk through the test block as a server would, and through the rows that judge a split."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file

import barmill as bm
from barmill.bundles import ForecastBand
from barmill.ensembles.contract import Said
from barmill.pipeline.bands.applying import apply_band
from barmill.pipeline.bands.config import UncertaintyConfig
from barmill.pipeline.dataset import load_labels, load_positions
from barmill.uncertainty.conformal import AdaptiveConformal

pytestmark = pytest.mark.xdist_group("runs with adaptive bands")  # one process, which makes the run once

RECIPE = """
features: {timeframes: [1m]}
labels: {horizon: 30, atr_window: 30, every: 4}
splits: {embargo: 60}
base_models: [{name: logistic}]
inference: {uncertainty: {method: adaptive, coverage: 0.9, steps: [0.02], window: 150}}
cross_validation: {method: walk_forward, train_size: 4000, test_size: 900, embargo: 60}
random_signals: 20
"""


@pytest.fixture(scope="module")
def bars():
    return bm.simulate(6_000, seed=5, strength=2.5).bars


@pytest.fixture(scope="module")
def run(tmp_path_factory, bars, cache_in):
    folder = tmp_path_factory.mktemp("adaptive")
    (folder / "adaptive.yaml").write_text(RECIPE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BARMILL_LEDGER", str(folder / "ledger"))
        patch.setenv("BARMILL_CACHE", cache_in(folder))
        return bm.train(folder / "adaptive.yaml", bars=bars, out=folder / "run")


def test_what_is_judged_is_what_a_server_says_bar_by_bar(run, bars):
    bundle = bm.Bundle.load(run.bundle_paths["logistic"])
    frame = pl.read_parquet(next(run.folder.glob("metrics/forecasts-logistic-*")) / "forecasts.parquet")
    columns = ("open_time", "lower", "upper")
    stream, first = bundle.stream(), int(np.searchsorted(bars.open_time, frame["open_time"][0]))
    stream.extend(bars.slice(0, first))
    live = [row for at in range(first, len(bars)) if (row := stream.push(bars.bar(at))) is not None]
    assert [tuple(row[name] for name in columns) for row in live] == frame.select(columns).rows()
    moved = (frame["q05"] - frame["lower"]).to_numpy() / (frame["q95"] - frame["q05"]).to_numpy()
    assert np.unique(np.sign(np.diff(moved))).size == 3  # wider, narrower, and the same between two outcomes
    told = run.judgement["models"][0]["band"]
    labels, rows = load_labels(next(run.folder.glob("data/labels-*"))), load_positions(next(run.folder.glob("data/splits-*")))
    at = np.searchsorted(frame["open_time"].to_numpy(), bars.open_time[labels.t0[rows["test"]]])
    came, lower, upper = labels.net_log_return[rows["test"]], frame["lower"].to_numpy()[at], frame["upper"].to_numpy()[at]
    assert told["online"] is True
    assert told["report"]["overall"]["coverage"] == np.mean((came >= lower) & (came <= upper))
    known = ForecastBand.from_json(bundle.part("conformal")).outcomes
    assert (known.labels.horizon, known.labels.every) == (30, 4)
    assert known.since == bars.open_time[labels.t1[rows["conformal"]].max()]
    assert known.since < bars.open_time[labels.t0[rows["selection"]].min()]


def test_each_split_walks_through_its_own_rows(run):
    for folder in sorted(run.folder.glob("folds/logistic-*")):
        tensors = load_file(folder / "forecasts.safetensors")
        beyond = (tensors["quantiles"][:, 0] - tensors["band"][:, 0]) / np.diff(tensors["quantiles"][:, [0, 2]], axis=1)[:, 0]
        assert np.unique(np.round(beyond, 9)).size > 5
    assert run.judgement["cross_validation"]["models"][0]["band"]["online"] is True


def test_a_row_of_a_split_stands_on_outcomes_known_by_then_and_on_no_other() -> None:
    """Planted: the outcome of one row becomes huge. The first row that hears of it is the first at or after its end."""
    rng = np.random.default_rng(1)
    n = 200
    labels = SimpleNamespace(t0=4 * np.arange(n), t1=4 * np.arange(n) + rng.integers(1, 30, n), net_log_return=rng.standard_normal(n))
    quantiles = np.tile([-1.0, 0.0, 1.0], (n, 1))
    state = AdaptiveConformal(0.1, (0.05,), 100).start(rng.standard_normal(100), np.full(100, -1.0), np.full(100, 1.0))
    band, config = ForecastBand(state, "q05_q95"), UncertaintyConfig(method="adaptive")

    def ends(net: np.ndarray) -> np.ndarray:
        known = SimpleNamespace(**{**vars(labels), "net_log_return": net})
        data = SimpleNamespace(labels=known, scale=lambda positions: np.full(len(positions), 2.0))
        return apply_band(band, config, Said(np.full(n, 0.5), None, quantiles), data, np.arange(n))

    labels.net_log_return[80] = 0.0
    planted = labels.net_log_return.copy()
    planted[80] = 1e3
    differs = np.flatnonzero((ends(planted) != ends(labels.net_log_return)).any(axis=1))
    assert labels.t0[differs[0]] >= labels.t1[80]
    assert labels.t0[differs[0]] - 4 < labels.t1[80]

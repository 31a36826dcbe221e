"""A conformal band in a bundle: the columns that it adds, around what, and what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from barmill.artefacts import canonical_json
from barmill.bundles import Bundle, ForecastBand, assemble, publish, read_bundle
from barmill.bundles.guard import guard
from barmill.ensembles.contract import Said
from barmill.errors import BundleError, ForecastError, SchemaError
from barmill.uncertainty.conformal import (
    AdaptiveConformal,
    fit_cqr_band,
    fit_cv_plus_band,
    fit_jackknife_band,
    fit_regime_band,
    fit_split_band,
)

RNG = np.random.default_rng(3)
Z, ZERO = RNG.standard_normal(400), np.zeros(400)
REGIME = np.arange(400) % 3 - 1
BANDS = {
    "split": ForecastBand(fit_split_band(Z, ZERO, 0.1), "E_r"),
    "jackknife": ForecastBand(fit_jackknife_band(Z, ZERO, 0.1), "q50"),
    "cqr": ForecastBand(fit_cqr_band(Z, ZERO - 1, ZERO + 1, 0.1), "q05_q95"),
    "by_regime": ForecastBand(
        fit_regime_band(Z, ZERO - 1, ZERO + 1, REGIME, 0.1), "q05_q95", "time_of_day_sin"
    ),  # 1 at 6:00, no whole number else
    "adaptive": ForecastBand(AdaptiveConformal(0.1).start(Z, ZERO, ZERO), "q50"),
}


@pytest.fixture
def banded(making, tmp_path: Path):
    """Publishes and loads the LightGBM bundle with a band."""

    def make(band: ForecastBand, model: str = "lightgbm") -> Bundle:
        return Bundle.from_verified(read_bundle(publish(assemble(replace(making.contents_of(model), band=band)), tmp_path / "r", model)))

    return make


@pytest.mark.parametrize("kind", BANDS)
def test_a_band_adds_its_ends_in_returns_and_changes_nothing_else(making, load_once, banded, kind: str) -> None:
    band = BANDS[kind]
    plain, bars = load_once("lightgbm"), making.walk(500, 3)
    bundle = banded(band)
    assert bundle.outputs == (*plain.outputs, "lower", "upper") == bundle.manifest.model.outputs
    frame, without = bundle.forecast(bars).frame, plain.forecast(bars).frame
    assert frame.drop("lower", "upper").equals(without)
    table = bundle.plan.compute(bars)
    rows = np.flatnonzero(table.ready)
    said = bundle.pipeline.said(table.values, rows)
    lo, hi = {"E_r": (said.expected,) * 2, "q50": (said.quantiles[:, 1],) * 2, "q05_q95": (said.quantiles[:, 0], said.quantiles[:, 2])}[
        band.around
    ]
    regime = None if band.regime is None else table.column(band.regime)[rows]
    q = np.array([band.band._q.get(one, band.band.pooled.q) for one in regime]) if regime is not None else band.band.q
    assert np.unique(q).size == (2 if kind == "by_regime" else 1)
    unit = bundle.pipeline.scale(table.values, rows)
    np.testing.assert_array_equal(frame["lower"].to_numpy(), (lo - q) * unit)
    np.testing.assert_array_equal(frame["upper"].to_numpy(), (hi + q) * unit)
    assert bundle.replay.exact
    assert ForecastBand.from_json(bundle.part("conformal")).to_json() == band.to_json()
    stream = bundle.stream()
    live = [row for row in (stream.push(bars.bar(at)) for at in range(len(bars))) if row is not None]
    assert [row["lower"] for row in live] == frame["lower"].to_list()


@pytest.mark.parametrize(
    ("band", "said"),
    [
        (
            lambda: ForecastBand(fit_cv_plus_band(Z, ZERO, np.arange(400) % 4, 4, 0.1), "q50"),
            r"asks the model of each fold.*Take the jackknife",
        ),
        (lambda: ForecastBand(BANDS["cqr"].band, "q95"), "conformal.around: is 'q95'; expected E_r or q50 or q05_q95"),
        (lambda: ForecastBand(BANDS["split"].band, "q05_q95"), "is q05_q95 for a band around a point; expected E_r or q50"),
        (lambda: ForecastBand(BANDS["by_regime"].band, "q05_q95"), "conformal.regime: is None; expected a feature for a band by regime"),
        (lambda: ForecastBand(BANDS["cqr"].band, "q05_q95", "rsi_14"), "conformal.regime: is 'rsi_14'"),
    ],
)
def test_a_band_that_no_bundle_can_serve_is_refused(band, said: str) -> None:
    with pytest.raises(BundleError, match=said):
        band()


def test_a_band_and_what_it_goes_around_must_both_be_there(making) -> None:
    with pytest.raises(SchemaError, match="is E_r, which is not forecast"):
        assemble(replace(making.contents_of("logistic"), band=BANDS["split"]))
    with pytest.raises(SchemaError, match="feature 'nothing' is not in the plan"):
        assemble(replace(making.contents_of("lightgbm"), band=replace(BANDS["by_regime"], regime="nothing")))
    with pytest.raises(SchemaError, match="a band of returns, for a model of another question"):
        assemble(replace(making.contents_of("risk"), band=BANDS["cqr"]))


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value.pop("band"),
        lambda value: value.update(around="q95"),
        lambda value: value.update(more=1),
        lambda value: value["band"].update(q="x"),
        lambda value: value["band"].update(method="magic"),
        lambda value: value["band"].update(more=1),
        lambda value: value.update(band=[]),
    ],
)
def test_a_part_that_holds_no_band_is_refused(forge, change) -> None:
    value = BANDS["cqr"].to_json()
    change(value)
    with pytest.raises(BundleError, match="conformal"):
        Bundle.from_verified(read_bundle(forge({"conformal.json": canonical_json(value)})))


def test_a_forged_band_under_the_old_outputs_is_refused(forge) -> None:
    with pytest.raises(BundleError, match="outputs p_up, E_r, q05, q50, q95; expected p_up, E_r, q05, q50, q95, lower, upper"):
        Bundle.from_verified(read_bundle(forge({"conformal.json": canonical_json(BANDS["cqr"].to_json())})))


def test_an_adaptive_band_is_applied_as_it_stood(making, banded) -> None:
    state = AdaptiveConformal(0.1).start(Z, ZERO, ZERO)
    moved = state.decide(1, -0.1, 0.1).state.update(1, 9.0)
    before, after = (banded(ForecastBand(one, "q50")).forecast(making.walk(300, 3)).frame for one in (state, moved))
    assert (after["upper"] - after["lower"]).min() > (before["upper"] - before["lower"]).min()
    said = Said(np.array([0.5]), None, np.array([[-1.0, 0.25, 1.0]]))
    assert ForecastBand(state, "q50").of(said, None).upper[0] == 0.25 + state.q


def test_the_guard_refuses_ends_that_cross_or_are_not_finite() -> None:
    rows = np.array([7, 8])
    guard({"lower": np.array([0.0, 1.0]), "upper": np.array([0.0, 2.0])}, rows, place="x")
    with pytest.raises(ForecastError, match=r"row 8, lower is 1\.0 .* expected at most upper"):
        guard({"lower": np.array([0.0, 1.0]), "upper": np.array([0.0, 0.5])}, rows, place="x")
    with pytest.raises(ForecastError, match="row 7, upper is inf"):
        guard({"lower": np.array([0.0, 1.0]), "upper": np.array([np.inf, 1.0])}, rows, place="x")

"""Bundles to time forecasts with: real ones, as large as those that are served, fitted on simulated bars in as little time as may be.

What they forecast is worth nothing; what it costs does not depend on that.
"""

from collections.abc import Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from barmill.bundles import (
    Bundle,
    BundleContents,
    EnsembleContents,
    ForecastBand,
    MemberContents,
    Volatility,
    assemble,
    publish,
    read_bundle,
)
from barmill.bundles.forecasting import ForecastPipeline
from barmill.bundles.parts import read_pipeline
from barmill.ensembles.contract import FitRows, Member
from barmill.ensembles.params import VotingParams
from barmill.ensembles.voting import fit_voting
from barmill.features import FeaturePlan, FeatureTable
from barmill.market import Bars
from barmill.market.simulator import simulate
from barmill.models import FitContext, Samples, load_fit, load_forecaster, spec_of, window_of
from barmill.training import train_network
from barmill.uncertainty import NATIVE, fit_calibration, fit_residual_quantiles
from barmill.uncertainty.conformal import fit_cqr_band
from barmill.views import FeatureMatrix, RobustScaler, WindowTensor

HORIZON = 60
UNIT = "realised_volatility_60"
NAME = "voting"
MEMBER_FIELDS = tuple(field.name for field in fields(MemberContents) if field.name != "label")


class Size(NamedTuple):
    """How large the models are, and on how many rows they are fitted."""

    trees: int = 500
    leaves: int = 64
    columns: int = 200  # that the trees see
    window: int = 60
    inputs: int = 44  # columns of a window
    hidden: int = 128
    layers: int = 2
    rows: int = 9000


class Market(NamedTuple):
    """Bars, the charter's features of them, and the rows that have an outcome, which is `z` in units of the volatility."""

    bars: Bars
    plan: FeaturePlan
    table: FeatureTable
    rows: np.ndarray[Any, np.dtype[np.int64]]
    scaler: RobustScaler
    z: np.ndarray[Any, np.dtype[np.float64]]
    volatility: Volatility


@cache
def market(n_rows: int) -> Market:
    """The charter's features of simulated bars, the last `n_rows` of which can be learned from."""
    plan = FeaturePlan.build(base="1m", set="charter", needs=(UNIT,))
    bars = simulate(plan.warmup_bars + n_rows + 4 * HORIZON, seed=7, horizon=HORIZON).bars
    table, volatility = plan.compute(bars), Volatility(UNIT, HORIZON, 1e-6)
    rows = np.flatnonzero(table.ready)[-HORIZON - n_rows : -HORIZON]
    z = np.log(bars.close[rows + HORIZON] / bars.close[rows]) / volatility.scale(table.column(UNIT)[rows])
    return Market(bars, plan, table, rows, RobustScaler.fit(table.values, rows, names=plan.names), z, volatility)


def single(name: str, size: Size) -> BundleContents:
    """One model: "lightgbm" on single rows, "lstm" on windows."""
    spec, here = spec_of(name), market(size.rows)
    params = spec.params.model_validate(_params(name, size))
    window = window_of(spec, params)
    assert window is None or isinstance(window, int)
    names = here.plan.names[: size.columns if window is None else size.inputs]
    base = here.scaler.transform(here.table.values)[:, : len(names)].copy()

    def samples(start: int, stop: int) -> Samples:
        at, z = here.rows[start:stop].copy(), here.z[start:stop]
        return Samples(
            FeatureMatrix(base, at) if window is None else WindowTensor(base, at, window), (z > 0).astype(np.int8), z, np.ones(len(z))
        )

    fitted_on = size.rows - 2000 if window is None else 512  # a network's speed does not hang on what it learned
    train, held_out = samples(0, fitted_on), samples(size.rows - 2000, size.rows)
    context = FitContext(7, 2, spec.outputs[:1], names, train_network=train_network)
    fitted = load_fit(spec)(params, train, samples(0, 256), context)  # on rows that it learned, no early stop makes it smaller
    raw = load_forecaster(spec, fitted.files).raw(held_out.view)
    quantiles = fit_residual_quantiles(raw.expected, raw.logits, held_out.z) if raw.quantiles is None else NATIVE
    ends = quantiles.apply(raw.expected, raw.logits, raw.quantiles)
    return BundleContents(
        name=name,
        version="1.0.0",
        recipe={"name": "benchmark"},
        plan=here.plan,
        instrument=here.bars.instrument,
        timeframe=here.bars.timeframe,
        scaler=here.scaler,
        model_name=name,
        model_files=fitted.files,
        input_names=names,
        window=window,
        n_classes=2,
        outputs=spec.outputs[:1],
        calibration=fit_calibration(["temperature_scaling", "isotonic"], raw.logits, held_out.y, 2),
        quantiles=quantiles,
        volatility=here.volatility,
        band=ForecastBand(fit_cqr_band(held_out.z, ends[:, 0], ends[:, 2], 0.1), "q05_q95"),
        golden_bars=here.bars.slice(0, here.plan.warmup_bars + 400),
        fingerprints={"code": "c", "data": "d", "libraries": {"numpy": np.__version__}, "recipe": "r", "seed": 7},
    )


def voting(members: Sequence[BundleContents], size: Size) -> EnsembleContents:
    """All of them, voting with equal weights, with a calibration and a band of the vote's own."""
    first, here = members[0], market(size.rows)
    rows, z = here.rows[-2000:], here.z[-2000:]
    pipelines = [read_pipeline(assemble(one), one.model, one.plan, one.name) for one in members]
    said = [one.said(here.table.values, rows) for one in pipelines if isinstance(one, ForecastPipeline)]
    y = (z > 0).astype(np.int64)
    told = FitRows(said, y, z, None, np.ones(len(z)))
    combiner = fit_voting(
        VotingParams.model_validate({"weights": "equal"}), [Member(one.name, ("p_up", "q05", "q50", "q95")) for one in members], told
    )
    raw = combiner.combine(said)
    assert raw.quantiles is not None
    shared: dict[str, Any] = {field.name: getattr(first, field.name) for field in fields(EnsembleContents) if hasattr(first, field.name)}
    changed: dict[str, Any] = {
        "name": NAME,
        "ensemble_name": "soft_voting",
        "members": [MemberContents(label=one.name, **{name: getattr(one, name) for name in MEMBER_FIELDS}) for one in members],
        "combiner": combiner,
        "regimes": (),
        "calibration": fit_calibration(["temperature_scaling"], raw.logits, y, 2),
        "quantiles": NATIVE,
        "band": ForecastBand(fit_cqr_band(z, raw.quantiles[:, 0], raw.quantiles[:, 2], 0.1), "q05_q95"),
    }
    return EnsembleContents(**shared | changed)


def loaded(contents: BundleContents | EnsembleContents, folder: Path) -> Bundle:
    """The bundle as a server has it, from its bytes in `folder`."""
    return Bundle.from_verified(read_bundle(publish(assemble(contents), folder, contents.name)))


def _params(name: str, size: Size) -> dict[str, Any]:
    if name == "lightgbm":
        return {
            "n_estimators": size.trees,
            "num_leaves": size.leaves,
            "max_depth": -1,
            "learning_rate": 0.02,
            "early_stopping_rounds": size.trees,
        }
    return {
        "seq_len": size.window,
        "hidden_size": size.hidden,
        "num_layers": size.layers,
        "dropout": 0.0,
        "epochs": 1,
        "batch_size": 128,
    }

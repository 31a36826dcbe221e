"""Bundles of tiny ensembles of the models that making.py fits, each once a session.

Three members that see three ways: a row, a window of 8 bars, closed bars of two timeframes. `small` ensembles have two members of rows,
whose forecasts are the same to the bit however rows come.
"""

from dataclasses import fields, replace
from functools import cache
from types import ModuleType

import numpy as np

from barmill.bundles import BundleContents, EnsembleContents, MemberContents, assemble
from barmill.bundles.bar_scaling import BarScaling
from barmill.bundles.ensemble_pipeline import EnsembleMember
from barmill.bundles.parts import read_pipeline
from barmill.ensembles.contract import Combiner, FitRows, Member
from barmill.ensembles.gating import fit_gating
from barmill.ensembles.params import LightGbmMetaParams, RidgeParams, SoftmaxGatingParams, VotingParams
from barmill.ensembles.stacking import fit_stacking
from barmill.ensembles.voting import fit_voting
from barmill.models import FitContext, Samples, load_fit, load_forecaster, spec_of
from barmill.uncertainty import NATIVE, fit_calibration, fit_residual_quantiles
from barmill.views import MultiResolution

KINDS = ("soft_voting", "ridge_stacking", "lightgbm_stacking", "softmax_gating")
WIDE, SMALL = ("logistic", "lstm", "scales"), ("logistic", "lightgbm")
REGIMES = ("rsi_14", "realised_volatility_60")
SCALES = {"1m": 6, "5m": 3}
MEMBER_FIELDS = tuple(field.name for field in fields(MemberContents) if field.name != "label")


@cache
def member_of(making: ModuleType, label: str, n_classes: int = 2) -> BundleContents:
    """The bundle's contents of one member alone."""
    return _scales(making) if label == "scales" else making.contents_of(label, n_classes)


def _scales(making: ModuleType) -> BundleContents:
    """An LSTM that sees bars of two timeframes."""
    alone = making.contents_of("lstm")
    bars, spec = making.walk(4000, 7), spec_of("lstm")
    table = alone.plan.compute(bars)
    params = spec.params.model_validate({**making.PARAMS["lstm"], "seq_len": 60, "resolutions": SCALES})
    scaler = BarScaling(SCALES, alone.plan.anchor)
    closed = scaler.closed(bars)
    rows = np.flatnonzero(table.ready & closed.ready)[: -making.HORIZON]
    per_bar = table.column(alone.volatility.feature)
    z = np.log(bars.close[rows + making.HORIZON] / bars.close[rows]) / alone.volatility.scale(per_bar[rows])

    def samples(part: slice) -> Samples:
        view = closed.samples(rows[part], alone.volatility.per_bar(per_bar[rows[part]]))
        assert isinstance(view, MultiResolution)
        return Samples(view, (z[part] > 0).astype(np.int8), z[part], np.ones(len(view)))

    context = FitContext(3, 2, spec.outputs, scaler.names, train_network=making._trainer("lstm"))
    held_out = samples(slice(1800, None))
    fitted = load_fit(spec)(params, samples(slice(0, 1200)), samples(slice(1200, 1800)), context)
    raw = load_forecaster(spec, fitted.files).raw(held_out.view)
    return replace(
        alone,
        name="scales",
        scaler=scaler,
        model_files=fitted.files,
        input_names=scaler.names,
        window=SCALES,
        calibration=fit_calibration(["temperature_scaling"], raw.logits, held_out.y, 2),
        quantiles=fit_residual_quantiles(raw.expected, raw.logits, held_out.z),
    )


@cache
def contents_of(making: ModuleType, kind: str, labels: tuple[str, ...] = SMALL, n_classes: int = 2) -> EnsembleContents:
    """An ensemble fitted on what its members say of rows that they did not see."""
    singles = [member_of(making, label, n_classes) for label in labels]
    first, bars = singles[0], making.walk(4000, 7)
    table = first.plan.compute(bars)
    members = tuple(EnsembleMember(label, _pipeline(single)) for label, single in zip(labels, singles, strict=True))
    rows = np.flatnonzero(table.ready)[2700 : -making.HORIZON]
    unit = first.volatility.scale(table.column(first.volatility.feature)[rows])
    z = np.log(bars.close[rows + making.HORIZON] / bars.close[rows]) / unit
    y = (z > 0).astype(np.int64) if n_classes == 2 else np.searchsorted([-0.4, 0.4], z).astype(np.int64)
    said = [one.said(table.values, rows, closed=one.closed(bars)) for _, one in members]
    places = [table.names.index(name) for name in REGIMES]
    told = FitRows(said, y, z, np.ascontiguousarray(table.values[rows][:, places]), np.ones(len(rows)))
    combiner, regimes = _combiner(kind, [_declared(label, single) for label, single in zip(labels, singles, strict=True)], told)
    raw = combiner.combine(said, told.regimes if regimes else None)
    shared = {field.name: getattr(first, field.name) for field in fields(EnsembleContents) if hasattr(first, field.name)}
    return EnsembleContents(
        **shared
        | {
            "name": kind,
            "recipe": {"name": "test", "ensemble": kind},
            "ensemble_name": kind,
            "members": [
                MemberContents(label=label, **{name: getattr(single, name) for name in MEMBER_FIELDS})
                for label, single in zip(labels, singles, strict=True)
            ],
            "combiner": combiner,
            "regimes": regimes,
            "outputs": ("p_up",) if raw.expected is None else ("p_up", "E_r"),
            "calibration": fit_calibration(["temperature_scaling"], raw.logits, y, n_classes),
            "quantiles": fit_residual_quantiles(raw.expected, raw.logits, z) if raw.quantiles is None else NATIVE,
        }
    )


def _declared(label: str, single: BundleContents) -> Member:
    return Member(label, (*single.outputs, "q05", "q50", "q95"))


def _combiner(kind: str, members: list[Member], told: FitRows) -> tuple[Combiner, tuple[str, ...]]:
    if kind == "soft_voting":
        return fit_voting(VotingParams(weights="fitted"), members, told), ()
    if kind == "softmax_gating":
        return fit_gating("softmax", SoftmaxGatingParams(), members, told, seed=3), REGIMES
    if kind == "ridge_stacking":
        return fit_stacking("ridge", RidgeParams(), members, told, seed=3), ()
    return fit_stacking("lightgbm_meta", LightGbmMetaParams(), members, told, seed=3, regime_columns={REGIMES[0]: 0}), REGIMES


def _pipeline(single: BundleContents):
    from barmill.bundles.manifest import MANIFEST, parse_manifest

    files = assemble(single)
    return read_pipeline(files, parse_manifest(files[MANIFEST], single.name).model, single.plan, single.name)


@cache
def files_of(making: ModuleType, kind: str, labels: tuple[str, ...] = SMALL, n_classes: int = 2) -> dict[str, bytes]:
    """The files of a bundle of `contents_of`."""
    return assemble(contents_of(making, kind, labels, n_classes))


if __name__ == "__main__":
    # A second process fits and assembles the same bundles: `python making_ensembles.py KIND...` prints a digest a line.
    import sys

    import making as made

    from barmill.artefacts import sha256

    for kind in sys.argv[1:]:
        sys.stdout.write(sha256(files_of(made, kind)["manifest.json"]) + "\n")

"""What an ensemble adds: to a forecast of one row, in microseconds, and to the training of its members, in percent.

    python -m benchmarks.ensembles [--rounds 400] [--bars 60000] [--only row,training]

Row: what the combiner, calibration and quantiles, band, and unit and guard each add to what the members cost, one row at a time, rows
rotated. The least over many short rounds: that of a machine that does nothing else. Peers are asked the same: scikit-learn's voting and
stacking with members that look their answer up, its calibration, MAPIE and netcal where they are installed, all without pandas.
Training: processor seconds of each kind's fit alone, and a run of LightGBM and XGBoost with ensembles: seconds of the ensembles' stages
(fit and calibration, each in a process of its own) beside those of their members, for the bundle and in all folds.
"""

import argparse
import os
import sys
import tempfile
import time
import timeit
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from barmill.artefacts import read_json
from barmill.bundles.direction import Direction
from barmill.bundles.forecast_band import ForecastBand
from barmill.ensembles.contract import Combiner, FitRows, Member, Said
from barmill.ensembles.fusion import fit_fusion
from barmill.ensembles.gating import fit_gating
from barmill.ensembles.params import (
    FusionParams,
    LightGbmMetaParams,
    LogisticParams,
    RegimeGatingParams,
    RidgeParams,
    SoftmaxGatingParams,
    StaticGatingParams,
    VotingParams,
)
from barmill.ensembles.stacking import fit_stacking
from barmill.ensembles.voting import fit_voting
from barmill.uncertainty import NATIVE, fit_calibration, fit_residual_quantiles
from barmill.uncertainty.conformal import AdaptiveConformal, fit_cqr_band, fit_regime_band, fit_split_band

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # members whose worth is known stand with the tests

from planted_members import ALL, planted, some

ROWS, ASKED, FITTED = 600, 64, 20_000
HALVES = [(np.arange(ROWS // 2, ROWS), np.arange(ROWS // 2)), (np.arange(ROWS // 2), np.arange(ROWS // 2, ROWS))]
Fit = Callable[[list[Member], FitRows], Combiner]

KINDS: dict[str, Fit] = {
    "soft voting": lambda members, rows: fit_voting(VotingParams(weights="fitted"), members, rows),
    "hard voting": lambda members, rows: fit_voting(VotingParams(voting_type="hard"), members, rows),
    "voting, mixture": lambda members, rows: fit_voting(VotingParams(quantiles="mixture"), members, rows),
    "static gate": lambda members, rows: fit_gating("static", StaticGatingParams(), members, rows, seed=0),
    "regime gate": lambda members, rows: fit_gating("hmm_regime", RegimeGatingParams(), members, rows, seed=0),
    "softmax gate": lambda members, rows: fit_gating("softmax", SoftmaxGatingParams(), members, rows, seed=0),
    "fusion": lambda members, rows: fit_fusion(FusionParams(), members, rows, HALVES),
    "ridge stacking": lambda members, rows: fit_stacking("ridge", RidgeParams(), members, rows, seed=0),
    "logistic stacking": lambda members, rows: fit_stacking("logistic", LogisticParams(), members, rows, seed=0),
    "LightGBM stacking": lambda members, rows: fit_stacking("lightgbm_meta", LightGbmMetaParams(), members, rows, seed=0),
}
MEMBERS: dict[str, tuple[tuple[float, ...], Sequence[str]]] = {
    "2 members, p_up": ((1.0, 0.5), ("p_up",)),
    "3 members, p_up and E_r": ((1.0, 0.5, 0.2), ("p_up", "E_r")),
    "4 members, every output": ((1.0, 0.6, 0.3, 0.1), ALL),
}

RECIPE = """
labels: {horizon: 60, atr_window: 60}
splits: {embargo: 60}
base_models: [{name: lightgbm}, {name: xgboost}]
random_signals: 20
ensemble: {enabled: true, method: stacking}
ensembles:
  - {method: stacking, meta_learner: lightgbm_meta}
  - {name: gate, method: gating, gating: {method: softmax, regime_features: [volatility_regime_20_60]}}
  - {method: voting, config: {weights: fitted}}
"""


def least(ask: Callable[..., object], rows: Sequence[tuple[Any, ...]], rounds: int) -> float:
    """Microseconds of one call, the least over rounds in which every row is asked once."""

    def every_row() -> None:
        for row in rows:
            ask(*row)

    return min(timeit.repeat(every_row, number=1, repeat=rounds)) / len(rows) * 1e6


def rows_of(said: Sequence[Said], regimes: np.ndarray[Any, Any]) -> list[tuple[list[Said], np.ndarray[Any, Any]]]:
    """Each row alone, as a server has it."""
    return [(some(said, slice(i, i + 1)), regimes[i : i + 1].copy()) for i in range(len(regimes))]


def by_kind(rounds: int) -> None:
    """The table by kind of ensemble, two classes and three."""
    scale, number = np.array([0.01]), np.array([7])
    for n_classes in (2, 3):
        for title, (skills, outputs) in MEMBERS.items():
            members, rows = planted(ROWS, skills, n_classes=n_classes, outputs=outputs)
            _, new = planted(ASKED, skills, n_classes=n_classes, outputs=outputs, seed=1)
            asked = rows_of(new.said, new.regimes)
            print(f"\none row, {n_classes} classes, {title}; microseconds")
            print(f"  {'':<20}{'combiner':>10}{'calibration':>13}{'quantiles':>11}{'band':>7}{'the three':>11}{'unit, guard':>13}")
            for kind, fit in KINDS.items():
                combiner = fit(members, rows)
                learned = combiner.combine(rows.said, rows.regimes)
                calibration = fit_calibration(["temperature_scaling"], learned.logits, rows.y, n_classes)
                quantiles = NATIVE if learned.quantiles is not None else fit_residual_quantiles(learned.expected, learned.logits, rows.z)
                edges = quantiles.apply(learned.expected, learned.logits, learned.quantiles)
                band = ForecastBand(fit_cqr_band(rows.z, edges[:, 0], edges[:, 2], 0.1), "q05_q95")
                steps = Direction(n_classes, ("p_up",), calibration, quantiles, band)
                raw = [(combiner.combine(*row),) for row in asked]
                said = [(steps.said(*row),) for row in raw]
                figures = {
                    "combiner": least(combiner.combine, asked, rounds),
                    "calibration": least(lambda one, apply=calibration.apply: apply(one.logits), raw, rounds),
                    "quantiles": least(lambda one, apply=quantiles.apply: apply(one.expected, one.logits, one.quantiles), raw, rounds),
                    "band": least(lambda one, of=band.of: of(one, None), said, rounds),
                }
                whole = least(lambda one, ask=steps.forecast: ask(one, scale, number, place="", banded=True), raw, rounds)
                rest = whole - figures["calibration"] - figures["quantiles"] - figures["band"]
                three = figures["combiner"] + figures["calibration"] + figures["band"]
                cells = "".join(f"{figures[name]:>{width}.1f}" for name, width in zip(figures, (10, 13, 11, 7), strict=True))
                print(f"  {kind:<20}{cells}{three:>11.1f}{rest:>13.1f}", flush=True)


def by_band(rounds: int) -> None:
    """Each band alone, around what one member says."""
    _, rows = planted(ROWS)
    lo, hi = rows.said[0].quantiles[:, 0], rows.said[0].quantiles[:, 2]
    middle = rows.said[0].quantiles[:, 1]
    regime = np.arange(ROWS) % 3.0
    bands = {
        "split conformal": ForecastBand(fit_split_band(rows.z, middle, 0.1), "q50"),
        "CQR": ForecastBand(fit_cqr_band(rows.z, lo, hi, 0.1), "q05_q95"),
        "by regime": ForecastBand(fit_regime_band(rows.z, lo, hi, regime, 0.1), "q05_q95", "regime"),
        "adaptive, as it stands": ForecastBand(AdaptiveConformal(0.1).start(rows.z, lo, hi), "q05_q95"),
    }
    asked = [(one[0][0], regime[i : i + 1].copy()) for i, one in enumerate(rows_of(rows.said, rows.regimes)[:ASKED])]
    print("\none row, each band; microseconds")
    for name, band in bands.items():
        print(f"  {name:<24}{least(band.of, asked, rounds):7.1f}")


def beside_peers(rounds: int) -> None:
    """Peers asked for the same, members of both being free."""
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.ensemble import StackingClassifier, VotingClassifier
    from sklearn.frozen import FrozenEstimator

    class LookedUp(ClassifierMixin, BaseEstimator):
        """A member whose forecast stands in a column of the inputs."""

        def __init__(self, column: int = 0) -> None:
            self.column = column

        def fit(self, x: Any, y: Any) -> "LookedUp":
            self.classes_ = np.array([0, 1])
            return self

        def predict_proba(self, x: Any) -> np.ndarray[Any, Any]:
            up = x[:, self.column]
            return np.column_stack([1 - up, up])

        def predict(self, x: Any) -> np.ndarray[Any, Any]:
            return (x[:, self.column] > 0.5).astype(int)

    skills, outputs = MEMBERS["2 members, p_up"]
    members, rows = planted(ROWS, skills, outputs=outputs)
    asked = rows_of(rows.said, rows.regimes)[:ASKED]
    x = np.column_stack([one.p for one in rows.said])
    ones = [(x[i : i + 1].copy(),) for i in range(ASKED)]
    own = [(f"m{i}", LookedUp(i).fit(x, rows.y)) for i in range(len(skills))]
    voting = VotingClassifier(own, voting="soft").fit(x, rows.y)
    stacking = StackingClassifier(own, cv="prefit").fit(x, rows.y)
    calibrated = CalibratedClassifierCV(FrozenEstimator(own[0][1]), method="temperature").fit(x, rows.y)
    logits = np.log(x[:, 0]) - np.log1p(-x[:, 0])
    temperature = fit_calibration(["temperature_scaling"], logits, rows.y, 2)
    alone = [(logits[i : i + 1].copy(),) for i in range(ASKED)]
    kinds = {name: KINDS[name](members, rows).combine for name in ("soft voting", "logistic stacking")}
    pairs = [
        ("soft voting", "scikit-learn VotingClassifier", kinds["soft voting"], asked, voting.predict_proba, ones),
        ("logistic stacking", "scikit-learn StackingClassifier", kinds["logistic stacking"], asked, stacking.predict_proba, ones),
        ("temperature", "scikit-learn CalibratedClassifierCV", temperature.apply, alone, calibrated.predict_proba, ones),
        *installed_peers(rows, temperature.apply, alone),
    ]
    print("\none row beside peers, 2 members that are free; microseconds, and how many times the peer's is ours")
    for name, peer, ours, our_rows, theirs, their_rows in pairs:
        mine, other = least(ours, our_rows, rounds), least(theirs, their_rows, max(rounds // 8, 3))
        print(f"  {name:<20}{mine:8.1f}   {peer:<36}{other:9.1f}   {other / mine:7.1f} times", flush=True)


def installed_peers(rows: FitRows, temperature: Callable[..., object], alone: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """MAPIE's split band and netcal's temperature, where they are installed."""
    found: list[tuple[Any, ...]] = []
    expected = np.asarray(rows.said[0].expected)
    points = [(expected[i : i + 1].copy(),) for i in range(ASKED)]
    try:
        from mapie.regression import SplitConformalRegressor
        from sklearn.linear_model import LinearRegression
    except ImportError:
        print("\nMAPIE is not installed")
    else:
        line = LinearRegression().fit(expected[:, None], expected)
        theirs = SplitConformalRegressor(line, confidence_level=0.9, prefit=True).conformalize(expected[:, None], rows.z)
        band = fit_split_band(rows.z, expected, 0.1)
        found.append(("split band", "MAPIE", band.apply, points, theirs.predict_interval, [(one[0][:, None],) for one in points]))
    try:
        from netcal.scaling import TemperatureScaling
    except ImportError:
        print("netcal is not installed")
    else:
        scaling = TemperatureScaling()
        scaling.fit(rows.said[0].p, rows.y)
        found.append(("temperature", "netcal", temperature, alone, scaling.transform, [(rows.said[0].p[i : i + 1],) for i in range(ASKED)]))
    return found


def training(n_bars: int) -> None:
    """Seconds by kind of stage in a run with ensembles."""
    import barmill as bm

    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(BARMILL_LEDGER=f"{folder}/ledger", BARMILL_CACHE=f"{folder}/cache")
        recipe = Path(folder) / "ensembles.yaml"
        recipe.write_text(RECIPE)
        run = bm.train(recipe, bars=bm.simulate(n_bars, seed=1).bars, out=Path(folder) / "run")
        seconds: dict[str, float] = read_json(run.folder / "timings.json")["stages"]
    ensembles = ("ridge_stacking", "lightgbm_stacking", "gate", "soft_voting")
    own = {label: seconds[f"fit {label}"] + seconds[f"calibrate {label}"] for label in ensembles}
    fits, folds = seconds["fit lightgbm"] + seconds["fit xgboost"], seconds["out of fold"]
    print(f"\ntraining, {n_bars:,} simulated bars, LightGBM and XGBoost as members, 5 folds; seconds of the stages")
    print(f"  {'members, for the bundle':<40}{fits:8.1f}")
    print(f"  {'members, in the folds, on all cores':<40}{folds:8.1f}")
    for label, took in own.items():
        print(f"  {f'{label}, with what its process imports':<40}{took:8.2f}   {100 * took / (fits + folds):.1f} % of its members'")


def fitting() -> None:
    """Processor seconds of the fits alone, libraries being there."""
    members, rows = planted(FITTED, (1.0, 0.5))
    print(f"\nfits alone, {FITTED:,} rows, 2 members, every output; processor seconds")
    for kind, fit in KINDS.items():
        if kind != "fusion":  # whose folds are of other rows
            fit(members, rows)
            began = time.process_time()
            fit(members, rows)
            print(f"  {kind:<40}{time.process_time() - began:8.2f}", flush=True)


def main() -> None:
    """Run what was asked for and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--bars", type=int, default=60_000)
    parser.add_argument("--only", default="row,training", help="row, training")
    asked = parser.parse_args()
    parts = {part.strip() for part in asked.only.split(",")}
    if unknown := parts - {"row", "training"}:
        parser.error(f"no part named {', '.join(sorted(unknown))}")
    if "row" in parts:
        by_kind(asked.rounds)
        by_band(asked.rounds)
        beside_peers(asked.rounds)
    if "training" in parts:
        fitting()
        training(asked.bars)


if __name__ == "__main__":
    main()

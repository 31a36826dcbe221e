"""Leaks of what is fitted, chosen or stopped: scaler, selector, encoder, tuning, calibration, models behind columns."""

from collections.abc import Callable

import numpy as np
from lightgbm import LGBMClassifier
from scipy.signal import lfilter
from sklearn.decomposition import PCA

from barmill.evaluation.leakage.dossier import Dossier, Fitted
from planted_leaks.columns_of_bars import HORIZON
from planted_leaks.leak import PlantedLeak
from planted_leaks.markets import Market
from planted_leaks.study import Study, study, with_column

ALL = ("train", "early_stopping", "calibration", "test")
Learned = dict[str, np.ndarray]
Refit = Callable[[np.ndarray], Learned]


def rows_of(made: Study, *blocks: str) -> np.ndarray:
    return np.concatenate([made.blocks[name] for name in blocks])


# ---- scalers: what the models get is scaled


def moments(made: Study) -> Refit:
    return lambda rows: {"mean": made.X[rows].mean(axis=0), "scale": made.X[rows].std(axis=0)}


def extremes(made: Study) -> Refit:
    return lambda rows: {"low": made.X[rows].min(axis=0), "high": made.X[rows].max(axis=0)}


def edges(made: Study) -> Refit:
    return lambda rows: {"edges": np.quantile(made.X[rows], [0.02, 0.98], axis=0)}


def axes(made: Study) -> Refit:
    def refit(rows: np.ndarray) -> Learned:
        mean, scale = made.X[rows].mean(axis=0), made.X[rows].std(axis=0)
        return {"mean": mean, "scale": scale, "axes": PCA(3).fit((made.X[rows] - mean) / scale).components_}

    return refit


def apply_moments(X: np.ndarray, learned: Learned) -> np.ndarray:
    return (X - learned["mean"]) / learned["scale"]


def apply_extremes(X: np.ndarray, learned: Learned) -> np.ndarray:
    return (X - learned["low"]) / (learned["high"] - learned["low"])


def apply_edges(X: np.ndarray, learned: Learned) -> np.ndarray:
    return np.clip(X, learned["edges"][0], learned["edges"][1])


def scaled(
    what: str, refit_of: Callable[[Study], Refit], apply: Callable[[np.ndarray, Learned], np.ndarray], *blocks: str, told: bool = True
) -> Callable[[Market], Dossier]:
    """Columns scaled by what `blocks` say, while the record says train; without a record if not `told`."""

    def make(market: Market) -> Dossier:
        made = study(market)
        refit = refit_of(made)
        learned = refit(rows_of(made, *blocks))
        record = Fitted(what=what, rows=made.blocks["train"], values=learned, refit=refit)
        return made.with_more(X=apply(made.X, learned), feature_maker=None, fitted=(record,) if told else None).dossier()

    return make


def projected(*blocks: str) -> Callable[[Market], Dossier]:
    """Three principal components in the place of the columns."""

    def make(market: Market) -> Dossier:
        made = study(market)
        refit = axes(made)
        learned = refit(rows_of(made, *blocks))
        record = Fitted(what="principal components", rows=made.blocks["train"], values=learned, refit=refit)
        X = apply_moments(made.X, learned) @ learned["axes"].T
        names = ("component_0", "component_1", "component_2")
        return made.with_more(columns=names, X=X, feature_maker=None, fitted=(record,)).dossier()

    return make


def confessed(what: str, *blocks: str) -> Callable[[Market], Dossier]:
    """A record that says itself on which blocks it was fitted; nobody read it."""

    def make(market: Market) -> Dossier:
        made = study(market)
        return made.with_more(feature_maker=None, fitted=(Fitted(what=what, rows=rows_of(made, *blocks)),)).dossier()

    return make


def up_to_the_brim(what: str, purged: bool) -> Callable[[Market], Dossier]:
    """Fitted on all rows before the test block; the labels of the last of them reach into it."""

    def make(market: Market) -> Dossier:
        made = study(market)
        first = int(made.t0[made.blocks["test"][0]])
        rows = np.flatnonzero((made.t1 if purged else made.t0) < first)
        return made.with_more(feature_maker=None, fitted=(Fitted(what=what, rows=rows),)).dossier()

    return make


# ---- selectors


def selected(*blocks: str) -> Callable[[Market], Dossier]:
    """The ten of 300 slow columns of noise that go best with the outcome, over `blocks`; the record says train."""

    def make(market: Market) -> Dossier:
        made = study(market)
        noise = lfilter([1.0], [1.0, -0.99], np.random.default_rng(5).standard_normal((made.t0.size, 300)), axis=0)

        def refit(rows: np.ndarray) -> dict[str, np.ndarray]:
            link = np.abs(np.corrcoef(noise[rows].T, made.outcome[rows])[-1, :-1])
            return {"chosen": np.sort(np.argsort(-link, kind="stable")[:10])}

        chosen = refit(rows_of(made, *blocks))
        names = tuple(f"noise_{i}" for i in chosen["chosen"])
        record = Fitted(what="selector", rows=made.blocks["train"], columns=names, values=chosen, refit=refit)
        X = np.hstack([made.X, noise[:, chosen["chosen"]]])
        return made.with_more(columns=(*made.table.columns, *names), X=X, feature_maker=None, fitted=(record,)).dossier()

    return make


# ---- columns that a fit makes


def encoder(*blocks: str) -> Callable[[Market], Dossier]:
    """The mean outcome of the half hour of the day over `blocks`; the record says train."""

    def make(market: Market) -> Dossier:
        made = study(market)
        slot = (made.bars.open_time // 1_800_000 % 48).astype(int)

        def refit(rows: np.ndarray) -> Learned:
            of_row = slot[made.t0[rows]]
            count = np.bincount(of_row, minlength=48)
            return {"means": (np.bincount(of_row, weights=made.y[rows], minlength=48) + 5.0) / (count + 10.0)}

        learned = refit(rows_of(made, *blocks))
        record = Fitted(what="target encoder", rows=made.blocks["train"], columns=("encoded",), values=learned, refit=refit)
        return with_column(made, "encoded", learned["means"][slot], fitted=(record,)).dossier()

    return make


def regime(*blocks: str) -> Callable[[Market], Dossier]:
    """The quarter of volatility, its limits learned over `blocks`."""

    def make(market: Market) -> Dossier:
        made = study(market)
        volatility = made.table["volatility_60"].to_numpy()

        def refit(rows: np.ndarray) -> Learned:
            return {"limits": np.quantile(volatility[made.t0[rows]], [0.25, 0.5, 0.75])}

        learned = refit(rows_of(made, *blocks))
        record = Fitted(what="regime model", rows=made.blocks["train"], columns=("regime",), values=learned, refit=refit)
        return with_column(made, "regime", np.searchsorted(learned["limits"], volatility).astype(float), fitted=(record,)).dossier()

    return make


def stacked(out_of_fold: bool) -> Callable[[Market], Dossier]:
    """The forecast of a first model as a column of the second: of rows that it learned from, or of other ones."""

    def make(market: Market) -> Dossier:
        made = study(market)
        train = made.blocks["train"]
        half = train.size // 2
        first, second = train[:half], train[half + HORIZON :]
        model = LGBMClassifier(n_estimators=80, num_leaves=31, min_child_samples=10, verbose=-1, n_jobs=1, random_state=0)
        model.fit(made.X[first if out_of_fold else train], made.y[first if out_of_fold else train])
        said = np.full(len(made.table), np.nan)
        said[made.t0] = model.predict_proba(made.X)[:, 1]
        X = np.column_stack([made.X, said[made.t0]])
        stacked = made.with_blocks(train=second) if out_of_fold else made
        return stacked.with_more(columns=(*made.table.columns, "first_model"), X=X, feature_maker=None).dossier()

    return make


def _leak(name: str, family: str, leaky: Callable[[Market], Dossier], clean: Callable[[Market], Dossier], *columns: str) -> PlantedLeak:
    return PlantedLeak(name, family, columns, leaky, clean)


LEAKS = (
    _leak("scaler", "whole sample", scaled("scaler", moments, apply_moments, *ALL), scaled("scaler", moments, apply_moments, "train")),
    _leak(
        "scaler_unrecorded",
        "whole sample",
        scaled("scaler", moments, apply_moments, *ALL, told=False),
        scaled("scaler", moments, apply_moments, "train", told=False),
    ),
    _leak(
        "min_max_unrecorded",
        "whole sample",
        scaled("scaler", extremes, apply_extremes, *ALL, told=False),
        scaled("scaler", extremes, apply_extremes, "train", told=False),
    ),
    _leak("scaler_test_too", "whole sample", confessed("scaler", *ALL), confessed("scaler", "train")),
    _leak("clipping", "whole sample", scaled("winsoriser", edges, apply_edges, *ALL), scaled("winsoriser", edges, apply_edges, "train")),
    _leak("principal_components", "whole sample", projected(*ALL), projected("train")),
    _leak("regime_limits", "whole sample", regime(*ALL), regime("train"), "regime"),
    _leak("selector", "chosen on the test", selected(*ALL), selected("train")),
    _leak(
        "tuning",
        "chosen on the test",
        confessed("tuning", "train", "early_stopping", "test"),
        confessed("tuning", "train", "early_stopping"),
    ),
    _leak("early_stopping", "chosen on the test", confessed("early stopping", "test"), confessed("early stopping", "early_stopping")),
    _leak("calibration", "chosen on the test", confessed("calibration", "calibration", "test"), confessed("calibration", "calibration")),
    _leak("threshold", "chosen on the test", confessed("threshold", "test"), confessed("threshold", "calibration")),
    _leak("conformal_brim", "chosen on the test", up_to_the_brim("conformal scores", False), up_to_the_brim("conformal scores", True)),
    _leak("target_encoder", "target encoding", encoder(*ALL), encoder("train"), "encoded"),
    _leak("stacking", "target encoding", stacked(False), stacked(True), "first_model"),
)

"""On simulated bars whose attainable skill is known, every model that learns finds most of it, from features made of the bars."""

import functools
from typing import Any, NamedTuple

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from barmill.features import FeaturePlan
from barmill.market import simulate
from barmill.models import MODELS, FitContext, ModelSpec, Samples, load_fit, load_forecaster, window_of
from barmill.training import train_network
from barmill.views import FeatureMatrix, RobustScaler, WindowTensor
from common.test_every_model import SMALL

N_BARS, HORIZON, STRENGTH = 6000, 20, 3.0
FEATURES = ("log_return_1", "close_location", "ema_distance_60", "range_position_14", "momentum_10", "realised_volatility_60")
FIRST = 200  # every feature and every window is ready
TRAIN, VALID, TEST = (FIRST, 3600 - HORIZON), (3600, 4500 - HORIZON), (4500, N_BARS - HORIZON)
SHARE = 0.7  # of the oracle's AUC above 1/2

LEARNERS = [spec for spec in MODELS.values() if spec.question == "direction" and not spec.zero_shot]


class Market(NamedTuple):
    """Scaled features (n_bars, n_features), the return of each bar's decision in its own volatility, and what was planted of it."""

    base: np.ndarray[Any, np.dtype[np.float32]]
    z: np.ndarray[Any, np.dtype[np.float64]]
    oracle: np.ndarray[Any, np.dtype[np.float64]]


@functools.cache
def market() -> Market:
    simulated = simulate(N_BARS, 5, strength=STRENGTH, timeframe="1m", horizon=HORIZON)
    bars = simulated.bars
    calendar = bars.instrument.calendar
    plan = FeaturePlan.build(
        base=bars.timeframe, timeframes=("1m",), set="core", add=FEATURES, sources=bars.frame.columns, calendar=calendar
    )
    values = np.ascontiguousarray(plan.compute(bars).values[:, [plan.names.index(plan.column_of(name)) for name in FEATURES]])
    scaler = RobustScaler.fit(values, np.arange(*TRAIN), names=FEATURES)
    z = np.zeros(N_BARS)
    decided = np.arange(FIRST, N_BARS - HORIZON)
    z[decided] = np.log(bars.close[decided + HORIZON] / bars.open[decided + 1]) / (values[decided, -1] * np.sqrt(HORIZON))
    return Market(scaler.transform(values), z, simulated.oracle)


def samples(spec: ModelSpec, params: Any, part: tuple[int, int]) -> Samples:
    base, z, _ = market()
    at, window = np.arange(*part), window_of(spec, params)
    assert window is None or isinstance(window, int)
    view = FeatureMatrix(base, at) if window is None else WindowTensor(base, at, window)
    return Samples(view, (z[at] > 0).astype(np.int8), z[at], np.ones(at.size))


@pytest.mark.parametrize("spec", LEARNERS, ids=lambda spec: spec.name)
def test_most_of_a_planted_edge_is_found_by_every_model(spec: ModelSpec) -> None:
    own = {"target": FEATURES[0], "epochs": 4}  # more rows than the other laws have, so fewer passes
    params = spec.params(**{**SMALL[spec.name], **{name: value for name, value in own.items() if name in spec.params.model_fields}})
    context = FitContext(seed=7, n_classes=2, outputs=spec.outputs, feature_names=FEATURES, train_network=train_network, horizon=HORIZON)
    model = load_fit(spec)(params, samples(spec, params, TRAIN), samples(spec, params, VALID), context)
    test = samples(spec, params, TEST)
    raw = load_forecaster(spec, model.files).raw(test.view)
    attainable = roc_auc_score(test.y, market().oracle[slice(*TEST)]) - 0.5
    assert attainable > 0.2
    for said in (raw.logits, raw.expected):
        if said is not None:
            assert (roc_auc_score(test.y, said) - 0.5) / attainable > SHARE

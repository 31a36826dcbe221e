"""The last steps of one row with plain floats: the bits of the arrays' way, and its refusals left to it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barmill.bundles.direction import Direction, Regimes, Volatility
from barmill.bundles.direction_row import DirectionRow
from barmill.bundles.forecast_band import ForecastBand
from barmill.errors import BarmillError
from barmill.models.contract import RawForecast
from barmill.uncertainty import NATIVE, Calibration, ResidualQuantiles
from barmill.uncertainty.beta import BetaCalibration
from barmill.uncertainty.by_feature import FeatureCalibration
from barmill.uncertainty.conditional import RegimeCalibration, RegimeRows
from barmill.uncertainty.conformal.bands import CqrBand, JackknifeBand, SplitBand
from barmill.uncertainty.conformal.regime_band import RegimeBand, RegimeThreshold
from barmill.uncertainty.isotonic import IsotonicCurve
from barmill.uncertainty.platt import PlattScaling
from barmill.uncertainty.steps import Beta, Isotonic, Platt, Temperature

NAMES = ("rsi", "volatility", "regime")
CURVE = IsotonicCurve(np.array([0.2, 0.45, 0.5, 0.8]), np.array([0.1, 0.4, 0.4, 0.9]))
NOTHING = IsotonicCurve(np.array([0.5]), np.array([0.0]))
STEPS = {
    "temperature": Temperature(1.7),
    "platt": Platt((PlattScaling(-0.8, 0.05),)),
    "beta": Beta((BetaCalibration(0.7, 1.2, -0.1),)),
    "isotonic": Isotonic((CURVE,)),
    "flat": Isotonic((IsotonicCurve(np.array([0.5]), np.array([0.3])),)),
}
OF_THREE = {
    "temperature": Temperature(1.7),
    "platt": Platt((PlattScaling(-0.8, 0.05), PlattScaling(-1.1, 0.3), PlattScaling(0.0, 800.0))),
    "nothing left": Platt((PlattScaling(0.0, 800.0),) * 3),
    "beta": Beta((BetaCalibration(0.7, 1.2, -0.1), BetaCalibration(1.0, 0.4, 0.2), BetaCalibration(0.0, 1.0, 0.0))),
    "isotonic": Isotonic(
        (CURVE, IsotonicCurve(np.array([0.1, 0.9]), np.array([0.0, 0.7])), IsotonicCurve(np.array([0.5]), np.array([0.0])))
    ),
}
CHAINS = [(), *((name,) for name in STEPS), ("temperature", "isotonic"), ("platt", "beta", "isotonic")]
OFFSETS = (-1.2, 0.05, 1.4)
LEARNED = {
    "E_r": ResidualQuantiles("E_r", 0.8, 0.02, (0.05, 0.5, 0.95), OFFSETS),
    "logit": ResidualQuantiles("logit", 0.3, -0.01, (0.05, 0.5, 0.95), OFFSETS),
    "native": NATIVE,
}
CQR = CqrBand(0.25, 0.1, 500)
BANDS = {
    "none": None,
    "split": ForecastBand(SplitBand(0.4, 0.1, 500), "q50"),
    "jackknife": ForecastBand(JackknifeBand(0.4, 0.1, 500), "E_r"),
    "cqr": ForecastBand(CQR, "q05_q95"),
    "narrowed away": ForecastBand(CqrBand(-9.0, 0.1, 500), "q05_q95"),
    "by regime": ForecastBand(RegimeBand(CQR, (RegimeThreshold(0, 300, -0.2), RegimeThreshold(2, 20, None))), "q05_q95", "regime"),
}
FINITE = st.floats(-40, 40)
ODD = st.sampled_from([np.nan, np.inf, -np.inf, 1e308, -1e308, 0.0, -0.0, 5e-324])


def calibration_of(chain: tuple[str, ...], n_classes: int = 2, *, by_regime: bool) -> Calibration | FeatureCalibration:
    steps = STEPS if n_classes == 2 else OF_THREE
    pooled = Calibration(n_classes, tuple(steps.get(name, OF_THREE["nothing left"]) for name in chain))
    if not by_regime:
        return pooled
    own = RegimeRows(1, 600, Calibration(n_classes, (steps["platt"],)))
    return FeatureCalibration("regime", RegimeCalibration(pooled, (own,), 500))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Direction, RawForecast, np.ndarray]:
    number = draw(st.sampled_from([FINITE, FINITE, FINITE, FINITE | ODD]))
    quantiles = sorted(draw(st.tuples(FINITE, FINITE, FINITE)))
    n_classes = draw(st.sampled_from([2, 3]))
    logits = np.array([draw(number)]) if n_classes == 2 else np.array([[draw(number), draw(number), draw(number)]])
    raw = RawForecast(logits, np.array([draw(number)]), np.array([quantiles]))
    calibration = calibration_of(draw(st.sampled_from(CHAINS)), n_classes, by_regime=draw(st.booleans()))
    band = BANDS[draw(st.sampled_from(sorted(BANDS)))]
    direction = Direction(n_classes, ("p_up", "E_r"), calibration, LEARNED[draw(st.sampled_from(sorted(LEARNED)))], band)
    line = np.array([50.0, draw(st.floats(0, 0.1) | st.just(1e300)), draw(st.sampled_from([0.0, 1.0, 2.0, 3.0, 0.5]))])
    return direction, raw, line


@settings(max_examples=400, deadline=None)
@given(cases())
def test_every_chain_signal_and_band_gives_the_bits_of_the_arrays(case: tuple[Direction, RawForecast, np.ndarray]) -> None:
    direction, raw, line = case
    unit = Volatility("volatility", 7, 1e-6)
    row, out = DirectionRow(direction, unit, NAMES), np.full(len(direction.columns(banded=True)), np.nan)
    told = Regimes(line[2:] if direction.calibration.feature else None, line[2:] if direction.band and direction.band.regime else None)
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            whole = direction.forecast(raw, unit.scale(line[1:2]), np.zeros(1, dtype=np.int64), place="", banded=True, regimes=told)
    except BarmillError:
        assert not row.into(raw, line, out)
        return
    assert row.into(raw, line, out)
    assert out.tobytes() == np.concatenate(list(whole.values())).tobytes()


@pytest.mark.parametrize("missing", ["E_r", "native"])
def test_what_is_missing_is_left_to_the_arrays_to_refuse(missing: str) -> None:
    direction = Direction(2, ("p_up",), Calibration(2), LEARNED[missing], None)
    row = DirectionRow(direction, Volatility("volatility", 7, 1e-6), NAMES)
    assert not row.into(RawForecast(np.array([0.1])), np.array([50.0, 1e-4, 0.0]), np.empty(4))

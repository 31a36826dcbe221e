"""A calibration by regime in a bundle: each row by the regime of its own bar, alone, in a member and in an ensemble."""

from dataclasses import replace

import numpy as np
import pytest

from barmill.bundles import Bundle, BundleContents, assemble, publish, read_bundle
from barmill.errors import BundleError, ForecastError, SchemaError
from barmill.features import FeaturePlan
from barmill.uncertainty import Calibration, FeatureCalibration, RegimeCalibration, read_calibrator
from barmill.uncertainty.calibration import Temperature
from barmill.uncertainty.conditional import RegimeRows
from barmill.views import RobustScaler

FEATURE = "volatility_regime_20_60"
TEMPERATURES = {0: 0.5, 1: 4.0}
BY_REGIME = FeatureCalibration(
    FEATURE,
    RegimeCalibration(
        Calibration(2, (Temperature(2.0),)),
        tuple(RegimeRows(regime, 900, Calibration(2, (Temperature(value),))) for regime, value in TEMPERATURES.items()),
        500,
    ),
)


def seeing_regimes(making, contents):
    """The same on a plan that tells the regime, which no model sees."""
    plan = FeaturePlan.build(base="1m", timeframes=("1m", "5m"), set="core", add=(FEATURE,))
    table = plan.compute(making.walk(4000, 7))
    scaler = RobustScaler.fit(table.values, np.flatnonzero(table.ready)[:2000], names=plan.names)
    if isinstance(contents, BundleContents):
        return replace(contents, plan=plan, scaler=scaler)
    return replace(contents, plan=plan, members=[replace(one, scaler=scaler) for one in contents.members])


def logits(p):
    return np.log(p / (1 - p))


def made(contents, tmp_path) -> Bundle:
    return Bundle.from_verified(read_bundle(publish(assemble(contents), tmp_path / "r", contents.name)))


def temperatures(bundle, bars, frame):
    """Of each row of `frame`, by the regime of its bar."""
    table = bundle.plan.compute(bars)
    rows = np.searchsorted(table.open_time, frame["open_time"].to_numpy())
    regime = table.column(FEATURE)[rows]
    assert len(np.unique(regime)) > 1
    return np.array([TEMPERATURES.get(int(one), 2.0) for one in regime])


@pytest.mark.parametrize("model", ["logistic", "lstm"])
def test_each_row_goes_by_the_regime_of_its_bar_at_once_and_live(making, tmp_path, model):
    contents, bars = seeing_regimes(making, making.contents_of(model)), making.walk(500, 3)
    plain = made(replace(contents, calibration=Calibration(2)), tmp_path).forecast(bars).frame
    bundle = made(replace(contents, calibration=BY_REGIME), tmp_path)
    frame = bundle.forecast(bars).frame
    expected = 1 / (1 + np.exp(-logits(plain["p_up"].to_numpy()) / temperatures(bundle, bars, frame)))
    np.testing.assert_allclose(frame["p_up"].to_numpy(), expected, atol=1e-12)
    assert frame.drop("p_up").equals(plain.drop("p_up"))
    assert bundle.replay.exact
    assert read_calibrator(bundle.part("calibrator")) == BY_REGIME
    stream = bundle.stream()
    live = [row["p_up"] for row in (stream.push(bars.bar(at)) for at in range(len(bars))) if row is not None]
    assert live == frame["p_up"].to_list()


def test_an_ensemble_and_its_members_each_go_by_their_own_calibration(making, ensembles, tmp_path):
    contents, bars = seeing_regimes(making, ensembles.contents_of(making, "soft_voting")), making.walk(500, 3)
    weights = contents.combiner.weights(None, 1)[0]
    first, second = contents.members
    members = [replace(first, calibration=BY_REGIME), second]
    said = [
        made(replace(seeing_regimes(making, making.contents_of(one.label)), calibration=one.calibration), tmp_path)
        .forecast(bars)
        .frame["p_up"]
        .to_numpy()
        for one in members
    ]
    bundle = made(replace(contents, members=members, calibration=BY_REGIME), tmp_path)
    frame = bundle.forecast(bars).frame
    blend = weights[0] * said[0] + weights[1] * said[1]
    expected = 1 / (1 + np.exp(-logits(blend) / temperatures(bundle, bars, frame)))
    np.testing.assert_allclose(frame["p_up"].to_numpy(), expected, atol=1e-12)
    assert bundle.replay.exact


def test_a_feature_that_is_not_in_the_plan_and_a_row_without_a_regime_are_refused(making, ensembles):
    elsewhere = replace(BY_REGIME, feature="nothing")
    with pytest.raises(SchemaError, match="feature 'nothing' is not in the plan"):
        assemble(replace(making.contents_of("logistic"), calibration=elsewhere))
    with pytest.raises(SchemaError, match="feature 'nothing' is not in the plan"):
        assemble(replace(ensembles.contents_of(making, "soft_voting"), calibration=elsewhere))
    with pytest.raises(ForecastError, match=f"the regime is not given, which '{FEATURE}' tells"):
        BY_REGIME.apply(np.zeros(3))


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value.pop("pooled"),
        lambda value: value.update(more=1),
        lambda value: value["regimes"].reverse(),
        lambda value: value["regimes"][0].update(calibration={"n_classes": 3, "steps": []}),
    ],
)
def test_a_part_that_is_no_calibration_by_regime_is_refused(change):
    value = BY_REGIME.to_json()
    value["regimes"] = list(value["regimes"])
    change(value)
    with pytest.raises(BundleError):
        read_calibrator(value)

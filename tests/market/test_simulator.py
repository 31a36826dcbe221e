import time

import numpy as np
import pytest
from scipy.signal import lfilter

from barmill.errors import InputError, InstrumentError
from barmill.market import Bars, Calendar, Instrument, Simulation, simulate
from barmill.market.simulator import FLOW, FLOW_MEMORY, REVERSION, SPAN, oracle_weights


@pytest.fixture(scope="module")
def market() -> Simulation:
    return simulate(300_000, seed=11)


def forward_returns(simulation: Simulation) -> np.ndarray:
    """Log return from open[t+1] to close[t+horizon], for every t that has one."""
    bars, horizon = simulation.bars, simulation.horizon
    return np.log(bars.close[horizon:] / bars.open[1 : len(bars) - horizon + 1])


def auc(truth: np.ndarray, score: np.ndarray) -> float:
    ranks = np.argsort(np.argsort(score)) + 1.0
    n_up = int(truth.sum())
    return float((ranks[truth].sum() - n_up * (n_up + 1) / 2) / (n_up * (truth.size - n_up)))


GOLDEN = [1000.05, 1000.31, 999.18, 998.74]  # closes of bars 0, 1, 99 and 199 under seed 7


def test_the_same_arguments_give_the_same_bits() -> None:
    one, two = simulate(5000, seed=3), simulate(5000, seed=3)
    assert one.bars.fingerprint == two.bars.fingerprint
    np.testing.assert_array_equal(one.oracle, two.oracle)
    assert simulate(5000, seed=4).bars.fingerprint != one.bars.fingerprint


def test_the_bits_are_those_of_the_first_release() -> None:
    prices = simulate(200, seed=7).bars.close
    assert prices[[0, 1, 99, 199]].tolist() == GOLDEN  # a change here is new simulated data for everybody


def test_the_horizon_changes_the_oracle_and_no_bar() -> None:
    assert simulate(500, seed=3, horizon=10).bars == simulate(500, seed=3).bars


def test_bars_pass_every_check_and_lie_on_ticks(market: Simulation) -> None:
    bars = Bars.read(market.bars.frame, symbol="SIM")
    assert all(finding.severity == "info" or finding.code == "D012" for finding in bars.findings)
    for values in (bars.open, bars.high, bars.low, bars.close):
        np.testing.assert_allclose(values / 0.01, np.round(values / 0.01), rtol=0, atol=1e-6)
    assert (bars.column("taker_buy_base") <= bars.volume).all()
    average = bars.column("quote_volume") / bars.volume
    assert ((average >= bars.low - 1e-9) & (average <= bars.high + 1e-9)).all()


def test_the_oracle_follows_from_the_bars_alone(market: Simulation) -> None:
    bars = market.bars.slice(0, 5000)
    x, lean = np.log(bars.close), 2 * np.log(bars.close) - np.log(bars.high) - np.log(bars.low)
    mean, flow = np.log(1000.0), 0.0
    weights = oracle_weights(market.strength, market.horizon)
    for t in range(5000):
        mean += 2 / (SPAN + 1) * (x[t] - mean)
        flow = FLOW_MEMORY * flow + (1 - FLOW_MEMORY) * lean[t]
        assert market.oracle[t] == pytest.approx(weights[0] * (x[t] - mean) + weights[1] * flow, abs=1e-12)


@pytest.mark.parametrize("horizon", [1, 15, 60])
def test_realised_returns_follow_the_oracle_one_to_one(horizon: int) -> None:
    simulation = simulate(400_000, seed=23, horizon=horizon)
    realised, known = forward_returns(simulation), simulation.oracle[: -horizon or None]
    slope = float(known @ realised / (known @ known))
    # overlapping windows of a horizon: n / horizon independent ones
    error = float(np.std(realised) / np.std(known) / np.sqrt(known.size / horizon))
    assert abs(slope - 1.0) < 4 * error
    assert 4 * error < 0.25


def test_each_part_of_the_next_move_is_as_planted() -> None:
    bars = simulate(400_000, seed=31).bars
    x = np.log(bars.close)
    lean = 2 * x - np.log(bars.high) - np.log(bars.low)
    a = 2 / (SPAN + 1)
    distance = x - lfilter([a], [1, a - 1], x, zi=[(1 - a) * np.log(1000.0)])[0]
    flow = lfilter([1 - FLOW_MEMORY], [1, -FLOW_MEMORY], lean)
    parts = np.stack([-REVERSION * distance, FLOW * flow])[:, :-1]
    moves = np.log(bars.close[1:] / bars.open[1:])
    found = np.linalg.solve(parts @ parts.T, parts @ moves)
    errors = np.sqrt(np.diag(np.linalg.inv(parts @ parts.T))) * moves.std()
    assert (np.abs(found - 1.0) < 4 * errors).all()
    assert (errors < 0.05).all()


def test_the_attainable_skill_is_as_stated(market: Simulation) -> None:
    realised, known = forward_returns(market), market.oracle[: -market.horizon]
    assert 0.58 < auc(realised > 0, known) < 0.65
    assert 0.2 < np.corrcoef(realised, known)[0, 1] < 0.35
    best = known > np.quantile(known, 0.9)
    assert realised[best].mean() > 5e-4  # five basis points, against a round trip of one


def test_an_ordinary_feature_recovers_most_of_it(market: Simulation) -> None:
    closes = np.log(market.bars.close)
    momentum = np.concatenate([np.zeros(60), closes[60:] - closes[:-60]])
    realised = forward_returns(market)
    assert auc(realised > 0, -momentum[: realised.size]) > 0.55


def test_without_strength_nothing_is_predictable() -> None:
    simulation = simulate(300_000, seed=11, strength=0.0)
    assert not simulation.oracle.any()
    planted = simulate(300_000, seed=11).oracle[:-60]
    blind = simulate(300_000, seed=12, strength=0.0)
    x = np.log(blind.bars.close)
    distance = np.concatenate([np.zeros(60), x[60:] - x[:-60]])[:-60]
    assert 0.48 < auc(forward_returns(blind) > 0, distance) < 0.52
    assert planted.std() > 0


def test_the_market_has_what_real_minutes_have(market: Simulation) -> None:
    bars = market.bars
    returns = np.diff(np.log(bars.close))
    size = np.abs(returns)
    centred = returns - returns.mean()
    assert np.mean(centred**4) / np.mean(centred**2) ** 2 > 8  # fat tails
    assert all(np.corrcoef(size[:-lag], size[lag:])[0, 1] > 0.05 for lag in (1, 10, 60, 240))  # volatility clusters
    assert abs(np.corrcoef(returns[:-1], returns[1:])[0, 1]) < 0.03  # and single returns hardly follow one another
    assert np.corrcoef(np.log(bars.volume[1:]), size)[0, 1] > 0.3  # volume goes with movement
    hour = bars.open_time[1:] // 3_600_000 % 24
    assert size[hour == 14].mean() > 1.3 * size[hour == 2].mean()  # the day has its hours
    share = bars.column("taker_buy_base") / bars.volume
    assert np.corrcoef(share[1:], returns)[0, 1] > 0.3  # takers lean the way the bar goes
    assert size.max() > 10 * returns.std()  # jumps


def test_nights_and_weekends_of_the_calendar_are_gaps() -> None:
    bars = simulate(20_000, seed=1, symbol="ES").bars
    globex = Calendar.named("CMES")
    assert len(bars) == 20_000
    assert globex.is_open(bars.open_time).all()
    assert globex.missing(bars.open_time, bars.timeframe).size == 0
    assert np.diff(bars.open_time).max() > 86_400_000


def test_a_thin_market_leaves_bars_out() -> None:
    bars = simulate(20_000, seed=1, missing_share=0.2).bars
    assert len(bars) == 20_000
    missing = bars.calendar.missing(bars.open_time, bars.timeframe).size
    assert missing / (missing + 20_000) == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize(("timeframe", "symbol"), [("5m", "SIM"), ("1h", "EURUSD"), ("1d", "BTCUSDT")])
def test_other_timeframes_and_instruments(timeframe: str, symbol: str) -> None:
    bars = simulate(2000, seed=2, timeframe=timeframe, symbol=symbol).bars
    assert (len(bars), str(bars.timeframe), bars.instrument) == (2000, timeframe, Instrument.builtin(symbol))
    assert Bars.read(bars.frame, symbol=symbol) == bars


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n_bars": 1}, "simulate:n_bars: 1; expected 2 to"),
        ({"seed": -1}, "simulate:seed: -1"),
        ({"strength": 4.0}, "simulate:strength: 4; expected 0 to 3"),
        ({"start": "yesterday"}, "simulate:start: 'yesterday' is no date"),
        ({"missing_share": 1.0}, "simulate:missing_share: 1; expected 0 to 0.9"),
    ],
)
def test_impossible_arguments_are_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        simulate(**{"n_bars": 100, "seed": 1, **given})  # type: ignore[arg-type]
    assert message in str(caught.value)


def test_an_unknown_symbol_is_refused() -> None:
    with pytest.raises(InstrumentError, match="Did you mean 'SIM'"):
        simulate(100, seed=1, symbol="SIMX")


def test_a_million_bars_take_seconds() -> None:
    simulate(100, seed=1)
    began = time.process_time()
    simulate(1_000_000, seed=5)
    assert time.process_time() - began < 5.0

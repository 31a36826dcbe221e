"""The backtest of a bundle: its own rule, and never in-sample taken for out-of-sample."""

import json

import numpy as np
import pytest

from barmill.bundles import Bundle, publish
from barmill.errors import DataError, InputError
from barmill.evaluation import BacktestConfig, backtest, positions
from barmill.evaluation.backtesting import by_bar
from barmill.labels import decision_bars
from barmill.market import cost_rate
from barmill.pipeline.bundle_backtest import backtest_bundle, bundle_config
from oracles import seen_bundles


@pytest.fixture
def load(tmp_path):
    def load(**says):
        return Bundle.load(publish(seen_bundles.files(**says), tmp_path / "bundles", "logistic"))

    return load


def test_the_defaults_are_the_rule_by_which_it_was_judged(load):
    config = bundle_config(load())
    assert (config.long_above, config.short_below, config.holding_bars, config.decide_every) == (0.6, 0.4, 30, 2)
    assert bundle_config(load(), None, ["holding_period_minutes=5"]).holding_bars is None


def test_a_bundle_that_forecasts_no_direction_is_not_traded(tmp_path):
    bundle = Bundle.load(publish(seen_bundles.making().files_of("risk"), tmp_path, "risk"))
    with pytest.raises(InputError, match="bundle 'risk' forecasts sl_kATR, and no direction; expected p_up among its outputs"):
        backtest_bundle(bundle, seen_bundles.bars_of(4_500), bundle_config(bundle))


def test_its_trades_are_those_of_the_judging(load):
    bundle, bars = load(), seen_bundles.bars_of(4_500)
    done = backtest_bundle(bundle, bars, bundle_config(bundle, None, ["sizing=lots"]))
    p_up = np.where(decision_bars(bars, 2), by_bar(bundle.forecast(bars).frame, bars.open_time, "p_up"), np.nan)
    judged = backtest(bars.open, positions(p_up, 0.4, 0.6, 30), cost_rate(bars.instrument, bars.open), 525_600).trades
    assert len(judged) > 20
    within = done.whole.trades.entry_bar < len(bars) - 1
    np.testing.assert_array_equal(done.whole.trades.entry_bar[within], judged.entry_bar)
    np.testing.assert_array_equal(done.whole.trades.side[within], judged.side)


@pytest.mark.parametrize("says", [{"placed": False}, {}])
def test_what_it_had_seen_is_told_apart(load, says):
    bundle, bars = load(**says), seen_bundles.bars_of(4_500)
    done = backtest_bundle(bundle, bars, bundle_config(bundle))
    assert [part.name for part in done.parts] == ["out-of-sample", "in-sample"]
    assert [part.result.raw_rows for part in done.parts] == [4_500 - seen_bundles.N_SEEN, seen_bundles.N_SEEN - 100]
    assert done.judged.result.trades.decided_bar.min() >= seen_bundles.N_SEEN
    frame = done.equity_frame()
    assert frame["in_sample"].sum() == seen_bundles.N_SEEN - 100
    assert not frame["in_sample"][seen_bundles.N_SEEN]
    assert frame["in_sample"][seen_bundles.N_SEEN - 1]
    told = done.to_dict(100)
    assert {record["in_sample"] for record in told["trades"]} == {True, False}
    json.dumps(told, allow_nan=False)


def test_bars_that_it_saw_alone_are_called_so(load):
    bundle, bars = load(), seen_bundles.bars_of(seen_bundles.N_SEEN)
    done = backtest_bundle(bundle, bars, bundle_config(bundle))
    assert [part.name for part in done.parts] == ["in-sample"]
    assert done.warning.startswith("None of these bars is later than those that fitted the bundle")


def test_the_test_block_of_the_run_is_no_new_evidence(load):
    bundle, bars = load(timed=False), seen_bundles.bars_of(4_000)
    done = backtest_bundle(bundle, bars, bundle_config(bundle))
    assert done.judged.name == "out-of-sample"
    assert "its test block, judged before" in done.warning


def test_a_bundle_that_does_not_say_is_not_trusted(load):
    bundle, bars = load(timed=False), seen_bundles.bars_of(4_500)
    done = backtest_bundle(bundle, bars, bundle_config(bundle))
    assert [part.name for part in done.parts] == ["unknown"]
    assert "nothing here can be taken for out-of-sample" in done.warning


def test_a_range_of_the_config_cuts_the_parts(load):
    bundle, bars = load(), seen_bundles.bars_of(4_500)
    late = bundle_config(bundle, None, ["start=2023-11-17T06:00"])
    done = backtest_bundle(bundle, bars, late)
    assert [part.name for part in done.parts] == ["out-of-sample"]
    assert done.judged.result.raw_rows == done.whole.raw_rows


def test_what_cannot_be_traded_is_refused(load):
    bundle, bars = load(), seen_bundles.bars_of(4_500)
    with pytest.raises(InputError, match="no thresholds"):
        backtest_bundle(bundle, bars, BacktestConfig())
    with pytest.raises(InputError, match="share"):
        backtest_bundle(bundle, bars, BacktestConfig(sizing="share", long_above=0.6, short_below=0.4))
    with pytest.raises(DataError, match="none of them is ready"):
        backtest_bundle(bundle, bars.slice(0, 50), bundle_config(bundle))

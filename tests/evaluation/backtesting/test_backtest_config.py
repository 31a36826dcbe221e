import numpy as np
import pytest
from pydantic import ValidationError

from barmill.errors import InputError
from barmill.evaluation import BacktestConfig, config_grid, read_backtest_config


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"target_r": 2.0}, "target_r counts distances of the stop, and there is none; give stop_atr or stop_share"),
        ({"stop_atr": 2, "stop_share": 0.1}, "stop_atr and stop_share say the same thing in two ways; give one of them"),
        ({"holding_bars": 2, "holding_period_minutes": 5}, "holding_bars and holding_period_minutes say the same thing"),
        ({"transaction_cost_bps": 2, "fee_per_contract": 5}, "transaction_cost_bps and fee_per_contract say the same thing"),
        ({"max_risk_per_trade": 0.02}, "max_risk_per_trade needs a stop or margin_per_lot"),
        ({"long_above": 0.4, "short_below": 0.6}, "short_below 0.6 is above long_above 0.4; swap them"),
        ({"start": "2024-01-02", "end": "2024-01-02"}, "end 2024-01-02 is not after start 2024-01-02"),
        ({"start": "soon"}, "'soon' is no time such as 2024-01-01"),
        ({"sizing": "share", "stop_atr": 2, "max_trades": 3}, "so max_trades, stop_atr cannot be given with it"),
        ({"account_size": 0}, "greater than 0"),
        ({"slippage_bps": -1}, "greater than or equal to 0"),
        ({"fill": "this_close"}, "'next_open' or 'next_close'"),
        ({"account_size": float("inf")}, "finite"),
    ],
)
def test_rules_that_make_no_sense_are_refused(given, said):
    with pytest.raises(ValidationError) as error:
        BacktestConfig(**given)
    assert said in str(error.value)


def test_the_fields_of_the_seed_are_there():
    config = BacktestConfig(
        exchange="NSE", start="2024-01-01", end="2024-02-01", strategy="ml_signal", holding_period_minutes=15, transaction_cost_bps=2,
        slippage_bps=1, min_confidence=0.55, max_trades=100, account_size=1e6, margin_per_lot=1e5, max_risk_per_trade=0.02,
    )  # fmt: skip
    assert BacktestConfig.model_validate_json(config.model_dump_json()) == config


def test_a_file_with_values_laid_over_it(tmp_path):
    file = tmp_path / "rules.yaml"
    file.write_text("start: 2024-01-01\nstop_atr: 2\nholding_period_minutes: 30\n")
    config = read_backtest_config(file, ["stop_atr=3", "target_r=1.5"], {"holding_bars": 60, "allow_short": False})
    assert (config.start, config.stop_atr, config.target_r, config.allow_short) == ("2024-01-01", 3.0, 1.5, False)
    assert (config.holding_bars, config.holding_period_minutes) == (None, 30)  # who gives one way to say it means it instead of the other


@pytest.mark.parametrize(
    ("text", "overrides", "said"),
    [
        ("stop_atrs: 2", [], "rules.yaml:stop_atrs: there is no such key. Did you mean 'stop_atr'?"),
        ("stop_atr: wide", [], "rules.yaml:stop_atr: is 'wide': input should be a valid number"),
        ("- 1", [], "rules.yaml: this holds no config; expected keys such as holding_bars and stop_atr."),
        ("a: [", [], "rules.yaml line 1: not plain YAML"),
        ("fill: !!python/object:os.system x", [], "not plain YAML"),
        ("{}", ["stop_atr"], "--set: 'stop_atr'; expected key=value, such as stop_atr=2."),
    ],
)
def test_a_bad_file_is_told_with_its_place(tmp_path, text, overrides, said):
    file = tmp_path / "rules.yaml"
    file.write_text(text)
    with pytest.raises(InputError) as error:
        read_backtest_config(file, overrides)
    assert said in str(error.value)


def test_every_problem_is_told_at_once(tmp_path):
    file = tmp_path / "rules.yaml"
    file.write_text("stop_atr: -1\nlotz: 2\n")
    with pytest.raises(InputError) as error:
        read_backtest_config(file)
    assert len(error.value.problems) == 2


def test_a_grid_has_every_combination_the_last_field_fastest():
    grid = config_grid(BacktestConfig(), holding_bars=[5, 10], min_confidence=[0.0, 0.5])
    assert [(one.holding_bars, one.min_confidence) for one in grid] == [(5, 0), (5, 0.5), (10, 0), (10, 0.5)]
    with pytest.raises(InputError, match="no field named stop"):
        config_grid(BacktestConfig(), stop=[1])
    with pytest.raises(ValidationError):
        config_grid(BacktestConfig(), holding_bars=np.array([0]).tolist())

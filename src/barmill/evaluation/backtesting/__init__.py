"""The backtest: signals through bars, order by order, with costs, stops, sizes and an account that adds up.

`config` is what it is told and `rule_vector` the same for the compiled loops; `account_kernel` trades single positions, `share_kernel`
follows shares of equity as models are judged; `engine` runs one backtest, `many` runs columns of them; `result`, `trade_list`, `metrics`,
`series`, `groups` and `sensitivity` are what comes out. A new rule is a field of the config, a place in the vector and a line in the
kernel's order of a bar.
"""

from barmill.evaluation.backtesting.config import BacktestConfig
from barmill.evaluation.backtesting.config_reading import read_backtest_config
from barmill.evaluation.backtesting.engine import BacktestEngine
from barmill.evaluation.backtesting.funding import FundingRates
from barmill.evaluation.backtesting.groups import GroupFigures, by_group, trading_hours, volatility_regimes
from barmill.evaluation.backtesting.many import backtest_many, config_grid
from barmill.evaluation.backtesting.result import BacktestResult, EquityCurve
from barmill.evaluation.backtesting.sensitivity import Sensitivity, sensitivity
from barmill.evaluation.backtesting.series import MonthlyReturn, monthly_returns, rolling_sharpe, underwater
from barmill.evaluation.backtesting.signals import Signals, by_bar
from barmill.evaluation.backtesting.sizing import PositionSize, get_optimal_position_size
from barmill.evaluation.backtesting.trade_list import REASONS, TradeList, TradeRecord

__all__ = [
    "REASONS",
    "BacktestConfig",
    "BacktestEngine",
    "BacktestResult",
    "EquityCurve",
    "FundingRates",
    "GroupFigures",
    "MonthlyReturn",
    "PositionSize",
    "Sensitivity",
    "Signals",
    "TradeList",
    "TradeRecord",
    "backtest_many",
    "by_bar",
    "by_group",
    "config_grid",
    "get_optimal_position_size",
    "monthly_returns",
    "read_backtest_config",
    "rolling_sharpe",
    "sensitivity",
    "trading_hours",
    "underwater",
    "volatility_regimes",
]

"""What a portfolio weighs and what it can lose: hierarchical risk parity, value at risk, expected shortfall, tails.

Pure functions on arrays, with the formulas of the definitions page; nothing here knows a model or a run.
"""

from barmill.portfolio.extreme_values import GpdFit, VarEs, evt_var_es, gpd_fit
from barmill.portfolio.historical_risk import TailRisk, hist_var_cvar
from barmill.portfolio.risk_parity import hrp_weights

__all__ = ["GpdFit", "TailRisk", "VarEs", "evt_var_es", "gpd_fit", "hist_var_cvar", "hrp_weights"]

"""What a portfolio weighs and what it can lose: hierarchical risk parity, value at risk, expected shortfall, tails.

Pure functions on arrays, with the formulas of the definitions page; nothing here knows a model or a run.
"""

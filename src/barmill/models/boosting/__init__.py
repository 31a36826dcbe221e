"""Gradient-boosted trees on the feature matrix: LightGBM and XGBoost.

`params` is light; `lightgbm` and `xgboost` learn, one booster an output; `forecasters` runs the boosters' own
formats.
"""

"""Gradient-boosted trees on the feature matrix: LightGBM and XGBoost.

`params` is light; `lightgbm_fit` and `xgboost_fit` learn, one booster an output; `forecasters` runs the boosters' own
formats.
"""

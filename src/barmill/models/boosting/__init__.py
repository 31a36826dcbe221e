"""Gradient-boosted trees on the feature matrix: LightGBM, XGBoost and CatBoost.

`params` is light; `lightgbm`, `xgboost` and `catboost` learn, one booster an output; `forecasters` runs the first two in
their own formats, `catboost_forecaster` reads CatBoost's trees with NumPy alone.
"""

"""Gradient-boosted trees on the feature matrix: LightGBM, XGBoost and CatBoost.

`params` is light; `lightgbm`, `xgboost` and `catboost` learn, one booster an output. Forecasts need none of these libraries:
`lightgbm_text`, `xgboost_ubj` and `symmetric_trees` read their files, `flat_trees` walks what was read.
"""

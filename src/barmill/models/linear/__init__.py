"""Linear models on the feature matrix: logistic regression, ridge and elastic net.

`params` is light; `logistic`, `ridge` and `elastic_net` fit, on what `fitting` shares; `forecaster` needs NumPy alone.
"""

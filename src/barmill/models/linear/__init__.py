"""Linear models: logistic regression on the feature matrix.

`params` is light; `logistic` fits with scikit-learn; `forecaster` needs NumPy alone.
"""

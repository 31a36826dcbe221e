"""Ensembles: what becomes of several models' forecasts of the same row. Voting, stacking and gating, fitted out of fold.

Fitting is training's work and may use scikit-learn, LightGBM or statsmodels; a fitted ensemble is named bytes, and combining is what
a server does and needs NumPy alone. What may be touched: a new way to combine is a module with its fit and its `Combiner`, a row in
`catalogue.py` and a line in `reading.py`.
"""

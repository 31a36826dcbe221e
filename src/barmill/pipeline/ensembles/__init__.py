"""Ensembles in a run: forecasts out of fold, the fit of what combines them, and ensembles judged as every model is."""

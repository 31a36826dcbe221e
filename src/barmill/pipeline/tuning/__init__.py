"""Tuning with Optuna, inside the training block alone.

What is tried is declared with each model's parameters, and a recipe may say otherwise (`config`, `spaces`). A setting is
judged on inner folds of the training rows, purged, each with everything fitted anew (`inner_folds`). Optuna chooses and
remembers (`study`), the ledger counts, and `tuner` runs the trials. Optuna is imported by `study` alone, and only when a
tuning runs. This page stands below the recipe, which holds a `TuneConfig`: the other modules are imported by their names.
"""

from barmill.pipeline.tuning.config import SearchRange, TuneConfig

__all__ = ["SearchRange", "TuneConfig"]

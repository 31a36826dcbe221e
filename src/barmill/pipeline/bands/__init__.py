"""Conformal bands in a run: fitted on rows of their own or out of fold, put into bundles, and judged on rows that came later."""

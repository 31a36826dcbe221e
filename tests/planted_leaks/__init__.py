"""Experiments with one thing wrong, each beside its clean sister, and columns that are clean; see `cases` and `clean_columns`."""

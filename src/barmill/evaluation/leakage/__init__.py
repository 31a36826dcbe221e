"""Leakage checks: each looks at a dossier of an experiment and says passed, failed or not applicable, with its evidence."""

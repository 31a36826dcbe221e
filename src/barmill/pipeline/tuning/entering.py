"""Trials of a tuning in the trial ledger: each is counted before its result is looked at, and no trial twice."""

from collections.abc import Mapping
from typing import Any

from barmill.evaluation import Ledger
from barmill.evaluation.ledger_entries import trial_id_of
from barmill.pipeline.tuning.trials import Trial


class TrialBook:
    """Enters the trials of one tuning.

    Parameters
    ----------
    ledger : of the data; None where nothing is counted, which is right only for data that nothing else is judged on
    identity : plain JSON of what a trial is beside its parameters: a model on this data. Neither its number nor the rows that judge
        it are part of it: what was tried before, in this tuning or in a split of the cross-validation, is the same trial.
    config : the model's parameters where a trial says nothing
    note : what stands beside each entry
    """

    def __init__(self, ledger: Ledger | None, identity: Mapping[str, Any], config: Mapping[str, Any], note: Mapping[str, Any]) -> None:
        self._ledger, self._identity, self._config, self._note = ledger, identity, config, note
        entries = ledger.entries if ledger is not None else ()
        self._fits = {entry.trial_id for entry in entries if entry.kind == "fit"}
        self._outcomes = {entry.trial["trial"] for entry in entries if entry.kind == "outcome" and entry.trial["block"] == "tuning"}

    def enter(self, params: Mapping[str, Any]) -> None:
        """Count a trial, before anything is fitted."""
        trial = self._trial(params)
        if self._ledger is not None and trial_id_of("fit", trial) not in self._fits:
            self._fits.add(self._ledger.append("fit", trial, self._note).trial_id)

    def tell(self, trial: Trial) -> None:
        """Say what came of an entered trial, on all inner folds that were done."""
        trial_id = trial_id_of("fit", self._trial(trial.params))
        if self._ledger is not None and trial_id not in self._outcomes:
            outcome = {"trial": trial_id, "block": "tuning", "sharpe": trial.sharpe, "n_obs": trial.n_obs, "state": trial.state}
            self._ledger.append("outcome", outcome, self._note)
            self._outcomes.add(trial_id)

    def _trial(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return {"tuning": {**self._identity, "params": {**self._config, **params}}}


__all__ = ["TrialBook"]

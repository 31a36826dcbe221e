"""Models tuned in a fold or a split: what it holds out has no say in the parameters either."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from barmill.evaluation import Ledger
from barmill.market import Bars
from barmill.models.contract import Window
from barmill.pipeline.dataset import Dataset, Positions
from barmill.pipeline.recipe import ModelEntry, Recipe
from barmill.pipeline.tuning.spaces import tuned_entries, tuned_entry
from barmill.pipeline.tuning.stage import tuning_of
from barmill.pipeline.tuning.tuner import tune_model
from barmill.pipeline.workspace import Stage


@dataclass(frozen=True, slots=True)
class TunedInFold:
    """The models of a recipe as they are fitted on rows of a fold.

    recipe : with the parameters from which tuning starts
    prepared : stages of the prepared data, `features` and `labels` among them
    """

    recipe: Recipe
    data: Dataset
    windows: Mapping[str, Window]
    prepared: Mapping[str, Stage]
    read_bars: Callable[[], Bars]

    def entry(self, label: str, train: Positions, scratch: Path | None) -> ModelEntry:
        """The model `label` with parameters that were looked for among the rows `train` alone, and counted; as it is where it is not
        tuned.

        train : int64 positions of the rows that fit it; scratch : as in `tune_model`
        """
        entry = next(entry for entry in self.recipe.base_models if entry.label == label)
        if entry not in tuned_entries(self.recipe):
            return entry
        bars = self.read_bars()
        tuning = tuning_of(self.recipe, entry, bars.timeframe, self.windows[label], self.prepared)
        ledger, trials = Ledger.of(bars.fingerprint), tuning.config.fold_trials
        found = tune_model(tuning, self.data, bars, train, trials=trials, scratch=scratch, ledger=ledger)
        return tuned_entry(entry, dict(found.best.params))


__all__ = ["TunedInFold"]

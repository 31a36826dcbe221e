"""The trials of a run, in the ledger: entered before they are judged, with their outcomes after."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from barmill.evaluation import Ledger, sharpe_ratio
from barmill.evaluation.ledger_entries import Block, trial_id_of
from barmill.pipeline.inputs import RunInputs
from barmill.pipeline.plan import Stages
from barmill.pipeline.trading_path import Float64Array


@dataclass(frozen=True, slots=True)
class Trials:
    """One trial for each model of a run: its configuration on these bars, features, labels and splits, whatever the block it is judged on.

    fits : what tells each model's trial from another, by the model's name in the run
    """

    ledger: Ledger
    run: str
    fits: Mapping[str, Mapping[str, str]]

    @classmethod
    def of(cls, inputs: RunInputs, stages: Stages) -> "Trials":
        """The trials of a run, and the ledger of its bars, which now says which bars they are."""
        bars = inputs.bars
        ledger = Ledger.of(bars.fingerprint)
        ledger.describe(bars.instrument.symbol, str(bars.timeframe), int(bars.open_time[0]), int(bars.open_time[-1]), len(bars))
        return cls(ledger, inputs.recipe.name, {label: {"fit": model.fit.key} for label, model in stages.judged.items()})

    def enter(self) -> None:
        """Say what is about to be judged, before anything of it is looked at."""
        for label, fit in self.fits.items():
            self.ledger.append("fit", fit, {"model": label, "run": self.run})

    def open_test(self, bundles: Mapping[str, str]) -> None:
        """Say that the test block is about to be opened for these bundles (name to digest)."""
        self.ledger.append("test_opened", {"bundles": dict(bundles)}, {"run": self.run})

    def close(self, block: Block, returns: Mapping[str, Float64Array]) -> None:
        """Say how each trial of this ledger came out on `block`, from its net returns per bar, where that was not said yet: a run that was
        killed between judging and saying it says it when it goes on."""
        told = self.ledger.outcomes()
        for label, net in returns.items():
            trial = trial_id_of("fit", self.fits[label])
            if trial not in told or block in told[trial]:
                continue
            sharpe = sharpe_ratio(net, 1.0)
            outcome = {"block": block, "sharpe": sharpe if math.isfinite(sharpe) else None, "n_obs": len(net)}
            self.ledger.append("outcome", {"trial": trial, **outcome}, {"model": label, "run": self.run})

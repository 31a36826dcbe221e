"""What an expert learns from: the run's features and bars at the decisions of its question, with what came of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from barmill.errors import ProvenanceError
from barmill.evaluation import Provenance, check_provenance, provenance
from barmill.market import Bars
from barmill.models.catalogue import spec_of
from barmill.models.contract import Samples, View
from barmill.pipeline.dataset import Dataset, Positions, load_bars, load_positions
from barmill.pipeline.experts.answers import Answers
from barmill.pipeline.provenance import FITTED_ON, provenance_of
from barmill.pipeline.recipe import ExpertEntry
from barmill.views import PatternImage
from barmill.views.closed_bars import PRICES

_OWN = ("model", "early stopping", "calibration")  # what an expert fits itself; features and their scaling are the run's
_SHARED = ("features", "scaler")


@dataclass(frozen=True)
class ExpertData:
    """The samples of one expert.

    run : the run's own data: features, scaled by what its training block says
    folder : of the finished stage of the question
    """

    run: Dataset
    folder: Path
    entry: ExpertEntry

    @cached_property
    def answers(self) -> Answers:
        return Answers.load(self.folder)

    @cached_property
    def positions(self) -> Mapping[str, Positions]:
        """The blocks, of the answers."""
        return load_positions(self.folder)

    @cached_property
    def bars(self) -> Bars:
        assert self.run.bars is not None
        return load_bars(self.run.bars)

    @property
    def sees_images(self) -> bool:
        return spec_of(self.entry.name).view == "pattern_image"

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that the expert sees, in order; of an image those that it is drawn from."""
        return PRICES if self.sees_images else self.entry.inputs or self.run.names

    def rows(self, block: str) -> npt.NDArray[np.int64]:
        """The decision bars of `block`."""
        return np.ascontiguousarray(self.answers.t0[self.positions[block]])

    def view(self, block: str) -> View:
        rows = self.rows(block)
        return PatternImage.of(self.bars, rows) if self.sees_images else self.run.scaled_data.view_at(rows, None, self.entry.inputs)

    def samples(self, block: str) -> Samples:
        """The answers of `block`, weighted by their uniqueness to a mean of 1; there is no return to learn, so z is 0."""
        positions, answers = self.positions[block], self.answers
        weight = self._uniqueness[positions]
        return Samples(
            view=self.view(block),
            y=answers.y[positions],
            z=np.zeros(len(positions)),
            weight=weight / weight.mean(),
            targets=answers.targets_at(positions),
        )

    @cached_property
    def _uniqueness(self) -> npt.NDArray[np.float64]:
        return self.answers.uniqueness

    def provenance(self, tuned: bool) -> list[Provenance]:
        """One record for each thing that the expert stands on.

        Raises: ProvenanceError if any of it saw an answer, or a bar, of a block that judges it.
        """
        own = {what: provenance(what, FITTED_ON[what], self.positions[FITTED_ON[what]], self.answers) for what in _OWN}
        for judge, judged in (("early_stopping", _OWN[:1]), ("calibration", _OWN[:2]), ("selection", _OWN), ("test", _OWN)):
            check_provenance([own[what] for what in judged], self.positions[judge], self.answers, judge)
        if self.sees_images:  # nothing that was fitted draws an image
            return list(own.values())
        shared = [record for record in provenance_of(self.run, tuned) if record.what in _SHARED]
        first = int(self.rows("early_stopping")[0])
        for record in shared:
            if record.last_bar >= first:
                found = f"fitted on bars up to {record.last_bar}, and {self.entry.label} is judged from bar {first} on"
                raise ProvenanceError(record.what, found, mend="Report this: it is a fault of Barmill.")
        return [*shared, *own.values()]


__all__ = ["ExpertData"]

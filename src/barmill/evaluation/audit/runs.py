"""Running what is audited, again and again: each table checked for a row per bar and put into one order of columns."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from barmill.evaluation.audit.evidence import Values
from barmill.evaluation.audit.findings import AuditFinding, audit_finding
from barmill.evaluation.audit.tables import FeatureMaker, MadeTable
from barmill.progress import Progress

if TYPE_CHECKING:
    from barmill.market import Bars


@dataclass(slots=True)
class Runs:
    """The runs of one audit.

    names : the columns of the first table, which all others are held to
    planned, done : runs, for the progress
    findings : what is wrong with the tables as such, each kind once
    """

    maker: FeatureMaker
    progress: Progress
    names: tuple[str, ...] = ()
    planned: int = 0
    done: int = 0
    findings: list[AuditFinding] = field(default_factory=list[AuditFinding])

    def make(self, bars: "Bars", note: str, like: Values | None = None) -> Values | None:
        """The values of a run; None if there is no row for each bar. A column that is lost is taken from `like`, or is NaN.

        Raises: DataError if there is no table.
        """
        self.progress.update(self.done, max(self.planned, self.done + 1), note)
        self.done += 1
        made = self.maker.make(bars)
        self.names = self.names or made.names
        if len(made.values) != len(bars):
            self._tell_rows(len(made.values), len(bars))
            return None
        if made.names == self.names:
            return made.values
        self._tell_columns(made)
        return self._in_order(made, like)

    def finish(self) -> None:
        """Tell the progress that all is done."""
        self.progress.update(self.done, self.done, "")

    def _tell_rows(self, n_rows: int, n_bars: int) -> None:
        if not any(finding.code == "F105" for finding in self.findings):
            cause = "rows were dropped (dropna), or the table is of another timeframe; give NaN where there is no value"
            self.findings.append(audit_finding("F105", "", f"{n_rows:,} rows of {n_bars:,} bars", cause=cause, bars_given=n_bars))

    def _tell_columns(self, made: MadeTable) -> None:
        if any(finding.code == "F106" for finding in self.findings):
            return
        lost = [name for name in self.names if name not in made.names]
        new = [name for name in made.names if name not in self.names]
        words = [f"lacks {', '.join(lost)}" if lost else "", f"has {', '.join(new)} more" if new else ""]
        found = f"a table of {len(made.values):,} bars {' and '.join(filter(None, words)) or 'has its columns in another order'}"
        self.findings.append(audit_finding("F106", "", found, cause="columns made of the values there are, such as dummies"))

    def _in_order(self, made: MadeTable, like: Values | None) -> Values:
        values = np.full((len(made.values), len(self.names)), np.nan, dtype=made.values.dtype)
        for i, name in enumerate(self.names):
            if name in made.names:
                values[:, i] = made.values[:, made.names.index(name)]
            elif like is not None:
                values[:, i] = like[: len(values), i]
        return values


__all__ = ["Runs"]

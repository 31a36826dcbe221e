"""What a check of bars found: an object with a stable code."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from barmill.errors import DataError

Severity = Literal["error", "warning", "info"]

# Codes are forever: a code that is no longer used is not given to another check.
CODES = {
    "D001": "missing columns",
    "D002": "not a number",
    "D003": "unsorted",
    "D004": "duplicate times",
    "D005": "price outside the bar",
    "D006": "negative volume",
    "D007": "price not positive",
    "D008": "implausible time",
    "D009": "mixed timeframes",
    "D010": "off the grid",
    "D011": "gaps",
    "D012": "outlier returns",
    "D013": "zero range",
    "D014": "zero volume",
    "D015": "empty",
    "D016": "too few bars",
    "D017": "taker volume above volume",
    "D018": "close_time disagrees",
    "D019": "no volume column",
    "D020": "market closed",
    "D021": "flat run",
    "D022": "incomplete extra column",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's result, where there is something to say.

    Parameters
    ----------
    code, name : stable code and its name, of CODES
    severity : "error" (such bars are refused), "warning" (look at it), "info"
    count : rows, gaps or columns concerned
    first_row : position (from 0) of the first row concerned, or None if it concerns no single row
    first_time : its open time, such as "2023-03-14 14:30 UTC", or None
    found : what is there, in words
    mend : what to do, a sentence
    """

    code: str
    name: str
    severity: Severity
    count: int
    first_row: int | None
    first_time: str | None
    found: str
    mend: str = ""

    @property
    def where(self) -> str:
        """`row 18204 (2023-03-14 14:30 UTC)`, or nothing."""
        if self.first_row is None:
            return f"({self.first_time})" if self.first_time else ""
        return f"row {self.first_row}{f' ({self.first_time})' if self.first_time else ''}"

    @property
    def message(self) -> str:
        """Where and what, in one line."""
        return f"{self.where}: {self.found}" if self.where else self.found

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json` and judgement.json."""
        names = ("code", "name", "severity", "count", "first_row", "first_time", "message", "mend")
        return {name: getattr(self, name) for name in names}

    def as_error(self, place: str) -> DataError:
        """The error that refuses bars with this finding, named after the file `place`."""
        return DataError(f"{place} {self.where}".rstrip(), self.found, mend=self.mend)


def finding(
    code: str, severity: Severity, count: int, found: str, *, row: int | None = None, time: str | None = None, mend: str = ""
) -> Finding:
    """A `Finding` whose name follows from its code."""
    return Finding(code, CODES[code], severity, count, row, time, found, mend)


def refuse(findings: Sequence[Finding], place: str) -> None:
    """Raise one DataError that tells every finding of severity "error"; return if there is none."""
    errors = [each.as_error(place) for each in findings if each.severity == "error"]
    if errors:
        raise DataError.gathered(errors)

"""A source checked and told about, without being refused: what `barmill data check` shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from barmill.market.calendar import Calendar
from barmill.market.checks import check_frame
from barmill.market.findings import Finding
from barmill.market.instrument import Instrument
from barmill.market.reading import read_unchecked
from barmill.market.timeframe import Timeframe


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What the checks found in a source."""

    place: str
    symbol: str
    timeframe: Timeframe | None
    n_rows: int
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def is_valid(self) -> bool:
        """Whether `Bars.read` would take it: no finding is an error."""
        return not any(finding.severity == "error" for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {
            "file": self.place,
            "symbol": self.symbol,
            "timeframe": str(self.timeframe) if self.timeframe else None,
            "rows": self.n_rows,
            "valid": self.is_valid,
            "notes": list(self.notes),
            "findings": [finding.to_json() for finding in self.findings],
        }


def check_source(
    source: Any,
    symbol: str | None = None,
    instrument: Instrument | None = None,
    timeframe: Timeframe | str | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    time_unit: str | None = None,
) -> CheckReport:
    """Check `source` (parameters as for `Bars.read`) and report; raises only where nothing could be read at all."""
    raw = read_unchecked(source, symbol, instrument, timeframe, columns=columns, time_unit=time_unit)
    findings = check_frame(raw.frame, raw.timeframe, Calendar.named(raw.instrument.calendar), raw.anchor)
    return CheckReport(raw.place, raw.instrument.symbol, raw.timeframe, raw.frame.height, raw.notes, findings)

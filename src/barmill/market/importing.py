"""Import: bars from a source into a checked Parquet file, repaired only where it was told to.

What a repair sets aside or changes is kept, row by row with its reason, in a quarantine file. If an error remains after
the repairs that were named, nothing is written.
"""

import io
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from barmill.artefacts import write_bytes
from barmill.errors import DataError
from barmill.market.bars import Bars, finished
from barmill.market.calendar import Calendar
from barmill.market.checks import check_frame
from barmill.market.findings import refuse
from barmill.market.instrument import Instrument
from barmill.market.reading import read_unchecked
from barmill.market.repairs import Repairer, require_known
from barmill.market.timeframe import Timeframe


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did.

    set_aside : repair to number of rows that it took out; changed : repair to number of rows that it altered or moved
    quarantine : the file that keeps them, or None if there were none
    """

    source: str
    destination: Path
    quarantine: Path | None
    bars: Bars
    rows_read: int
    set_aside: Mapping[str, int] = field(default_factory=dict)
    changed: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        bars = self.bars
        return {
            "source": self.source,
            "destination": str(self.destination),
            "quarantine": str(self.quarantine) if self.quarantine else None,
            "symbol": bars.instrument.symbol,
            "timeframe": str(bars.timeframe),
            "rows_read": self.rows_read,
            "rows_written": len(bars),
            "set_aside": dict(self.set_aside),
            "changed": dict(self.changed),
            "fingerprint": bars.fingerprint,
            "notes": list(bars.notes),
            "findings": [finding.to_json() for finding in bars.findings],
        }


def import_bars(
    source: Any,
    destination: str | Path,
    repairs: Collection[str] = (),
    *,
    symbol: str | None = None,
    instrument: Instrument | None = None,
    timeframe: Timeframe | str | None = None,
    columns: Mapping[str, str] | None = None,
    time_unit: str | None = None,
    quarantine: str | Path | None = None,
) -> ImportReport:
    """Read `source`, apply the named repairs, check, and write Parquet to `destination`.

    Parameters
    ----------
    repairs : names out of `repairs.REPAIRS`; they are applied in that table's order whatever the order given
    quarantine : file for the rows set aside, .csv or .parquet; None writes `<destination>.quarantine.csv` beside it
    symbol, instrument, timeframe, columns, time_unit : as for `Bars.read`

    Raises
    ------
    DataError telling every error that remains; then nothing was written. StorageError.
    """
    require_known(repairs)
    target, aside = _targets(source, Path(destination), Path(quarantine) if quarantine else None)
    raw = read_unchecked(source, symbol, instrument, timeframe, columns=columns, time_unit=time_unit)
    repaired = Repairer(raw).apply(repairs)
    findings = check_frame(repaired.frame, raw.timeframe, Calendar.named(raw.instrument.calendar), raw.anchor)
    refuse(findings, raw.place)
    bars = finished(raw, repaired.frame, findings)
    kept = repaired.quarantine()
    if kept is not None:
        _write_table(aside, kept)  # first: the bars must not be there without what was taken from them
    bars.write(target)
    return ImportReport(
        raw.place, target, aside if kept is not None else None, bars, raw.frame.height, repaired.set_aside, repaired.changed
    )


def _targets(source: Any, target: Path, aside: Path | None) -> tuple[Path, Path]:
    aside = aside or target.with_name(f"{target.stem}.quarantine.csv")
    if target.suffix.lower() != ".parquet":
        raise DataError(str(target), f"bars are not written as '{target.suffix}'", expected="a name ending in .parquet")
    if aside.suffix.lower() not in (".csv", ".parquet"):
        raise DataError(str(aside), f"a quarantine is not written as '{aside.suffix}'", expected="a name ending in .csv or .parquet")
    for path in (target, aside):
        if isinstance(source, str | Path) and path.resolve() == Path(source).resolve():
            raise DataError(str(path), "this is the source itself", mend="Choose another name: an import never overwrites what it reads.")
    return target, aside


def _write_table(path: Path, frame: pl.DataFrame) -> None:
    if path.suffix.lower() == ".csv":
        write_bytes(path, frame.write_csv().encode())
        return
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    write_bytes(path, buffer.getvalue())

"""What a planted leak is."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from barmill.evaluation.leakage.dossier import Dossier
from barmill.evaluation.leakage.report import LeakageFinding, LeakageReport, Severity
from planted_leaks.markets import Market


@dataclass(frozen=True)
class PlantedLeak:
    """An experiment with one thing wrong, and its clean sister: the same with the fault mended.

    Parameters
    ----------
    name, family : of the case
    columns : the columns at fault; empty where it is no column's fault
    leaky, clean : market -> Dossier
    least : severity that is enough: what could be honest elsewhere deserves a warning and no more
    """

    name: str
    family: str
    columns: tuple[str, ...]
    leaky: Callable[[Market], Dossier]
    clean: Callable[[Market], Dossier]
    least: Severity = "critical"

    def __str__(self) -> str:
        return self.name


def caught(leak: PlantedLeak, report: LeakageReport) -> tuple[LeakageFinding, ...]:
    """The findings that stop a run, or are severe enough for the case, and name its column."""
    severe = [one for one in report.findings if one.severity in ("critical", leak.least)]
    return tuple(one for one in severe if not leak.columns or one.column in leak.columns)


def alarms(report: LeakageReport) -> list[str]:
    """Every finding but infos, in words."""
    return [f"{one.code} {one.severity} {one.column}: {one.reason}" for one in report.findings if one.severity != "info"]


def table_alone(dossier: Dossier) -> Dossier:
    """The same experiment by somebody who hands over a table of numbers: no code, and no records of where they come from."""
    return replace(dossier, feature_maker=None, higher_timeframes=None, second_series=None, fitted=None)

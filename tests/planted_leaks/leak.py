"""What a planted leak is."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from barmill.evaluation.leakage.dossier import Dossier
from planted_leaks.markets import Market


@dataclass(frozen=True)
class PlantedLeak:
    """An experiment with one thing wrong, and its clean sister: the same with the fault mended.

    Parameters
    ----------
    name, family : of the case
    columns : the columns at fault; empty where it is no column's fault
    leaky, clean : market -> Dossier
    """

    name: str
    family: str
    columns: tuple[str, ...]
    leaky: Callable[[Market], Dossier]
    clean: Callable[[Market], Dossier]

    def __str__(self) -> str:
        return self.name


def table_alone(dossier: Dossier) -> Dossier:
    """The same experiment by somebody who hands over a table of numbers: no code, and no records of where they come from."""
    return replace(dossier, feature_maker=None, higher_timeframes=None, second_series=None, fitted=None)

"""All planted leaks."""

from collections.abc import Callable, Collection

from barmill.evaluation.leakage.dossier import Dossier
from planted_leaks import borders, columns_of_bars, fitting, sources
from planted_leaks.columns_of_bars import Column, ColumnLeak
from planted_leaks.leak import PlantedLeak, alarms, caught, table_alone
from planted_leaks.markets import Market
from planted_leaks.study import study


def _in_a_study(leak: ColumnLeak, column: Column) -> Callable[[Market], Dossier]:
    return lambda market: study(market, **{leak.column: column}).dossier()


COLUMN_LEAKS = columns_of_bars.LEAKS
OTHER_LEAKS: tuple[PlantedLeak, ...] = (*fitting.LEAKS, *borders.LEAKS, *sources.LEAKS)
LEAKS: tuple[PlantedLeak, ...] = (
    *(
        PlantedLeak(leak.name, leak.family, (leak.column,), _in_a_study(leak, leak.leaky), _in_a_study(leak, leak.clean))
        for leak in columns_of_bars.LEAKS
    ),
    *OTHER_LEAKS,
)


def all_columns(market: Market, kind: str, names: Collection[str] | None = None) -> Dossier:
    """One experiment with every leak of a column ("leaky"), or every sister ("clean"), or those of `names`: each must be told apart."""
    return study(market, **{leak.column: getattr(leak, kind) for leak in COLUMN_LEAKS if names is None or leak.name in names}).dossier()


IN_THE_TABLE = frozenset(leak.name for leak in columns_of_bars.LEAKS if leak.table_shows)

__all__ = ["COLUMN_LEAKS", "IN_THE_TABLE", "LEAKS", "OTHER_LEAKS", "PlantedLeak", "alarms", "all_columns", "caught", "table_alone"]

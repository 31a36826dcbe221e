"""All planted leaks."""

from collections.abc import Callable

from barmill.evaluation.leakage.dossier import Dossier
from planted_leaks import borders, columns_of_bars, fitting, sources
from planted_leaks.columns_of_bars import Column, ColumnLeak
from planted_leaks.leak import PlantedLeak, table_alone
from planted_leaks.markets import Market
from planted_leaks.study import study


def _in_a_study(leak: ColumnLeak, column: Column) -> Callable[[Market], Dossier]:
    return lambda market: study(market, **{leak.column: column}).dossier()


LEAKS: tuple[PlantedLeak, ...] = (
    *(
        PlantedLeak(leak.name, leak.family, (leak.column,), _in_a_study(leak, leak.leaky), _in_a_study(leak, leak.clean))
        for leak in columns_of_bars.LEAKS
    ),
    *fitting.LEAKS,
    *borders.LEAKS,
    *sources.LEAKS,
)
IN_THE_TABLE = frozenset(leak.name for leak in columns_of_bars.LEAKS if leak.table_shows)

__all__ = ["IN_THE_TABLE", "LEAKS", "PlantedLeak", "table_alone"]

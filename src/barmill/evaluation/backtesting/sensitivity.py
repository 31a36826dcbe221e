"""How much of a result is left if trading costs more, fills are worse, or only surer signals are taken."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.artefacts import without_nan
from barmill.evaluation.backtesting.config import BacktestConfig
from barmill.evaluation.backtesting.funding import FundingRates
from barmill.evaluation.backtesting.many import backtest_many, config_grid
from barmill.evaluation.backtesting.rule_vector import with_costs
from barmill.evaluation.backtesting.signals import Signals
from barmill.market.bars import Bars

COST_SCALES = (0.0, 1.0, 2.0, 3.0)
_SHOWN = ("net_return", "sharpe", "max_drawdown", "n_trades", "hit_rate", "profit_factor", "cost_per_trade")


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """Figures by name, for each multiple of the costs, and for each slippage beside each least confidence.

    cost_scales : multiples of fees and slippage; costs : a row of figures for each
    slippage : values of `slippage_field` (rows of the grid), confidence : values of min_confidence (columns)
    grid : figures, row by row
    """

    cost_scales: tuple[float, ...]
    costs: tuple[dict[str, float], ...]
    slippage_field: str
    slippage: tuple[float, ...]
    confidence: tuple[float, ...]
    grid: tuple[tuple[dict[str, float], ...], ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON without NaN."""
        return without_nan({name: getattr(self, name) for name in self.__dataclass_fields__})


def sensitivity(
    bars: Bars,
    signals: Signals | npt.ArrayLike,
    config: BacktestConfig,
    *,
    slippage: Sequence[float] | None = None,
    confidence: Sequence[float] | None = None,
    funding: FundingRates | None = None,
) -> Sensitivity:
    """Run the same signals at 0, 1, 2 and 3 times the costs, and over a grid of slippage and least confidence.

    Parameters
    ----------
    bars, signals, config, funding : as in `BacktestEngine.run`; not with `sizing: share`
    slippage : ticks or basis points, whichever the config (or else the instrument) counts in; 0, 1, 2 and 4 times its own if left out
    confidence : values of min_confidence; its own, and the quartiles of the signals' confidence above it, if left out

    This is a use of the bars like any other: a slippage or confidence that is chosen by the grid was fitted on them.
    """
    said = signals if isinstance(signals, Signals) else Signals.of(signals)
    own = with_costs(bars.instrument, config).slippage
    field = "slippage_bps" if own.bps is not None else "slippage_ticks"
    level = (own.bps if own.bps is not None else own.ticks) or 0.0
    slips = tuple(slippage if slippage is not None else (level * scale for scale in (0.0, 1.0, 2.0, 4.0)) if level else (0.0,))
    sure = tuple(confidence if confidence is not None else _confidences(said, config))
    scaled = backtest_many(bars, said, config, cost_scales=np.array(COST_SCALES), funding=funding)
    cleared = config.model_copy(update={"slippage_bps": None, "slippage_ticks": None})
    configs = config_grid(cleared, **{field: slips, "min_confidence": sure})
    rows = backtest_many(bars, said, configs, funding=funding).select(_SHOWN).to_dicts()
    width = len(sure)
    grid = tuple(tuple(rows[i * width : (i + 1) * width]) for i in range(len(slips)))
    return Sensitivity(COST_SCALES, tuple(scaled.select(_SHOWN).to_dicts()), field, slips, sure, grid)


def _confidences(signals: Signals, config: BacktestConfig) -> tuple[float, ...]:
    """The config's own, and the quartiles of what lies above it, to four digits."""
    if signals.confidence is None:
        return (config.min_confidence,)
    said = signals.confidence[np.isfinite(signals.confidence) & np.isin(signals.side, (-1, 1))]
    above = said[said > config.min_confidence]
    if not above.size:
        return (config.min_confidence,)
    quartiles = {round(float(value), 4) for value in np.quantile(above, (0.25, 0.5, 0.75))}
    return (config.min_confidence, *sorted(value for value in quartiles if value > config.min_confidence))


__all__ = ["COST_SCALES", "Sensitivity", "sensitivity"]

"""Would a model have been promoted? Its deflated Sharpe ratio, with the count of a ledger that every trial was entered in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.evaluation import Ledger
from barmill.evaluation.overfitting.deflated_sharpe import deflated_sharpe_ratio
from barmill.evaluation.overfitting.moments import sharpe_moments
from barmill.market import Bars

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Promotion:
    """sharpe and sr0 per observation; dsr : probability, NaN where undefined (a model that never traded)."""

    sharpe: float
    sr0: float
    dsr: float

    def to_json(self) -> dict[str, float]:
        return {"sharpe": self.sharpe, "sr0": self.sr0, "dsr": self.dsr}


def open_ledger(ledger: Ledger, bars: Bars) -> None:
    """Say of which bars the ledger is."""
    first, last = int(bars.open_time[0]), int(bars.open_time[-1])
    ledger.describe(bars.instrument.symbol, str(bars.timeframe), first, last, len(bars))


def enter_trials(ledger: Ledger, trials: Mapping[str, dict[str, Any]], net: Mapping[str, Float64Array]) -> None:
    """Enter each model as a trial, and what it earned.

    Parameters
    ----------
    ledger : of the market, in which a tuning has entered its own trials before
    trials : by the model's name, what was tried
    net : by the model's name, float64 (n_bars,), returns of the forecasts of all folds, net of costs
    """
    for label, trial in trials.items():
        entry = ledger.append("fit", trial)
        found = sharpe_moments(net[label])
        sharpe = None if np.isnan(found.sr) else found.sr
        ledger.append("outcome", {"trial": entry.trial_id, "block": "cross_validation", "sharpe": sharpe, "n_obs": found.n_obs})


def promotions(n_trials: int, returns: Mapping[str, Float64Array]) -> dict[str, Promotion]:
    """The Sharpe ratio of each model, deflated by `n_trials` and by how far the models' Sharpe ratios lie apart."""
    moments = {label: sharpe_moments(earned) for label, earned in returns.items()}
    known = np.array([found.sr for found in moments.values() if np.isfinite(found.sr)])
    spread = float(known.var(ddof=1)) if known.size > 1 else 0.0
    made: dict[str, Promotion] = {}
    for label, found in moments.items():
        deflated = deflated_sharpe_ratio(found.sr, found.n_obs, found.skew, found.kurt, n_trials, spread)
        made[label] = Promotion(found.sr, deflated.sr0, deflated.dsr)
    return made


__all__ = ["Promotion", "enter_trials", "open_ledger", "promotions"]

"""How much of a run's result luck explains: each model against as many lucky trials as the ledger counts, and all of them together."""

import math
from typing import Any

import numpy as np

from barmill.artefacts import without_nan
from barmill.evaluation import (
    DSR_BAR,
    Ledger,
    LedgerCounts,
    deflated_sharpe_ratio,
    dsr_words,
    effective_number_of_trials,
    haircut_sharpe,
    min_track_record_length,
    pbo_cscv,
    probabilistic_sharpe_ratio,
    sharpe_moments,
    sharpe_standard_error,
    superior_predictive_ability,
)
from barmill.evaluation.ledger_entries import Block
from barmill.market import Calendar
from barmill.pipeline.inputs import RunInputs
from barmill.pipeline.plan import Stages
from barmill.pipeline.returns import MEAN, TYPICAL, path_returns, test_returns
from barmill.pipeline.trading_path import Float64Array
from barmill.pipeline.workspace import Workspace

PBO_BLOCKS = 16  # 12,870 choices, as in the paper
LEAST_LAGS = 20  # of the error of a Sharpe ratio; a position that is held longer asks for more
ROWS_PER_BLOCK = 20  # fewer, and a block has no Sharpe ratio worth the name


def luck_section(inputs: RunInputs, stages: Stages, workspace: Workspace, ledger: Ledger) -> dict[str, Any]:
    """What the report tells of luck: by the paths of the cross-validation where there are any, else by the test block.

    The ledger's count makes it a figure of the day: the same run says less for itself after more was tried on its bars.
    """
    paths = path_returns(stages, workspace, TYPICAL)
    block: Block = "cross_validation" if paths else "test"
    judged = paths or test_returns(stages, workspace)
    together = np.column_stack(list((path_returns(stages, workspace, MEAN) or judged).values()))
    counts, sharpes = ledger.counts(), ledger.trial_sharpes(block)
    variance = float(sharpes.var(ddof=1)) if sharpes.size > 1 else math.nan
    periods = Calendar.named(inputs.bars.instrument.calendar).periods_per_year(inputs.bars.timeframe)
    hold = inputs.recipe.hold_bars
    section = {
        "block": block,
        "trials": {
            "ledger": counts.trials,
            "overlapping": counts.overlapping_trials,
            "total": counts.total,
            "effective": effective_number_of_trials(together).n_effective,
            "var_sr": variance,
        },
        "pbo": _pbo(together),
        "reality_check": superior_predictive_ability(together, seed=inputs.recipe.seed).to_json(),
        "models": [_model(label, net, counts, variance, periods, hold) for label, net in judged.items()],
    }
    return without_nan(section)


def _model(label: str, net: Float64Array, counts: LedgerCounts, variance: float, periods: float, hold: int) -> dict[str, Any]:
    """One model; Sharpe ratios are annualised here, at the rim, and per observation in every formula."""
    year = math.sqrt(periods)
    moments = sharpe_moments(net)
    error = sharpe_standard_error(net, lags=min(max(hold, LEAST_LAGS), net.size - 1))
    # where no other trial has an outcome, trials without skill scatter as their estimate does
    spread = variance if math.isfinite(variance) else 1 / moments.n_obs
    n_trials = max(counts.total, 1)  # a run that was moved to a machine without its ledger is a trial all the same
    deflated = deflated_sharpe_ratio(moments.sr, moments.n_obs, moments.skew, moments.kurt, n_trials, spread)
    honest_length = max(2, round(1 / error.standard_error**2)) if error.standard_error > 0 else moments.n_obs
    cut = haircut_sharpe(moments.sr, honest_length, n_trials)
    sharpe, sr0 = moments.sr * year, deflated.sr0 * year
    low, high = error.interval()
    return {
        "name": label,
        "n_obs": moments.n_obs,
        "sharpe": sharpe,
        "standard_error": error.standard_error * year,
        "interval": [low * year, high * year],
        "skew": moments.skew,
        "kurt": moments.kurt,
        "psr": probabilistic_sharpe_ratio(moments.sr, 0.0, moments.n_obs, moments.skew, moments.kurt),
        "dsr": deflated.dsr,
        "sr0": sr0,
        "deflated_sharpe": sharpe - sr0,
        "min_track_record_bars": min_track_record_length(moments.sr, 0.0, moments.skew, moments.kurt),
        "track_record_bars": moments.n_obs,
        "haircut": {"sharpe": cut.sharpe * year, "haircut": cut.haircut},
        "promoted": bool(deflated.dsr > DSR_BAR),
        "words": dsr_words(deflated.dsr, n_trials, sharpe, sr0),
    }


def _pbo(together: Float64Array) -> dict[str, Any] | None:
    """The probability of overfitting by choosing among the models; None for a single one, or too few bars."""
    blocks = min(PBO_BLOCKS, len(together) // ROWS_PER_BLOCK // 2 * 2)
    if together.shape[1] < 2 or blocks < 2:
        return None
    return pbo_cscv(together, blocks).to_json()

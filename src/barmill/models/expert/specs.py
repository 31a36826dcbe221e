"""What the expert family can build."""

from functools import partial

from barmill.models.expert.params import EntryOffsetParams, EntryParams, RewardParams, RiskParams
from barmill.models.spec_kinds import row_spec

_REFERENCE = "Ke et al. (2017), LightGBM, NeurIPS 30; the alert charter, section {}"
_expert = partial(row_spec, family="expert", question="outcomes")
_quantile = partial(_expert, forecaster="barmill.models.expert.forecasters:QuantileForecaster")

SPECS = (
    _expert(
        name="entry",
        outputs=("p_up",),
        params=EntryParams,
        fit="barmill.models.expert.entry:fit_entry",
        forecaster="barmill.models.expert.forecasters:EntryForecaster",
        reference=_REFERENCE.format(4),
        summary="Whether a proposed trade reaches +1 R before -1 R, a booster for each liquidity cluster.",
    ),
    _quantile(
        name="risk",
        outputs=("sl_kATR",),
        params=RiskParams,
        fit="barmill.models.expert.quantiles:fit_risk",
        reference=_REFERENCE.format(5),
        summary="How far away a stop must lie, in ATRs: quantiles of the largest draw-down.",
        targets=("drawdown_kATR",),
    ),
    _quantile(
        name="reward",
        outputs=("rr_target",),
        params=RewardParams,
        fit="barmill.models.expert.quantiles:fit_reward",
        reference=_REFERENCE.format(6),
        summary="What to aim for, in R: quantiles of the realised R.",
        targets=("realised_R",),
    ),
    _quantile(
        name="entry_offset",
        outputs=("offset_kATR",),
        params=EntryOffsetParams,
        fit="barmill.models.expert.quantiles:fit_entry_offset",
        reference=_REFERENCE.format(7),
        summary="At what distance from the open to enter, in ATRs: above 0 a stop order, below a limit order.",
        targets=("offset_kATR",),
    ),
)

"""Cross-pair: the market beside one that leads it, such as BTC or the index future, and beside a second one.

The reference's close comes with the bars, joined as of the time at which it was known.
"""

from functools import partial

from barmill.features.kernels import cross_pair
from barmill.features.params import LagParams, LeadParams, WindowParams
from barmill.features.spec import FeatureSpec

FAMILY = "cross_pair"


def _beside(column: str, prefix: str) -> tuple[FeatureSpec, ...]:
    """The features beside the market in `column`; R stands for its close."""
    feature = partial(FeatureSpec, family=FAMILY, version=1, inputs=("close", column))
    change = partial(
        feature,
        params=LagParams,
        usual=LagParams(lag=60),
        kernel=cross_pair.changes,
        kernel_params=lambda p: (p.lag,),
        lookback=lambda p: p.lag,
        unit="log return",
        source="Campbell, Lo & MacKinlay (1997), The Econometrics of Financial Markets, 1.4",
    )
    regression = partial(
        feature,
        params=WindowParams,
        usual=WindowParams(window=60),
        kernel=cross_pair.pair,
        kernel_params=lambda p: (p.window, 0, cross_pair.LOG_RETURN),
        lookback=lambda p: p.window,
        source="Sharpe (1963), Management Science 9(2)",
    )
    return (
        change(name=f"{prefix}_return", inputs=(column,), output="other", formula="ln(R/R₋ₙ)"),
        change(name=f"{prefix}_relative_return", output="relative", formula="ln(C/C₋ₙ) - ln(R/R₋ₙ)"),
        regression(
            name=f"{prefix}_beta",
            output="beta",
            unit="log return per log return",
            formula="least-squares slope of ln(C/C₋₁) on ln(R/R₋₁) over n bars; 0 where either does not vary",
        ),
        regression(
            name=f"{prefix}_correlation",
            output="correlation",
            unit="-1 to 1",
            formula="correlation of ln(C/C₋₁) with ln(R/R₋₁) over n bars; 0 where either does not vary",
        ),
        regression(
            name=f"{prefix}_residual",
            output="residual",
            unit="log return",
            formula="last residual of the least squares of ln(C/C₋₁) on ln(R/R₋₁) and a constant over n bars; 0 where C does not vary",
        ),
        regression(
            name=f"{prefix}_residual_zscore",
            output="residual_zscore",
            unit="population standard deviations",
            formula="last residual of ln(C/C₋₁) on ln(R/R₋₁) over n bars / the residuals' standard deviation; 0 where nothing is left over",
        ),
        feature(
            name=f"{prefix}_lead",
            params=LeadParams,
            usual=LeadParams(window=60, lag=1),
            kernel=cross_pair.pair,
            output="correlation",
            kernel_params=lambda p: (p.window, p.lag, cross_pair.LOG_RETURN),
            lookback=lambda p: p.window + p.lag,
            unit="-1 to 1",
            formula="correlation of ln(C/C₋₁) with ln(R/R₋₁) of `lag` bars before, over n bars; 0 where either does not vary",
            source="Lo & MacKinlay (1990), Review of Financial Studies 3(2)",
        ),
    )


FEATURES = (*_beside("reference_close", "reference"), *_beside("second_reference_close", "second_reference"))

__all__ = ["FAMILY", "FEATURES"]

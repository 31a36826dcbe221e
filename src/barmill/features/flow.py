"""Flow: what takers bought and sold, and the positions that were opened and closed, beside what the price made of it.

The share of taker flow over n bars is `taker_imbalance` of the microstructure family; z-scores and changes are transforms of these.
"""

from functools import partial

from barmill.features.kernels import book, cross_pair, flow
from barmill.features.params import BarsParams, LagParams, NoParams, WindowParams
from barmill.features.spec import FeatureSpec

FAMILY = "flow"

_feature = partial(FeatureSpec, family=FAMILY, version=1)
_window = partial(
    _feature, params=WindowParams, usual=WindowParams(window=60), kernel_params=lambda p: (p.window,), lookback=lambda p: p.window - 1
)
_correlation = partial(_window, kernel=cross_pair.pair, output="correlation", lookback=lambda p: p.window, unit="-1 to 1")
_change = partial(
    _feature,
    params=LagParams,
    usual=LagParams(lag=15),
    kernel=cross_pair.changes,
    kernel_params=lambda p: (p.lag,),
    lookback=lambda p: p.lag,
)

FEATURES = (
    _feature(
        name="taker_delta",
        params=NoParams,
        usual=NoParams(),
        inputs=("volume", "taker_buy_base"),
        kernel=flow.taker_delta,
        output="taker_delta",
        kernel_params=lambda _: (),
        lookback=lambda _: 0,
        unit="-1 to 1, share of the volume",
        formula="Δ/V, Δ = 2·taker_buy_base - V; 0 where none was traded",
        source="Easley, López de Prado & O'Hara (2012), Review of Financial Studies 25(5)",
    ),
    _window(
        name="cvd_slope",
        inputs=("volume", "taker_buy_base"),
        kernel=flow.cvd,
        output="slope",
        unit="mean volumes per bar",
        formula="least-squares slope of the running sum of Δ = 2·taker_buy_base - V over n bars / their mean V; 0 where none was traded",
        source="Chordia & Subrahmanyam (2004), Journal of Financial Economics 72(3)",
    ),
    _window(
        name="cvd_zscore",
        inputs=("volume", "taker_buy_base"),
        kernel=flow.cvd,
        output="zscore",
        unit="population standard deviations",
        formula="(D - its mean)/its standard deviation over n bars, D the running sum of Δ = 2·taker_buy_base - V; 0 where it stood still",
        source="Chordia & Subrahmanyam (2004), Journal of Financial Economics 72(3)",
    ),
    _window(
        name="cvd_divergence",
        inputs=("close", "volume", "taker_buy_base"),
        kernel=flow.flow_divergence,
        output="divergence",
        lookback=lambda p: p.window,
        unit="-2 to 2",
        formula="ΣΔ/ΣV - (C - C₋ₙ)/Σ|C - C₋₁| over n bars, Δ = 2·taker_buy_base - V, a quotient of nothing being 0: above 0 where buyers "
        "pressed and the price did not follow",
        source="Kaufman (1995), Smarter Trading (efficiency), beside the flow of Easley, López de Prado & O'Hara (2012)",
    ),
    _correlation(
        name="flow_correlation",
        inputs=("close", "volume", "taker_buy_base"),
        kernel_params=lambda p: (p.window, 0, cross_pair.TAKER_DELTA),
        formula="correlation of ln(C/C₋₁) with Δ = 2·taker_buy_base - V over n bars; 0 where either does not vary",
        source="Kyle (1985), Econometrica 53; Cont, Kukanov & Stoikov (2014), Journal of Financial Econometrics 12(1)",
    ),
    _feature(
        name="liquidation_imbalance",
        params=BarsParams,
        usual=BarsParams(window=60),
        inputs=("short_liquidations", "long_liquidations"),
        kernel=book.balance,
        output="balance",
        kernel_params=lambda p: (p.window, 1.0),
        lookback=lambda p: p.window - 1,
        unit="-1 to 1",
        formula="Σ(short - long)/Σ(short + long) of the liquidations over n bars; 0 where there were none",
        source="Brunnermeier & Pedersen (2009), Review of Financial Studies 22(6)",
    ),
    _change(
        name="open_interest_change",
        inputs=("open_interest",),
        output="other",
        unit="log change",
        formula="ln(I/I₋ₙ), I the open interest; 0 where one of them is 0",
        source="Bessembinder & Seguin (1993), Journal of Financial and Quantitative Analysis 28(1)",
    ),
    _change(
        name="open_interest_quadrant",
        inputs=("close", "open_interest"),
        output="quadrant",
        unit="1 to 4, or 0",
        formula="1 where C and open interest are above those n bars ago, 2 C below and it above, 3 both below, 4 C above and it below, "
        "0 where either stood still",
        source="Murphy (1999), Technical Analysis of the Financial Markets, chapter 7",
    ),
    _correlation(
        name="open_interest_correlation",
        inputs=("close", "open_interest"),
        kernel_params=lambda p: (p.window, 0, cross_pair.LOG_RETURN),
        formula="correlation of ln(C/C₋₁) with the log change of open interest over n bars; 0 where either does not vary",
        source="Bessembinder & Seguin (1993), Journal of Financial and Quantitative Analysis 28(1)",
    ),
)

__all__ = ["FAMILY", "FEATURES"]

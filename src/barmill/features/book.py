"""Book: spread, weight and slope of the order book at the close, and the footprint of what was traded within the bar."""

from functools import partial

from barmill.features.kernels import book, derivatives
from barmill.features.params import BarsParams, NoParams
from barmill.features.spec import FeatureSpec

FAMILY = "book"

_at_close = partial(
    FeatureSpec, family=FAMILY, version=1, params=NoParams, usual=NoParams(), kernel_params=lambda _: (), lookback=lambda _: 0
)
_balance = partial(
    FeatureSpec,
    family=FAMILY,
    version=1,
    params=BarsParams,
    usual=BarsParams(window=1),
    kernel=book.balance,
    output="balance",
    kernel_params=lambda p: (p.window, 1.0),
    lookback=lambda p: p.window - 1,
    unit="-1 to 1",
)

FEATURES = (
    _at_close(
        name="spread_bps",
        inputs=("bid_price", "ask_price"),
        kernel=book.quote,
        output="spread_bps",
        unit="basis points of the middle",
        formula="10⁴·(ask - bid)/M, M = (bid + ask)/2; 0 where M is not above 0",
        source="Roll (1984), Journal of Finance 39",
    ),
    _at_close(
        name="middle_distance_bps",
        inputs=("close", "bid_price", "ask_price"),
        kernel=book.quote,
        output="close_bps",
        unit="basis points of the middle",
        formula="10⁴·(C/M - 1), M = (bid + ask)/2; 0 where M is not above 0",
        source="Lee & Ready (1991), Journal of Finance 46",
    ),
    _at_close(
        name="microprice_distance_bps",
        inputs=("bid_price", "ask_price", "bid_size", "ask_size"),
        kernel=book.microprice,
        output="microprice_bps",
        unit="basis points of the middle",
        formula="10⁴·(m/M - 1), m = (bid·ask_size + ask·bid_size)/(bid_size + ask_size), M = (bid + ask)/2; 0 where the book is empty",
        source="Gatheral & Oomen (2010), Finance and Stochastics 14(2)",
    ),
    _balance(
        name="top_imbalance",
        inputs=("bid_size", "ask_size"),
        formula="Σ(bid_size - ask_size)/Σ(bid_size + ask_size) over n bars; 0 where the book is empty",
        source="Cont, Kukanov & Stoikov (2014), Journal of Financial Econometrics 12(1)",
    ),
    _balance(
        name="depth_imbalance",
        inputs=("bid_depth", "ask_depth"),
        formula="Σ(bid_depth - ask_depth)/Σ(bid_depth + ask_depth) over n bars; 0 where the book is empty",
        source="Cao, Hansch & Wang (2009), Journal of Futures Markets 29(1)",
    ),
    _balance(
        name="footprint_balance",
        inputs=("max_delta", "min_delta"),
        kernel_params=lambda p: (p.window, -1.0),
        base_only=True,
        formula="Σ(max_delta + min_delta)/Σ(max_delta - min_delta) over n bars: above 0 where the heaviest price was bought; 0 if none was",
        source="Easley, López de Prado & O'Hara (2012), Review of Financial Studies 25(5), at the prices of a bar",
    ),
    _at_close(
        name="control_distance",
        inputs=("high", "low", "close", "point_of_control"),
        kernel=derivatives.within,
        output="position",
        base_only=True,
        unit="share of the bar's range",
        formula="(C - point_of_control)/(H - L); 0 where H = L",
        source="Steidlmayer & Hawkins (2003), Steidlmayer on Markets, chapter 7",
    ),
)

__all__ = ["FAMILY", "FEATURES"]

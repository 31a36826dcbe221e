"""The alert set: its ten categories, what it needs, and that it computes."""

import numpy as np
import pytest

from barmill.errors import RecipeError, SchemaError
from barmill.features import FeaturePlan, FeatureStream, read_set
from barmill.features.columns import COLUMNS, check_sources
from barmill.market import Bars, Instrument, SeriesSource, Timeframe, join_series, read_series, resample
from oracles.further import further_columns, still_columns

CATEGORIES = (
    "volatility",
    "momentum",
    "trend",
    "daily bands",
    "flow",
    "footprint and book",
    "derivatives",
    "cross-pair",
    "higher-timeframe bias",
    "macro",
)
QUARTER_MS = 15 * 60_000
START_MS = 1_704_067_200_000


def quarters(n_bars: int, columns=further_columns, seed: int = 3) -> Bars:
    rng = np.random.default_rng(seed)
    close = 50.0 * np.exp(np.cumsum(2e-3 * rng.standard_t(4, n_bars)))
    opened = np.concatenate([close[:1], close[:-1]])
    reach = rng.exponential(0.05, n_bars)
    base = {"open_time": START_MS + QUARTER_MS * np.arange(n_bars), "open": opened, "high": np.maximum(opened, close) + reach}
    base |= {"low": np.minimum(opened, close) - reach, "close": close, "volume": rng.lognormal(2.0, 1.0, n_bars)}
    drawn = columns(seed=seed, **base) if columns is further_columns else columns(**base)
    return Bars.from_columns(Instrument.builtin("SIM"), "15m", **base, **drawn)


@pytest.fixture(scope="module")
def plan() -> FeaturePlan:
    return FeaturePlan.build("15m", set="alerts", sources=[name for name, column in COLUMNS.items() if not column.calendar])


def test_it_has_the_ten_categories_and_at_least_68_columns(plan):
    chosen = read_set("alerts")
    assert tuple(group.title for group in chosen.groups) == CATEGORIES
    assert min(len(group.features) for group in chosen.groups) >= 6
    assert len(plan.names) - 1 >= 68  # the volatility in which targets are scaled comes on top
    assert len(set(plan.names)) == len(set(plan.features)) == len(plan.names)


def test_nothing_in_it_depends_on_the_price_level(plan):
    assert {feature.scale for feature in plan.features} == {"free"}


def test_it_is_finite_from_its_warm_up_on_and_the_same_live(plan):
    bars = quarters(3_000)
    values = plan.compute(bars).values
    assert plan.warmup_bars == 14 * 96 - 1  # the z-scores of fourteen days
    assert np.isfinite(values[plan.warmup_bars :]).all()
    assert not np.isfinite(values[: plan.warmup_bars]).all(axis=1).any()
    stream = FeatureStream(plan)
    parts = [stream.extend(bars.slice(0, 1_400)).values, *(stream.push(bars.bar(i))[None] for i in range(1_400, 1_500))]
    np.testing.assert_array_equal(np.vstack(parts), values[:1_500])


def test_a_market_whose_further_columns_say_nothing_has_finite_values(plan):
    values = plan.compute(quarters(2_000, still_columns)).values
    assert np.isfinite(values[plan.warmup_bars :]).all()


def test_no_two_columns_are_one_and_none_stands_still(plan):
    values = plan.compute(quarters(4_000)).values[plan.warmup_bars :]
    assert (values.std(axis=0) > 0.0).all()
    correlation = np.corrcoef(values, rowvar=False) - np.eye(len(plan.names))
    twins = {(plan.names[i], plan.names[j]) for i, j in np.argwhere(np.abs(correlation) > 0.99999)}
    assert not twins


def test_bars_without_its_columns_are_refused_with_all_that_is_missing(plan):
    bars = quarters(100)
    bare = Bars(bars.instrument, bars.timeframe, bars.frame.drop("mvrv", "bid_price", "reference_close"))
    with pytest.raises(SchemaError, match=r"spread_bps needs bid_price.*reference_beta needs reference_close.*mvrv_change needs mvrv"):
        plan.compute(bare)
    missing = plan.missing(set(plan.sources) - {"mvrv"})
    assert missing == dict.fromkeys(("mvrv", "mvrv_change", "mvrv_zscore"), ("mvrv",))


def test_it_reads_every_source_column_of_the_alert_markets(plan):
    others = {"quote_volume", "trades", "taker_buy_quote", "volatility_index"}  # read by other sets, or by what one adds
    assert set(plan.sources) == {name for name, column in COLUMNS.items() if not column.calendar} - others


def test_what_real_markets_have_of_it_is_finite(real_data):
    """Filecoin in quarters of an hour with its takers, beside Bitcoin and Ethereum; no book, no chain."""
    names = ("FILUSDT_um_1m_2023-08_2023-11", "BTCUSDT_um_30m_2023-01_2025-03", "ETHUSDT_um_30m_2023-01_2025-03")
    market, first, second = (real_data / "crypto" / f"{name}.parquet" for name in names)
    if not (market.exists() and first.exists() and second.exists()):
        pytest.skip(f"not all of {', '.join(names)} in {real_data}: set BARMILL_DATA")
    bars = resample(Bars.read(market), "15m")
    leaders = {"reference_close": first, "second_reference_close": second}
    for name, path in leaders.items():
        source = SeriesSource(file=path.name, columns={name: "close"}, known="close", timeframe="30m")
        bars = join_series(bars, read_series(source, path.parent))
    whole = FeaturePlan.build("15m", set="alerts", sources=bars.frame.columns)
    plan = whole.only(set(whole.names) - set(whole.missing(bars.frame.columns)))
    assert len(plan.names) >= 68
    values = plan.compute(bars).values[plan.warmup_bars :]
    assert np.isfinite(values).all()
    assert (values.std(axis=0) > 0.0).all()


@pytest.mark.parametrize("base", ["1m", "5m", "1h"])
def test_it_builds_on_other_bars(base):
    built = FeaturePlan.build(base, set="alerts")
    assert built.base == Timeframe.parse(base)
    assert f"@{Timeframe(16 * built.base.minutes)}" in dict(zip(built.names, built.features, strict=True))["bias_16x"].name


def test_a_misspelt_column_is_refused_with_the_nearest():
    check_sources(["mvrv", "taker_buy_base"], "series[0].columns")
    with pytest.raises(
        RecipeError, match=r"series\[0\]\.columns: no feature reads a column 'reference_clsoe'\. Did you mean 'reference_close'\?"
    ):
        check_sources(["reference_clsoe"], "series[0].columns")
    with pytest.raises(RecipeError, match="'session_open' is computed from the calendar"):
        check_sources(["session_open"], "series[0].columns")

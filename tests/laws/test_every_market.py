"""Laws 1 and 2 on every file of real bars that there is: all features that their columns allow, at once."""

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from barmill.features import FEATURES, FeaturePlan, FeatureStream, usual_feature
from barmill.market import Bars, Timeframe

DATA = Path(os.environ.get("BARMILL_DATA", Path(__file__).parents[2] / "../shared/data"))
FILES = sorted(
    path.relative_to(DATA).as_posix()
    for folder in ("crypto", "futures", "fx", "index_cfd")
    for path in (DATA / folder).glob("*.parquet")
    if "panel" not in path.name and "funding" not in path.name  # wide tables and settlements, no bars
)
SYMBOLS = {"BTC-PERP": "BTCUSDT", "USDJPY_fxcm": "USDJPY", "6EH4": "6E"}  # where the name of the file is none of ours
N_BARS = 9_000


def read(name: str) -> Bars:
    symbol = next((ours for theirs, ours in SYMBOLS.items() if Path(name).name.startswith(theirs)), None)
    bids = {price: f"bid_{price}" for price in ("open", "high", "low", "close")} if "bidask" in name else None
    return Bars.read(DATA / name, symbol=symbol, columns=bids).slice(0, N_BARS)


def every_feature(bars: Bars) -> FeaturePlan:
    """All features with their usual parameters that need no fit and no column that these bars lack, here and one step up."""
    higher = Timeframe(bars.timeframe.minutes * 4)
    usual = [usual_feature(spec, on) for spec in FEATURES.values() for on in ((None,) if spec.base_only else (None, higher))]
    features = tuple(one for one in usual if not one.learned and set(one.sources) <= set(bars.frame.columns))
    return FeaturePlan(bars.timeframe, features, calendar=bars.instrument.calendar)


@pytest.mark.skipif(not FILES, reason=f"real bars are not at {DATA}; set BARMILL_DATA")
@pytest.mark.parametrize("name", FILES)
def test_every_feature_keeps_the_laws_on(name):
    bars = read(name)
    plan = every_feature(bars)
    whole = plan.compute(bars).values
    assert len(plan.features) > 200
    assert np.isfinite(whole[plan.warmup_bars :]).all()
    cut = len(bars) // 2 + 7
    np.testing.assert_array_equal(plan.compute(bars.slice(0, cut)).values, whole[:cut])
    stream = FeatureStream(plan)
    chunks = [0, 1, 2, 130, cut, len(bars)]
    parts = [stream.extend(bars.slice(a, b)).values for a, b in pairwise(chunks)]
    np.testing.assert_array_equal(np.vstack(parts), whole)
    factor = np.where(np.arange(len(bars)) < cut, 1.0, 1.5)
    later = {
        column: bars.column(column) * (factor if column in ("open", "high", "low", "close", "volume") else 1.0)
        for column in bars.frame.columns[1:]
    }
    other = Bars.from_columns(bars.instrument, bars.timeframe, bars.open_time, **later)
    np.testing.assert_array_equal(plan.compute(other).values[:cut], whole[:cut])

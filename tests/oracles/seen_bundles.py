"""Tiny bundles that say what they have seen, for tests of what is done with them on other bars."""

import importlib.util
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

from barmill.bundles import assemble

N_SEEN = 3_000


@cache
def making():
    """The module tests/bundles/making.py, shared with the tests there."""
    name = "barmill_making"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / "bundles" / "making.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def bars_of(n_bars):
    """Bars whose first 4,000 trained the bundle."""
    return making().walk(n_bars)


@cache
def files(timed=True, placed=True):
    """A bundle that was fitted on bars 100 to N_SEEN of `bars_of(4_000)`; it may say their times, their places, both or neither."""
    bars = bars_of(4_000)
    record = {"what": "model", "fitted_on": "train"}
    record |= {"first_bar": 100, "last_bar": N_SEEN - 1} if placed else {}
    record |= {"first_time": int(bars.open_time[100]), "last_time": int(bars.close_time[N_SEEN - 1])} if timed else {}
    recipe = {"name": "test", "labels": {"horizon": 30, "every": 2}, "rule": {"hold_bars": None, "allow_short": True}}
    thresholds = {"long_above": 0.6, "short_below": 0.4}
    return assemble(replace(making().contents_of("logistic"), provenance=[record], recipe=recipe, thresholds=thresholds))

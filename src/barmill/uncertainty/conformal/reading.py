"""Which band a bundle holds."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from barmill.errors import BundleError, nearest
from barmill.uncertainty.conformal.adaptive import AdaptiveState
from barmill.uncertainty.conformal.bands import CqrBand, JackknifeBand, SplitBand
from barmill.uncertainty.conformal.cv_plus_band import CvPlusBand
from barmill.uncertainty.conformal.regime_band import RegimeBand

ConformalBand: TypeAlias = SplitBand | CqrBand | JackknifeBand | CvPlusBand | RegimeBand | AdaptiveState

_READERS: Mapping[str, Callable[[Mapping[str, Any]], ConformalBand]] = {
    "split_conformal": SplitBand.from_json,
    "cqr": CqrBand.from_json,
    "jackknife": JackknifeBand.from_json,
    "cv_plus": CvPlusBand.from_json,
    "by_regime": RegimeBand.from_json,
    "adaptive": AdaptiveState.from_json,
}


def read_band(value: Mapping[str, Any]) -> ConformalBand:
    """The band whose `to_json` wrote `value`, by its method. Raises BundleError where it is none."""
    method = value.get("method")
    if not isinstance(method, str) or method not in _READERS:
        raise BundleError("conformal band", f"has the method {method!r}", mend=nearest(str(method), _READERS))
    return _READERS[method](value)


__all__ = ["ConformalBand", "read_band"]

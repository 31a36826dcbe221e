"""What a model and a member of an ensemble say, as values of a graph: each stands where an array of the same name stands in a forecast."""

from collections.abc import Mapping
from typing import NamedTuple

from barmill.export.graph import Value


class RawValues(NamedTuple):
    """What a model says before calibration, as `barmill.models.contract.RawForecast`; all of it float64.

    logits : (batch,) for two classes, (batch, k) for k of them, (batch, 0) where the model has nothing to say of classes
    expected : (batch,), expected z, or None where the model does not learn E_r
    quantiles : (batch, 3), quantiles of z, or None where it does not learn them
    values : what else the model says, by name, (batch,) or (batch, k), or None
    """

    logits: Value
    expected: Value | None = None
    quantiles: Value | None = None
    values: Mapping[str, Value] | None = None


class SaidValues(NamedTuple):
    """What a member of an ensemble says, as `barmill.ensembles.contract.Said`; all of it float64.

    p : (batch,), p_up of two classes, or (batch, 3): down, neither, up; calibrated
    expected : (batch,), expected z, or None where the member does not learn E_r
    quantiles : (batch, 3), quantiles of z
    """

    p: Value
    expected: Value | None
    quantiles: Value


__all__ = ["RawValues", "SaidValues"]

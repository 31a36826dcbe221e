"""What a calibrated model says of some rows, in the terms of an ensemble, and its form on disk."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.ensembles.contract import Said
from barmill.models.contract import RawForecast, View
from barmill.pipeline.model_fit import CalibratedModel
from barmill.uncertainty import Calibration, ResidualQuantiles


def said_by(model: CalibratedModel, view: View) -> Said:
    """As the model's own bundle would say it, returns in units of the volatility known at the decision."""
    return said_of(model.forecaster.raw(view), model.calibration, model.quantiles)


def said_of(raw: RawForecast, calibration: Calibration, quantiles: ResidualQuantiles) -> Said:
    """What scores come to, of a model or of an ensemble."""
    return Said(calibration.apply(raw.logits), raw.expected, quantiles.apply(raw.expected, raw.logits, raw.quantiles))


def said_tensors(said: Said, prefix: str = "") -> dict[str, npt.NDArray[Any]]:
    """Named arrays, for safetensors; `said_from` reads them."""
    given = {"p": said.p, "expected": said.expected, "quantiles": said.quantiles}
    return {f"{prefix}{name}": np.ascontiguousarray(array) for name, array in given.items() if array is not None}


def said_from(tensors: Mapping[str, npt.NDArray[Any]], prefix: str = "") -> Said:
    """What `said_tensors` wrote."""
    return Said(tensors[f"{prefix}p"], tensors.get(f"{prefix}expected"), tensors[f"{prefix}quantiles"])


def joined(pieces: list[Said]) -> Said:
    """The rows of several, one after another."""
    expected = [piece.expected for piece in pieces if piece.expected is not None]
    return Said(
        np.concatenate([piece.p for piece in pieces]),
        np.concatenate(expected) if len(expected) == len(pieces) else None,
        np.concatenate([piece.quantiles for piece in pieces]),
    )


__all__ = ["joined", "said_by", "said_from", "said_of", "said_tensors"]

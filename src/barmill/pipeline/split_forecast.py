"""What a model or an ensemble said in one split, and of which rows: the same terms for both."""

from collections.abc import Mapping
from dataclasses import dataclass

from barmill.bundles import ForecastBand
from barmill.ensembles.contract import Said
from barmill.evaluation import Thresholds
from barmill.models.contract import View, Window
from barmill.pipeline.dataset import Positions, ScaledData
from barmill.pipeline.model_fit import CalibratedModel
from barmill.pipeline.trading_path import Float64Array

OF_ENSEMBLES = ("ensemble", "selection")  # parts that ensembles are calibrated on, and set their thresholds by


@dataclass(frozen=True, slots=True)
class SplitRows:
    """The rows of one split.

    parts : what may teach, cut as `fold_parts` cuts it; test : what judges; int64 positions among the labels
    scaled : the features as parts["fit"] scales them
    """

    parts: dict[str, Positions]
    test: Positions
    scaled: ScaledData

    @property
    def asked(self) -> tuple[str, ...]:
        """The parts of which each model is asked: the rows that judge, and those that ensembles and bands need, where there are any."""
        banded = ("conformal",) if "conformal" in self.parts else ()
        return (*(OF_ENSEMBLES if "ensemble" in self.parts else ()), *banded, "test")

    def positions(self, part: str) -> Positions:
        """Those of a part, or of the rows that judge."""
        return self.test if part == "test" else self.parts[part]

    def view(self, part: str, window: Window, inputs: tuple[str, ...]) -> View:
        """What a model sees of them."""
        return self.scaled.view(self.positions(part), window, inputs)


@dataclass(frozen=True, slots=True)
class SplitForecast:
    """What was said in one split.

    said : by the name of the part, `SplitRows.asked` of a model, the rows that judge of an ensemble
    thresholds : of its trading rule
    taught_on, taught : int64 and float64 (n,), rows that taught it, and p_up that it says of them
    looks_at : kind ("share", "gain") to the share of each feature
    band : fitted in this split; None in a run without bands
    """

    said: Mapping[str, Said]
    thresholds: Thresholds
    taught_on: Positions
    taught: Float64Array
    looks_at: Mapping[str, Mapping[str, float]]
    band: ForecastBand | None = None


def looks_at(model: CalibratedModel) -> dict[str, dict[str, float]]:
    """The share of each feature in what moves p_up, and in the gains of its trees where it has trees."""
    features = model.explanation["outputs"]["p_up"]["features"]
    kinds = [kind for kind in ("share", "gain") if all(kind in one for one in features)]
    return {kind: {one["feature"]: one[kind] for one in features} for kind in kinds}


__all__ = ["OF_ENSEMBLES", "SplitForecast", "SplitRows", "looks_at"]

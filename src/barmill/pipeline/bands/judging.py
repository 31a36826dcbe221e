"""Whether the bands of a run hold what they say, on rows that their calibration did not see."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from barmill.bundles import ForecastBand
from barmill.ensembles.contract import Float64Array
from barmill.evaluation import coverage_report
from barmill.labels import Labels
from barmill.market import Bars
from barmill.pipeline.bands.config import UncertaintyConfig
from barmill.pipeline.bands.fitting import rows_behind
from barmill.pipeline.bands.regime import regime_at
from barmill.pipeline.dataset import Positions, ScaledData
from barmill.uncertainty.conformal import AdaptiveState

ENDS = ("lower", "upper")


@dataclass(frozen=True, slots=True)
class BandJudge:
    """The rows on which all bands of a run are judged alike.

    config : of the run's bands; data, bars : of the run
    positions : int64 (n,), labels in time order, on which no band was fitted
    every : bars from one decision to the next
    n_paths : walks through these rows, each with bands of its own
    """

    config: UncertaintyConfig
    data: ScaledData
    bars: Bars
    positions: Positions
    every: int
    n_paths: int = 1

    def told(self, bands: Sequence[ForecastBand], ends: Sequence[Float64Array]) -> dict[str, Any]:
        """What is told of one model's bands.

        Each row stands once for each path, beside itself, so that coverage is the mean of the paths' and time still runs. The forecasts
        of a row share its outcome: all paths of a row count as one in the bands of chance.

        bands : of the bundle, or of each split; ends : of each path, float64 (n, 2), net log returns
        """
        labels, n_paths = self.data.labels, self.n_paths
        rows = np.repeat(self.positions, n_paths)
        both = np.stack(ends, axis=1).reshape(-1, 2)
        report = coverage_report(
            labels.net_log_return[rows],
            both[:, 0],
            both[:, 1],
            self.config.alpha,
            regime=regime_at(self.config, self.data, rows),
            volatility=self.data.scale(rows),
            overlap=mean_overlap(labels, self.every) * n_paths,
            times_ms=self.bars.close_time[labels.t0[rows]],
        )
        return {
            "method": self.config.method,
            "around": bands[0].around,
            "level": self.config.coverage,
            "fitted_on": "conformal" if self.config.has_slice else "out_of_fold",
            "n_rows": min(rows_behind(band) for band in bands),
            "online": isinstance(bands[0].band, AdaptiveState),
            "report": report.to_json(),
        }


def mean_overlap(labels: Labels, every: int) -> float:
    """Samples that share one outcome, on average: what widens an interval made for independent rows."""
    return max(1.0, float((labels.t1 - labels.t0).mean()) / every)


__all__ = ["ENDS", "BandJudge", "mean_overlap"]

"""Single rows of features on the quick way of a stream: the steps of the pipeline, in memory that is there."""

from collections import deque

from barmill.bundles import Bundle
from barmill.bundles.ensemble_pipeline import Pipeline
from barmill.bundles.row_path import RowPath, row_path, why_ordinary
from barmill.serving.answers import Float64Array


class RowPaths:
    """As many ways of one row through a bundle's pipeline as are walked at a time: each belongs to one thread until it is put back."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._pipeline = bundle.pipeline if _has_a_way(bundle.pipeline) else None
        self._free: deque[RowPath] = deque()  # which gives and takes in one step

    def forecast(self, rows: Float64Array) -> dict[str, Float64Array] | None:
        """What the pipeline forecasts of the last of `rows`, to the bit, float64 (1,) by output.

        rows : float64 (depth, n_plan), features of the plan, all that one forecast reads

        Returns
        -------
        None where the pipeline has no such way, or refuses: it says why. What a model raises comes out as it is.
        """
        if self._pipeline is None:
            return None
        try:
            path = self._free.pop()
        except IndexError:  # every one is walked just now
            path = row_path(self._pipeline)
            assert path is not None
        newest = rows[-1]
        if len(rows) == 1:
            path.take(newest)
        else:
            path.fill(rows)
        said = path.out.reshape(-1, 1).copy() if path.forecast(newest) else None
        self._free.append(path)  # not one in which something was raised: what it remembers may be half of it
        return None if said is None else dict(zip(self.bundle.outputs, said, strict=True))


def _has_a_way(pipeline: Pipeline) -> bool:
    adapts = pipeline.band is not None and pipeline.band.outcomes is not None  # the way of which belongs to a stream
    return not adapts and not why_ordinary(pipeline)


__all__ = ["RowPaths"]

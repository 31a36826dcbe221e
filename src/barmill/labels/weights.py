"""How much each label counts: draws that avoid overlaps, returns that are a label's own, and weights that fade with age.

Weights bias probabilities: a calibrator is fitted on rows without them.
"""

import math

import numpy as np
import numpy.typing as npt

from barmill.errors import LabelError, ShapeError
from barmill.labels._arguments import Float64Array, Int64Array, checked_series
from barmill.labels.uniqueness import checked_spans, concurrency


def sequential_bootstrap(t0: npt.ArrayLike, t1: npt.ArrayLike, n_bars: int, drawn: npt.ArrayLike) -> Float64Array:
    """Probabilities of the next draw: the more a label overlaps those already drawn, the less likely it is.

    Proportional to the mean over a label's bars of 1 / (1 + number of drawn labels alive there). Nothing is ruled out: a drawn label
    may be drawn again. `sequential_bootstrap_sample` draws by it.

    Parameters
    ----------
    t0, t1 : int arrays of shape (n_labels,), first and last bar of each label, both included
    n_bars : int
    drawn : int array, the labels drawn so far, with repetition, in any order

    Returns
    -------
    float64 array of shape (n_labels,), sum 1.

    Raises: ShapeError or LabelError for spans that cannot be; LabelError for a drawn label that is not there.
    Source: López de Prado (2018), section 4.5.1.
    """
    from barmill.labels import _kernels  # compiles at first import; see there

    starts, ends = checked_spans("sequential_bootstrap", t0, t1, n_bars)
    chosen = _checked_draws(drawn, starts.size)
    fading: Float64Array = np.asarray(1.0 / (1.0 + concurrency(starts[chosen], ends[chosen], n_bars)), dtype=np.float64)
    means = np.empty(starts.size)
    _kernels.sums_over_labels(fading, starts, ends, means)
    means /= ends - starts + 1
    return means / means.sum()


def sequential_bootstrap_sample(t0: npt.ArrayLike, t1: npt.ArrayLike, n_bars: int, n_draws: int | None = None, *, seed: int) -> Int64Array:
    """Draw labels one after the other, each by the probabilities that `sequential_bootstrap` gives after those before it.

    The sample holds more different evidence than a plain bootstrap, in which overlapping labels come again and again.

    Parameters
    ----------
    t0, t1, n_bars : as in `sequential_bootstrap`, in any order
    n_draws : int, None for as many as there are labels
    seed : int, of a PCG64 generator; the same seed gives the same draws

    Returns
    -------
    int64 array of shape (n_draws,), positions of labels in the order in which they were drawn, with repetition.

    Raises: as `sequential_bootstrap`; LabelError for draws from no labels.
    Cost: for each draw the labels that could overlap the drawn one, found by their starts; memory linear in labels and bars, where
    the indicator matrix of the book has a cell for each label and bar.
    Source: López de Prado (2018), snippet 4.5.
    """
    from barmill.labels import _weight_kernels  # compiles at first import; see there

    starts, ends = checked_spans("sequential_bootstrap_sample", t0, t1, n_bars)
    n_wanted = starts.size if n_draws is None else n_draws
    if n_wanted < 0 or (n_wanted and not starts.size):
        raise LabelError(
            "sequential_bootstrap_sample.n_draws", f"{n_wanted} draws from {starts.size} labels", expected="labels to draw from"
        )
    order = np.argsort(starts, kind="stable")
    starts, ends = starts[order], ends[order]
    longest = int((ends - starts).max()) if starts.size else 0
    first = np.searchsorted(starts, starts - longest, side="left").astype(np.int64)
    stop = np.searchsorted(starts, ends, side="right").astype(np.int64)
    uniforms = np.random.Generator(np.random.PCG64(seed)).random(n_wanted)
    drawn = np.empty(n_wanted, dtype=np.int64)
    _weight_kernels.draw_sequentially(starts, ends, first, stop, n_bars, longest, uniforms, drawn)
    return order[drawn]


def return_attribution_weights(close: npt.ArrayLike, t0: npt.ArrayLike, t1: npt.ArrayLike) -> Float64Array:
    """Weights by the return that is a label's own: a bar's log return is shared among the labels alive there.

    Large moves count more than quiet stretches, and no move counts twice because many labels saw it.

    Parameters
    ----------
    close : float64 array of shape (n_bars,), prices > 0
    t0, t1 : int arrays of shape (n_labels,), first and last bar of each label, both included

    Returns
    -------
    float64 array of shape (n_labels,), the absolute sum over t0 .. t1 of ln(close_t / close_{t-1}) / concurrency_t, scaled so that
    the weights sum to n_labels. The return into bar t0 is included; bar 0 has none. NaN where no label has a return of its own.

    Timing: a weight is known at t1, as the label is. Raises: ShapeError or LabelError for spans or prices that cannot be.
    Source: López de Prado (2018), snippet 4.10.
    """
    from barmill.labels import _kernels  # compiles at first import; see there

    (closes,) = checked_series("return_attribution_weights", close=close)
    if closes.size and closes.min() <= 0:
        at = int(np.argmax(closes <= 0))
        raise LabelError(f"return_attribution_weights.close[{at}]", f"{closes[at]}", expected="a positive price")
    starts, ends = checked_spans("return_attribution_weights", t0, t1, closes.size)
    shares = np.diff(np.log(closes), prepend=np.log(closes[:1])) / np.maximum(concurrency(starts, ends, closes.size), 1)
    own = np.empty(starts.size)
    _kernels.sums_over_labels(shares, starts, ends, own)
    np.abs(own, out=own)
    total = own.sum()
    return own * (own.size / total) if total > 0 else np.full(own.size, np.nan)


def time_decay_weights(uniqueness: npt.ArrayLike, last_weight: float) -> Float64Array:
    """Weights that fall with age, where age is counted in evidence (uniqueness) that came since, not in time.

    Parameters
    ----------
    uniqueness : float64 array of shape (n_labels,), of labels in the order of time, oldest first; see `average_uniqueness`
    last_weight : float, above -1 and up to 1. From 0 to 1 it is where the line of weights ends before the oldest label: 1 is no decay.
        Below 0, the oldest part of the evidence, a share of -last_weight, gets no weight at all

    Returns
    -------
    float64 array of shape (n_labels,), >= 0, the newest 1. NaN where all uniqueness is 0.

    Raises: ShapeError or LabelError for uniqueness that is negative or not finite, or a last weight outside its range.
    Source: López de Prado (2018), snippet 4.11.
    """
    (unique,) = checked_series("time_decay_weights", uniqueness=uniqueness)
    if unique.size and unique.min() < 0:
        at = int(np.argmin(unique))
        raise LabelError(f"time_decay_weights.uniqueness[{at}]", f"{unique[at]}", expected="0 or more")
    if not (math.isfinite(last_weight) and -1 < last_weight <= 1):
        raise LabelError("time_decay_weights.last_weight", f"{last_weight}", expected="above -1 and up to 1")
    if not unique.size:
        return unique
    so_far = np.cumsum(unique)
    total = so_far[-1]
    if not total > 0:
        return np.full(unique.size, np.nan)
    slope = (1 - last_weight) / total if last_weight >= 0 else 1 / ((last_weight + 1) * total)
    return np.maximum(1 - slope * (total - so_far), 0.0)


def _checked_draws(drawn: npt.ArrayLike, n_labels: int) -> Int64Array:
    array = np.asarray(drawn)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        found = f"an array of shape {array.shape} and type {array.dtype}"
        raise ShapeError("sequential_bootstrap.drawn", found, expected="integers of shape (n_drawn,)")
    outside = (array < 0) | (array >= n_labels)
    if outside.any():
        at = int(np.argmax(outside))
        raise LabelError(f"sequential_bootstrap.drawn[{at}]", f"{int(array[at])}", expected=f"a label's position, from 0 to {n_labels - 1}")
    return array.astype(np.int64, copy=False)


__all__ = ["return_attribution_weights", "sequential_bootstrap", "sequential_bootstrap_sample", "time_decay_weights"]

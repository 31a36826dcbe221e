"""Several timeframes at once: for each sample the last closed bars of each, gathered and never materialised."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
import numpy.typing as npt

from barmill.errors import InputError, ShapeError
from barmill.views._buffers import batch_like
from barmill.views._positions import Float32Array, Positions, checked_positions
from barmill.views.closed_bars import PRICES, Anchor, closed_bars, log_bases, logarithms_of, scaled_bases
from barmill.views.resolution import Resolution
from barmill.views.scaling import DEFAULT_CLIP, RobustScaler

if TYPE_CHECKING:
    from barmill.market import Bars, Timeframe

Float64Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

BAR_COLUMNS = (*PRICES, "volume")
NO_ENDS = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class MultiResolution:
    """Samples as windows of closed bars on several timeframes; `MultiResolution.of(bars, ...)` makes it from bars.

    Prefer `WindowTensor` where one timeframe with indicators is enough.

    Parameters
    ----------
    resolutions : tuple of Resolution, one for each timeframe, over the same base bars; bases are float32, and float64 if
        there is a `reference`
    names : tuple of str, the columns of every base
    ends : int64 array of shape (n,), the position of each sample's decision bar among the base bars
    reference : float64 array of shape (n_bars,) or None. If given, the columns open, high, low and close hold logarithms, and
        a batch shows them less the reference of the decision bar; volume is shown as ln((v + m) / 2m), m being its mean in
        the window (0 for a window without volume), and other columns as they are
    unit : float64 array of shape (n,) or None: with a `reference`, the volatility of a base bar as known at each sample's decision.
        If given, prices are divided by unit x sqrt(base bars that the timeframe's window lasts), what a price moves over the
        window, and held within -8 .. 8: numbers of order one in quiet times and in wild ones

    Timing: every bar of sample i has closed at or before the close of bar ends[i].
    Raises: ShapeError if shapes or types differ, or naming the first sample that is not ready and what it lacks.
    """

    resolutions: tuple[Resolution, ...]
    names: tuple[str, ...]
    ends: Positions
    reference: Float64Array | None = None
    unit: Float64Array | None = None

    def __post_init__(self) -> None:
        n_bars = self._checked_bars()
        ends = checked_positions("MultiResolution.ends", self.ends, 0, n_bars, "An end is the position of a base bar.")
        for resolution in self.resolutions:
            unready = ~resolution.ready[ends]
            if unready.any():
                at = int(np.argmax(unready))
                row = int(ends[at])
                mend = "Take samples among the `ready` bars."
                raise ShapeError(f"MultiResolution.ends[{at}]", f"base bar {row} has {resolution.why_not_ready(row)}", mend=mend)
        self._check_unit(ends)
        object.__setattr__(self, "ends", ends)

    @classmethod
    def of(
        cls,
        bars: "Bars",
        lengths: "Mapping[str, int] | Mapping[str | Timeframe, int]",
        ends: npt.ArrayLike | None = None,
        names: Sequence[str] = BAR_COLUMNS,
        normalise: "Literal['raw', 'log'] | Mapping[str, RobustScaler]" = "log",
        anchor: Anchor = "epoch",
    ) -> Self:
        """The view of `bars` on each timeframe, shortest first.

        Parameters
        ----------
        bars : Bars of the base timeframe
        lengths : bars in the window of each timeframe, such as {"1m": 60, "5m": 12, "15m": 4}
        ends : int array of shape (n,), positions of the decision bars; None takes every bar that is ready
        names : columns of the bars, or features such as "rsi_14", which are computed on the closed bars of each timeframe
        normalise : "raw", everything as it is. "log", prices as ln(price / close of the decision bar) on every timeframe, so that
            neither the level nor the currency is seen, and volume against its mean in the window; features stay as they
            are. Or scalers by timeframe as `fit_scalers` gives them: every column centred, scaled and clipped, one bar
            like another
        anchor : whether longer bars are counted from the Unix epoch or from the open of each session

        Raises: InstrumentError for a timeframe that is no multiple of the bars'; SchemaError if a scaler is missing or of other
        columns; RecipeError for a feature that does not exist; DataError for a price that is not above 0; ShapeError as above.
        """
        wanted: dict[str | Timeframe, int] = dict(lengths.items())
        closed = closed_bars(bars, tuple(wanted), tuple(names), anchor)
        reference: Float64Array | None = None
        if not isinstance(normalise, str):
            bases = scaled_bases(closed, normalise)
        elif normalise == "log":
            bases = log_bases(closed)
            reference = logarithms_of(bars.close[:, None])[:, 0]
        elif normalise == "raw":
            bases = [one.values.astype(np.float32) for one in closed]
        else:
            raise InputError("MultiResolution.of: normalise", f"is '{normalise}'", expected="'raw', 'log' or scalers by timeframe")
        resolutions = tuple(
            Resolution(one.timeframe, wanted[one.asked], base, one.last, one.n_base) for one, base in zip(closed, bases, strict=True)
        )
        whole = cls(resolutions, tuple(names), NO_ENDS, reference)
        return replace(whole, ends=np.flatnonzero(whole.ready) if ends is None else np.asarray(ends))

    @classmethod
    def of_windows(cls, windows: Float32Array, lengths: Mapping[str, int], names: Sequence[str] = BAR_COLUMNS) -> Self:
        """Windows that were gathered before, as samples again: what `concatenated` gives of them is `windows`, to the bit.

        windows : float32 array of shape (n, sum of the lengths, n_features)
        lengths : bars of each timeframe, shortest first
        """
        n, total, n_features = windows.shape
        if total != sum(lengths.values()) or n_features != len(names):
            expected = f"(n, {sum(lengths.values())}, {len(names)})"
            raise ShapeError("MultiResolution.of_windows", f"an array of shape {windows.shape}", expected=expected)
        resolutions: list[Resolution] = []
        place = 0
        for timeframe, length in lengths.items():
            base = np.ascontiguousarray(windows[:, place : place + length], dtype=np.float32).reshape(n * length, n_features)
            resolutions.append(Resolution(timeframe, length, base, np.arange(1, n + 1) * length - 1))
            place += length
        return cls(tuple(resolutions), tuple(names), np.arange(n))

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def ready(self) -> BoolArray:
        """bool array of shape (n_bars,), the base bars that can be a sample: every timeframe has bars enough."""
        return np.logical_and.reduce([resolution.ready for resolution in self.resolutions])

    @property
    def lengths(self) -> dict[str, int]:
        """Bars in the window of each timeframe, shortest first."""
        return {resolution.timeframe: resolution.length for resolution in self.resolutions}

    @property
    def window(self) -> int:
        """Bars of a concatenated window."""
        return sum(resolution.length for resolution in self.resolutions)

    @property
    def timeframes(self) -> tuple[str, ...]:
        """The timeframes, shortest first."""
        return tuple(resolution.timeframe for resolution in self.resolutions)

    @property
    def n_features(self) -> int:
        return len(self.names)

    @property
    def concatenated_shape(self) -> tuple[int, int, int]:
        """(n, sum of the lengths, n_features)."""
        return len(self), self.window, self.n_features

    @property
    def stacked_shape(self) -> tuple[int, int, int, int]:
        """(n, n_timeframes, longest window, n_features)."""
        return len(self), len(self.resolutions), max(resolution.length for resolution in self.resolutions), self.n_features

    @property
    def stacked_mask(self) -> BoolArray:
        """bool array of shape (n_timeframes, longest window), True where `stacked` holds a bar: at the end of each row."""
        longest = self.stacked_shape[2]
        lengths = np.array([resolution.length for resolution in self.resolutions])
        return np.arange(longest) >= (longest - lengths)[:, None]

    def concatenated(self, idx: npt.ArrayLike | slice, out: Float32Array | None = None) -> Float32Array:
        """The samples numbered `idx`, one timeframe after another, shortest first, each with its newest bar last.

        out : a C-contiguous float32 buffer for as many samples or more, to be used again and again; None makes a new one

        Returns
        -------
        float32 array of shape (b, sum of the lengths, n_features), C-contiguous: the first b samples of `out`
        """
        ends, unit = self._chosen(idx), self._units(idx)
        batch = batch_like("MultiResolution.concatenated.out", out, (len(ends), *self.concatenated_shape[1:]))
        place = 0
        for resolution in self.resolutions:
            self._gather(resolution, ends, unit, place, batch)
            place += resolution.length
        return batch

    def gather(self, idx: npt.ArrayLike | slice) -> Float32Array:
        """What a network reads of the samples numbered `idx`, as `WindowTensor.gather` gives it: `concatenated`."""
        return self.concatenated(idx)

    def stacked(self, idx: npt.ArrayLike | slice, out: Float32Array | None = None) -> tuple[Float32Array, BoolArray]:
        """The samples numbered `idx`, a row for each timeframe; shorter windows have zeros before them.

        out : as in `concatenated`

        Returns
        -------
        values : float32 array of shape (b, n_timeframes, longest window, n_features), C-contiguous, the newest bars last
        mask : bool array of shape (b, n_timeframes, longest window), True where a bar stands, False where padding does
        """
        ends, unit = self._chosen(idx), self._units(idx)
        _, n_timeframes, longest, n_features = self.stacked_shape
        values = batch_like("MultiResolution.stacked.out", out, (len(ends), n_timeframes, longest, n_features))
        rows = values.reshape(len(ends), n_timeframes * longest, n_features)
        for number, resolution in enumerate(self.resolutions):
            values[:, number, : longest - resolution.length] = 0.0
            self._gather(resolution, ends, unit, (number + 1) * longest - resolution.length, rows)
        return values, np.repeat(self.stacked_mask[None], len(ends), axis=0)

    def take(self, idx: npt.ArrayLike | slice) -> "MultiResolution":
        """The samples numbered `idx` (int positions among the samples, a mask or a slice), over the same bases."""
        chosen = idx if isinstance(idx, slice) else np.asarray(idx)
        return replace(self, ends=self._chosen(idx), unit=None if self.unit is None else self.unit[chosen])

    def samples(self, ends: npt.ArrayLike, unit: Float64Array | None = None) -> "MultiResolution":
        """Other samples over the same bases, at the base bars `ends` and in units of `unit`, see the class."""
        return replace(self, ends=np.asarray(ends), unit=unit)

    def known_at(self, row: int) -> "MultiResolution":
        """What the base bar `row`, which is ready, knows: a view over that bar alone, without samples."""
        alone: list[Resolution] = []
        for one in self.resolutions:
            last = int(one.last[row])
            base = np.ascontiguousarray(one.base[last + 1 - one.length : last + 1])
            alone.append(Resolution(one.timeframe, one.length, base, np.array([one.length - 1]), one.n_base))
        return MultiResolution(tuple(alone), self.names, NO_ENDS, None if self.reference is None else self.reference[row : row + 1])

    def _chosen(self, idx: npt.ArrayLike | slice) -> Positions:
        return np.ascontiguousarray(self.ends[idx if isinstance(idx, slice) else np.asarray(idx)])

    def _units(self, idx: npt.ArrayLike | slice) -> Float64Array | None:
        return None if self.unit is None else np.ascontiguousarray(self.unit[idx if isinstance(idx, slice) else np.asarray(idx)])

    def _gather(self, resolution: Resolution, ends: Positions, unit: Float64Array | None, place: int, batch: Float32Array) -> None:
        from barmill.views import _gathering

        newest = resolution.last[ends]
        if self.reference is None:
            _gathering.copy_windows.compiled(resolution.base, newest, resolution.length, place, batch)
            return
        kinds = {**dict.fromkeys(PRICES, _gathering.LOG_PRICE), "volume": _gathering.VOLUME}
        numbers = np.array([kinds.get(name, _gathering.AS_IT_IS) for name in self.names], dtype=np.int64)
        reach, clip = (math.sqrt(resolution.n_base * resolution.length), DEFAULT_CLIP) if unit is not None else (1.0, math.inf)
        divisor = np.ones(len(ends)) if unit is None else unit
        reference = self.reference[ends]
        _gathering.copy_relative.compiled(
            resolution.base, numbers, newest, reference, divisor, reach, clip, resolution.length, place, batch
        )

    def _checked_bars(self) -> int:
        """How many base bars there are, after all arrays were found to fit together."""
        if not self.resolutions or not self.names:
            raise ShapeError("MultiResolution", f"{len(self.resolutions)} timeframes of {len(self.names)} columns", expected="at least one")
        dtype = np.float32 if self.reference is None else np.float64
        n_bars = len(self.resolutions[0].last)
        for resolution in self.resolutions:
            base = resolution.base
            if base.dtype != dtype or base.shape[1] != len(self.names) or len(resolution.last) != n_bars:
                raise ShapeError(
                    f"MultiResolution '{resolution.timeframe}'",
                    f"{base.dtype} of {base.shape[1]} columns over {len(resolution.last)} base bars",
                    expected=f"{np.dtype(dtype)} of {len(self.names)} columns over {n_bars} base bars",
                )
        if self.reference is not None and (self.reference.shape != (n_bars,) or self.reference.dtype != np.float64):
            found = f"an array of shape {self.reference.shape} and type {self.reference.dtype}"
            raise ShapeError("MultiResolution.reference", found, expected=f"float64 of shape ({n_bars},)")
        return n_bars

    def _check_unit(self, ends: Positions) -> None:
        if self.unit is None:
            return
        if self.reference is None or self.unit.shape != ends.shape or self.unit.dtype != np.float64:
            found = f"an array of shape {self.unit.shape} and type {self.unit.dtype}"
            raise ShapeError("MultiResolution.unit", found, expected=f"float64 of shape {ends.shape}, beside a reference")
        good = np.isfinite(self.unit) & (self.unit > 0.0)
        if not good.all():
            at = int(np.argmin(good))
            found = f"{self.unit[at]} for the sample at base bar {int(ends[at])}"
            raise ShapeError(f"MultiResolution.unit[{at}]", found, expected="a number above 0")

"""Adaptive conformal inference: a band whose level follows the share of outcomes that it held of late."""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from barmill.errors import ForecastError, InputError, ShapeError
from barmill.uncertainty.conformal.bands import unreadable
from barmill.uncertainty.conformal.intervals import Bounds, band_scores, widened
from barmill.uncertainty.conformal.rank import checked_alpha, conformal_rank, enough_rows

Float64Array = npt.NDArray[np.float64]

GAMMAS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128)  # Gibbs & Candès (2024), section 4
_SPAN = 500  # outcomes over which the weights of several steps are to be near the best one's, as there


@dataclass(frozen=True, slots=True)
class AdaptiveConformal:
    """How a band adapts. With one step gamma: alpha_{t+1} = alpha_t + gamma (alpha - err_t), err_t = 1 where the outcome fell outside.

    The band at t is that of split conformal or CQR with alpha_t over the last `window` scores. A small gamma is slow to follow, a large
    one makes bands of erratic width. With several steps each has its own alpha_t, and the band is made with their mean, weighted by how
    well each has told the rank of outcomes (exponential weights on the pinball loss).

    alpha : the share that is to fall outside in the long run
    gammas : one step, 0.005 in the paper, or several, `GAMMAS`
    window : scores that are kept, the latest ones

    Source: Gibbs & Candès (2021), NeurIPS 34, eq. 2; several steps: Gibbs & Candès (2024), JMLR 25(162), Algorithm 2 (DtACI); on the
    choice of the step: Zaffran et al. (2022), ICML.
    """

    alpha: float
    gammas: tuple[float, ...] = (0.005,)
    window: int = 500

    def __post_init__(self) -> None:
        checked_alpha(self.alpha)
        if not self.gammas or not all(0 <= gamma <= 1 for gamma in self.gammas):
            raise ShapeError("gammas", f"are {list(self.gammas)}", expected="steps from 0 to 1, at least one")
        enough_rows(self.window, self.alpha, "window of scores")

    def start(self, y: npt.ArrayLike, lo: npt.ArrayLike, hi: npt.ArrayLike) -> "AdaptiveState":
        """The state before the first decision.

        y, lo, hi : float64 of shape (n,), calibration rows in time order, that neither trained the model nor judge the band;
            lo = hi = prediction for a model that says a point

        Raises: SplitError with the number of rows needed where they are too few for alpha; ShapeError for arrays that do not fit.
        """
        scores = band_scores(y, lo, hi)[-self.window :]
        enough_rows(scores.size, self.alpha)
        n = len(self.gammas)
        return AdaptiveState(self, (self.alpha,) * n, (1 / n,) * n, scores)


class Decision(NamedTuple):
    """A band that was said and whose outcome is not known yet.

    at : when (a bar's number, or its close time in ms); lo, hi : the forecast band
    alphas, thresholds : of each step, the level then and the q that it stood for
    """

    at: int
    lo: float
    hi: float
    alphas: tuple[float, ...]
    thresholds: tuple[float, ...]


class Decided(NamedTuple):
    """The state that remembers a decision, and the band said with it."""

    state: "AdaptiveState"
    lower: float
    upper: float


@dataclass(frozen=True, slots=True, eq=False)
class AdaptiveState:
    """All that an adaptive band knows at one time; `decide` and `update` give the next state and leave this one.

    An outcome comes bars after its decision, and not always in the order of decisions. Each is judged by the band said then, and moves
    the level of the bands said after it is known. So nothing at t stands on what is known later.

    A server never says infinity: where alpha_t asks for more than the largest score kept, that one is used, and the smallest where it
    asks for less than that. Whether an outcome was held is judged by the band said. So with one step the share outside over T outcomes
    is exactly alpha + (alpha_1 - alpha_{T+1}) / (gamma T), whatever the market does, and comes to alpha while alpha_t stays bounded. In
    the paper infinite bands bound it. Here nothing does by force: a market that outran every score of the window, bar after bar, would
    drive alpha_t down for good, and `level` shows it.

    alphas, weights : of each step; scores : float64 of shape (up to window,), in the order in which they became known
    pending : decisions whose outcomes are not known, ascending
    thresholds : q of the band now, then of each step; follows from the rest
    """

    settings: AdaptiveConformal
    alphas: tuple[float, ...]
    weights: tuple[float, ...]
    scores: Float64Array
    pending: tuple[Decision, ...] = ()
    thresholds: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.thresholds:
            ordered = np.sort(self.scores)
            object.__setattr__(self, "thresholds", tuple(_threshold(ordered, level) for level in (self.level, *self.alphas)))

    @property
    def level(self) -> float:
        """alpha_t of the band now: the mean of the steps' own, by weight."""
        return sum(weight * alpha for weight, alpha in zip(self.weights, self.alphas, strict=True)) / sum(self.weights)

    @property
    def q(self) -> float:
        """How far the band goes beyond lo and hi now."""
        return self.thresholds[0]

    def band(self, lo: npt.ArrayLike, hi: npt.ArrayLike) -> Bounds:
        """The band of each row as of now; lo, hi : float64 of shape (n,). Ends that would cross are the middle of lo and hi."""
        return widened(lo, hi, self.q)

    def decide(self, at: int, lo: float, hi: float) -> Decided:
        """The band of one decision, remembered until its outcome comes.

        Raises: ForecastError for an end that is not finite, or a decision that is not later than the last one pending.
        """
        if self.pending and at <= self.pending[-1].at:
            raise ForecastError("adaptive band", f"decides at {at} after {self.pending[-1].at}", expected="decisions in time order")
        lower, upper = self.band(lo, hi)
        made = Decision(at, float(lo), float(hi), self.alphas, self.thresholds[1:])
        return Decided(replace(self, pending=(*self.pending, made)), float(lower), float(upper))

    def update(self, at: int, y: float) -> "AdaptiveState":
        """The state once the outcome of the decision made at `at` is known.

        Raises: ForecastError where no such decision is pending, or for an outcome that is not finite.
        """
        place = self._place(at)
        if not math.isfinite(y):
            raise ForecastError(f"outcome of {at}", f"is {y}", expected="a finite number")
        made = self.pending[place]
        score = max(made.lo - y, y - made.hi)
        alpha, gammas = self.settings.alpha, self.settings.gammas
        outside = [score > q for q in made.thresholds]
        alphas = tuple(own + gamma * (alpha - out) for own, gamma, out in zip(self.alphas, gammas, outside, strict=True))
        scores = np.concatenate((self.scores, (score,)))[-self.settings.window :]
        pending = self.pending[:place] + self.pending[place + 1 :]
        return AdaptiveState(self.settings, alphas, self._weights_after(made, score), scores, pending)

    def without(self, at: int) -> "AdaptiveState":
        """Without the decision made at `at`, whose outcome will not come. Raises: ForecastError where no such decision is pending."""
        place = self._place(at)
        return replace(self, pending=self.pending[:place] + self.pending[place + 1 :])

    def forget(self, before: int) -> "AdaptiveState":
        """Without the decisions made before `before`, whose outcomes will not come."""
        return replace(self, pending=tuple(decision for decision in self.pending if decision.at >= before))

    def _place(self, at: int) -> int:
        """Where the decision made at `at` stands among the pending ones."""
        place = bisect_left(self.pending, at, key=lambda decision: decision.at)
        if place == len(self.pending) or self.pending[place].at != at:
            raise ForecastError("adaptive band", f"has no pending decision of {at}", mend="Give each outcome once, after its decision.")
        return place

    def _weights_after(self, made: Decision, score: float) -> tuple[float, ...]:
        """Weights by the pinball loss of each step's level at the rank of the outcome, mixed with a little of equal weights."""
        if len(self.weights) == 1:
            return self.weights
        alpha, n = self.settings.alpha, len(self.weights)
        beta = 1 - np.count_nonzero(self.scores < score) / (self.scores.size + 1)  # the largest level whose band holds the outcome
        losses = [alpha * (beta - own) - min(0.0, beta - own) for own in made.alphas]
        eta = _learning_rate(alpha, n)
        grown = [weight * math.exp(-eta * loss) for weight, loss in zip(self.weights, losses, strict=True)]
        total, share = sum(grown), 1 / (2 * _SPAN)
        return tuple((1 - share) * weight / total + share / n for weight in grown)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, exact: `from_json` gives the same state to the bit."""
        return {
            "method": "adaptive",
            "alpha": self.settings.alpha,
            "gammas": list(self.settings.gammas),
            "window": self.settings.window,
            "alphas": list(self.alphas),
            "weights": list(self.weights),
            "scores": self.scores.tolist(),
            "pending": [[made.at, made.lo, made.hi, list(made.alphas), list(made.thresholds)] for made in self.pending],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "AdaptiveState":
        """Read what `to_json` wrote. Raises BundleError where it is something else."""
        try:
            if value["method"] != "adaptive":
                raise ValueError(f"the method is {value['method']!r}, not 'adaptive'")
            settings = AdaptiveConformal(float(value["alpha"]), _floats(value["gammas"]), int(value["window"]))
            pending = tuple(Decision(int(at), float(lo), float(hi), _floats(a), _floats(q)) for at, lo, hi, a, q in value["pending"])
            state = cls(settings, _floats(value["alphas"]), _floats(value["weights"]), np.array(value["scores"], np.float64), pending)
            _check(state)
        except (KeyError, TypeError, ValueError, IndexError, OverflowError, InputError) as error:
            raise unreadable(error) from error
        return state


def _threshold(ordered: Float64Array, level: float) -> float:
    """The score that a band of `level` reaches to; the largest or the smallest where it would lie beyond them."""
    n = ordered.size
    if not 0 < level < 1:
        return float(ordered[-1 if level <= 0 else 0])
    return float(ordered[min(conformal_rank(n, level), n) - 1])


def _learning_rate(alpha: float, n_steps: int) -> float:
    """eta of Gibbs & Candès (2024), section 4: 2.72 for eight steps and alpha = 0.1."""
    mean_square = ((1 - alpha) ** 2 * alpha**3 + alpha**2 * (1 - alpha) ** 3) / 3
    return math.sqrt((math.log(2 * n_steps * _SPAN) + 1) / (_SPAN * mean_square))


def _check(state: AdaptiveState) -> None:
    n, times = len(state.settings.gammas), [made.at for made in state.pending]
    if {len(state.alphas), len(state.weights)} != {n} or any({len(d.alphas), len(d.thresholds)} != {n} for d in state.pending):
        raise ShapeError("adaptive band", f"does not fit its {n} steps", expected="one level and one weight for each")
    if state.scores.ndim != 1 or not 1 <= state.scores.size <= state.settings.window or times != sorted(set(times)):
        raise ShapeError("adaptive band", "has scores or decisions out of order", expected="1 to window scores, decisions in time order")
    kept = (number for made in state.pending for number in (made.lo, made.hi, *made.alphas, *made.thresholds))
    if not np.isfinite(state.scores).all() or not all(map(math.isfinite, (*state.alphas, *state.weights, *kept))):
        raise ShapeError("adaptive band", "holds a number that is not finite")
    if min(state.weights) < 0 or sum(state.weights) <= 0:
        raise ShapeError("adaptive band.weights", f"are {state.weights}", expected="numbers of at least 0, not all 0")


def _floats(values: Sequence[Any]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


__all__ = ["GAMMAS", "AdaptiveConformal", "AdaptiveState", "Decided", "Decision"]

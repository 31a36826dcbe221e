"""Members of an ensemble whose worth is known: each says a planted signal, by its skill, through noise of its own."""

from collections.abc import Sequence

import numpy as np

from barmill.ensembles.contract import FitRows, Member, Said
from barmill.uncertainty.links import probabilities_of

ALL = ("p_up", "E_r", "q05", "q50", "q95")
SPREADS = np.array([-1.645, 0.0, 1.645])


def planted(
    n: int = 400,
    skills: Sequence[float] = (1.0, 0.6, 0.3, 0.1),
    *,
    n_classes: int = 2,
    outputs: Sequence[str] | Sequence[Sequence[str]] = ALL,
    strength: float = 1.5,
    seed: int = 0,
) -> tuple[list[Member], FitRows]:
    """Members named m0, m1 ... and what they said of `n` rows.

    skills : share of a member's score that is the signal; the rest is noise of the same spread
    outputs : that all members declare, or of each
    strength : of the signal in the log-odds of up; z is half the signal and noise of one
    """
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=n)
    z = 0.5 * signal + rng.normal(size=n)
    if n_classes == 2:
        y = (rng.random(n) < probabilities_of(strength * signal)).astype(np.int64)
    else:
        y = (rng.random((n, 1)) > np.cumsum(probabilities_of(_by_class(strength * signal)), axis=1)).sum(axis=1)
    said = []
    for skill in skills:
        score = skill * signal + (1 - skill) * rng.normal(size=n)
        logits = strength * score
        quantiles = 0.5 * score[:, None] + SPREADS * rng.uniform(0.7, 1.3, size=(n, 1))
        said.append(Said(probabilities_of(logits if n_classes == 2 else _by_class(logits)), 0.5 * score, quantiles))
    each = [tuple(outputs)] * len(said) if isinstance(outputs[0], str) else [tuple(of_one) for of_one in outputs]
    members = [Member(f"m{i}", of_one) for i, of_one in enumerate(each)]
    regimes = rng.dirichlet(np.ones(3), size=n)[:, :2]
    return members, FitRows(said, y, z, regimes, rng.uniform(0.5, 1.5, n))


def some(said: Sequence[Said], rows) -> list[Said]:
    """What was said of some of the rows."""
    return [Said(one.p[rows], None if one.expected is None else one.expected[rows], one.quantiles[rows]) for one in said]


class OneRow:
    """What a member said, row by row in plain numbers, as a hot path's row holds it."""

    def __init__(self, said: Said) -> None:
        self._said = said
        self.at(0)

    def at(self, row: int) -> None:
        p, expected, quantiles = self._said
        self.p = p[row].tolist() if p.ndim > 1 else (p.item(row),)
        self.expected = None if expected is None else expected.item(row)
        self.edges = tuple(quantiles[row].tolist())


def _by_class(up):
    return np.column_stack((-up, np.zeros_like(up), up))

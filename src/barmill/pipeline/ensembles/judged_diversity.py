"""How differently the members of an ensemble err on rows that judge."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.ensembles.contract import Float64Array, Member, Said
from barmill.ensembles.diversity import diversity_report, pairwise_diversity


def diversity_of(members: Sequence[str], p: Sequence[Float64Array], y: npt.NDArray[np.int8]) -> dict[str, Any]:
    """The figures of each pair, plain JSON, with the number of `rows`.

    Parameters
    ----------
    p : of each member, p_up of two classes (n,), or (n, 3)
    y : class index of shape (n,); a label that several splits forecast stands in as many rows
    """
    heard = [Said(one, None, np.zeros((len(one), 0))) for one in p]
    pairs = pairwise_diversity([Member(label, ("p_up",)) for label in members], heard, y)
    return {"rows": len(y), **diversity_report(pairs)}


__all__ = ["diversity_of"]

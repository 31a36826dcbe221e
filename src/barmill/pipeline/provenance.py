"""Where everything of a run was fitted: stated, and checked against every block that judges it."""

from barmill.evaluation import Provenance, check_provenance, provenance
from barmill.pipeline.dataset import DEVELOPMENT, Dataset

FITTED_ON = {
    "features": "train",  # those that learn; the others are the same whatever the rows
    "scaler": "train",
    "volatility floor": "train",
    "model": "train",
    "early stopping": "early_stopping",
    "calibration": "calibration",
    "quantiles": "calibration",
    "thresholds": "selection",
    "choice among the models": "selection",  # of a run that cross-validates: all that lies before the test block
}
TUNING = "tuning"  # of a run that tunes
ENSEMBLES = {"ensembles": "train", "calibration of ensembles": "ensemble"}  # of a run with ensembles: on forecasts out of fold
BANDS = {"conformal bands": "conformal"}
FOLDED_BANDS = {"conformal bands": "train"}  # by fits that had not seen the row, which the folds prove
_MEMBERS = ("features", "scaler", "volatility floor", "model", "early stopping", "calibration", "quantiles")
# each block that judges something, and what must not have seen it
_JUDGES = {
    "early_stopping": (TUNING, "features", "scaler", "volatility floor", "model"),
    "calibration": (TUNING, "features", "scaler", "volatility floor", "model", "early stopping"),
    "ensemble": (TUNING, *_MEMBERS),
    "conformal": (TUNING, *_MEMBERS, *ENSEMBLES),
    "selection": (TUNING, *_MEMBERS, *ENSEMBLES, *BANDS),
    "test": (TUNING, *FITTED_ON, *ENSEMBLES, *BANDS),
}


def fitted_on(data: Dataset, tuned: bool, *, folded: bool = False) -> dict[str, str]:
    """The block on which each thing of a run is fitted; `tuned`: whether it tunes; `folded`: whether its bands are fitted out of fold."""
    chosen = {"choice among the models": DEVELOPMENT} if DEVELOPMENT in data.positions else {}
    bands = FOLDED_BANDS if folded else BANDS if "conformal" in data.positions else {}
    own = {**(ENSEMBLES if "ensemble" in data.positions else {}), **bands}
    return {**FITTED_ON, **own, **({TUNING: "train"} if tuned else {}), **chosen}


def judges_of(what: str) -> tuple[str, ...]:
    """The blocks that judge something of which `what` is a part."""
    return tuple(judge for judge, judged in _JUDGES.items() if what in judged)


def provenance_of(data: Dataset, tuned: bool = False, *, folded: bool = False) -> list[Provenance]:
    """One record for each thing that a run fits. Raises ProvenanceError if any shares a row, or an overlapping label, with a judge.

    tuned, folded : as of `fitted_on`
    """
    blocks = fitted_on(data, tuned, folded=folded)
    records = {what: provenance(what, block, data.positions[block], data.labels) for what, block in blocks.items()}
    for judge, judged in _JUDGES.items():
        if judge not in data.positions:
            continue
        check_provenance([records[what] for what in judged if what in records], data.positions[judge], data.labels, judge)
    return list(records.values())

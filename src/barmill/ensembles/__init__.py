"""Ensembles: what becomes of several models' forecasts of the same row. Voting, stacking and gating, fitted out of fold.

Fitting is training's work and may use scikit-learn, LightGBM or statsmodels; a fitted ensemble is named bytes, and combining is what
a server does and needs NumPy alone. What may be touched: a new way to combine is a module with its fit and its `Combiner`, a row in
`catalogue.py` and a line in `reading.py`.
"""

from barmill.ensembles.catalogue import ENSEMBLES, INFERENCE, EnsembleSpec, InferenceSpec, ensemble_spec, inference_spec, stacking_spec
from barmill.ensembles.compatibility import Degradation, check_members, check_rows, combinable, renormalised, shared_outputs, surviving
from barmill.ensembles.contract import Combiner, FitRows, Member, Said
from barmill.ensembles.diversity import LeaveOneOut, Pair, diversity_report, leave_one_out, pairwise_diversity
from barmill.ensembles.reading import read_combiner
from barmill.ensembles.voting import Voting, fit_voting

__all__ = [
    "ENSEMBLES",
    "INFERENCE",
    "Combiner",
    "Degradation",
    "EnsembleSpec",
    "FitRows",
    "InferenceSpec",
    "LeaveOneOut",
    "Member",
    "Pair",
    "Said",
    "Voting",
    "check_members",
    "check_rows",
    "combinable",
    "diversity_report",
    "ensemble_spec",
    "fit_voting",
    "inference_spec",
    "leave_one_out",
    "pairwise_diversity",
    "read_combiner",
    "renormalised",
    "shared_outputs",
    "stacking_spec",
    "surviving",
]

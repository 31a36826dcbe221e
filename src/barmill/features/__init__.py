"""The feature engine, the feature plan and the catalogue of features.

A feature is one output of a compiled kernel that reads closed bars one after another and cannot see the next
(`kernels/`). `FeaturePlan` says which features, in which order; `plan.compute(bars)` is the history and
`FeatureStream(plan).push(bar)` is live, and both are the same scan (`scan.py`). Each family of features is a module with
its declarations and, where the literature has a name for it, a public function on the same kernel. New features are
declared there; a kernel that is changed in meaning needs a new `version` on the features that it computes.
"""

from barmill.features.atr_stream import AtrStream
from barmill.features.catalogue import FEATURES, warm_kernels
from barmill.features.columns import COLUMNS, Column
from barmill.features.explaining import explain_feature
from barmill.features.explanation import Explanation
from barmill.features.feature_sets import FeatureSet, read_set, set_names
from barmill.features.hidden_markov import HmmFilter, hmm_filter
from barmill.features.momentum import Adx, Macd, Stochastic, adx, macd, rsi, stochastic
from barmill.features.moving_averages import ema
from barmill.features.naming import parse_feature, usual_feature
from barmill.features.order_flow import Vpin, bulk_volume_classification, tick_rule, vpin
from barmill.features.params import FeatureParams
from barmill.features.plan import FeaturePlan
from barmill.features.price_impact import amihud, kyle_lambda
from barmill.features.spec import Feature, FeatureSpec
from barmill.features.spreads import corwin_schultz_spread, roll_spread
from barmill.features.stream import FeatureStream
from barmill.features.table import FeatureTable
from barmill.features.transform import ffd_weights, frac_diff_ffd
from barmill.features.volatility import Bollinger, atr, bollinger, garman_klass_volatility, parkinson_volatility, rogers_satchell_volatility
from barmill.features.volume import obv
from barmill.features.wavelet import ModwtHaar, modwt_haar

__all__ = [
    "COLUMNS",
    "FEATURES",
    "Adx",
    "AtrStream",
    "Bollinger",
    "Column",
    "Explanation",
    "Feature",
    "FeatureParams",
    "FeaturePlan",
    "FeatureSet",
    "FeatureSpec",
    "FeatureStream",
    "FeatureTable",
    "HmmFilter",
    "Macd",
    "ModwtHaar",
    "Stochastic",
    "Vpin",
    "adx",
    "amihud",
    "atr",
    "bollinger",
    "bulk_volume_classification",
    "corwin_schultz_spread",
    "ema",
    "explain_feature",
    "ffd_weights",
    "frac_diff_ffd",
    "garman_klass_volatility",
    "hmm_filter",
    "kyle_lambda",
    "macd",
    "modwt_haar",
    "obv",
    "parkinson_volatility",
    "parse_feature",
    "read_set",
    "rogers_satchell_volatility",
    "roll_spread",
    "rsi",
    "set_names",
    "stochastic",
    "tick_rule",
    "usual_feature",
    "vpin",
    "warm_kernels",
]

"""Regimes: quiet or wild, drifting or not, persistent or reverting, and what a hidden Markov model makes of it.

Codes are -1, 0 and 1, in the order of their meaning; what the cut points are, and why, stands in `kernels/regimes.py`.
"""

from functools import partial

from barmill.features.hidden_markov import fit_hmm, n_fitted
from barmill.features.hmm_regimes import fit_hmm_regimes
from barmill.features.kernels import hidden_markov, regimes
from barmill.features.markov_switching import fit_markov_switching
from barmill.features.params import NoParams, RegimeParams, StateParams, StatesParams, VarianceRatioParams, WindowParams
from barmill.features.spec import FeatureSpec, Scale

FAMILY = "regime"

HMM_FADES = 0.98
"""Factor by which a bar shrinks the influence of the filter's start.

No number follows from the parameters alone: it depends on what was fitted, and on how well the observations tell the states
apart. In 30 fits (2 to 4 states, returns with and without volatility, crypto, futures and currencies on 1m to 30m bars) two
filters from opposite starts were within 1e-9 after 250 bars at the latest, usually after 10 to 80. 0.98 allows for 1,026.
"""

_LO_MACKINLAY = "Lo & MacKinlay (1988), Review of Financial Studies 1(1)"
_HAMILTON = "Hamilton (1989), Econometrica 57(2); Rabiner (1989), Proceedings of the IEEE 77(2)"
_FILTERED = "states by ascending variance of the first argument, fitted on training rows; forward filter, never smoothed"


def _free_of_free(scales: tuple[Scale, ...]) -> Scale:
    return "free" if set(scales) == {"free"} else "level"


_spec = partial(FeatureSpec, family=FAMILY, version=1)

_volatility = partial(
    _spec,
    params=RegimeParams,
    usual=RegimeParams(window=20, history=480),
    inputs=("close",),
    kernel=regimes.volatility_regime,
    kernel_params=lambda p: (p.window, p.history),
    lookback=lambda p: p.window + p.history - 1,
)

_trend = partial(
    _spec,
    params=WindowParams,
    usual=WindowParams(window=20),
    inputs=("close",),
    kernel=regimes.trend,
    kernel_params=lambda p: (p.window, 0.0),
    lookback=lambda p: p.window,
    source="Efron (1969), Journal of the American Statistical Association 64; Moskowitz, Ooi & Pedersen (2012), Journal of "
    "Financial Economics 104(2)",
)

_structure = partial(
    _spec,
    params=VarianceRatioParams,
    usual=VarianceRatioParams(window=120, span=5),
    inputs=("close",),
    kernel=regimes.variance_ratio,
    kernel_params=lambda p: (p.window, p.span, 1.0),
    lookback=lambda p: p.window,
    source=_LO_MACKINLAY,
)

_hidden_markov = partial(
    _spec,
    inputs=(),
    kernel=hidden_markov.hidden_markov,
    lookback=lambda _: 0,
    fades=lambda _: (HMM_FADES,),
    arity=(1, 4),
    usual_args=("log_return_1", "realised_volatility_20"),
    scale_of=_free_of_free,
    fit=lambda p, observations, starts: fit_hmm(p.states, observations, starts),
    n_fitted=lambda p, n_args: n_fitted(p.states, n_args),
    source=_HAMILTON,
)

_markov_switching = partial(
    _spec,
    inputs=(),
    kernel=hidden_markov.markov_switching,
    lookback=lambda _: 0,
    fades=lambda _: (HMM_FADES,),
    arity=(1, 1),
    usual_args=("log_return_1",),
    scale_of=_free_of_free,
    fit=lambda p, observations, starts: fit_markov_switching(p.states, observations, starts),
    n_fitted=lambda p, n_args: n_fitted(p.states, n_args),
    source="Hamilton (1989), Econometrica 57(2); Kim & Nelson (1999), State-Space Models with Regime Switching, chapter 4",
)

FEATURES = (
    _volatility(
        name="volatility_percentile",
        output="percentile",
        unit="0 to 1",
        formula="share of the last `history` values of realised_volatility(`window`), this one among them, that are below this one, "
        "equal ones counted half; 0.5 where all are equal",
        source="mid-rank: Lehmann (1975), Nonparametrics",
    ),
    _volatility(
        name="volatility_regime",
        output="regime",
        unit="-1 quiet, 0 usual, 1 wild",
        formula="-1 where volatility_percentile(`window`, `history`) < 0.25, 1 where it is > 0.75, else 0; 0 where all are equal",
        source="quartiles of the own past",
    ),
    _trend(
        name="trend_strength",
        output="strength",
        unit="standard deviations of a walk without drift",
        formula="sum of r / sqrt(sum of r²), r = ln(C/C₋₁) over n bars; about standard normal where signs are random, however "
        "volatility moves; 0 where nothing moved",
    ),
    _trend(
        name="trend_regime",
        output="regime",
        unit="-1 down, 0 none, 1 up",
        formula="1 where trend_strength(n) > 1, -1 where it is < -1, else 0; a walk without drift is so far off a third of the time",
    ),
    _spec(
        name="efficiency_ratio",
        params=WindowParams,
        usual=WindowParams(window=10),
        inputs=("close",),
        kernel=regimes.efficiency_ratio,
        output="efficiency_ratio",
        kernel_params=lambda p: (p.window, 0.0),
        lookback=lambda p: p.window,
        unit="0 to 1",
        formula="|C - C₋ₙ| / sum of |C - C₋₁| over n bars: 1 on a straight line; 0 where nothing moved",
        source="Kaufman (1995), Smarter Trading",
    ),
    _structure(
        name="variance_ratio",
        output="variance_ratio",
        unit="ratio",
        formula="variance of log returns over `span` bars / (span · variance over one), overlapping and unbiased, of `window` bars; "
        "above 1 returns persist, below 1 they revert; 1 where returns do not vary",
    ),
    _structure(
        name="structure_regime",
        output="regime",
        unit="-1 reverting, 0 random walk, 1 persistent",
        formula="1 where variance_ratio(`window`, `span`) - 1 is above its standard error on a random walk whose variance may change, "
        "-1 where it is below minus that, else 0; 0 where returns do not vary",
    ),
    _spec(
        name="composite_regime",
        params=NoParams,
        usual=NoParams(),
        inputs=(),
        kernel=regimes.composite_regime,
        output="composite_regime",
        kernel_params=lambda _: (),
        lookback=lambda _: 0,
        arity=(2, 2),
        usual_args=("volatility_regime_20_480", "trend_regime_20"),
        scale_of=_free_of_free,
        unit="-4 to 4",
        formula="3 · sign(first) + sign(second): with volatility and trend, -4 is quiet and falling, -1 usual and falling, 0 usual "
        "without trend, 4 wild and rising",
        source="two codes in base 3",
    ),
    _hidden_markov(
        name="hmm_probability",
        params=StateParams,
        usual=StateParams(states=2, state=1),
        kernel_params=lambda p: (p.states, p.state),
        output="probability",
        unit="0 to 1",
        formula=f"P(state `state` of `states` | arguments so far), normal within a state; {_FILTERED}",
    ),
    _hidden_markov(
        name="hmm_expected_state",
        params=StatesParams,
        usual=StatesParams(states=3),
        kernel_params=lambda p: (p.states, 0.0),
        output="expected_state",
        unit="0 to states - 1",
        formula=f"sum of k · P(state k | arguments so far), normal within a state; {_FILTERED}",
    ),
    _hidden_markov(
        name="hmm_regime_probability",
        params=StateParams,
        usual=StateParams(states=2, state=1),
        kernel=hidden_markov.hmm_regimes,
        kernel_params=lambda p: (p.states, p.state),
        output="probability",
        usual_args=("trend_strength_20", "realised_volatility_20"),
        fit=lambda p, observations, starts: fit_hmm_regimes(p.states, observations, starts),
        unit="0 to 1",
        formula="P(state `state` of `states` | arguments so far), normal within a state; states by ascending mean of the argument that "
        "tells them most apart, fitted on training rows; forward filter, never smoothed",
    ),
    _markov_switching(
        name="markov_switching_probability",
        params=StateParams,
        usual=StateParams(states=2, state=1),
        kernel_params=lambda p: (p.states, p.state),
        output="probability",
        unit="0 to 1",
        formula=f"P(state `state` of `states` | argument so far), its mean and variance switching, of most likelihood; {_FILTERED}",
    ),
    _markov_switching(
        name="markov_switching_expected_state",
        params=StatesParams,
        usual=StatesParams(states=2),
        kernel_params=lambda p: (p.states, 0.0),
        output="expected_state",
        unit="0 to states - 1",
        formula=f"sum of k · P(state k | argument so far), its mean and variance switching, of most likelihood; {_FILTERED}",
    ),
)

__all__ = ["FAMILY", "FEATURES", "HMM_FADES"]

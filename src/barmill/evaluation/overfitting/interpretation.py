"""What the figures say, in words, by the tables that people know them from."""

import math

DSR_BAR = 0.95  # the usual bar for a deflated Sharpe ratio
RATIO_BAR = 2.0  # in-sample over out-of-sample Sharpe ratio above which a strategy is taken for overfitted
VARIATION_BAR = 0.5  # coefficient of variation of the folds below which a strategy is taken for stable

_PBO = (
    (0.1, "low overfitting risk: the configuration that is best in-sample mostly stays among the better half"),
    (0.3, "moderate overfitting risk: review the choice of features"),
    (0.5, "high overfitting risk: simplify the model, or regularise it more"),
)
_PBO_WORST = "very high overfitting risk: choosing the best in-sample is no better than drawing one by lot; likely spurious"


def pbo_words(pbo: float) -> str:
    """Below 10 %, 10 to 30 %, 30 to 50 %, above 50 %."""
    if math.isnan(pbo):
        return "undefined: no configuration has a Sharpe ratio"
    words = next((words for bar, words in _PBO if pbo < bar or (bar == 0.5 and pbo == bar)), _PBO_WORST)
    return f"PBO {pbo:.0%}: {words}"


def dsr_words(dsr: float, n_trials: float, sharpe: float | None = None, sr0: float | None = None) -> str:
    """Above or below the bar of 0.95, and, with the Sharpe ratio and what luck would show (on one scale), what is left of it."""
    if math.isnan(dsr):
        return "undefined: no Sharpe ratio, or no variance of trials"
    trials = f"{n_trials:,.0f} trial{'' if n_trials == 1 else 's'}"
    if dsr > DSR_BAR:
        words = f"DSR {dsr:.3f}: unlikely to be the luck of {trials}"
    else:
        words = f"DSR {dsr:.3f}: cannot be told from the luck of {trials}"
    if sharpe is None or sr0 is None or math.isnan(sharpe) or math.isnan(sr0):
        return words
    left = sharpe - sr0
    if left <= 0:
        return f"{words}; luck alone would have shown {sr0:.3g}, more than the {sharpe:.3g} there is"
    credible = "most of it remains" if left > sharpe / 2 else "adjust expectations"
    return f"{words}; {left:.3g} of {sharpe:.3g} is above what luck would have shown: {credible}"


def stability_words(mean_oos: float, ratio: float, oos_cv: float) -> str:
    """In-sample over out-of-sample above 2: overfitting. Variation of the folds below 0.5: stable."""
    if math.isnan(mean_oos):
        return "undefined: no fold has a Sharpe ratio"
    if mean_oos <= 0:
        return "loses out of sample: no ratio is defined, and none is needed"
    overfitted = f"in-sample is {ratio:.2g} times out-of-sample, " + (
        "a sign of overfitting" if ratio > RATIO_BAR else "no sign of overfitting"
    )
    if math.isnan(oos_cv):
        return overfitted
    return f"{overfitted}; {'stable' if oos_cv < VARIATION_BAR else 'not stable'} over the folds (variation {oos_cv:.2g})"


def interpretation(
    *,
    pbo: float | None = None,
    dsr: float | None = None,
    n_trials: float = 1,
    mean_oos: float | None = None,
    is_oos_ratio: float | None = None,
    oos_cv: float | None = None,
) -> tuple[str, ...]:
    """One sentence for each figure that is given, in this order: PBO, DSR, stability over folds.

    The tables: PBO below 10 % low risk, to 30 % moderate, to 50 % high, above very high; DSR above 0.95; IS/OOS above 2 a sign of
    overfitting; coefficient of variation of the folds below 0.5 stable.
    """
    said: list[str] = []
    if pbo is not None:
        said.append(pbo_words(pbo))
    if dsr is not None:
        said.append(dsr_words(dsr, n_trials))
    if is_oos_ratio is not None:
        loses = mean_oos is None and math.isnan(is_oos_ratio)
        mean = -math.inf if loses else (mean_oos if mean_oos is not None else math.inf)
        said.append(stability_words(mean, is_oos_ratio, math.nan if oos_cv is None else oos_cv))
    return tuple(said)


__all__ = ["DSR_BAR", "dsr_words", "interpretation", "pbo_words", "stability_words"]

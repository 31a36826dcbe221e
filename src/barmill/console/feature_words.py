"""What the page of features says in words: the meaning of each flag, and how the figures were made."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from barmill.console.figures import listed, plural, whole

if TYPE_CHECKING:
    from barmill.evaluation import FeatureFlag, FlagKind, TableProfile

Flags = Mapping[str, "tuple[FeatureFlag, ...]"]

MEANINGS = {
    "empty": (
        "No row has a value: the bars are fewer than its warm-up, or a column that it reads is empty.",
        "A model that asks for it has no rows at all. Leave it out.",
    ),
    "constant": (
        "It has one value wherever it has one.",
        "It tells nothing here. It may vary on other bars: a count of gaps is constant where there are none.",
    ),
    "constant_in_train": (
        "It has one value on the rows of train, and others later.",
        "No model can learn from it, and what a model then does with new values is chance. Leave it out, or train on a longer history.",
    ),
    "drifted": (
        "Its distribution on test differs from train: PSI of 0.25 or more, and more than between the two halves of train.",
        "A model is asked about values that it saw seldom. That does not make the feature bad: volatility does this whenever a market "
        "calms down. A value relative to its own past (zscore, a ratio, a rank) drifts less.",
    ),
    "unit_root": (
        "The Dickey-Fuller test does not reject at 5 % that it wanders without a mean, as prices do.",
        "Not rejecting is no proof: on a short history every slow feature looks so, and so does one jump of the level. And rejecting is "
        "none that it is stationary: a change of volatility passes. Differences, distances from a mean or frac_diff come back to a mean.",
    ),
    "duplicate": (
        "Its ranks correlate by 0.99 or more, either way, with a feature that stands earlier in the table.",
        "Trees lose nothing but time; linear models become unsteady, and the importance of one is shared by both.",
    ),
    "unsteady": (
        "PSI of 0.25 or more, but no more than between the two halves of train.",
        "It is slow, or follows the market's moods: it did so before, and the model has seen that. Or many rows share a value, as "
        "returns of one tick do, and a hair's breadth moves them all into the next bin.",
    ),
    "mostly_one_value": (
        "95 % of the rows or more have the commonest value.",
        "Right for a rare event. A scaler by quartiles sees no spread in it.",
    ),
    "missing": (
        "More than 5 % of the rows have no value.",
        "At the start that is warm-up, and a longer history makes it smaller. A run uses only rows on which every feature has a value: "
        "one feature with holes takes these rows from all the others.",
    ),
}


def headline(table: "TableProfile", flags: Flags) -> str:
    """The first sentence of the page."""
    flagged = sum(any(flag.kind.serious for flag in own) for own in flags.values())
    features = plural(len(table.features), "feature")
    if not flagged:
        return f"Nothing stands out in {'the one feature' if len(table.features) == 1 else f'these {features}'}."
    return f"{whole(flagged)} of {features} {'deserves' if flagged == 1 else 'deserve'} a look."


def lede(flags: Flags) -> str:
    """How many of each flag, worst first; empty where there is none."""
    found = [f"{whole(count)} {kind.title}" for kind, count in flag_counts(flags) if count]
    return f"{listed(found).capitalize()}." if found else ""


def flag_counts(flags: Flags) -> list[tuple["FlagKind", int]]:
    """Every kind of flag with the number of features that have it."""
    from barmill.evaluation import FLAG_KINDS

    return [(kind, sum(flag.kind is kind for own in flags.values() for flag in own)) for kind in FLAG_KINDS]


def how() -> tuple[str, ...]:
    """How the figures were computed, a paragraph each."""
    from barmill.evaluation.feature_profile import BLOCK_ROWS, RANKED_ROWS, SAMPLE_ROWS, STRETCH_ROWS, STRETCHES, TESTED_ROWS

    return (
        f"Missing rows, ranges and first values are of all rows. Quantiles, moments and the commonest value are of up to {SAMPLE_ROWS:,} "
        f"rows, one from each of as many equal parts; histograms, PSI and KS of up to {BLOCK_ROWS:,} rows of each block; rank correlations "
        f"of up to {RANKED_ROWS:,} rows, those on which all compared features have values. No chance is involved: the same table gives the "
        "same page.",
        f"The Dickey-Fuller test (constant, lags by AIC, MacKinnon's critical values) sees up to {TESTED_ROWS:,} rows at one distance over "
        "the whole history: its power comes from the length of the history, not from how densely it is seen.",
        f"Autocorrelations are of pairs in up to {STRETCHES} stretches of {STRETCH_ROWS:,} rows, about the mean of all.",
        "PSI compares shares in the ten bins that part train into tenths; KS is the largest distance between the two distribution "
        "functions. Neither has a p-value here: bars that follow each other are not independent, and it would be far too small.",
        "Clusters join features at a mean rank correlation of 0.7 or more, either sign (average linkage).",
    )


__all__ = ["MEANINGS", "flag_counts", "headline", "how", "lede"]

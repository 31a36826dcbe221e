"""What in a profile of features deserves a look, as flags with their evidence. A flag is a question, not a verdict."""

from dataclasses import dataclass

import numpy as np

from barmill.evaluation.feature_profile import FeatureProfile, TableProfile

DRIFT_PSI = 0.25  # the usual bound of "much"
DUPLICATE_RHO = 0.99
MOSTLY_SHARE = 0.95
MISSING_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class FlagKind:
    """A kind of flag, worst first in FLAG_KINDS.

    code : str, stable, for programs
    title : str, in words
    serious : whether it is marked as such
    """

    code: str
    title: str
    serious: bool


FLAG_KINDS = (
    FlagKind("empty", "no values", True),
    FlagKind("constant", "constant", True),
    FlagKind("constant_in_train", "constant in train", True),
    FlagKind("drifted", "drifted", True),
    FlagKind("unit_root", "may not be stationary", True),
    FlagKind("duplicate", "duplicated", True),
    FlagKind("unsteady", "unsteady throughout", False),
    FlagKind("mostly_one_value", "mostly one value", False),
    FlagKind("missing", "often missing", False),
)
_KINDS = {kind.code: kind for kind in FLAG_KINDS}


@dataclass(frozen=True, slots=True)
class FeatureFlag:
    """One flag of one feature.

    evidence : str, the figure that raised it
    other : the feature that a duplicate repeats
    """

    kind: FlagKind
    evidence: str
    other: str | None = None


def feature_flags(table: TableProfile) -> dict[str, tuple[FeatureFlag, ...]]:
    """The flags of every feature, by its name, worst first; an empty tuple where there is none.

    - empty: no finite value at all; constant: one value on all rows; constant_in_train: one on the rows of train
    - drifted: the PSI of test against train is 0.25 or more, and more than that of the later half of train against the earlier one
    - unsteady: it is 0.25 or more, but no more than within train
    - unit_root: Dickey-Fuller does not reject a unit root at 5 %
    - duplicate: a rank correlation of 0.99 or more, either sign, with a feature that stands earlier in the table
    - mostly_one_value: 95 % of the rows or more have the commonest value
    - missing: more than 5 % of the rows have no finite value
    """
    first_like = _duplicates(table)
    return {feature.name: tuple(_flags(feature, first_like[i])) for i, feature in enumerate(table.features)}


def worst_first(table: TableProfile, flags: dict[str, tuple[FeatureFlag, ...]]) -> list[int]:
    """The features' numbers in the order in which to look at them: by the worst flag, then the number of flags, then the PSI."""

    def rank(i: int) -> tuple[int, int, float, int]:
        own, drift = flags[table.features[i].name], table.features[i].psi
        worst = min((FLAG_KINDS.index(flag.kind) for flag in own), default=len(FLAG_KINDS))
        return worst, -len(own), -drift if drift == drift else 0.0, i

    return sorted(range(len(table.features)), key=rank)


def _flags(feature: FeatureProfile, like: tuple[str, float] | None) -> list[FeatureFlag]:
    if feature.first_row is None:
        return [FeatureFlag(_KINDS["empty"], "no row has a finite value")]
    if feature.constant:
        return [FeatureFlag(_KINDS["constant"], f"every row is {feature.minimum:g}"), *_missing(feature)]
    found: list[FeatureFlag] = []
    if feature.constant_in_train:
        found.append(FeatureFlag(_KINDS["constant_in_train"], "it varies on later rows only"))
    if feature.psi >= DRIFT_PSI:
        drifted = feature.psi > feature.psi_within
        evidence = f"PSI {feature.psi:.2f} from train to test, {feature.psi_within:.2f} within train"
        found.append(FeatureFlag(_KINDS["drifted" if drifted else "unsteady"], evidence))
    test = feature.dickey_fuller
    if test is not None and test.statistic >= test.critical[1]:
        found.append(FeatureFlag(_KINDS["unit_root"], f"Dickey-Fuller {test.statistic:.2f}, not below {test.critical[1]:.2f}"))
    if like is not None:
        found.append(FeatureFlag(_KINDS["duplicate"], f"rank correlation {like[1]:.3f} with {like[0]}", like[0]))
    if feature.commonest >= MOSTLY_SHARE:
        found.append(FeatureFlag(_KINDS["mostly_one_value"], f"{100 * feature.commonest:.1f} % of the rows have one value"))
    return sorted([*found, *_missing(feature)], key=lambda flag: FLAG_KINDS.index(flag.kind))


def _missing(feature: FeatureProfile) -> list[FeatureFlag]:
    if feature.missing <= MISSING_SHARE:
        return []
    return [FeatureFlag(_KINDS["missing"], f"{100 * feature.missing:.1f} % of the rows have no value")]


def _duplicates(table: TableProfile) -> list[tuple[str, float] | None]:
    """For each feature the earlier one that it repeats most closely, and their correlation."""
    strength = np.tril(np.nan_to_num(np.abs(table.correlations.rho)), -1)
    closest = strength.argmax(axis=1)
    found: list[tuple[str, float] | None] = []
    for i, j in enumerate(closest):
        like = strength[i, j] >= DUPLICATE_RHO
        found.append((table.features[j].name, float(table.correlations.rho[i, j])) if like else None)
    return found


__all__ = ["DRIFT_PSI", "FLAG_KINDS", "FeatureFlag", "FlagKind", "feature_flags", "worst_first"]

"""Which features each model sees: what its entry names, or, where the recipe asks for it, what its family works best with.

Tabular models learn from hundreds of columns over many timeframes; networks that see a window find such patterns themselves, and
learn from a few columns of the base timeframe. The plan of the run is the union; bars, labels, splits and costs stay the same for all.
"""

from collections.abc import Collection, Mapping, Sequence

from barmill.errors import RecipeError, nearest
from barmill.features import Feature, FeaturePlan, read_set
from barmill.market import Timeframe
from barmill.models.catalogue import spec_of
from barmill.pipeline.recipe import ExpertEntry, ModelEntry

FAMILY_SETS: Mapping[str, str] = {
    "recurrent": "sequence_returns",
    "convolution": "sequence_returns",
    "probabilistic": "sequence_returns",
    "decomposition": "sequence_returns",
    "foundation": "foundation_returns",
    "transformer": "transformer_returns",
}


def family_set(entry: ModelEntry) -> str | None:
    """The set that the model of `entry` sees by default; None for all columns of the recipe's own set."""
    if entry.inputs or entry.view == "multi_resolution":
        return None
    return FAMILY_SETS.get(spec_of(entry.name).family)


def features_by_family(entries: Sequence[ModelEntry], base: Timeframe, sources: Collection[str]) -> tuple[str, ...]:
    """Names of the features that the families of `entries` see, each once: what the plan of a run must have beside the recipe's own."""
    sets = dict.fromkeys(name for entry in entries if (name := family_set(entry)) is not None)
    return tuple(dict.fromkeys(feature.name for name in sets for feature in _features(name, base, sources)))


def inputs_by_family(
    entries: Sequence[ModelEntry], plan: FeaturePlan, own: Sequence[str], sources: Collection[str]
) -> tuple[ModelEntry, ...]:
    """The entries with the columns that each model sees.

    plan : of the run; own : columns of the recipe's own set, what tabular models see
    """
    return tuple(entry.model_copy(update={"inputs": _inputs(entry, plan, own, sources)}) for entry in entries)


def check_inputs(entries: Sequence[ModelEntry | ExpertEntry], plan: FeaturePlan, key: str = "base_models") -> None:
    """Raise RecipeError, with the nearest name, for an input that the plan does not have; `key` is the recipe's for `entries`."""
    for place, entry in enumerate(entries):
        for name in entry.inputs:
            if name not in plan.names:
                where = f"recipe:{key}[{place}].inputs"
                raise RecipeError(where, f"no feature '{name}' in the plan of the run", mend=nearest(name, plan.names))


def experts_inputs(experts: Sequence[ExpertEntry], own: Sequence[str]) -> tuple[ExpertEntry, ...]:
    """The experts with the columns that each sees where that goes by families: as tabular models see them, of an image none.

    own : columns of the recipe's own set
    """
    return tuple(
        entry if entry.inputs or spec_of(entry.name).view != "feature_matrix" else entry.model_copy(update={"inputs": tuple(own)})
        for entry in experts
    )


def check_experts(experts: Sequence[ExpertEntry], plan: FeaturePlan) -> None:
    """As `check_inputs`, and for the column by which liquidity is told, which must be among what its expert sees."""
    check_inputs(experts, plan, "experts")
    for place, entry in enumerate(experts):
        column, seen = entry.config.get("liquidity"), entry.inputs or plan.names
        if column is not None and column not in seen:
            found = f"'{column}' is none of the features that {entry.label} sees"
            mend = f"{nearest(column, seen)} Or add it: features.add: [{column}]."
            raise RecipeError(f"recipe:experts[{place}].config.liquidity", found, mend=mend)


def _inputs(entry: ModelEntry, plan: FeaturePlan, own: Sequence[str], sources: Collection[str]) -> tuple[str, ...]:
    if entry.inputs:
        return entry.inputs
    chosen = family_set(entry)
    if chosen is None:
        return () if len(own) == len(plan.names) else tuple(own)
    return tuple(plan.column_of(feature.name) for feature in _features(chosen, plan.base, sources))


def _features(name: str, base: Timeframe, sources: Collection[str]) -> tuple[Feature, ...]:
    chosen = read_set(name)
    return tuple(chosen.columns(base, chosen.timeframes(base), sources).values())

"""All that a run judges by where a label goes: its models, then its ensembles, in the same terms."""

from dataclasses import dataclass

from barmill.ensembles.catalogue import ensemble_spec
from barmill.models.catalogue import spec_of
from barmill.pipeline.ensembles.regime_features import regimes_of
from barmill.pipeline.recipe import Recipe

ENSEMBLE = "ensemble"  # family and view of what combines models


@dataclass(frozen=True, slots=True)
class Judged:
    """One that is judged.

    label : its name in the run; name : in the catalogue
    inputs : names of the features that it sees, of an ensemble those that tell its regimes; () for all, or none
    members : the models that it combines, by their names in the run; () of a model
    """

    label: str
    name: str
    family: str
    view: str
    inputs: tuple[str, ...]
    members: tuple[str, ...] = ()


def judged_in(recipe: Recipe) -> tuple[Judged, ...]:
    """In the order in which reports tell them."""
    models = [
        Judged(entry.label, entry.name, spec_of(entry.name).family, entry.view or spec_of(entry.name).view, entry.inputs)
        for entry in recipe.base_models
    ]
    ensembles = [
        Judged(
            one.label,
            ensemble_spec(one.kind).name,
            ENSEMBLE,
            ENSEMBLE,
            regimes_of(one).all,
            tuple(entry.label for entry in recipe.members(one)),
        )
        for one in recipe.combined
    ]
    return (*models, *ensembles)


__all__ = ["ENSEMBLE", "Judged", "judged_in"]

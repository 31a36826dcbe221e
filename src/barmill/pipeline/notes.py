"""What is to be told of a recipe's models before any work: what their parameters lead to that nobody may expect, and no refusal."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from barmill.models.catalogue import spec_of
from barmill.pipeline.inputs import params_of
from barmill.pipeline.recipe import ExpertEntry, ModelEntry, Recipe


@dataclass(frozen=True, slots=True)
class Note:
    """One thing to know of a model, by its name in the run."""

    model: str
    text: str

    def __str__(self) -> str:
        return f"{self.model}: {self.text}"

    def to_json(self) -> dict[str, str]:
        return asdict(self)


def notes_on(recipe: Recipe) -> tuple[Note, ...]:
    """What is to be told of the models and experts of a recipe that was read, in its order."""
    return notes_on_entries((*recipe.base_models, *recipe.experts))


def notes_on_entries(entries: Sequence[ModelEntry | ExpertEntry]) -> tuple[Note, ...]:
    """The same of some of them."""
    return tuple(Note(entry.label, text) for entry in entries for text in spec_of(entry.name).notes(params_of(entry)))


__all__ = ["Note", "notes_on", "notes_on_entries"]

"""What a model of a recipe learns itself, out of what is asked of it."""

from barmill.models.catalogue import spec_of
from barmill.pipeline.recipe import ExpertEntry, ModelEntry


def learned_outputs(entry: ModelEntry | ExpertEntry) -> tuple[str, ...]:
    """An expert learns all that it can; what else a recipe asks of a model is read off these."""
    spec = spec_of(entry.name)
    return tuple(output for output in entry.outputs if output in spec.outputs) if isinstance(entry, ModelEntry) else spec.outputs


__all__ = ["learned_outputs"]

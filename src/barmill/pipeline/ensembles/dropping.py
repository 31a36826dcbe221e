"""Ensembles that go on without a member, and how that is told: in the recipe as it was read or went on, in words, and in the judgement."""

from collections.abc import Mapping, Sequence
from typing import Any

from barmill.ensembles.compatibility import renormalised
from barmill.ensembles.contract import Member
from barmill.pipeline.ensemble_config import DroppedMember, EnsembleConfig
from barmill.pipeline.recipe import Recipe


def dropping(ensemble: EnsembleConfig, members: Sequence[Member], dropped: tuple[DroppedMember, ...]) -> EnsembleConfig:
    """The ensemble with `members` alone; given weights sum to 1 again. Raises EnsembleError where all of these are 0."""
    weights, config = ensemble.config.get("weights"), dict(ensemble.config)
    if isinstance(weights, Mapping) and members:
        config["weights"] = renormalised(weights, members)
    update = {"members": tuple(member.label for member in members), "config": config, "dropped": (*ensemble.dropped, *dropped)}
    return ensemble.model_copy(update=update)


def degradations(recipe: Recipe) -> list[dict[str, Any]]:
    """What the ensembles of a recipe go without, plain JSON: each loss once, with the names of the ensembles that it is a loss to."""
    found: dict[DroppedMember, list[str]] = {}
    for ensemble in recipe.combined:
        for one in ensemble.dropped:
            found.setdefault(one, []).append(ensemble.label)
    return [{**one.model_dump(mode="json"), "ensembles": names} for one, names in found.items()]


def degradation_lines(recipe: Recipe, since: Recipe | None = None) -> list[str]:
    """The same in words, a line each; without what they went without in the recipe `since`."""
    told = [] if since is None else degradations(since)
    return [_words(one) for one in degradations(recipe) if one not in told]


def _words(one: Mapping[str, Any]) -> str:
    names = ", ".join(one["ensembles"])
    if one["what"] == "incompatible":
        return f"degraded: {names} without '{one['member']}', which {one['reason']}"
    again = f"its log is {one['log']}; the same command tries it again"
    return f"degraded: {names} without '{one['member']}', which failed at '{one['stage']}': {one['reason']} ({again})"


__all__ = ["degradation_lines", "degradations", "dropping"]

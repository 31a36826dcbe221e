"""Ensembles of a recipe, checked and completed when it is read: members, parameters, and what they share."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from barmill.ensembles.catalogue import ensemble_spec
from barmill.ensembles.compatibility import check_members, combinable
from barmill.ensembles.contract import Member
from barmill.ensembles.gate_rules import METHODS
from barmill.errors import BarmillError, EnsembleError, RecipeError, nearest
from barmill.pipeline.ensemble_config import DroppedMember, EnsembleConfig
from barmill.pipeline.ensembles.dropping import dropping
from barmill.pipeline.learned import learned_outputs
from barmill.pipeline.recipe import Recipe
from barmill.pipeline.yaml_reading import Document, Path

Tell = Callable[[Any, Path, type[BaseModel]], RecipeError]  # one of Pydantic's findings as a sentence

_ASK = "Ask the members for a common output, or use method: stacking, which takes every output."


def completed_ensembles(recipe: Recipe, document: Document, tell: Tell) -> tuple[Recipe, list[RecipeError]]:
    """The recipe with the parameters of its ensembles filled in, and everything that is wrong with them.

    recipe : whose models are completed
    """
    problems: list[RecipeError] = []
    first, further = recipe.ensemble, list(recipe.ensembles)
    if first.enabled:
        found, first = _checked(first, ("ensemble",), recipe, document, tell)
        problems += found
    for number, ensemble in enumerate(further):
        found, further[number] = _checked(ensemble, ("ensembles", number), recipe, document, tell)
        problems += found
    done = recipe.model_copy(update={"ensemble": first, "ensembles": tuple(further)})
    labels = [entry.label for entry in (*done.base_models, *done.experts)]
    for ensemble in done.combined:
        if ensemble.label in labels:
            mend = "Give each ensemble a `name` of its own."
            problems.append(RecipeError(document.where(("ensemble",)), f"'{ensemble.label}' stands twice in the run", mend=mend))
        labels.append(ensemble.label)
    return done, problems


def _checked(
    ensemble: EnsembleConfig, path: Path, recipe: Recipe, document: Document, tell: Tell
) -> tuple[list[RecipeError], EnsembleConfig]:
    known = [entry.label for entry in recipe.base_models]
    problems = [
        RecipeError(document.where((*path, "members")), f"the recipe has no model '{label}'", mend=nearest(label, known))
        for label in ensemble.members
        if label not in known
    ]
    params, wrong = _params(ensemble, path, tell)
    problems += wrong
    if problems:
        return problems, ensemble
    gating = ensemble.gating.model_copy(update={"config": params["gating"]})
    completed = ensemble.model_copy(update={"config": params["config"], "gating": gating})
    members = [Member(entry.label, learned_outputs(entry)) for entry in recipe.members(ensemble)]
    try:
        return problems, _together(completed, members)
    except BarmillError as error:
        problems.append(RecipeError(document.where(path), error.found, expected=error.expected, mend=error.mend))
    return problems, completed


def _together(ensemble: EnsembleConfig, members: list[Member]) -> EnsembleConfig:
    """The ensemble with members that can be combined. Raises EnsembleError for fewer than two, or for one too many if it may not be
    dropped."""
    weights = ensemble.config.get("weights")
    given = weights if isinstance(weights, Mapping) else None
    kept, lost = combinable(members, ensemble.method)
    if ensemble.on_failure == "error" or not lost:
        check_members(members, ensemble.method, weights=given)
        return ensemble
    if given is not None:
        check_members(members, "stacking", weights=given)  # which takes all of them: the weights as they were given
    if len(kept) < 2:
        why = "; ".join(f"'{one.member}' {one.reason}" for one in lost)
        raise EnsembleError("ensemble", f"too few members go together: {why}", expected="at least 2", mend=_ASK)
    dropped = (DroppedMember(member=one.member, what="incompatible", stage="recipe", reason=one.reason) for one in lost)
    return dropping(ensemble, kept, tuple(dropped))


def _params(ensemble: EnsembleConfig, path: Path, tell: Tell) -> tuple[dict[str, dict[str, Any]], list[RecipeError]]:
    """The parameters of what combines and of its gate, with their defaults; and what is wrong with them."""
    gated = ensemble.method == "gating" or ensemble.gating.enabled
    voting = {"voting_type": ensemble.voting_type or "soft"} if ensemble.method == "voting" else {}
    asked: list[tuple[str, type[BaseModel], Mapping[str, Any], Path]] = []
    if ensemble.method != "gating":
        asked.append(("config", ensemble_spec(ensemble.kind).params, {**ensemble.config, **voting}, (*path, "config")))
    if gated:
        asked.append(("gating", METHODS[ensemble.gating.method], ensemble.gating.config, (*path, "gating", "config")))
    found: dict[str, dict[str, Any]] = {"config": dict(ensemble.config), "gating": dict(ensemble.gating.config)}
    problems: list[RecipeError] = []
    for name, kind, given, place in asked:
        try:
            found[name] = kind.model_validate(dict(given), strict=False).model_dump(mode="json")
        except ValidationError as error:
            problems += [tell(problem, place, kind) for problem in error.errors()]
    if ensemble.method == "gating" and ensemble.config:
        problems.append(RecipeError(".".join(str(part) for part in path), "`config` of a gating", mend="Write it under gating.config."))
    return found, problems


__all__ = ["completed_ensembles"]

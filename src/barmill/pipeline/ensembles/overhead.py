"""What an ensemble costs beyond its members: seconds, by the clocks of the run."""

from collections.abc import Mapping
from typing import Any

from barmill.pipeline.recipe import Recipe

STEPS = ("fit", "calibrate")


def overheads(recipe: Recipe, seconds: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    """By ensemble: `own_s` of its fit and calibration, `members_s` of those of its members for their bundles, `share` of the first in the
    second, and `evidence_s` of finding out what it is made of. What an earlier version of the run did not time is None.

    seconds : by name of the stage
    """
    told: dict[str, dict[str, Any]] = {}
    for ensemble in recipe.combined:
        own = _sum(seconds, [ensemble.label])
        members = _sum(seconds, [entry.label for entry in recipe.members(ensemble)])
        share = own / members if own is not None and members else None
        evidence = seconds.get(f"evidence {ensemble.label}")
        told[ensemble.label] = {"own_s": own, "members_s": members, "share": share, "evidence_s": evidence}
    return told


def _sum(seconds: Mapping[str, float], labels: list[str]) -> float | None:
    found = [seconds.get(f"{step} {label}") for label in labels for step in STEPS]
    known = [value for value in found if value is not None]
    return sum(known) if len(known) == len(found) else None


__all__ = ["overheads"]

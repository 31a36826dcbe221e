"""Which members can be combined, and what becomes of one that failed: an error that names it, or a recorded degradation."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from barmill.ensembles.contract import QUANTILE_OUTPUTS, FitRows, Float64Array, Member, Said
from barmill.ensembles.params import WEIGHTS_TOLERANCE
from barmill.errors import BarmillError, EnsembleError, ShapeError, TrainingError, nearest
from barmill.models.contract import OUTPUTS

PLACE = "ensemble"
OnFailure: TypeAlias = Literal["error", "drop"]


class Degradation(NamedTuple):
    """A member that an ensemble goes without, and why."""

    member: str
    reason: str

    def to_json(self) -> dict[str, str]:
        return {"member": self.member, "reason": self.reason}


def shared_outputs(members: Sequence[Member]) -> tuple[str, ...]:
    """The outputs that every member declares, in the order of the first."""
    return tuple(output for output in members[0].outputs if all(output in member.outputs for member in members))


def check_members(
    members: Sequence[Member],
    method: str,
    *,
    weights: Mapping[str, float] | None = None,
    asked: Sequence[str] = (),
    at_least: int = 2,
) -> None:
    """Refuse members that `method` cannot combine; everything that is wrong is told at once.

    Parameters
    ----------
    members : what the recipe names
    method : "voting", "stacking", "gating" or "fusion". Voting needs an output that all members share, fusion p_up of each
    weights : given weights by label; None where none are given
    asked : outputs that every member must declare, beyond those of the method
    at_least : int, members that there must be; 1 for what is left after a member was dropped

    Raises: EnsembleError.
    """
    problems = [*_label_problems(members, at_least), *_output_problems(members, method, asked)]
    if weights is not None:
        problems += _weight_problems(members, weights)
    if problems:
        raise EnsembleError.gathered(problems)


def combinable(members: Sequence[Member], method: str, *, asked: Sequence[str] = ()) -> tuple[list[Member], list[Degradation]]:
    """The members that `method` can combine, and those that it cannot combine with them; all of them where they go together.

    Of a vote whose members share no output, those are kept that have the output of the most members; the first of OUTPUTS among equals.

    members, method, asked : as in `check_members`
    """
    lost: list[Degradation] = []
    kept: list[Member] = []
    for member in members:
        lacking = [output for output in _needed(method, asked) if output not in member.outputs]
        if lacking:
            lost.append(
                Degradation(member.label, f"has {_named(member.outputs)}, and not {lacking[0]}, which {method} asks of every member")
            )
        else:
            kept.append(member)
    if method != "voting" or not kept or shared_outputs(kept):
        return kept, lost
    counts = {output: sum(output in member.outputs for member in kept) for output in OUTPUTS}
    common = max(counts, key=lambda output: counts[output])
    lost += [
        Degradation(member.label, f"has {_named(member.outputs)}, and not {common}, which most members have")
        for member in kept
        if common not in member.outputs
    ]
    return [member for member in kept if common in member.outputs], lost


def _needed(method: str, asked: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*asked, *(("p_up",) if method == "fusion" else ()))))


def _label_problems(members: Sequence[Member], at_least: int) -> list[EnsembleError]:
    labels = [member.label for member in members]
    if len(labels) < at_least:
        found = f"{len(labels)} members ({', '.join(labels)})" if labels else "no members"
        return [EnsembleError(PLACE, found, expected=f"at least {at_least}", mend="Add a model to base_models, or disable the ensemble.")]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    return [EnsembleError(PLACE, f"two members are named '{label}'", mend="Give one of them an alias.") for label in twice]


def _output_problems(members: Sequence[Member], method: str, asked: Sequence[str]) -> list[EnsembleError]:
    problems = [
        EnsembleError(
            f"member '{member.label}'", f"has {_named(member.outputs)}", expected=f"{output}, which {method} asks of every member"
        )
        for member in members
        for output in _needed(method, asked)
        if output not in member.outputs
    ]
    if method == "voting" and members and not shared_outputs(members):
        said = "; ".join(f"{member.label}: {_named(member.outputs)}" for member in members)
        mend = "Ask the members for a common output, or use method: stacking, which takes every output."
        problems.append(EnsembleError(PLACE, f"the members share no output ({said})", expected="one that all of them have", mend=mend))
    return problems


def _named(outputs: Sequence[str]) -> str:
    return ", ".join(outputs) or "no outputs"


def _weight_problems(members: Sequence[Member], weights: Mapping[str, float]) -> list[EnsembleError]:
    place, labels = f"{PLACE}.weights", [member.label for member in members]
    problems = [EnsembleError(place, f"no member named '{label}'", mend=nearest(label, labels)) for label in weights if label not in labels]
    unnamed = [label for label in labels if label not in weights]
    problems += [EnsembleError(place, f"the member '{label}' has no weight", mend="Give it one; 0 leaves it out.") for label in unnamed]
    wrong = [label for label, weight in weights.items() if not (math.isfinite(weight) and weight >= 0)]
    problems += [EnsembleError(f"{place}.{label}", f"is {weights[label]:g}", expected="a number from 0 to 1") for label in wrong]
    total = math.fsum(weights.values())
    if not wrong and abs(total - 1) > WEIGHTS_TOLERANCE:
        problems.append(EnsembleError(place, f"the weights sum to {total:g}", expected="1"))
    return problems


def renormalised(weights: Mapping[str, float], members: Sequence[Member]) -> dict[str, float]:
    """Given weights of the members that are left, made to sum to 1. Raises EnsembleError where all of these had the weight 0."""
    left = {member.label: weights[member.label] for member in members}
    total = math.fsum(left.values())
    if total <= 0:
        raise EnsembleError(f"{PLACE}.weights", f"those of the members that are left ({', '.join(left)}) are all 0", expected="one above 0")
    return {label: weight / total for label, weight in left.items()}


def surviving(
    said: Sequence[Said | BarmillError | None], members: Sequence[Member], on_failure: OnFailure
) -> tuple[list[Member], list[Said], list[Degradation]]:
    """The members whose forecasts can be used, these forecasts, and who was dropped for which reason.

    A member failed if it made no forecast, or one that is not finite, not in order, or without an output that it declares.

    Parameters
    ----------
    said : of each member, in their order; where there is none, the error that it ended with, or None
    on_failure : "error" refuses the first failure, "drop" goes on without the member

    Raises: TrainingError that names the members that failed, if `on_failure` is "error" or all of them did.
    """
    reasons = [_failure(member, what) for member, what in zip(members, said, strict=True)]
    degradations = [Degradation(member.label, reason) for member, reason in zip(members, reasons, strict=True) if reason]
    if degradations and (on_failure == "error" or len(degradations) == len(members)):
        mend = "Mend it, or take it out of the ensemble" + ("; on_failure: drop goes on without it." if on_failure == "error" else ".")
        raise TrainingError.gathered([TrainingError(f"member '{lost.member}'", lost.reason, mend=mend) for lost in degradations])
    kept = [(member, what) for member, what, reason in zip(members, said, reasons, strict=True) if not reason and isinstance(what, Said)]
    return [member for member, _ in kept], [what for _, what in kept], degradations


def _failure(member: Member, said: Said | BarmillError | None) -> str:
    """Why what a member says cannot be used; empty where it can."""
    if said is None:
        return "made no forecast"
    if isinstance(said, BarmillError):
        return f"made no forecast: {said}"
    if "E_r" in member.outputs and said.expected is None:
        return "says no E_r, which is asked of it"
    outputs = {"p_up": said.p, "E_r": said.expected, "quantiles": said.quantiles}
    infinite = [_not_finite(output, values) for output, values in outputs.items() if values is not None]
    if any(infinite):
        return next(reason for reason in infinite if reason)
    if ((said.p < 0) | (said.p > 1)).any():
        return f"p_up goes from {said.p.min():g} to {said.p.max():g}, beyond 0 and 1"
    falling = (np.diff(said.quantiles, axis=1) < 0).any(axis=1)
    return f"quantiles cross in row {int(np.argmax(falling))}, and in {falling.sum()} of {falling.size}" if falling.any() else ""


def _not_finite(output: str, values: Float64Array) -> str:
    rows = values.reshape(values.shape[0], -1)
    wrong = ~np.isfinite(rows).all(axis=1)
    if not wrong.any():
        return ""
    first = int(np.argmax(wrong))
    said: Any = values[first].tolist()
    return f"{output} is {said} in row {first}, and not finite in {wrong.sum()} of {wrong.size}"


def check_rows(members: Sequence[Member], rows: FitRows) -> None:
    """Refuse rows that do not fit together or hold what a fit cannot use.

    Raises: ShapeError for arrays that do not fit; TrainingError, as `surviving`, for a member whose forecasts are not sound.
    """
    n = rows.y.size
    if len(rows.said) != len(members):
        raise ShapeError("rows.said", f"holds {len(rows.said)} forecasts", expected=f"one for each of {len(members)} members")
    if n == 0:
        raise ShapeError("rows", "are none", expected="at least one")
    p_shape = rows.said[0].p.shape[1:]
    for member, said in zip(members, rows.said, strict=True):
        shapes = (said.p.shape, said.quantiles.shape, (n,) if said.expected is None else said.expected.shape)
        if shapes != ((n, *p_shape), (n, len(QUANTILE_OUTPUTS)), (n,)):
            raise ShapeError(f"member '{member.label}'", f"says p and quantiles of shape {shapes[0]} and {shapes[1]}", expected=f"{n} rows")
    for name, values in (("z", rows.z), ("weight", rows.weight)):
        if values.shape != (n,) or not np.isfinite(values).all():
            raise ShapeError(f"rows.{name}", f"has shape {values.shape} or is not finite", expected=f"({n},) finite numbers")
    if (rows.weight < 0).any() or rows.weight.sum() <= 0:
        raise ShapeError("rows.weight", "is below 0 or sums to 0", expected="numbers of 0 or more, one of them above")
    if rows.y.min() < 0 or rows.y.max() >= (p_shape[0] if p_shape else 2):
        raise ShapeError("rows.y", f"goes from {rows.y.min()} to {rows.y.max()}", expected="the classes of p")
    surviving(rows.said, members, "error")


__all__ = [
    "Degradation",
    "OnFailure",
    "check_members",
    "check_rows",
    "combinable",
    "renormalised",
    "shared_outputs",
    "surviving",
]

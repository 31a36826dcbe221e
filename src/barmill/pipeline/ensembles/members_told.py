"""What each member brings to an ensemble, as a paragraph and a table of its model card."""

from collections.abc import Mapping, Sequence
from typing import Any

from barmill.pipeline.ensembles.evidence import of_member

HEADINGS = ("member", "share", "log loss alone", "gain", "error correlation", "shift")


def members_told(members: Sequence[str], evidence: Mapping[str, Any]) -> str:
    """Markdown, of the rows out of fold on which the ensemble was fitted; nothing of it saw the test block.

    evidence : as `evidence_of` and its stage tell it
    """
    rows = [_cells(label, evidence) for label in members]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in (HEADINGS, ("---",) * len(HEADINGS), *rows))
    return f"""
## Members

{_against_the_best(evidence)}

{table}

Gain: what the log loss rises without the member. Error correlation: mean of its pairs. Shift: how far refitting on all of train moved its
forecasts, times as far as the models of the folds lie apart.
"""


def _against_the_best(evidence: Mapping[str, Any]) -> str:
    """The ensemble against the best of its members where neither saw a row; whether chance explains it is the report's to say."""
    alone, diversity = evidence["alone"], evidence["diversity"]
    best = min(alone, key=lambda label: alone[label])
    told = f"On {evidence['rows']:,} rows out of fold its best member, {best}, has a log loss of {alone[best]:.5f}"
    if diversity["not_left_out"] is not None:
        return f"{told}. The ensemble was not fitted on parts of these rows: {diversity['not_left_out']}"
    lost = diversity["loss"]
    way = "better" if lost < alone[best] else "not better"
    return f"{told}; the ensemble, each row judged by a fit that did not see it, {lost:.5f}, which is {way}."


def _cells(label: str, evidence: Mapping[str, Any]) -> tuple[str, ...]:
    found = of_member(evidence, label)
    shift = "n/a" if found["shift"] is None else f"{found['shift']:.1f}"
    gain = _number(found["gain"], "+.5f")
    return (
        label,
        _number(found["share"], ".3f"),
        f"{evidence['alone'][label]:.5f}",
        gain,
        _number(found["error_correlation"], ".3f"),
        shift,
    )


def _number(value: float | None, how: str) -> str:
    return "n/a" if value is None else format(value, how)


__all__ = ["members_told"]

"""The splits of a cross-validation one by one: when each judged, and what every model did there."""

from dataclasses import dataclass

from barmill.console.figures import NOT_AVAILABLE, fixed
from barmill.console.judged_paths import CrossValidation, SplitScore
from barmill.console.judgement import Judgement

MOST_ROWS = 60  # splits: combinations make more than anybody reads


@dataclass(frozen=True, slots=True)
class SplitRow:
    """One split: the time that it judged, and for each model with paths, in the order of the run's, its AUC, Sharpe and PSR."""

    number: int
    judged_on: str
    cells: tuple[tuple[str, ...], ...]


def split_rows(found: CrossValidation, judgement: Judgement) -> tuple[SplitRow, ...]:
    """A row for each split; none where there are too many, or where nothing is known of them."""
    models = [paths for model in judgement.models if (paths := found.of(model.name)) is not None]
    if not models or len(found.splits) > MOST_ROWS:
        return ()
    scores = [{score.number: score for score in model.splits} for model in models]
    return tuple(
        SplitRow(
            split.number + 1,
            _judged_on(found, split.test_groups or (split.number,)),
            tuple(_cell(of_model.get(split.number)) for of_model in scores),
        )
        for split in found.splits
    )


def _judged_on(found: CrossValidation, groups: tuple[int, ...]) -> str:
    """The days of the groups that judge; the numbers of several groups."""
    if len(groups) > 1:
        return f"groups {', '.join(str(group + 1) for group in groups)}"
    group = next((group for group in found.groups if group.number in groups), None)
    if group is None or group.first_time is None or group.last_time is None:
        return NOT_AVAILABLE
    return f"{group.first_time[:10]} to {group.last_time[:10]}"


def _cell(score: SplitScore | None) -> tuple[str, ...]:
    if score is None:
        return (NOT_AVAILABLE,)
    return fixed(score.auc, 3), f"Sharpe {fixed(score.oos_sharpe, 2)}", f"PSR {fixed(score.psr, 2)}"


__all__ = ["SplitRow", "split_rows"]

"""Is an ensemble better than its best member, by how much after costs, and does chance explain it?

The tests are those of the leaderboard, of the same rows and corrected for the same number of pairs: what is said here and what the ranks
say cannot differ.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

Standing: TypeAlias = Literal["better", "worse", "mixed", "not better"]

_OPENING: Mapping[Standing, str] = {
    "better": "is better than",
    "worse": "is worse than",
    "mixed": "is better in one way and worse in another than",
    "not better": "is not better than",
}
FIGURES = {"log_loss": "log_loss", "net_return": "total_return"}
BLOCKS = {"cross_validation": "on the paths of the cross-validation", "test": "on the test block"}


class Difference(NamedTuple):
    """What the ensemble has more than its best member, and how likely that is by chance; None where no test could be made.

    difference : log loss (less is better), or net return over the block as a share (more is better)
    p_value, p_adjusted : two-sided, and as Holm corrects it for all pairs of the leaderboard
    """

    difference: float
    p_value: float | None
    p_adjusted: float | None

    def told_apart(self, alpha: float) -> bool:
        return self.difference != 0 and self.p_adjusted is not None and self.p_adjusted <= alpha


def compared_with_best_member(
    name: str, members: Sequence[str], board: Mapping[str, Any], cross_validation: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """The ensemble `name` beside the member that loses least on the same rows; None where the leaderboard lacks either.

    The member is chosen without a look at the ensemble; but by the rows that judge, so it is the member that these rows favour.

    Parameters
    ----------
    board : the leaderboard of the run, plain JSON; cross_validation : its section, or None

    Returns
    -------
    plain JSON: best_member, of (how many it was chosen among), block, n_labels, n_bars, n_pairs, alpha; log_loss and net_return, each with
    difference, p_value and p_adjusted; paths, of each its number and the two differences; standing, one of "better", "worse", "mixed" and
    "not better"; words.
    """
    models = {model["name"]: model for model in board["models"]}
    rivals = [member for member in members if member in models]
    if name not in models or not rivals:
        return None
    best = min(rivals, key=lambda member: models[member]["paired_log_loss"])
    loss, net = _pair(name, best, board["pairs"])
    by_loss = Difference(models[name]["paired_log_loss"] - models[best]["paired_log_loss"], *loss)
    by_return = Difference(models[name]["total_return"] - models[best]["total_return"], *net)
    paths = _by_path(name, best, cross_validation)
    standing = _standing(by_loss, by_return, board["alpha"])
    return {
        "best_member": best,
        "of": len(rivals),
        "block": board["block"],
        **{key: board[key] for key in ("n_labels", "n_bars", "alpha")},
        "n_pairs": len(board["pairs"]),
        "log_loss": by_loss._asdict(),
        "net_return": by_return._asdict(),
        "paths": paths,
        "standing": standing,
        "words": _words(name, best, standing, by_loss, by_return, board),
    }


def _pair(name: str, best: str, pairs: Sequence[Mapping[str, Any]]) -> tuple[tuple[float | None, float | None], ...]:
    """p-value and corrected p-value, of the losses and of the returns."""
    found = next((pair for pair in pairs if {pair["a"], pair["b"]} == {name, best}), None)
    if found is None:
        return (None, None), (None, None)
    return tuple((found[test]["p_value"], found[test]["p_adjusted"]) for test in ("loss", "net"))


def _by_path(name: str, best: str, cross_validation: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    if cross_validation is None:
        return []
    paths = {model["name"]: model["paths"] for model in cross_validation["models"]}
    return [
        {"path": own["path"], **{key: _less(own[figure], other[figure]) for key, figure in FIGURES.items()}}
        for own, other in zip(paths[name], paths[best], strict=True)
    ]


def _less(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def _standing(loss: Difference, net: Difference, alpha: float) -> Standing:
    better = (loss.told_apart(alpha) and loss.difference < 0) or (net.told_apart(alpha) and net.difference > 0)
    worse = (loss.told_apart(alpha) and loss.difference > 0) or (net.told_apart(alpha) and net.difference < 0)
    if better and worse:
        return "mixed"
    return "better" if better else "worse" if worse else "not better"


def _words(name: str, best: str, standing: Standing, loss: Difference, net: Difference, board: Mapping[str, Any]) -> str:
    where, points = BLOCKS[board["block"]], 100 * abs(net.difference)
    lost = "its log loss is the same" if loss.difference == 0 else f"its log loss is {abs(loss.difference):.5f} {_way(loss)}"
    more = "more" if net.difference > 0 else "less"
    earned = "earns the same" if net.difference == 0 else f"earns {points:.2f} percentage points {more}"
    told = f"{name} {_OPENING[standing]} its best member, {best}: {where} {lost}{_p(loss)}, and it {earned} after costs{_p(net)}"
    return f"{told}; {_chance(loss, net, board['alpha'])}."


def _way(loss: Difference) -> str:
    return "lower" if loss.difference < 0 else "higher"


def _p(found: Difference) -> str:
    if found.p_adjusted is None:
        return ""
    return " (p < 0.001)" if found.p_adjusted < 0.001 else f" (p = {found.p_adjusted:.3f})"


def _chance(loss: Difference, net: Difference, alpha: float) -> str:
    match loss.told_apart(alpha), net.told_apart(alpha):
        case True, True:
            return "chance explains neither"
        case True, False:
            return "chance alone explains the return and not the loss"
        case False, True:
            return "chance alone explains the loss and not the return"
        case _:
            return "chance alone explains both"


__all__ = ["BLOCKS", "Difference", "Standing", "compared_with_best_member"]

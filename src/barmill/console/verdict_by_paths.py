"""What the paths and the count of trials say of the selected model, for the verdict. Sober: a promotion is a lead, not a promise."""

from barmill.console.figures import fixed, listed, percent, plural, span
from barmill.console.judged_luck import LuckOfModel
from barmill.console.judged_paths import PathsOfModel
from barmill.console.judgement import Judgement, ModelResult


def luck_of(judgement: Judgement, model: ModelResult) -> LuckOfModel | None:
    """How the model stands against luck; None where that is not known."""
    found = None if judgement.overfitting is None else judgement.overfitting.of(model.name)
    return None if found is None or found.dsr is None else found


def paths_of(judgement: Judgement, model: ModelResult) -> PathsOfModel | None:
    """The paths of the model; None where there are none."""
    return None if judgement.cross_validation is None else judgement.cross_validation.of(model.name)


def is_promoted(judgement: Judgement, model: ModelResult) -> bool:
    """Whether the model stands above what luck would show."""
    luck = luck_of(judgement, model)
    return luck is not None and bool(luck.promoted)


def headline_by_proof(judgement: Judgement, chosen: ModelResult, *, confirmed: bool) -> str | None:
    """The first sentence, by the paths and the trials; None where they do not say anything.

    confirmed : whether the model beat chance on the test block
    """
    luck = luck_of(judgement, chosen)
    if luck is None:
        return None
    where, trials = _where(judgement), _trials(judgement)
    if luck.promoted:
        block = "and the test block bears it out" if confirmed else "but the test block does not bear it out"
        return f"{where} {chosen.name} earned more after costs than {trials} would by luck, {block}."
    if luck.sharpe is not None and luck.sharpe <= 0:
        return f"{where} {chosen.name} did not earn its costs."
    return f"{where} {chosen.name} earned no more after costs than {trials} would by luck."


def _where(judgement: Judgement) -> str:
    found = judgement.cross_validation
    if found is None or (judgement.overfitting is not None and judgement.overfitting.block == "test"):
        return "On the test block"
    return f"Over {plural(found.n_paths, 'path')}" if found.n_paths is not None and found.n_paths > 1 else "Out of fold"


def _trials(judgement: Judgement) -> str:
    total = judgement.overfitting.trials.total if judgement.overfitting else None
    return "the trials" if total is None else plural(total, "trial")


def figures_of_proof(judgement: Judgement, chosen: ModelResult) -> str:
    """The figures behind the headline, in a sentence."""
    luck, paths = luck_of(judgement, chosen), paths_of(judgement, chosen)
    told: list[str] = []
    spread = paths.distribution.get("sharpe") if paths is not None else None
    if spread is not None and spread.p50 is not None and paths is not None and len(paths.paths) > 1:
        told.append(f"median net Sharpe {fixed(spread.p50, 2)} ({span(spread.p05, spread.p95, 2)})")
    elif luck is not None and luck.sharpe is not None:
        told.append(f"net Sharpe {fixed(luck.sharpe, 2)}")
    if luck is not None:
        told.append(f"DSR {fixed(luck.dsr, 3)} after {_trials(judgement)}")
    pbo = judgement.overfitting.pbo if judgement.overfitting else None
    if pbo is not None and pbo.pbo is not None:
        told.append(f"PBO {percent(pbo.pbo, 2)}")
    return f"{_where(judgement)}: {', '.join(told)}."


def remarks_on_proof(judgement: Judgement, chosen: ModelResult, *, confirmed: bool) -> list[str]:
    """What else must be said: a test block that flatters, a better model that was not chosen, holes in the paths, leaks let pass."""
    remarks: list[str] = []
    luck, paths = luck_of(judgement, chosen), paths_of(judgement, chosen)
    if luck is not None and not luck.promoted and confirmed:
        remarks.append(
            f"On the test block alone {chosen.name} beat chance. One in twenty models without skill does: the paths and the trials decide."
        )
    others = [model.name for model in (judgement.overfitting.models if judgement.overfitting else ()) if model.promoted]
    if others and luck is not None and not luck.promoted:
        was = "was not selected: to choose it" if len(others) == 1 else "were not selected: to choose one of them"
        remarks.append(f"{listed(others)} stood above luck, but {was} now is one more trial.")
    if paths is not None and paths.oof is not None and paths.oof.complete is False:
        remarks.append("Its paths are not whole: some labels lack a forecast, or have two. No figure of them can be relied on.")
    for entry in judgement.leakage.allowed if judgement.leakage else ():
        if entry.found is not False:
            remarks.append(f"The recipe lets the leakage finding {entry.code} pass: {entry.reason or 'no reason is given'}.")
    return remarks


__all__ = ["figures_of_proof", "headline_by_proof", "is_promoted", "remarks_on_proof"]

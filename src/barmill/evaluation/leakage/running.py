"""Running the checks: all of them, or those that are asked for, on one dossier."""

from collections.abc import Iterable

from barmill.errors import InputError, nearest
from barmill.evaluation.leakage.catalogue import LEAKAGE_CHECKS
from barmill.evaluation.leakage.dossier import Dossier
from barmill.evaluation.leakage.report import LeakageReport
from barmill.evaluation.leakage.settings import LeakageSettings


def run_leakage_checks(
    dossier: Dossier, checks: Iterable[str] | None = None, seed: int = 0, settings: LeakageSettings | None = None
) -> LeakageReport:
    """Look at `dossier` with every check, or with those of the codes `checks`.

    Parameters
    ----------
    dossier : what is known of the experiment; a check that lacks something says "not applicable", which is no "passed"
    checks : codes such as "L204"; all if None
    seed : of the samples and permutations that are drawn; the same seed gives the same report
    settings : instead of `seed`, all settings

    Raises: InputError for an unknown code.
    """
    known = {check.code: check for check in LEAKAGE_CHECKS}
    asked = list(known) if checks is None else list(checks)
    for code in asked:
        if code not in known:
            raise InputError(f"check '{code}'", "there is no such check", mend=nearest(code, tuple(known)))
    chosen = settings or LeakageSettings(seed=seed)
    return LeakageReport(tuple(known[code](dossier, chosen) for code in known if code in asked))


__all__ = ["run_leakage_checks"]

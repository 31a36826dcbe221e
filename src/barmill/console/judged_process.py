"""How a run came about, as typed values: its leakage checks, its tuning, and the other ledgers on its bars."""

from typing import Literal

from pydantic import Field

from barmill.console.parts import Number, Part


class LeakageCheck(Part):
    """One check; what it lacked is no "passed"."""

    code: str = ""
    name: str = ""
    status: Literal["passed", "failed", "not applicable"] = "not applicable"
    severity: str = "info"
    message: str = ""


class LeakageFinding(Part):
    """One thing that leaks, or looks as if it did."""

    code: str = ""
    severity: str = "info"
    column: str = ""
    bar: int | None = None
    time: str | None = None
    reason: str = ""
    page: str = ""


class Allowed(Part):
    """A code that the recipe lets pass, and why; whether anything of that code was found."""

    code: str
    reason: str = ""
    found: bool | None = None


class Leakage(Part):
    """What the checks said before anything was trained."""

    ok: bool | None = None
    checks: tuple[LeakageCheck, ...] = ()
    findings: tuple[LeakageFinding, ...] = ()
    allowed: tuple[Allowed, ...] = ()


class Degradation(Part):
    """A member that ensembles of the run go without: it failed at a stage, or cannot be combined with the others."""

    member: str
    what: str = ""
    stage: str = ""
    reason: str = ""
    log: str | None = None
    ensembles: tuple[str, ...] = ()


class OtherLedger(Part):
    """A ledger of other bars that share time with these."""

    fingerprint: str = ""
    trials: int | None = None
    test_openings: int | None = None
    first: str | None = None
    last: str | None = None


class Tuning(Part):
    """The search for one model's parameters; `history` is (trial, value, best so far)."""

    model: str
    n_trials: int | None = None
    n_pruned: int | None = None
    n_failed: int | None = None
    best: dict[str, object] = Field(default_factory=dict[str, object])
    best_value: Number = None
    metric: str = ""
    history: tuple[tuple[int, Number, Number], ...] = ()


class Estimate(Part):
    """A figure with its interval, from so many markets."""

    value: Number = None
    low: Number = None
    high: Number = None
    n: int | None = None


class Promotions(Part):
    """How often a model was promoted where there is nothing to find."""

    net: Estimate = Estimate()


class NullMarkets(Part):
    """What the whole pipeline found on markets without an edge."""

    n_markets: int | None = None
    auc: Estimate = Estimate()
    promotion: Promotions = Promotions()


class Certificate(Part):
    """What `barmill prove` wrote into the run folder; its own page has the rest."""

    verdict: str = ""
    reasons: tuple[str, ...] = ()
    null: NullMarkets = NullMarkets()

"""What a run found out about its ensembles, as typed values: what each is made of, and whether it earns its cost."""

from pydantic import Field

from barmill.console.parts import Number, Part


class Difference(Part):
    """The ensemble less its best member, of log loss or of net return, with the p-value and the one that Holm corrects."""

    difference: Number = None
    p_value: Number = None
    p_adjusted: Number = None


class OnePath(Part):
    """The same on one path, where nothing is tested."""

    path: int
    log_loss: Number = None
    net_return: Number = None


class Comparison(Part):
    """An ensemble beside its best member, one of `of`, on the rows of the leaderboard."""

    best_member: str = ""
    of: int | None = None
    block: str = ""
    n_pairs: int | None = None
    log_loss: Difference = Difference()
    net_return: Difference = Difference()
    paths: tuple[OnePath, ...] = ()
    standing: str = ""
    words: str = ""


class MemberFigures(Part):
    """One member: its share of the ensemble, what the log loss rises without it (low, high: interval), the mean of its error
    correlations, and how far refitting moved it, times as far as the models of folds lie apart."""

    share: Number = None
    gain: Number = None
    low: Number = None
    high: Number = None
    error_correlation: Number = None
    shift: Number = None


class Pair(Part):
    """Two members on the same rows."""

    first: str
    second: str
    error_correlation: Number = None
    q_statistic: Number = None
    disagreement: Number = None


class Diversity(Part):
    """Every pair of members on one block of rows."""

    rows: int | None = None
    pairs: tuple[Pair, ...] = ()


class LeftOut(Diversity):
    """The pairs on rows out of fold, and what leaving members out took: `n_fits` fits in `n_folds` folds, or why it was not done."""

    loss: Number = None
    n_folds: int | None = None
    n_fits: int | None = None
    not_left_out: str | None = None


class Worded(Part):
    """What a check comes to."""

    words: str = ""


class Shift(Worded):
    """Refitted members against those of the folds, on `rows` that neither saw."""

    rows: int | None = None


class FittedRows(Part):
    """The rows out of fold on which the ensemble was fitted; `alone` is the log loss there of each member."""

    rows: int | None = None
    alone: dict[str, Number] = Field(default_factory=dict[str, Number])
    diversity: LeftOut = LeftOut()
    fold_information: Worded = Worded()


class ThroughTime(Part):
    """Weights of the members, and features that tell the regime, over the test block; times in ms."""

    open_time: tuple[int, ...] = ()
    members: dict[str, tuple[Number, ...]] = Field(default_factory=dict[str, tuple[Number, ...]])
    regimes: dict[str, tuple[Number, ...]] = Field(default_factory=dict[str, tuple[Number, ...]])


class Weights(Part):
    """Shares of members ("weights") or of meta-features ("importance"), together 1."""

    kind: str = ""
    shares: dict[str, Number] = Field(default_factory=dict[str, Number])
    n_bars: int | None = None
    through_time: ThroughTime | None = None


class JudgedDiversity(Part):
    """The pairs on rows that judge."""

    cross_validation: Diversity | None = None
    test: Diversity | None = None


class EnsembleResult(Part):
    """One ensemble."""

    name: str
    kind: str = ""
    method: str = ""
    members: tuple[str, ...] = ()
    comparison: Comparison | None = None
    table: dict[str, MemberFigures] = Field(default_factory=dict[str, MemberFigures])
    weights: Weights = Weights()
    out_of_fold: FittedRows = FittedRows()
    shift: Shift = Shift()
    diversity: JudgedDiversity = JudgedDiversity()


class Overhead(Part):
    """Seconds: of the ensemble's own fit and calibration, of those of its members, and of finding out what it is made of."""

    own_s: Number = None
    members_s: Number = None
    share: Number = None
    evidence_s: Number = None


__all__ = ["Comparison", "Diversity", "EnsembleResult", "MemberFigures", "Overhead", "Pair", "ThroughTime", "Weights"]

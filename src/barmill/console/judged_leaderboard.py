"""The leaderboard as typed values: figures of each model, its shared rank, and who beats it."""

from pydantic import Field

from barmill.console.parts import Interval, Number, Part


class Standing(Part):
    """One model: `rank` by log loss and `net_rank` by net return, both shared where no test tells models apart; None where no test
    could be made. Clocks are None in a judgement, and known in leaderboard.json."""

    name: str
    rank: int | None = None
    net_rank: int | None = None
    model: str = ""
    family: str = ""
    selected: bool = False
    inputs: int | None = None
    members: tuple[str, ...] = ()
    log_loss: Number = None
    auc: Number = None
    ece: Number = None
    ic: Number = None
    coverage_90: Number = None
    winkler_90: Number = None
    sharpe: Number = None
    interval: Interval | None = None
    dsr: Number = None
    turnover: Number = None
    max_drawdown: Number = None
    total_return: Number = None
    size_bytes: int | None = None
    beaten_by: tuple[str, ...] = ()
    train_s: Number = None
    latency_us: Number = None


class PairTest(Part):
    """A paired test: a - b."""

    difference: Number = None
    p_value: Number = None
    p_adjusted: Number = None


class Pair(Part):
    """Two models under both tests."""

    a: str
    b: str
    loss: PairTest = PairTest()
    net: PairTest = PairTest()


class Leaderboard(Part):
    """Models under identical controls. `coverage_band`: where the coverage of a true 90 % band lies by chance; `ensembles`: whether each
    is better than its best member, in words."""

    block: str = ""
    n_labels: int | None = None
    n_bars: int | None = None
    overlap: int | None = None
    alpha: Number = None
    coverage_band: Interval | None = None
    pbo: Number = None
    models: tuple[Standing, ...] = ()
    pairs: tuple[Pair, ...] = ()
    runs: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()
    paired: bool = True
    ensembles: dict[str, str] = Field(default_factory=dict[str, str])


class Profile(Part):
    """The profiles of the recipe under which the run was made."""

    names: tuple[str, ...] = ()
    changes: tuple[str, ...] = Field(default=())


__all__ = ["Leaderboard", "Pair", "PairTest", "Profile", "Standing"]

"""How much of a result luck explains, as typed values: the deflated Sharpe ratio, the backtests' overfitting, the reality check."""

from barmill.console.parts import Interval, Number, Part


class TrialsCounted(Part):
    """What was tried on these bars: in this ledger, in those that overlap with it, and as if all trials were independent."""

    ledger: int | None = None
    overlapping: int | None = None
    total: int | None = None
    effective: Number = None
    var_sr: Number = None


class Pbo(Part):
    """Probability of backtest overfitting; `points` are (in sample, out of sample) Sharpe ratios of the chosen configuration."""

    pbo: Number = None
    n_combinations: int | None = None
    n_blocks: int | None = None
    n_configurations: int | None = None
    slope: Number = None
    intercept: Number = None
    prob_oos_loss: Number = None
    logits: tuple[Number, ...] = ()
    points: tuple[tuple[Number, Number], ...] = ()
    words: str = ""


class RealityCheck(Part):
    """Whether the best configuration beats doing nothing, given how many there were."""

    method: str = ""
    p_value: Number = None
    n_configurations: int | None = None
    words: str = ""


class Haircut(Part):
    """What is left of a Sharpe ratio after the trials are paid for; `haircut` is the share that goes."""

    sharpe: Number = None
    haircut: Number = None


class LuckOfModel(Part):
    """One model against luck; Sharpe ratios are for a year, track records in bars. `sr0` is the best that luck alone would show."""

    name: str
    n_obs: int | None = None
    sharpe: Number = None
    standard_error: Number = None
    interval: Interval | None = None
    skew: Number = None
    kurt: Number = None
    psr: Number = None
    dsr: Number = None
    sr0: Number = None
    deflated_sharpe: Number = None
    min_track_record_bars: Number = None
    track_record_bars: Number = None
    haircut: Haircut = Haircut()
    promoted: bool | None = None
    words: str = ""


class Overfitting(Part):
    """All models against luck, by the returns of `block`: "cross_validation" or "test"."""

    block: str = ""
    trials: TrialsCounted = TrialsCounted()
    pbo: Pbo | None = None
    reality_check: RealityCheck | None = None
    models: tuple[LuckOfModel, ...] = ()

    def of(self, name: str) -> LuckOfModel | None:
        """The model of that name."""
        return next((model for model in self.models if model.name == name), None)

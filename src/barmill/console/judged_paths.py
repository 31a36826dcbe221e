"""What the cross-validation of a run found out, as typed values: groups, splits, and the paths of each model."""

from pydantic import Field

from barmill.console.judged_bands import Band
from barmill.console.judged_explanations import ExplanationStability
from barmill.console.parts import Number, Part

Stretches = tuple[tuple[int, int], ...]


class Group(Part):
    """A stretch of labels that is tested as one; `last_bar` is where its latest label ends."""

    number: int
    first_bar: int | None = None
    last_bar: int | None = None
    first_time: str | None = None
    last_time: str | None = None
    n: int | None = None


class FoldOfRun(Part):
    """One split; stretches are (first, last) bars, both included, in time order."""

    number: int
    test_groups: tuple[int, ...] = ()
    n_train: int | None = None
    n_test: int | None = None
    n_purged: int | None = None
    train: Stretches = ()
    test: Stretches = ()


class PathResult(Part):
    """One path: every label judged once, each by a model that had not learned from it."""

    path: int
    sharpe: Number = None
    sortino: Number = None
    calmar: Number = None
    max_drawdown: Number = None
    total_return: Number = None
    n_trades: int | None = None
    auc: Number = None
    log_loss: Number = None


class Spread(Part):
    """A figure over the paths."""

    mean: Number = None
    std: Number = None
    min: Number = None
    p05: Number = None
    p50: Number = None
    p95: Number = None
    max: Number = None


class SplitScore(Part):
    """One split: net Sharpe ratio a year on the rows that taught and on those that judged; of the latter the probability that the
    true one is above 0, and the AUC."""

    number: int
    is_sharpe: Number = None
    oos_sharpe: Number = None
    psr: Number = None
    auc: Number = None


class Stability(Part):
    """In sample against out of sample, over the splits."""

    mean_is: Number = None
    mean_oos: Number = None
    ratio: Number = None
    oos_cv: Number = None
    words: str = ""


class OutOfFold(Part):
    """Whether each label was forecast exactly once on each path; `not_labelled` is why decisions have no label -> how many."""

    n_paths: int | None = None
    n_samples: int | None = None
    complete: bool | None = None
    out_of_reach: int | None = None
    not_labelled: dict[str, int] = Field(default_factory=dict[str, int])


class PathsOfModel(Part):
    """The paths of one model; `distribution` is figure -> spread, `looks_at` kind of share -> how much the splits agree on it."""

    name: str
    paths: tuple[PathResult, ...] = ()
    distribution: dict[str, Spread] = Field(default_factory=dict[str, Spread])
    splits: tuple[SplitScore, ...] = ()
    is_oos: Stability | None = None
    band: Band | None = None
    oof: OutOfFold | None = None
    looks_at: dict[str, ExplanationStability] = Field(default_factory=dict[str, ExplanationStability])


class CrossValidation(Part):
    """All splits and all paths."""

    method: str = ""
    n_groups: int | None = None
    n_test_groups: int | None = None
    n_splits: int | None = None
    n_paths: int | None = None
    embargo_bars: int = 0
    purge_bars: int | None = None
    n_labels: int | None = None
    first_time: str | None = None
    last_time: str | None = None
    groups: tuple[Group, ...] = ()
    splits: tuple[FoldOfRun, ...] = ()
    models: tuple[PathsOfModel, ...] = ()

    def of(self, name: str) -> PathsOfModel | None:
        """The paths of the model of that name."""
        return next((model for model in self.models if model.name == name), None)

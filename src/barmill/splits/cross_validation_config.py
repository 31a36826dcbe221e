"""What a recipe says of its cross-validation."""

from math import comb
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from barmill.errors import SplitError
from barmill.splits.combinatorial import CombinatorialPurgedCV
from barmill.splits.config import BarsOrDuration, bars_of, duration_ms
from barmill.splits.kfold import PurgedKFold
from barmill.splits.row_times import WindowSize
from barmill.splits.splitter import Splitter
from barmill.splits.walk_forward import WalkForward

if TYPE_CHECKING:
    from barmill.market import Timeframe

_MOST_SPLITS = 10_000  # each is a fit of every model
_OWN_KEYS = {
    "n_groups": ("cpcv",),
    "n_test_groups": ("cpcv",),
    "n_splits": ("purged_kfold", "walk_forward"),
    "train_size": ("walk_forward",),
    "test_size": ("walk_forward",),
    "anchored": ("walk_forward",),
}


class CrossValidationConfig(BaseModel):
    """Which splitter judges, and how it cuts. A key that its method does not know is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    method: Literal["cpcv", "purged_kfold", "walk_forward"] = Field(default="cpcv", description="how the labels are cut into folds")
    n_groups: int = Field(default=10, ge=2, le=1000, description="cpcv: contiguous groups in the order of time")
    n_test_groups: int = Field(default=2, ge=1, le=999, description="cpcv: groups that judge in each split")
    n_splits: int | None = Field(
        default=None, ge=1, le=_MOST_SPLITS, description="purged_kfold: folds, 5 unless said; walk_forward: test windows, as many as fit"
    )
    train_size: int | str = Field(
        default="4mo", description="walk_forward: bars, or a length of time such as 120d or 4mo, before each test"
    )
    test_size: int | str = Field(default="2mo", description="walk_forward: bars, or a length of time, that judge")
    anchored: bool = Field(default=False, description="walk_forward: train on all that lies before, not on a window")
    purge: BarsOrDuration | None = Field(default=None, description="base bars or a duration; that of `splits` unless said")
    embargo: BarsOrDuration | None = Field(default=None, description="base bars or a duration; that of `splits` unless said")

    @field_validator("train_size", "test_size")
    @classmethod
    def _is_a_size(cls, value: int | str) -> int | str:
        try:
            WindowSize.parse(value)
        except SplitError as error:
            raise ValueError(f"{error.found} is no size; expected {error.expected}") from error
        return value

    @field_validator("purge", "embargo")
    @classmethod
    def _is_bars_or_a_duration(cls, value: int | str | None) -> int | str | None:
        if isinstance(value, str):
            duration_ms(value)
        return value

    @model_validator(mode="after")
    def _fits_its_method(self) -> "CrossValidationConfig":
        for key, methods in _OWN_KEYS.items():
            if self.method not in methods and getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f"'{key}' belongs to {' and '.join(methods)}, and the method is {self.method}")
        if self.method == "cpcv" and not self.n_test_groups < self.n_groups:
            raise ValueError(f"{self.n_test_groups} of {self.n_groups} groups would judge; leave at least one to train on")
        if self.method == "cpcv" and comb(self.n_groups, self.n_test_groups) > _MOST_SPLITS:
            n_splits = comb(self.n_groups, self.n_test_groups)
            raise ValueError(f"{self.n_test_groups} of {self.n_groups} groups make {n_splits:,} splits; at most {_MOST_SPLITS:,} are made")
        if self.method == "purged_kfold" and self.n_splits == 1:
            raise ValueError("one fold leaves nothing to train on; make it 2 or more")
        return self

    @property
    def needs_times(self) -> bool:
        """Whether the folds are told in time, so that `folds` must be given the labels' times."""
        return self.method == "walk_forward" and isinstance(self.train_size, str)

    def splitter(self, timeframe: "Timeframe", purge_bars: int, embargo_bars: int) -> Splitter:
        """The splitter, with the purge and embargo of this config or else those given.

        Raises: SplitError for walk-forward sizes of two kinds.
        """
        purge = purge_bars if self.purge is None else bars_of(self.purge, timeframe)
        embargo = embargo_bars if self.embargo is None else bars_of(self.embargo, timeframe)
        if self.method == "cpcv":
            return CombinatorialPurgedCV(n_groups=self.n_groups, n_test_groups=self.n_test_groups, purge=purge, embargo=embargo)
        if self.method == "purged_kfold":
            return PurgedKFold(n_splits=self.n_splits or 5, purge=purge, embargo=embargo)
        return WalkForward(
            train_size=self.train_size,
            test_size=self.test_size,
            n_splits=self.n_splits,
            anchored=self.anchored,
            purge=purge,
            embargo=embargo,
        )

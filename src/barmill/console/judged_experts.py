"""What a run found out about its experts, as typed values: models of another question than where the label goes."""

from typing import Any

from pydantic import Field

from barmill.console.judged_explanations import Explanation
from barmill.console.parts import Interval, Number, Part


class Gain(Part):
    """A loss beside that of the naive baseline on the same rows: `better_by` is above 0 where the expert is better."""

    loss: str
    level: Number = None
    model: Number = None
    baseline: Number = None
    better_by: Number = None
    interval: Interval = (None, None)
    n: int | None = None
    coverage: Number = None
    baseline_coverage: Number = None


class PatternScores(Part):
    """One pattern: how many came and were said, and how often that was right."""

    name: str
    precision: Number = None
    recall: Number = None
    f1: Number = None
    n: int | None = None
    said: int | None = None


class ExpertScores(Part):
    """All scores of an expert on the test block; `online` is the level of the quantile that is used."""

    online: Number = None
    gains: tuple[Gain, ...] = ()
    figures: dict[str, Interval | Number] = Field(default_factory=dict[str, Interval | Number])
    per_class: tuple[PatternScores, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()


class ExpertCalibration(Part):
    """How far probabilities can be taken at their word; `ece_before` is that of uncalibrated ones."""

    ece_before: Number = None
    ece: Number = None


class AnswersTold(Part):
    """How many answers each block of the question has, and when those that judge begin and end."""

    n: dict[str, int] = Field(default_factory=dict[str, int])
    first_time: str | None = None
    last_time: str | None = None


class ExpertResult(Part):
    """One expert, judged as the bundle that a server would load; `asked` is its question in a sentence."""

    name: str
    model: str = ""
    question: str = ""
    asked: str = ""
    outputs: tuple[str, ...] = ()
    bundle: str | None = None
    answers: AnswersTold = AnswersTold()
    class_names: tuple[str, ...] = ()
    calibration: ExpertCalibration | None = None
    scores: ExpertScores = ExpertScores()
    explanation: Explanation | None = None
    fit: dict[str, Any] = Field(default_factory=dict[str, Any])

"""What a run found out about what its models look at, as typed values."""

from pydantic import Field

from barmill.console.parts import Number, Part


class ExplainedFeature(Part):
    """One feature: its share of what moves an output, which way it moves it, and its share of the trees' gains."""

    feature: str
    share: Number = None
    size: Number = None
    direction: Number = None
    gain: Number = None


class Completeness(Part):
    """How far contributions miss what they explain, and how large that is in the mean."""

    mean_error: Number = None
    largest_error: Number = None
    size: Number = None


class OutputExplained(Part):
    """One output, spread over features and, in windows, over positions, oldest first; `scales` names the timeframe of each."""

    method: str = ""
    explains: str = ""
    baseline: str = ""
    features: tuple[ExplainedFeature, ...] = ()
    gini: Number = None
    completeness: Completeness = Completeness()
    by_position: tuple[Number, ...] = ()
    scales: tuple[str, ...] = ()


class Variable(Part):
    """The weight that a network's own selection gives to a feature."""

    feature: str
    weight: Number = None


class Component(Part):
    """A part of a forecast by step ahead: its mean over the sample, and the mean of its size."""

    mean: tuple[Number, ...] = ()
    size: tuple[Number, ...] = ()


class ReadOut(Part):
    """What a network itself says that it looks at or sees."""

    variables: tuple[Variable, ...] = ()
    attention: tuple[Number, ...] = ()
    components: dict[str, Component] = Field(default_factory=dict[str, Component])


class Explanation(Part):
    """What a model looks at, on `rows` samples that did not teach it; by output."""

    rows: int | None = None
    outputs: dict[str, OutputExplained] = Field(default_factory=dict[str, OutputExplained])
    read_out: ReadOut = ReadOut()


class SpreadOfShare(Part):
    """The share of a feature over the splits."""

    feature: str
    mean: Number = None
    std: Number = None


class ExplanationStability(Part):
    """How much the splits agree: Spearman's correlation of shares, and what stays of the top."""

    splits: int | None = None
    rank_correlation: Number = None
    least: Number = None
    top: int | None = None
    top_kept: Number = None
    by_chance: Number = None
    features: tuple[SpreadOfShare, ...] = ()

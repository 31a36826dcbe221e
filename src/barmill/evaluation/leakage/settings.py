"""What all checks share: the seed, the sizes of samples, and the rate of false alarms that their bounds were set for."""

from dataclasses import dataclass

from barmill.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakageSettings:
    """Settings of the checks; the defaults are those whose false alarms were measured.

    Parameters
    ----------
    seed : of every sample and permutation that is drawn
    family_error : probability that a clean experiment gets a critical finding from one statistical check, over all of its columns
    correlation_threshold : a column whose correlation with the label, either sign, is this or more is the label
    most_rows : decisions that a statistical check looks at, in contiguous stretches
    audit_bars : bars on which the maker of the features is audited
    """

    seed: int = 0
    family_error: float = 1e-4
    correlation_threshold: float = 0.95
    most_rows: int = 24_000
    audit_bars: int = 12_000

    def __post_init__(self) -> None:
        for name, low, high in (("family_error", 0.0, 0.5), ("correlation_threshold", 0.0, 1.0)):
            value = getattr(self, name)
            if not low < value <= high:
                raise InputError(f"LeakageSettings.{name}", f"is {value}", expected=f"above {low:g}, at most {high:g}")


__all__ = ["LeakageSettings"]

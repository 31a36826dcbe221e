"""The catalogue: every feature that a plan can ask for, and the reading of names."""

import difflib
import re
from collections.abc import Mapping
from types import MappingProxyType

from pydantic import ValidationError

from barmill.errors import InstrumentError, RecipeError
from barmill.features import momentum, session, statistics, volatility, volume
from barmill.features.kernels import KERNELS, ROUTINES
from barmill.features.spec import Feature, FeatureParams, FeatureSpec
from barmill.market import Timeframe
from barmill.progress import Progress

FEATURES: Mapping[str, FeatureSpec] = MappingProxyType(
    {spec.name: spec for family in (momentum, volatility, volume, statistics, session) for spec in family.FEATURES}
)

_NUMBER = re.compile(r"\d+(\.\d+)?")


def parse_feature(name: str, base: Timeframe) -> Feature:
    """The feature that `name` stands for, such as `rsi_14` or `rsi_14@5m`, in a plan on `base` bars.

    Raises: RecipeError for a name, parameter or timeframe that does not exist, with the nearest that does.
    """
    short, at, timeframe = name.partition("@")
    words = short.split("_")
    numbers: list[str] = []
    while words and _NUMBER.fullmatch(words[-1]):
        numbers.insert(0, words.pop())
    spec = FEATURES.get("_".join(words))
    if spec is None:
        near = difflib.get_close_matches("_".join(words), FEATURES, n=1, cutoff=0.6)
        whole = "_".join([*near, *numbers]) + at + timeframe
        mend = f"Did you mean '{whole}'?" if near else "'barmill features list' shows them all."
        raise RecipeError("features", f"no feature named '{name}'", mend=mend)
    fields = list(spec.params.model_fields)
    usual = Feature(spec, spec.usual).name
    if len(numbers) != len(fields):
        expected = f"{', '.join(fields)}, as in '{usual}'" if fields else f"none: '{usual}'"
        raise RecipeError(f"features: '{name}'", f"{len(numbers)} parameters", expected=expected)
    params = make_params(spec, dict(zip(fields, numbers, strict=True)), f"features: '{name}'")
    feature = Feature(spec, params, _parse_timeframe(spec, name, timeframe, base) if at else None)
    if feature.name.partition("@")[0] != short:
        raise RecipeError("features", f"'{short}' is another spelling", mend=f"Write '{feature.name}'.")
    return feature


def make_params(spec: FeatureSpec, given: Mapping[str, object], place: str) -> FeatureParams:
    """Checked parameters of `spec`. Raises RecipeError naming the parameter, what was given and its range."""
    try:
        return spec.params.model_validate(given)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        what = str(problem["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
        found = f"is {problem['input']}" if where else "parameters do not fit together"
        raise RecipeError(f"{place}: {where}" if where else place, found, expected=what) from error


def _parse_timeframe(spec: FeatureSpec, name: str, text: str, base: Timeframe) -> Timeframe | None:
    place = f"features: '{name}'"
    try:
        timeframe = Timeframe.parse(text)
    except InstrumentError as error:
        raise RecipeError(place, f"no timeframe '{text}'", expected="such as 5m, 1h or 1d") from error
    if timeframe.ms == base.ms:
        return None
    check_multiple(timeframe, base, place)
    if spec.base_only:
        raise RecipeError(place, f"{spec.name} has no higher timeframe", mend=f"Write '{name.partition('@')[0]}'.")
    return timeframe


def check_multiple(timeframe: Timeframe, base: Timeframe, place: str) -> None:
    """Raise RecipeError unless `timeframe` is a whole multiple of `base`."""
    if timeframe.ms < base.ms or timeframe.ms % base.ms:
        raise RecipeError(place, f"timeframe {timeframe} on {base} bars", expected=f"a whole multiple of {base}")


def warm_kernels(progress: Progress | None = None) -> None:
    """Compile every kernel, or read it from the cache on disk: about five seconds the first time on a machine."""
    pieces = (*KERNELS, *ROUTINES)
    for done, piece in enumerate(pieces):
        if progress is not None:
            progress.update(done, len(pieces), piece.name)
        _ = piece.compiled
    if progress is not None:
        progress.update(len(pieces), len(pieces), "")


__all__ = ["FEATURES", "check_multiple", "make_params", "parse_feature", "warm_kernels"]

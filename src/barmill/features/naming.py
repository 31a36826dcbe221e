"""From names to features: `rsi_14`, `rsi_14@5m`, `zscore_60(rsi_14)@5m`, `product(rsi_14,macd_12_26_9@1h)`."""

import difflib
import re
from collections.abc import Mapping

from pydantic import ValidationError

from barmill.errors import InstrumentError, RecipeError
from barmill.features.catalogue import FEATURES
from barmill.features.params import FeatureParams
from barmill.features.spec import Feature, FeatureSpec
from barmill.market import Timeframe

_NUMBER = re.compile(r"\d+(\.\d+)?")


def parse_feature(name: str, base: Timeframe) -> Feature:
    """The feature that `name` stands for in a plan on `base` bars.

    Raises: RecipeError for a name, parameter, argument or timeframe that does not exist, with the nearest that does.
    """
    return _parse(name.replace(" ", ""), base, None)


def usual_feature(spec: FeatureSpec, timeframe: Timeframe | None = None) -> Feature:
    """The feature with the parameters and arguments that stand as its example in the catalogue."""
    return Feature(spec, spec.usual, timeframe, tuple(_parse(name, Timeframe(1), timeframe) for name in spec.usual_args))


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


def make_feature(spec: FeatureSpec, params: FeatureParams, timeframe: Timeframe | None, args: tuple[Feature, ...], place: str) -> Feature:
    """The feature, its arguments checked. Raises RecipeError for too many or too few, or one on a timeframe that does not fit."""
    fewest, most = spec.arity
    if not fewest <= len(args) <= most:
        expected = str(fewest) if fewest == most else f"{fewest} to {most}"
        example = f", as in '{usual_feature(spec).name}'" if most else ""
        raise RecipeError(place, f"{len(args)} features as arguments", expected=f"{expected}{example}")
    for arg in args:
        if timeframe is not None and arg.timeframe != timeframe:
            mend = "Leave the argument's timeframe out, or take the feature of the base bars."
            raise RecipeError(place, f"'{arg.name}' within a feature of {timeframe}", mend=mend)
    return Feature(spec, params, timeframe, args)


def check_multiple(timeframe: Timeframe, base: Timeframe, place: str) -> None:
    """Raise RecipeError unless `timeframe` is a whole multiple of `base`."""
    if timeframe.ms < base.ms or timeframe.ms % base.ms:
        raise RecipeError(place, f"timeframe {timeframe} on {base} bars", expected=f"a whole multiple of {base}")


def _parse(name: str, base: Timeframe, outer: Timeframe | None) -> Feature:
    head, inside, timeframe_text = _cut(name)
    words = head.split("_")
    numbers: list[str] = []
    while words and _NUMBER.fullmatch(words[-1]):
        numbers.insert(0, words.pop())
    spec = FEATURES.get("_".join(words))
    place = f"features: '{name}'"
    if spec is None:
        raise _unknown(name, "_".join(words), numbers)
    fields = list(spec.params.model_fields)
    if len(numbers) != len(fields):
        usual = usual_feature(spec).name
        expected = f"{', '.join(fields)}, as in '{usual}'" if fields else f"none: '{usual}'"
        raise RecipeError(place, f"{len(numbers)} parameters", expected=expected)
    params = make_params(spec, dict(zip(fields, numbers, strict=True)), place)
    timeframe = outer if timeframe_text is None else _parse_timeframe(spec, name, timeframe_text, base)
    args = tuple(_parse(arg, base, timeframe) for arg in inside)
    feature = make_feature(spec, params, timeframe, args, place)
    short = name if timeframe_text is None else name[: -len(timeframe_text) - 1]
    if feature.short != short:
        raise RecipeError("features", f"'{short}' is another spelling", mend=f"Write '{feature.short}'.")
    return feature


def _cut(name: str) -> tuple[str, list[str], str | None]:
    """`head(arg,arg)@timeframe` in its three parts; the text after the arguments' end is the timeframe's."""
    opened, closed = name.find("("), name.rfind(")")
    if opened < 0:
        head, at, timeframe = name.partition("@")
        return head, [], timeframe if at else None
    rest = name[closed + 1 :]
    if closed < opened or (rest and not rest.startswith("@")):
        raise RecipeError("features", f"'{name}' has a bracket that does not fit", expected="such as zscore_60(rsi_14)@5m")
    parts, depth, start = [], 0, opened + 1
    for i in range(opened + 1, closed):
        depth += (name[i] == "(") - (name[i] == ")")
        if name[i] == "," and depth == 0:
            parts.append(name[start:i])
            start = i + 1
    return name[:opened], [*parts, name[start:closed]], rest[1:] if rest else None


def _unknown(name: str, stem: str, numbers: list[str]) -> RecipeError:
    near = difflib.get_close_matches(stem, FEATURES, n=1, cutoff=0.6)
    rest = name[len("_".join([stem, *numbers])) :]
    whole = "_".join([*near, *numbers]) + rest
    mend = f"Did you mean '{whole}'?" if near else "'barmill features list' shows them all."
    return RecipeError("features", f"no feature named '{name}'", mend=mend)


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
        raise RecipeError(place, f"{spec.name} has no higher timeframe", mend=f"Write '{name[: -len(text) - 1]}'.")
    return timeframe


__all__ = ["check_multiple", "make_feature", "make_params", "parse_feature", "usual_feature"]

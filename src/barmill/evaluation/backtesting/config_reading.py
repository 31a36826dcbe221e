"""A config from a YAML or JSON file with values laid over it, or one error that tells every problem."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from barmill.errors import InputError, nearest
from barmill.evaluation.backtesting.config import BacktestConfig


def read_backtest_config(
    path: str | Path | None = None, overrides: Sequence[str] = (), defaults: Mapping[str, Any] | None = None
) -> BacktestConfig:
    """The config in `path` over `defaults`, with `key=value` overrides on top.

    Raises: InputError that gathers every problem: the place, what was found, what was expected.
    """
    place = str(path) if path else "backtest"
    given = dict(_mapping(Path(path))) if path else {}
    for override in overrides:
        key, sign, text = override.partition("=")
        if not sign or not key.strip():
            raise InputError("--set", f"'{override}'", expected="key=value, such as stop_atr=2")
        given[key.strip()] = _plain(text, f"--set {override}")
    base = {key: value for key, value in (defaults or {}).items() if not _replaced(key, given)}
    try:
        return BacktestConfig.model_validate({**base, **given})
    except ValidationError as error:
        raise InputError.gathered([_problem(place, found) for found in error.errors()]) from error


# Fields that say one thing in several ways: whoever gives one of them means it instead of the others.
_ALTERNATIVES = ({"holding_bars", "holding_period_minutes"},)


def _replaced(key: str, given: Mapping[str, Any]) -> bool:
    return key in given or any(key in names and names & set(given) for names in _ALTERNATIVES)


def _mapping(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(str(path), f"cannot be read: {error}", mend="Name a YAML file of backtest fields.") from error
    value = _plain(text, str(path))
    if not isinstance(value, dict):
        raise InputError(str(path), "this holds no config", expected="keys such as holding_bars and stop_atr")
    return {str(key): item for key, item in value.items()}


class _TimesAreWords(yaml.SafeLoader):
    """Plain values only; `2024-01-01` stays a word, as the config wants it."""


_TimesAreWords.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _plain(text: str, place: str) -> Any:
    try:
        return _TimesAreWords(text).get_single_data()
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{place} line {mark.line + 1}" if mark else place
        raise InputError(where, f"not plain YAML: {getattr(error, 'problem', None) or error}") from error


def _problem(place: str, found: Any) -> InputError:
    key = ".".join(str(part) for part in found["loc"])
    where = f"{place}:{key}" if key else place
    if found["type"] == "extra_forbidden":
        return InputError(where, "there is no such key", mend=nearest(str(found["loc"][-1]), BacktestConfig.model_fields))
    said = found["msg"].removeprefix("Value error, ")
    return InputError(where, said if not key else f"is {found['input']!r}: {said[0].lower()}{said[1:]}")


__all__ = ["read_backtest_config"]

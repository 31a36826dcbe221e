"""Aliases as a server's configuration says them: by model and alias, read strictly, since a slip would send orders to another model."""

from collections.abc import Mapping
from typing import Any

from barmill.errors import InputError
from barmill.serving.aliases import Alias, Assigned, assigned_of, known_alias
from barmill.serving.http.routing import NAME
from barmill.serving.refusals import Refusal

AliasSettings = Mapping[str, Mapping[Alias, Assigned]]

_FIELDS = ("version", "share")


def alias_settings(found: Any, place: str) -> AliasSettings:
    """What stands under `aliases:`. Raises InputError naming the first setting that is none, by its whole path."""
    by_model: dict[str, Mapping[Alias, Assigned]] = {}
    for model, aliases in _mapping(found, place, "models, such as 'lightgbm: {canary: ..}'").items():
        if not NAME.fullmatch(model):
            raise InputError(f"{place}.{model}", "is no name of a model", expected="the name of a model's folder")
        where = f"{place}.{model}"
        named = _mapping(aliases, where, "aliases, such as 'canary: {version: 1.3.0, share: 0.1}'")
        by_model[model] = dict(_alias(alias, given, where) for alias, given in named.items())
    return by_model


def _alias(name: str, given: Any, place: str) -> tuple[Alias, Assigned]:
    where = f"{place}.{name}"
    try:
        alias = known_alias(name)
    except Refusal as refusal:
        raise InputError(where, "is no alias", expected=refusal.expected, mend=refusal.mend) from None
    told = _mapping(given, where, "'version:' and 'share:'")
    unknown = sorted(set(told) - set(_FIELDS))
    if unknown:
        raise InputError(f"{where}.{unknown[0]}", "is no setting of an alias", expected=" and ".join(_FIELDS))
    version, share = told.get("version"), told.get("share")
    if not isinstance(version, str):
        said = "is missing" if version is None else f"is {version!r}, no text"
        raise InputError(f"{where}.version", said, expected='such as "1.3.0", latest or "3"', mend="Write it in quotes." if version else "")
    if share is not None and (isinstance(share, bool) or not isinstance(share, int | float)):
        raise InputError(f"{where}.share", f"is {share!r}, no number", expected="more than 0, at most 1")
    try:
        return alias, assigned_of(alias, version, share)
    except Refusal as refusal:
        raise InputError(f"{where}.{refusal.place}", refusal.found, expected=refusal.expected, mend=refusal.mend) from None


def _mapping(found: Any, place: str, expected: str) -> Mapping[str, Any]:
    if not isinstance(found, Mapping) or not all(isinstance(key, str) for key in found):
        raise InputError(place, "is no mapping of names", expected=expected)
    return found


__all__ = ["AliasSettings", "alias_settings"]

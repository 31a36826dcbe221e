"""Semantic versions in order: 1.9.0 before 1.10.0 before 2.0.0-rc1 before 2.0.0."""

from collections.abc import Iterable
from typing import NamedTuple

Identifier = tuple[int, int, str]  # a number before a word, numbers by value, words by their bytes


class Precedence(NamedTuple):
    """What a version is compared by (https://semver.org, item 11): field by field, as tuples are.

    release : 1, and 0 for a pre-release, which comes before its release
    identifiers : of the pre-release; where one is the beginning of the other, the shorter comes first
    """

    major: int
    minor: int
    patch: int
    release: int
    identifiers: tuple[Identifier, ...]


def precedence(version: str) -> Precedence:
    """Of a version such as "1.4.0" or "2.0.0-rc.1", whose grammar the manifest has checked."""
    numbers, _, pre_release = version.partition("-")
    major, minor, patch = (int(number) for number in numbers.split("."))
    identifiers = tuple(_identifier(text) for text in pre_release.split(".")) if pre_release else ()
    return Precedence(major, minor, patch, 0 if pre_release else 1, identifiers)


def latest(versions: Iterable[str]) -> str | None:
    """The highest of `versions`; a pre-release only where nothing else is there. None of none."""
    return max(versions, key=lambda version: (precedence(version).release, precedence(version)), default=None)


def _identifier(text: str) -> Identifier:
    # `isdecimal` alone also takes digits of other scripts, which the grammar of a version has not.
    return (0, int(text), "") if text.isdecimal() else (1, 0, text)


__all__ = ["Precedence", "latest", "precedence"]

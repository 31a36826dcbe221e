"""Semantic versions compare as semver.org says, item 11."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from barmill.bundles.manifest_rules import VERSION
from barmill.serving.versions import latest, precedence

NUMBERS = st.integers(0, 12).map(str)
IDENTIFIERS = st.one_of(NUMBERS, st.text("abz019Z-", min_size=1, max_size=3).filter(lambda text: not text.isdecimal()))
PRE_RELEASES = st.one_of(st.just(""), st.lists(IDENTIFIERS, min_size=1, max_size=3).map(lambda parts: "-" + ".".join(parts)))
VERSIONS = st.builds(lambda *parts: ".".join(parts[:3]) + parts[3], NUMBERS, NUMBERS, NUMBERS, PRE_RELEASES)


def comes_before(one: str, other: str) -> bool:
    """The rule as it stands on the page, step by step."""
    (mine, _, my_pre), (theirs, _, their_pre) = one.partition("-"), other.partition("-")
    for a, b in zip(mine.split("."), theirs.split("."), strict=True):
        if int(a) != int(b):
            return int(a) < int(b)
    if not my_pre or not their_pre:  # a pre-release comes before its release
        return bool(my_pre) and not their_pre
    for a, b in zip(my_pre.split("."), their_pre.split("."), strict=False):
        if a == b:
            continue
        if a.isdigit() and b.isdigit():
            return int(a) < int(b)
        if a.isdigit() or b.isdigit():  # numbers come before words
            return a.isdigit()
        return a < b
    return my_pre.count(".") < their_pre.count(".")  # the longer comes later where all before are equal


def test_the_versions_of_the_page_are_in_its_order():
    page = ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0"]
    chain = [*page, "1.9.0", "1.10.0", "2.0.0-rc1", "2.0.0", "2.1.0", "2.1.1"]
    assert all(VERSION.fullmatch(version) for version in chain)
    assert all(precedence(low) < precedence(high) for low, high in pairwise(chain))


@given(VERSIONS, VERSIONS)
def test_two_versions_compare_as_the_rule_says(one: str, other: str):
    assert (precedence(one) < precedence(other)) == comes_before(one, other)


@given(st.lists(VERSIONS, max_size=8))
def test_the_latest_is_no_pre_release_unless_nothing_else_is_there(versions: list[str]):
    found = latest(versions)
    releases = [version for version in versions if "-" not in version]
    if not versions:
        assert found is None
        return
    assert found in (releases or versions)
    assert not any(comes_before(found, other) for other in releases or versions)

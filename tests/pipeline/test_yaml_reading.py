import pytest
from hypothesis import given
from hypothesis import strategies as st

from barmill.artefacts import canonical_json
from barmill.errors import RecipeError
from barmill.pipeline.yaml_reading import read_scalar, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("0.5", 0.5),
        (".5", 0.5),
        ("12", 12),
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("null", None),
        ("~", None),
        ("", None),
    ],
)
def test_scalars_are_what_they_look_like(text, value):
    found = read_scalar(text)
    assert found == value
    assert type(found) is type(value)


def test_dates_and_quoted_numbers_stay_words():
    assert read_yaml('a: 2024-01-01\nb: "5"', "r.yaml").value == {"a": "2024-01-01", "b": "5"}


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(10**15), 10**15)
        | st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), inner, max_size=4),
    )
)
def test_json_is_accepted_as_it_is(value):
    assert read_yaml(canonical_json(value).decode(), "r.json").value == value


def test_each_part_knows_its_line():
    document = read_yaml("a: 1\nb:\n  - c: 2\n  - c: 3\n", "r.yaml")
    assert document.where(("b", 1, "c")) == "r.yaml:b[1].c (line 4)"
    assert document.where(("b", 1, "missing")) == "r.yaml:b[1].missing (line 4)"
    assert document.where(()) == "r.yaml"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a: !!python/object:os.system x",
            "r.yaml:line 1: the tag 'tag:yaml.org,2002:python/object:os.system'. A recipe is plain data: remove the tag.",
        ),
        ("a: !mine 1", "r.yaml:line 1: the tag '!mine'. A recipe is plain data: remove the tag."),
        ("a: 1\nb: 2\na: 3", "r.yaml:line 3: the key 'a' stands twice (first on line 1). Keep one of them."),
        ("x:\n  a: 1\n  a: 3", "r.yaml:line 3: the key 'x.a' stands twice (first on line 2). Keep one of them."),
        ("a: &one 1\nb: *one", "r.yaml:line 1: an anchor or alias (& or *). Write the value out in full."),
        ("a: [1, 2", "r.yaml:line 1: not YAML: expected ',' or ']', but got '<stream end>'. Look at this line and the one before it."),
        ("? [1]\n: 2", "r.yaml:line 1: a key that is not a word. Use plain words as keys."),
        ("[" * 5000, "r.yaml:line 1: nested too deeply. A recipe is at most a few levels deep."),
    ],
)
def test_what_is_not_plain_data_is_refused_with_its_line(text, message):
    with pytest.raises(RecipeError) as refused:
        read_yaml(text, "r.yaml")
    assert str(refused.value) == message

"""Recipes as text: YAML 1.2's core schema (and so JSON), read into plain values with the line of every key.

No tags, no aliases, no duplicate keys, no dates, and `1e-3` is a number and `no` a word: what a file says is what
it looks like.
"""

import re
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml

from barmill.errors import RecipeError

Path: TypeAlias = tuple[str | int, ...]


MAX_DEPTH = 30


class _Loader(yaml.SafeLoader):
    """Composes nodes only; values are made by `_value`, so no constructor of PyYAML ever runs."""


_Loader.yaml_implicit_resolvers = {}
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9][0-9_]*$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?$"),
    list("-+.0123456789"),
)

_PLAIN_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "str", "seq", "map")}


@dataclass(frozen=True, slots=True)
class Document:
    """The plain value of a file, and where each of its parts stands.

    place : what messages call the file
    value : dict, list, str, int, float, bool or None
    lines : line (from 1) of each path into the value
    """

    place: str
    value: Any
    lines: dict[Path, int]

    def where(self, path: Path) -> str:
        """`recipe.yaml:base_models[0].name (line 12)`, by the nearest part that the file has."""
        known = path
        while known and known not in self.lines:
            known = known[:-1]
        line = f" (line {self.lines[known]})" if known in self.lines and known else ""
        return f"{self.place}:{dotted(path)}{line}" if path else self.place


def dotted(path: Path) -> str:
    """`("base_models", 0, "name")` as `base_models[0].name`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read_yaml(text: str, place: str) -> Document:
    """Parse `text`. Raises RecipeError naming the line of what is not plain data."""
    loader = _Loader(text)
    try:
        depth = 0
        for event in yaml.parse(text, Loader=_Loader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                raise RecipeError(f"{place}:{_line(event.start_mark)}", "nested too deeply", mend="A recipe is at most a few levels deep.")
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise RecipeError(f"{place}:{_line(event.start_mark)}", "an anchor or alias (& or *)", mend="Write the value out in full.")
        root = loader.get_single_node()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        where = f"{place}:{_line(mark)}" if mark else place
        problem = getattr(error, "problem", None) or str(error)
        raise RecipeError(where, f"not YAML: {problem}", mend="Look at this line and the one before it.") from error
    finally:
        loader.dispose()
    lines: dict[Path, int] = {}
    value = None if root is None else _value(root, (), place, lines)
    return Document(place, value, lines)


def read_scalar(text: str) -> Any:
    """The value that `text` would have in a recipe (`0.1`, `true`, `[1m, 5m]`, `word`)."""
    return read_yaml(text, "--set").value


def _line(mark: Any) -> str:
    return f"line {mark.line + 1}"


def _value(node: yaml.Node, path: Path, place: str, lines: dict[Path, int]) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    if node.tag not in _PLAIN_TAGS:
        raise RecipeError(f"{place}:{_line(node.start_mark)}", f"the tag {node.tag!r}", mend="A recipe is plain data: remove the tag.")
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, place, lines)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, index), place, lines) for index, item in enumerate(node.value)]
    return _scalar(node.tag.rsplit(":", 1)[1], node.value)


def _mapping(node: yaml.MappingNode, path: Path, place: str, lines: dict[Path, int]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = key_node.value
        where = f"{place}:{_line(key_node.start_mark)}"
        if not isinstance(key_node, yaml.ScalarNode):
            raise RecipeError(where, "a key that is not a word", mend="Use plain words as keys.")
        if key in result:
            first = lines[*path, key]
            raise RecipeError(where, f"the key '{dotted((*path, key))}' stands twice (first on line {first})", mend="Keep one of them.")
        lines[*path, key] = key_node.start_mark.line + 1
        result[key] = _value(value_node, (*path, key), place, lines)
    return result


def _scalar(kind: str, text: str) -> Any:
    match kind:
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int" if len(text) < 20:
            return int(text.replace("_", ""))
        case "float" | "int":
            return float(text.replace("_", ""))
        case _:
            return text

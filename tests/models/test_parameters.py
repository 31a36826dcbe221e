from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from barmill.models import ModelParams
from barmill.models.parameters import parameters_of


class Family(ModelParams):
    rounds: int = Field(10, ge=1, le=20, description="how often")


class Member(Family):
    share: float = Field(0.5, gt=0, lt=1, description="how much")
    step: float = Field(1.0, gt=0, description="how far")
    kind: Literal["one", "other"] | None = Field(None, description="which")
    name: str | None = Field(None, description="what of")
    sizes: tuple[int, ...] = Field((1, 2), description="how large")
    bars: Mapping[str, int] | None = Field(None, description="how long")
    most: int | None = Field(None, ge=1, description="at most")
    back: bool = Field(True, description="whether")


def test_reads_kind_range_default_and_meaning_off_the_declaration() -> None:
    told = {
        parameter.name: (parameter.kind, parameter.range, parameter.default, parameter.description) for parameter in parameters_of(Member)
    }
    assert told == {
        "share": ("number", "(0, 1)", 0.5, "how much"),
        "step": ("number", "(0, inf)", 1.0, "how far"),
        "kind": ("choice", "none, one, other", None, "which"),
        "name": ("text", "a name", None, "what of"),
        "sizes": ("list", "a list", (1, 2), "how large"),
        "bars": ("mapping", "a mapping", None, "how long"),
        "most": ("integer", "[1, inf)", None, "at most"),
        "back": ("choice", "false, true", True, "whether"),
        "rounds": ("integer", "[1, 20]", 10, "how often"),
    }


def test_the_members_own_parameters_come_first() -> None:
    own = ["share", "step", "kind", "name", "sizes", "bars", "most", "back"]
    assert [parameter.name for parameter in parameters_of(Member)] == [*own, "rounds"]

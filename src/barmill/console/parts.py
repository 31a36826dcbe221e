"""What all typed values of a run folder share: frozen parts, and numbers that may be unknown."""

import math
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict


def _nan_is_unknown(value: object) -> object:
    if isinstance(value, str) and value.strip().lower() == "nan":
        return None
    return None if isinstance(value, float) and math.isnan(value) else value


Number = Annotated[float | None, BeforeValidator(_nan_is_unknown)]
Interval = tuple[Number, Number]


class Part(BaseModel):
    """Base of every part: frozen; keys that this version does not know are left alone."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())

"""What every part of a recipe is."""

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """Base of every part: frozen, unknown keys refused, no infinities."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


__all__ = ["Part"]

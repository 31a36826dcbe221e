"""Barmill: a factory for trading models. Bars go in; a verified bundle that forecasts from raw bars comes out.

The names below are the whole of a first result; each loads its part of the house when it is asked for, so importing
Barmill itself loads nothing heavy and has no side effects.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from barmill.bundles import Bundle
    from barmill.factory import train
    from barmill.market import Bars, Instrument, simulate
    from barmill.pipeline import Run

__version__ = "0.1.0"

_PLACES = {
    "Bars": "barmill.market",
    "Bundle": "barmill.bundles",
    "Instrument": "barmill.market",
    "Run": "barmill.pipeline",
    "simulate": "barmill.market",
    "train": "barmill.factory",
}


def __getattr__(name: str) -> object:
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'barmill' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *_PLACES])


__all__ = ["Bars", "Bundle", "Instrument", "Run", "simulate", "train"]

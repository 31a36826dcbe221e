"""A slow obvious version, or another engine, of every feature of the catalogue; a module for each family.

An oracle is `function(b, p, *args)`: the bars' columns (`b.close`, `b.column(name)`), the parameters, and the values of the
argument features, to a value per bar. It never runs our kernels.
"""

from importlib import import_module

from barmill.features.catalogue import FAMILIES

ORACLES = {
    name: oracle for family in FAMILIES if family.FEATURES for name, oracle in import_module(f"oracles.{family.FAMILY}").ORACLES.items()
}

"""The catalogue: every feature that a plan can ask for."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from barmill.features import (
    bands,
    bias,
    book,
    cross_pair,
    derivatives,
    flow,
    interaction,
    macro,
    microstructure,
    momentum,
    price,
    regime,
    session,
    statistics,
    transform,
    volatility,
    volume,
    wavelet,
)
from barmill.features.kernels import KERNELS, ROUTINES
from barmill.features.spec import Feature, FeatureSpec
from barmill.progress import Progress

FAMILIES = (
    price,
    momentum,
    volatility,
    volume,
    statistics,
    microstructure,
    regime,
    wavelet,
    session,
    bands,
    bias,
    flow,
    book,
    derivatives,
    cross_pair,
    macro,
    interaction,
    transform,
)

FEATURES: Mapping[str, FeatureSpec] = MappingProxyType({spec.name: spec for family in FAMILIES for spec in family.FEATURES})


def warm_kernels(progress: Progress | None = None, features: Iterable[Feature] | None = None) -> None:
    """Compile what the engine needs for `features` (every kernel if None), or read it from the cache on disk."""
    wanted = None if features is None else {one.spec.kernel.name for feature in features for one in (feature, *feature.arguments)}
    pieces = (*(kernel for kernel in KERNELS if wanted is None or kernel.name in wanted), *ROUTINES)
    for done, piece in enumerate(pieces):
        if progress is not None:
            progress.update(done, len(pieces), piece.name)
        _ = piece.compiled
    if progress is not None:
        progress.update(len(pieces), len(pieces), "")


__all__ = ["FAMILIES", "FEATURES", "warm_kernels"]

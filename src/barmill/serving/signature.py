"""What goes into a model and what comes out of it, in the words of the Open Inference Protocol."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from barmill.bundles import Bundle
from barmill.serving.schema import feature_rows, needed_features, sees_bars

FEATURES, BARS, OPEN_TIME, KNOWN_AT = "features", "bars", "open_time", "known_at"
PRICES = ("open", "high", "low", "close", "volume")  # the first columns of `bars`

_KEPT = 256


@dataclass(frozen=True, slots=True)
class TensorMetadata:
    """A tensor by name, data type and shape, in which -1 is any number of rows.

    columns : what the last axis holds, in order; the protocol's gRPC has no place for it
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Signature:
    """What a bundle takes and gives.

    features : in the order in which a row holds them; empty for a model that sees bars, which takes bars alone
    rows : of features that a forecast reads, 1 for a model that sees one row
    further : columns of bars beside open, high, low, close and volume
    columns : of a forecast
    """

    features: tuple[str, ...]
    rows: int
    further: tuple[str, ...]
    columns: tuple[str, ...]
    schema_hash: str
    platform: str

    @cached_property
    def inputs(self) -> Mapping[str, TensorMetadata]:
        """By name: either the features, or the bars with their open times."""
        found: dict[str, TensorMetadata] = {}
        if self.features:
            shape = (-1, len(self.features)) if self.rows == 1 else (-1, self.rows, len(self.features))
            found[FEATURES] = TensorMetadata(FEATURES, "FP64", shape, self.features)
        columns = (*PRICES, *self.further)
        found[BARS] = TensorMetadata(BARS, "FP64", (-1, len(columns)), columns)
        found[OPEN_TIME] = TensorMetadata(OPEN_TIME, "INT64", (-1,))
        return found

    @cached_property
    def outputs(self) -> Mapping[str, TensorMetadata]:
        """By name: the columns, and of which bars they are where bars came in."""
        columns = {name: TensorMetadata(name, "FP64", (-1,)) for name in self.columns}
        return columns | {name: TensorMetadata(name, "INT64", (-1,)) for name in (OPEN_TIME, KNOWN_AT)}


_known: dict[str, Signature] = {}  # by digest, so that a request does not ask a bundle again what cannot change


def signature_of(bundle: Bundle) -> Signature:
    """The signature of a bundle."""
    found = _known.get(bundle.digest)
    if found is None:
        if len(_known) >= _KEPT:
            _known.clear()
        found = _known[bundle.digest] = _signature(bundle)
    return found


def _signature(bundle: Bundle) -> Signature:
    has_graphs = any(entry.path.startswith("onnx/") for entry in bundle.manifest.files)
    return Signature(
        features=() if sees_bars(bundle) else needed_features(bundle),
        rows=feature_rows(bundle),
        further=bundle.plan.sources,
        columns=bundle.outputs,
        schema_hash=bundle.manifest.schema_hash,
        platform="onnx_onnxv1" if has_graphs else "barmill_bundle",
    )


__all__ = ["BARS", "FEATURES", "KNOWN_AT", "OPEN_TIME", "PRICES", "Signature", "TensorMetadata", "signature_of"]

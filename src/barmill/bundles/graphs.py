"""ONNX graphs in a bundle: they say what it says in another form, and came with proof of it or not at all.

Standard library alone, as publishing.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from barmill.bundles.manifest import MANIFEST, ONNX, PARTS, SEAL, list_files, parse_manifest, seal_of
from barmill.bundles.part_json import part_bytes
from barmill.errors import BundleError

_OWN = (MANIFEST, SEAL)


def with_graphs(files: Mapping[str, bytes], graphs: Mapping[str, bytes], parity: Mapping[str, Any]) -> dict[str, bytes]:
    """The same bundle with graphs in it, in the place of those that it had. What it forecasts is the same, and so is its version.

    Parameters
    ----------
    files : path to bytes, with manifest and seal, as `assemble` makes them
    graphs : ONNX models by file name, such as "forecast.onnx"
    parity : how far they were found to differ from the bundle, plain JSON

    Raises: BundleError for no graphs, odd file names, or what JSON cannot hold.
    """
    if not graphs:
        raise BundleError(ONNX, "no graphs are given", mend="Leave the bundle as it is.")
    return _sealed(files, graph_files(graphs, parity))


def without_graphs(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The bundle as it was before it had graphs; its digest names what they were made from."""
    return _sealed(files, graph_files({}, None))


def graph_files(graphs: Mapping[str, bytes], parity: Mapping[str, Any] | None) -> dict[str, bytes]:
    """The files of graphs and of their parity. Raises BundleError for one without the other."""
    if bool(graphs) != (parity is not None):
        raise BundleError(PARTS["parity"], f"goes with {len(graphs)} graphs", expected="a report with graphs, and null without")
    report = part_bytes("parity", parity if parity is None else dict(parity))
    return {**{f"{ONNX}/{name}": bytes(data) for name, data in graphs.items()}, PARTS["parity"]: report}


def _sealed(files: Mapping[str, bytes], changes: Mapping[str, bytes]) -> dict[str, bytes]:
    kept = {path: data for path, data in files.items() if path not in _OWN and not path.startswith(f"{ONNX}/")}
    inside = kept | dict(changes)
    manifest = replace(parse_manifest(files[MANIFEST], MANIFEST), files=list_files(inside)).to_bytes()
    parse_manifest(manifest, MANIFEST)  # refuses odd file names while there is somebody to tell
    return {**inside, MANIFEST: manifest, SEAL: seal_of(manifest)}


__all__ = ["graph_files", "with_graphs", "without_graphs"]

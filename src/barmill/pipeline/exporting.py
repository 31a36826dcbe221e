"""The export of a run's bundle, between its assembly and its publication."""

from collections.abc import Callable, Mapping
from pathlib import Path

from barmill.artefacts import sha256
from barmill.bundles import VerifiedFiles
from barmill.bundles.manifest import MANIFEST, SEAL, parse_manifest
from barmill.errors import TrainingError
from barmill.pipeline.recipe import ExportConfig


def with_export(files: Mapping[str, bytes], config: ExportConfig, place: str, say: Callable[[str], None]) -> dict[str, bytes]:
    """The files of an assembled bundle, with its graphs where the recipe asks for them.

    place : what an error calls the bundle
    say : hears of graphs in eight bits that there is nothing to make of, or that missed their gate and are left out

    Raises: TrainingError where any other graph differs from the bundle.
    """
    if not config.onnx:
        return dict(files)
    from barmill.bundles import Bundle
    from barmill.export.exporting import export_bundle

    inside = {path: data for path, data in files.items() if path not in (MANIFEST, SEAL)}
    verified = VerifiedFiles(Path(place), sha256(files[MANIFEST]), parse_manifest(files[MANIFEST], place), inside)
    bundle = Bundle.from_verified(verified)
    done = export_bundle(bundle, optimize=config.optimize, quantize=config.quantize)
    if not done.kept:
        raise TrainingError(f"export of {place}", "; ".join(done.report.faults), expected="graphs that say what the bundle says")
    for note in done.graphs.notes:
        say(f"export of {place}: {note.removeprefix(f'{place}: ')}")
    for fault in done.report.faults:
        say(f"export of {place}: left out, {fault}")
    return done.bundled(bundle)


__all__ = ["with_export"]

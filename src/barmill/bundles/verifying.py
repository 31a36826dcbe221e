"""Verification as a report: every file, whether its bytes are right, and whether the bundle still says what it said."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from barmill.bundles.folder import Inspection, find_version, inspect, pointer_mismatch
from barmill.bundles.manifest import ONNX, PARTS
from barmill.bundles.strict_json import parse_canonical
from barmill.errors import BarmillError, BundleError

if TYPE_CHECKING:
    from barmill.bundles.golden import Replay


@dataclass(frozen=True, slots=True)
class FileCheck:
    """One file: its size and digest in the manifest, and whether the bytes on the disk are those."""

    path: str
    size: int
    sha256: str
    ok: bool


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What verification found.

    folder, name, version, digest : of the bundle; empty strings where it could not be read so far
    files : a check per file of the manifest
    replay : how the golden samples came out; None if it did not come to that
    problems : everything wrong, each with its place and mend; empty if the bundle is good
    """

    folder: Path
    name: str
    version: str
    digest: str
    files: tuple[FileCheck, ...]
    replay: "Replay | None"
    problems: tuple[BarmillError, ...]

    @property
    def ok(self) -> bool:
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        replay = self.replay
        return {
            "digest": self.digest,
            "files": [{"ok": one.ok, "path": one.path, "sha256": one.sha256, "size": one.size} for one in self.files],
            "folder": str(self.folder),
            "name": self.name,
            "ok": self.ok,
            "problems": [{"message": str(problem), "place": problem.place} for problem in self.problems],
            "replay": replay
            and {"exact": replay.exact, "features": replay.features, "forecasts": replay.forecasts, "n": replay.n_inputs + replay.n_bars},
            "version": self.version,
        }


def verify(path: str | Path, *, replay: bool = True) -> VerifyReport:
    """Check every byte of a bundle and, if they are right, load it, replay its golden samples and read the record of its graphs' parity.

    Parameters
    ----------
    path : folder of a version, or of a model whose `current.json` is followed
    replay : False checks bytes alone, which takes milliseconds and imports nothing heavy

    Never raises for a bad bundle: what is wrong is in the report.
    """
    try:
        folder, expected = find_version(Path(path))
    except BundleError as error:
        return VerifyReport(Path(path), "", "", "", (), None, (error,))
    found = inspect(folder)
    problems: list[BarmillError] = list(found.problems)
    if expected and found.digest and expected != found.digest:
        problems.append(pointer_mismatch(folder, found.digest, expected))
    manifest = found.manifest
    if manifest is None:
        return VerifyReport(folder, "", "", found.digest, (), None, tuple(problems))
    files = tuple(FileCheck(entry.path, entry.size, entry.sha256, entry.path in found.files) for entry in manifest.files)
    result: Replay | None = None
    if replay and not problems:
        from barmill.bundles.bundle import Bundle

        problems.extend(_parity_problems(found))
        try:
            result = Bundle.load(folder).replay
        except BarmillError as error:
            problems.extend(error.problems or (error,))
    return VerifyReport(folder, manifest.name, manifest.version, found.digest, files, result, tuple(problems))


def _parity_problems(found: Inspection) -> tuple[BundleError, ...]:
    """What is wrong with the proof that its graphs say what it says; nothing where there are none."""
    from barmill.bundles.parity_record import check_parity

    place, prefix = str(found.folder / PARTS["parity"]), f"{ONNX}/"
    graphs = {path.removeprefix(prefix): data for path, data in found.files.items() if path.startswith(prefix)}
    try:
        record = parse_canonical(found.files[PARTS["parity"]], place)
    except BundleError as error:
        return (error,)
    return check_parity(graphs, record, place)


__all__ = ["FileCheck", "VerifyReport", "verify"]

"""New versions, served without a dropped request: loaded beside the old, then swapped; a bad one is refused, and the old goes on.

The watcher polls, which works on any file system. It holds nothing open, writes nothing into the folders of models, and outlives whatever
goes wrong with any of them.
"""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from barmill.bundles.folder import VerifiedFiles, read_version
from barmill.serving.loading import load_served
from barmill.serving.model_folders import Found, Looks, is_version, look_at, model_folders
from barmill.serving.model_table import ModelTable
from barmill.serving.quarantine import QuarantineNotes
from barmill.serving.refusals import Refusal
from barmill.serving.served import ServedModel
from barmill.serving.settings import PlaneSettings
from barmill.serving.telemetry import Silent, Telemetry
from barmill.serving.watched import Model, Version, told, unreadable, untried

POLL_SECONDS = 0.5
STILL_POLLS = 3  # a folder that does not check out is being copied until it stood still for so long
VERSIONS = 4  # of a model that are kept loaded: the champion, and the newest


class Watcher:
    """Fills a table from folders of bundles, and keeps it as they are.

    Parameters
    ----------
    table : what is served
    root : folder of models, each a folder of versions; None for none
    named : further bundles: a model's folder, which is watched too, or a version's, which is served as it is
    quarantine : folder for a note on each version that was refused; None writes none
    on_champion : told each new champion after it is one, such as who carries streams on
    timer : seconds that only grow

    A model's pointer decides its champion. Without one the highest number does that can be served.
    """

    def __init__(
        self,
        table: ModelTable,
        root: Path | None = None,
        named: Sequence[Path] = (),
        *,
        settings: PlaneSettings | None = None,
        telemetry: Telemetry | None = None,
        quarantine: Path | None = None,
        on_champion: Callable[[ServedModel], object] | None = None,
        poll_seconds: float = POLL_SECONDS,
        versions: int = VERSIONS,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._table, self._root, self._timer = table, root, timer
        self._settings = settings or PlaneSettings()
        self._telemetry: Telemetry = telemetry or Silent()
        self._notes = QuarantineNotes(quarantine, self._telemetry)
        self._on_champion = on_champion
        self._poll_seconds, self._n_versions = poll_seconds, versions
        self._models = {path.name: Model(path) for path in named if not is_version(path)}
        self._fixed = [path for path in named if is_version(path)]
        self._unserved: dict[Path, str] = {}  # of those that were named by their version's folder
        self._root_told = ""
        self._lock = threading.Lock()  # of all that is known of models
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Poll on a thread of its own until `stop`."""
        self._thread = threading.Thread(target=self._run, name="barmill-watcher", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Poll no more; a load that is under way is finished first."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def poll(self) -> None:
        """Look once, and serve what is new. Nothing that is wrong with a folder is raised: it is told, and the next is looked at."""
        while self._fixed and not self._stopping.is_set():
            self._serve_fixed(self._fixed.pop(0))
        with self._lock:
            self._notes.write_left()
            self._find_models()
            models = list(self._models.items())
        for name, model in models:
            with self._lock:
                if self._stopping.is_set():
                    return
                if not model.unloaded:
                    self._look(name, model)

    def load(self, name: str) -> None:
        """Serve a model now: one that was unloaded, that is new, or of which a version was refused, which is tried again.

        Raises: Refusal where there is no such folder, or nothing in it that can be served.
        """
        with self._lock:
            self._find_models()
            model = self._models.get(name)
            if model is None or not model.folder.is_dir():
                raise Refusal("not_found", "unknown_model", "model", f"'{name[:64]}' is in no folder that is watched")
            model.unloaded, model.applied, model.told = False, None, ""
            for number in [number for number, known in model.versions.items() if known.state != "served"]:
                del model.versions[number]
            self._look(name, model)
            if self._champion(name) is None:
                raise Refusal("conflict", "not_loaded", "model", model.why_not, mend="Publish a version that can be served.")

    def unload(self, name: str) -> None:
        """Serve a model no longer, whatever is published, until `load` or a restart. Raises Refusal where it is not served."""
        with self._lock:
            self._table.remove(name)
            model = self._models.get(name)
            if model is not None:
                model.unloaded = True
                model.versions.clear()

    def why_not(self, folder: Path) -> str:
        """Why a bundle that was named is not served; empty where it is."""
        with self._lock:
            model = self._models.get(folder.name)
            if model is None or model.folder != folder:
                return self._unserved.get(folder, "")
            return "" if self._champion(folder.name) else model.why_not

    def _look(self, name: str, model: Model) -> None:
        try:
            self._follow(name, model, look_at(model.folder))
        except Exception as error:  # noqa: BLE001 - a folder that cannot be read must not end the watch over the others
            self._complain(name, model, f"{type(error).__name__}: {error}")

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.poll()
            self._stopping.wait(self._poll_seconds)

    def _find_models(self) -> None:
        if self._root is None:
            return
        try:
            found = model_folders(self._root)
        except OSError as error:
            if self._root_told != str(error):
                self._root_told = str(error)
                self._telemetry.event("models_unreadable", "error", folder=str(self._root), reason=str(error))
            return
        self._root_told = ""
        for name, folder in found.items():
            self._models.setdefault(name, Model(folder))

    def _serve_fixed(self, folder: Path) -> None:
        """A bundle that was named by its version's folder is its model's champion, whatever else is there."""
        try:
            verified = read_version(folder)
            served = load_served(verified, verified.manifest.name, 0, self._settings)
            self._table.install(served, champion=True)
        except Exception as error:  # noqa: BLE001 - said as the reason why this one is not served
            self._unserved[folder] = self._refuse(folder.parent.name, 0, None, error)
        else:
            self._tell_champion(served)

    def _follow(self, name: str, model: Model, found: Found) -> None:
        self._forget_removed(name, model, found)
        for number in self._wanted(found):
            looks = found.versions[number]
            known = model.versions.get(number)
            if known is None or known.looks != looks:
                known = model.versions[number] = self._changed(known, looks)
            elif known.state == "waiting":
                known.still += 1
            known.try_again(self._timer())
            if known.state == "waiting" and looks:
                self._try(name, model, number, known)
        self._follow_pointer(name, model, found)
        self._retire_old(name, model, found)

    @staticmethod
    def _changed(known: Version | None, looks: Looks) -> Version:
        """A folder that is new, or other than it was. What is served is in memory, and goes on whatever became of its folder."""
        return Version(looks, digest=known.digest if known is not None and known.state == "served" else "")

    def _wanted(self, found: Found) -> list[int]:
        """Numbers that are to be served: the pointer's first, so that the champion is ready as soon as can be, then the newest."""
        newest = sorted(found.versions, reverse=True)[: self._n_versions]
        current = [] if found.pointer is None or found.pointer.version not in found.versions else [found.pointer.version]
        return [*current, *(number for number in newest if number not in current)]

    def _try(self, name: str, model: Model, number: int, known: Version) -> None:
        """Serve a version that is whole. One that is not may be on its way, and is refused once it stands still."""
        folder = model.folder / str(number)
        try:
            verified = read_version(folder)
        except Exception as error:  # noqa: BLE001 - of any type: nothing of the folder was parsed yet but its manifest
            if known.still >= STILL_POLLS:
                self._not_whole(name, number, known, error)
            elif known.told is None:
                known.reason = told(error)
            return
        if known.digest == verified.digest:
            known.state = "served"
            return
        known.digest = verified.digest
        if known.told is None:  # else the index goes on to say why it was refused
            self._table.announce(name, verified.manifest.version, number, verified.digest)
        try:
            self._table.install(load_served(verified, name, number, self._settings, self._champion(name)), champion=False)
            known.state = "served"
        except Exception as error:  # noqa: BLE001 - whatever a model's library raises is the reason why this one is not served
            self._refused(name, number, known, verified, error, again=untried(error))

    def _not_whole(self, name: str, number: int, known: Version, error: Exception) -> None:
        if known.digest:
            known.state = "served"
            self._telemetry.event("served_version_damaged", "error", model=name, number=number, digest=known.digest, reason=str(error))
            return
        self._refused(name, number, known, None, error, again=unreadable(error))

    def _refused(self, name: str, number: int, known: Version, verified: VerifiedFiles | None, error: Exception, *, again: bool) -> None:
        """Told once, however often it is tried in vain."""
        if known.refuse(error, again=again, now=self._timer()):
            self._refuse(name, number, verified, error)

    def _follow_pointer(self, name: str, model: Model, found: Found) -> None:
        if found.pointer_problem:
            self._complain(name, model, found.pointer_problem)
            return
        pointer = found.pointer or model.highest
        if pointer is None or model.goes_back(pointer, STILL_POLLS) or pointer == model.applied:
            return
        number, digest, revision = pointer
        known = model.versions.get(number)
        if known is None or known.state != "served" or known.digest != digest:
            if known is None or known.state == "refused" or known.digest not in ("", digest):
                self._complain(
                    name, model, f"current.json names version {number} ({digest[:12]}..), which is not served: the champion stays"
                )
            return
        before, model.applied, model.told, model.older = model.applied, pointer, "", None
        if before is not None and revision < before.revision:
            self._telemetry.event("older_pointer_followed", "warning", model=name, revision=revision, before=before.revision)
        if self._table.set_champion(name, number, across_majors=False):
            self._tell_champion(self._table.routes(name).find("champion").served)

    def _tell_champion(self, served: ServedModel) -> None:
        if self._on_champion is not None:
            self._on_champion(served)

    def _champion(self, name: str) -> ServedModel | None:
        routes = self._table.known(name)
        return None if routes is None or routes.champion_entry is None else routes.champion_entry.served

    def _forget_removed(self, name: str, model: Model, found: Found) -> None:
        """A folder that is gone is served no longer, but for a version that somebody counts on."""
        for number in [number for number in model.versions if number not in found.versions]:
            known = model.versions[number]
            if known.state == "served" and not self._retired(name, number):
                if known.looks:
                    known.looks = ()
                    self._telemetry.event("served_version_removed", "error", model=name, number=number, digest=known.digest)
                continue
            self._table.forget(name, number)
            del model.versions[number]

    def _retire_old(self, name: str, model: Model, found: Found) -> None:
        """Serve no more than are wanted; those that have an alias stay."""
        wanted = set(self._wanted(found))
        for number in [number for number, known in model.versions.items() if known.state == "served" and number not in wanted]:
            if number in found.versions and self._retired(name, number):
                del model.versions[number]

    def _retired(self, name: str, number: int) -> bool:
        """Retire a version unless somebody counts on it; whether it is gone."""
        routes = self._table.known(name)
        if routes is None or number not in routes.entries:
            return True
        if self._table.is_counted_on(name, number):
            return False
        self._table.retire(name, number)
        return True

    def _refuse(self, name: str, number: int, verified: VerifiedFiles | None, error: Exception) -> str:
        """Returns the reason, as it is told."""
        version, digest = (verified.manifest.version, verified.digest) if verified else ("", "")
        reason = told(error)
        self._table.refuse(name, version, number, digest, reason)
        self._notes.write(name, number, version, digest, reason)
        return reason

    def _complain(self, name: str, model: Model, reason: str) -> None:
        if model.told != reason:
            model.told = reason
            self._telemetry.event("watch_failed", "error", model=name, folder=str(model.folder), reason=reason)


__all__ = ["POLL_SECONDS", "STILL_POLLS", "VERSIONS", "Watcher"]

"""Which versions are served: one immutable snapshot, replaced by one assignment, so that readers wait for nobody.

A lease holds a version by an ordinary reference. What is retired leaves the snapshot at once and is forgotten when its last lease is
given back, or at its deadline; its memory goes with the last reference, and no lease is ever left with a version that was taken away.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType, TracebackType
from typing import Literal, TypeVar

from barmill.errors import nearest
from barmill.serving.aliases import Alias, AliasStatus, Assigned, assigned_of, known_alias
from barmill.serving.answers import Ask, VersionStatus
from barmill.serving.compatibility import check_compatible
from barmill.serving.contract import Readiness
from barmill.serving.refusals import Refusal
from barmill.serving.routes import Entry, Routes
from barmill.serving.served import ServedModel
from barmill.serving.settings import PlaneSettings
from barmill.serving.telemetry import Silent, Telemetry
from barmill.serving.versions import precedence
from barmill.serving.wanted_aliases import WantedAliases

K = TypeVar("K")
V = TypeVar("V")
Snapshot = Mapping[str, Routes]

_NOTED_AT_MOST = 100  # refused versions of a model that the index shows


class Lease:
    """Holds a version from `with` to its end."""

    __slots__ = ("_entry", "_table")

    def __init__(self, table: "ModelTable", entry: Entry) -> None:
        self._table, self._entry = table, entry

    @property
    def served(self) -> ServedModel:
        """The version."""
        return self._entry.served

    def __enter__(self) -> ServedModel:
        self._entry.leases.add(self)
        return self._entry.served

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._entry.leases.discard(self)
        if self._entry.retired_at is not None and not self._entry.leases:
            self._table.sweep()


class ModelTable:
    """Versions by model. Every method may be called from any thread; what changes the table takes a lock, what reads it does not."""

    def __init__(
        self,
        settings: PlaneSettings | None = None,
        telemetry: Telemetry | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings or PlaneSettings()
        self._telemetry: Telemetry = telemetry or Silent()
        self._clock = clock
        self._now: Snapshot = MappingProxyType({})
        self._draining: tuple[tuple[str, Entry], ...] = ()
        self._lock = threading.RLock()
        self._followers: list[Callable[[ServedModel], None]] = []
        self._swapped: list[ServedModel] = []  # since the followers were told
        self._wanted = WantedAliases(self._telemetry)

    # reading

    def routes(self, model: str | None) -> Routes:
        """The versions of a model, or of the only one. Raises Refusal where there is no such model."""
        snapshot = self._now
        if model is not None and model in snapshot:
            return snapshot[model]
        if model is None and len(snapshot) == 1:
            return next(iter(snapshot.values()))
        if not snapshot:
            raise Refusal("unavailable", "no_model", "model", "no model is served yet", retry_after=self._settings.retry_after)
        if model is None:
            found = f"is not named, and {len(snapshot)} models are served"
            raise Refusal("invalid", "model_not_named", "model", found, expected=f"one of {', '.join(sorted(snapshot))}")
        raise Refusal("not_found", "unknown_model", "model", f"no model is called '{model[:64]}'", mend=nearest(model[:64], snapshot))

    def known(self, model: str) -> Routes | None:
        """The versions of a model; None where it is not there."""
        return self._now.get(model)

    def lease(self, ask: Ask) -> Lease:
        """The version that `ask` means, which stays loaded as long as it is held. Raises Refusal where there is none."""
        return Lease(self, self.routes(ask.model).find(ask.version))

    def hold(self, entry: Entry) -> Lease:
        """A lease on an entry of the routes."""
        return Lease(self, entry)

    def assigned(self, routes: Routes, alias: Alias) -> tuple[Entry, float] | None:
        """The version that has the alias now, of this model or another, and its share; None where none has, or it is not served."""
        given = routes.assigned.get(alias)
        if given is None:
            return None
        other = self._now.get(given.model) if given.model else routes
        entry = other and other.knows(given.of_model)
        return None if entry is None else (entry, given.share)

    def aliases(self, name: str) -> Sequence[AliasStatus]:
        """The aliases that were given to a model, also those that wait for a version. Raises Refusal where there is no such model."""
        with self._lock:
            told = self._wanted.statuses(self._now, name)
            if not told:
                self.routes(name)  # which refuses a model that there is not
            return told

    def is_counted_on(self, name: str, number: int) -> bool:
        """Whether a version is a champion or has an alias, of its own model or another's."""
        with self._lock:
            routes = self._now.get(name, Routes(name))
            entry = routes.entries.get(number)
            return entry is not None and (routes.champion == number or self._wanted.holds(self._now, entry))

    def index(self) -> Sequence[VersionStatus]:
        """Every version that is known, by model and number: served, draining, loading, or refused with its reason."""
        self.sweep()
        found: list[VersionStatus] = []
        for _, routes in sorted(self._now.items()):
            found += [_status(entry, "ready", routes.aliases_of(number)) for number, entry in routes.entries.items()]
            found += routes.noted.values()
        found += [_status(entry, "draining") for _, entry in self._draining]
        return sorted(found, key=lambda status: (status.model, status.number))

    def readiness(self, model: str | None = None, version: str | None = None) -> Readiness:
        """Whether every champion, or the one version that is named, is loaded and its breaker closed."""
        if model is not None:
            try:
                entry = self.routes(model).find(version)
            except Refusal as refusal:
                return Readiness(False, (str(refusal),))
            return _can_answer([entry])
        if not self._now:
            return Readiness(False, ("no model is served yet",))
        without = tuple(f"{name}: no version is the champion yet" for name, routes in self._now.items() if routes.champion is None)
        champions = [routes.champion_entry for routes in self._now.values() if routes.champion_entry is not None]
        reasons = (*without, *_can_answer(champions).reasons)
        return Readiness(not reasons, reasons)

    # changing

    def follow(self, follower: Callable[[ServedModel], None]) -> None:
        """Call `follower` with each new champion, once it answers, on the thread that made it one."""
        self._followers.append(follower)

    def announce(self, name: str, version: str, number: int, digest: str) -> None:
        """A version is being loaded: the index shows it, and a model without a champion is not ready."""
        self._note(VersionStatus(name, version, number, digest, "loading"))

    def refuse(self, name: str, version: str, number: int, digest: str, reason: str) -> None:
        """A version cannot be served: the index shows it with the reason; what is served goes on."""
        self._note(VersionStatus(name, version, number, digest, "unavailable", reason))
        self._telemetry.event("version_refused", "error", model=name, version=version, number=number, digest=digest, reason=reason)

    def forget(self, name: str, number: int) -> None:
        """A version that was loading or refused is no longer there."""
        with self._lock:
            routes = self._now.get(name)
            if routes is not None and number in routes.noted:
                self._put(replace(routes, noted=_without(routes.noted, number)))

    def install(self, served: ServedModel, *, champion: bool) -> bool:
        """Serve a version, in the place of another of its number if there is one.

        champion : answer with it whoever names no version, unless the champion is of another major version: that takes `set_champion`

        Returns whether it is the champion now. Raises BundleError naming the first difference where its features, outputs, instrument or
        timeframe are not those of the versions of its major that are served.
        """
        with self._lock:
            routes = self._now.get(served.name, Routes(served.name))
            others = [entry.served for entry in routes.entries.values()]
            check_compatible(served, [other for other in others if precedence(other.version).major == precedence(served.version).major])
            before = routes.entries.get(served.number)
            if before is not None and before.served.digest == served.digest:
                entries = routes.entries
            else:
                entries = {**routes.entries, served.number: Entry(served)}
            self._put(replace(routes, entries=entries, noted=_without(routes.noted, served.number)))
            if before is not None and before is not entries[served.number]:
                self._retire(served.name, before)
            is_champion = self._set_champion(served, False) if champion else routes.champion == served.number
            self._settle()
        self._tell_followers()
        return is_champion

    def set_champion(self, name: str, number: int, *, across_majors: bool = True) -> bool:
        """Let a version that is served answer whoever names none.

        across_majors : also where the champion is of another major version; else that is told, and nothing changes

        Returns whether it is the champion now. Raises Refusal where it is not served.
        """
        with self._lock:
            is_champion = self._set_champion(self.routes(name).find(str(number)).served, across_majors)
            self._settle()
        self._tell_followers()
        return is_champion

    def assign(self, name: str, alias: str, version: str | None, share: float | None = 1.0) -> None:
        """Give an alias to a version, or take it away with None.

        Parameters
        ----------
        alias : "canary" answers its `share` of the requests that name no version; "shadow" forecasts its share of them beside the
            champion, and answers none; "fallback" answers where the champion does not
        version : as in `Ask.version`, of this model; for "fallback" also "model@version"
        share : None for all, but for a canary's, which must be said

        While the version is not served, or may not stand beside the champion any more, nobody has the alias; it is given again after.

        Raises: Refusal for a version that is not served, one that does not give all that the champion gives, or a canary of another major.
        """
        with self._lock:
            routes, known = self.routes(name), known_alias(alias)
            if version is None:
                self._wanted.forget(name, known)
                self._put(replace(routes, assigned=_without(routes.assigned, known)))
                return
            self._wanted.want(self._now, name, known, assigned_of(known, version, share))
            self._settle()

    def want(self, name: str, alias: Alias, given: Assigned) -> None:
        """The same of a version that need not be served yet, as a configuration says it: it has the alias as soon as it may."""
        with self._lock:
            self._wanted.want(None, name, alias, given)
            self._settle()

    def retire(self, name: str, number: int) -> None:
        """Serve a version no longer: it finishes what it began. Raises Refusal for the champion, and for one that is not served."""
        with self._lock:
            routes = self.routes(name)
            entry = routes.find(str(number))
            if routes.champion == number:
                mend = "Make another version the champion first."
                raise Refusal("conflict", "is_champion", "model_version", f"{entry.served.label} is the champion", mend=mend)
            self._put(replace(routes, entries=_without(routes.entries, number)))
            self._settle()
            self._retire(name, entry)

    def remove(self, name: str) -> None:
        """Serve a model no longer, with all of its versions. Raises Refusal where it is not served."""
        with self._lock:
            routes = self.routes(name)
            self._now = MappingProxyType(_without(self._now, name))
            self._settle()
            for entry in routes.entries.values():
                self._retire(name, entry)

    def sweep(self) -> None:
        """Forget the retired versions that nobody holds any more, or that were held too long."""
        if not self._draining:
            return
        with self._lock:
            kept: list[tuple[str, Entry]] = []
            for name, entry in self._draining:
                late = self._clock() - (entry.retired_at or 0.0) > self._settings.drain_seconds
                if entry.leases and not late:
                    kept.append((name, entry))
                    continue
                fields = {"model": name, "version": entry.served.version, "number": entry.served.number}
                self._telemetry.event("released", "warning" if entry.leases else "info", leases=len(entry.leases), **fields)
            self._draining = tuple(kept)

    def _set_champion(self, served: ServedModel, across_majors: bool) -> bool:
        routes = self.routes(served.name)
        if not across_majors and routes.major not in (None, precedence(served.version).major):
            told = {"model": served.name, "version": served.version, "number": served.number, "major": routes.major}
            self._telemetry.event("champion_keeps_major", "warning", **told)
            return False
        if routes.champion != served.number:
            self._put(replace(routes, champion=served.number))
        return True

    def _settle(self) -> None:
        """Give the aliases that are wanted to the versions that may have them now."""
        for name, assigned in self._wanted.settled(self._now).items():
            self._put(replace(self._now[name], assigned=assigned))

    def _tell_followers(self) -> None:
        """Outside the lock: a follower may take its time, or ask the table."""
        with self._lock:
            swapped, self._swapped = self._swapped, []
        for served in swapped:
            for follower in self._followers:
                follower(served)

    def _retire(self, name: str, entry: Entry) -> None:
        entry.retired_at = self._clock()
        self._draining = (*self._draining, (name, entry))
        self.sweep()

    def _note(self, status: VersionStatus) -> None:
        with self._lock:
            routes = self._now.get(status.model, Routes(status.model))
            noted = dict(list(_without(routes.noted, status.number).items())[1 - _NOTED_AT_MOST :])
            self._put(replace(routes, noted={**noted, status.number: status}))

    def _put(self, routes: Routes) -> None:
        before = self._now.get(routes.name)
        # A model of which nothing is left is no model, and its absence keeps nobody from being ready.
        there = {routes.name: routes} if routes.entries or routes.noted else {}
        self._now = MappingProxyType({**_without(self._now, routes.name), **there})
        champion = routes.champion_entry
        if champion is not None and (before is None or before.champion_entry is not champion):
            self._swapped.append(champion.served)
            self._telemetry.swapped(routes.name, champion.served.version, champion.served.number, champion.served.digest)


def _without(mapping: Mapping[K, V], key: K) -> dict[K, V]:
    return {one: value for one, value in mapping.items() if one != key}


def _can_answer(entries: Sequence[Entry]) -> Readiness:
    reasons = tuple(f"{entry.served.label}: it failed too often of late" for entry in entries if entry.served.breaker.state != "closed")
    return Readiness(not reasons, reasons)


def _status(entry: Entry, state: Literal["ready", "draining"], aliases: tuple[str, ...] = ()) -> VersionStatus:
    served = entry.served
    detail = {
        "breaker": served.breaker.state,
        "inline": served.inline,
        "leases": len(entry.leases),
        "loaded_at": served.loaded_at,
        "row_seconds": served.seconds,
        "stuck_threads": served.stuck,
    }
    return VersionStatus(served.name, served.version, served.number, served.digest, state, "", aliases, detail)


__all__ = ["Lease", "ModelTable"]

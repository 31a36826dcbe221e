"""The versions of one model at one moment, as a value: which of them a request means."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from barmill.serving.aliases import ALIASES, Alias, Assigned
from barmill.serving.answers import VersionStatus
from barmill.serving.refusals import Refusal
from barmill.serving.served import ServedModel
from barmill.serving.versions import latest, precedence


class Entry:
    """A version in the table, and the leases on it. `leases` is a set because adding to one and taking from it are each one step."""

    __slots__ = ("__weakref__", "leases", "retired_at", "served")

    def __init__(self, served: ServedModel) -> None:
        self.served = served
        self.leases: set[object] = set()
        self.retired_at: float | None = None


@dataclass(frozen=True)
class Routes:
    """One model.

    entries : those that may be asked, by number
    champion : number of the one that answers who names no version, None before there is one
    assigned : aliases beside it
    noted : versions that are loading or refused, by number
    """

    name: str
    entries: Mapping[int, Entry] = field(default_factory=dict[int, Entry])
    champion: int | None = None
    assigned: Mapping[Alias, Assigned] = field(default_factory=dict[Alias, Assigned])
    noted: Mapping[int, VersionStatus] = field(default_factory=dict[int, VersionStatus])

    def find(self, version: str | None) -> Entry:
        """The entry that `version` means, see `Ask.version`. Raises Refusal for one that is not there, or not ready."""
        found = self._by_name.get(version or "champion")
        return found or self._missing(version)

    def knows(self, version: str) -> Entry | None:
        """The same; None where there is none."""
        return self._by_name.get(version)

    @property
    def champion_entry(self) -> Entry | None:
        """The champion's, None before there is one."""
        return None if self.champion is None else self.entries[self.champion]

    @cached_property
    def major(self) -> int | None:
        """Major version of the champion, to which the route without a version keeps."""
        return None if self.champion_entry is None else precedence(self.champion_entry.served.version).major

    @cached_property
    def _by_name(self) -> Mapping[str, Entry]:
        """Every spelling that means something now. Of two of one version the higher number answers."""
        by_version = {entry.served.version: entry for _, entry in sorted(self.entries.items())}
        found: dict[str, Entry] = {}
        for major in {precedence(version).major for version in by_version}:
            of_major = latest(version for version in by_version if precedence(version).major == major)
            found[f"v{major}"] = by_version[of_major or ""]
        highest = latest(by_version)
        if highest is not None:
            found["latest"] = by_version[highest]
        if self.champion_entry is not None:
            found["champion"] = self.champion_entry
        return {**{str(number): entry for number, entry in self.entries.items()}, **by_version, **found}

    def _missing(self, version: str | None) -> Entry:
        for status in self.noted.values():
            if version in (None, "champion", status.version, str(status.number)):
                found = f"{self.name} {status.version} ({status.number}) is {status.state}{f': {status.reason}' if status.reason else ''}"
                raise Refusal("unavailable", f"version_{status.state}", "model_version", found, retry_after=1.0)
        if version in (None, "champion"):
            raise Refusal("unavailable", "no_champion", "model", f"no version of '{self.name}' is the champion yet", retry_after=1.0)
        there = ", ".join(sorted({entry.served.version for entry in self.entries.values()}, key=precedence)) or "none"
        found = f"no version '{version}' of '{self.name}' is served"
        raise Refusal("not_found", "unknown_version", "model_version", found, expected=f"one of {there}")

    def aliases_of(self, number: int) -> tuple[str, ...]:
        """What else the version is called now."""
        entry = self.entries[number]
        named = [name for name in ("champion", "latest") if self._by_name.get(name) is entry]
        return (*named, *(alias for alias in ALIASES if alias in self.assigned and self.knows(self.assigned[alias].version) is entry))


__all__ = ["Entry", "Routes"]

"""The aliases that an operator wants, held against what is served: a version has its alias while it is there and may have it.

What is wanted outlasts what is served: a canary that is published later, or a fallback whose model is loaded again, gets its alias then.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from barmill.errors import nearest
from barmill.serving.aliases import Alias, AliasStatus, Assigned, Holder
from barmill.serving.compatibility import check_may_stand_beside
from barmill.serving.refusals import Refusal
from barmill.serving.routes import Entry, Routes
from barmill.serving.telemetry import Telemetry

Snapshot = Mapping[str, Routes]


class WantedAliases:
    """By model and alias. The table's lock is held around each call."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._wanted: defaultdict[str, dict[Alias, Assigned]] = defaultdict(dict)
        self._waiting: dict[tuple[str, Alias], bool] = {}  # whether it was told last that the alias waits

    def want(self, snapshot: Snapshot | None, name: str, alias: Alias, given: Assigned) -> None:
        """Want an alias. Raises Refusal where it cannot be given now; without a `snapshot` it need not be."""
        if snapshot is not None:
            _entitled(snapshot, name, alias, given)
        self.forget(name, alias)
        self._wanted[name][alias] = given

    def forget(self, name: str, alias: Alias) -> None:
        """Want it no longer."""
        self._wanted.get(name, {}).pop(alias, None)
        self._waiting.pop((name, alias), None)

    def settled(self, snapshot: Snapshot) -> Mapping[str, Mapping[Alias, Assigned]]:
        """What each model's aliases are to be, of those models where that is not what they are. Whoever gets or loses one is told."""
        found: dict[str, dict[Alias, Assigned]] = {}
        for name, wanted in self._wanted.items():
            given: dict[Alias, Assigned] = {alias: one for alias, one in wanted.items() if self._is_given(snapshot, name, alias, one)}
            if name in snapshot and snapshot[name].assigned != given:
                found[name] = given
        return found

    def statuses(self, snapshot: Snapshot, name: str) -> Sequence[AliasStatus]:
        """The aliases that are wanted of a model, by whom each is held."""
        return [_status(snapshot, name, alias, given) for alias, given in self._wanted.get(name, {}).items()]

    def holds(self, snapshot: Snapshot, entry: Entry) -> bool:
        """Whether a version has an alias of any model."""
        for routes in snapshot.values():
            for given in routes.assigned.values():
                other = snapshot.get(given.model) if given.model else routes
                if other is not None and other.knows(given.of_model) is entry:
                    return True
        return False

    def _is_given(self, snapshot: Snapshot, name: str, alias: Alias, given: Assigned) -> bool:
        status = _status(snapshot, name, alias, given)
        waits = status.by is None
        if self._waiting.get((name, alias)) != waits:  # once each time that it is given or taken away, however often the table changes
            self._waiting[name, alias] = waits
            event, level = ("alias_waits", "warning") if waits else ("assigned", "info")
            self._telemetry.event(event, level, model=name, alias=alias, version=given.version, share=given.share, reason=status.reason)
        return not waits


def _status(snapshot: Snapshot, name: str, alias: Alias, given: Assigned) -> AliasStatus:
    try:
        served = _entitled(snapshot, name, alias, given).served
    except Refusal as refusal:
        return AliasStatus(alias, given, None, str(refusal))
    return AliasStatus(alias, given, Holder(served.name, served.version, served.number, served.digest))


def _entitled(snapshot: Snapshot, name: str, alias: Alias, given: Assigned) -> Entry:
    """The version that may have an alias now. Raises Refusal."""
    routes, other = snapshot.get(name), snapshot.get(given.model or name)
    for model, there in ((name, routes), (given.model, other)):
        if there is None:
            found, mend = f"no model is called '{model[:64]}'", nearest(model[:64], snapshot)
            raise Refusal("not_found", "unknown_model", "model", found, mend=mend)
    assert routes is not None
    assert other is not None
    entry = other.find(given.of_model)
    if routes.champion_entry is not None:
        check_may_stand_beside(entry.served, routes.champion_entry.served, alias)
    return entry


__all__ = ["WantedAliases"]

"""What a process serves with: the plane of its bundles, named streams, and whoever watches. One place puts the parts together."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from barmill.errors import BundleError
from barmill.serving.contract import Forecasting
from barmill.serving.http.pages import Management
from barmill.serving.logs import Logs
from barmill.serving.metrics import Metrics
from barmill.serving.observers import Observers
from barmill.serving.refusals import Refusal
from barmill.serving.server_config import ServerConfig
from barmill.serving.telemetry import Silent, Telemetry

if TYPE_CHECKING:
    from barmill.serving.model_table import ModelTable
    from barmill.serving.watcher import Watcher

Stop = Callable[[], Awaitable[None] | None]


@dataclass(frozen=True, slots=True)
class Job:
    """What one process serves.

    worker, n_workers : which one it is, from 0, of how many
    port, grpc_port : that are held for it
    folder : of the sockets between workers; None where there is one worker
    """

    config: ServerConfig
    port: int
    grpc_port: int | None = None
    worker: int = 0
    n_workers: int = 1
    folder: Path | None = None


@dataclass(slots=True)
class Parts:
    """What a process serves with.

    plane : that protocols ask; render : its metrics
    management : what an operator may do over HTTP; None for nothing
    stops : called last to first, once nobody asks any more
    """

    plane: Forecasting
    telemetry: Telemetry = field(default_factory=Silent)
    render: Callable[[], bytes] | None = None
    traced: bool = False
    management: Management | None = None
    stops: list[Stop] = field(default_factory=list[Stop])

    async def stop(self) -> None:
        """Stop all that was begun."""
        for stop in reversed(self.stops):
            waiting = stop() if inspect.iscoroutinefunction(stop) else await asyncio.to_thread(stop)
            if waiting is not None:
                await waiting


Building = Callable[[Job], Parts]


def build(job: Job) -> Parts:
    """The plane of a job: every bundle that it names, loaded, verified, replayed and warm, with its streams."""
    from barmill.serving.model_table import ModelTable
    from barmill.serving.plane import Plane
    from barmill.serving.streams import Streams

    config = job.config
    logs, metrics = Logs(config.log_level), Metrics(str(job.worker) if job.n_workers > 1 else "", config.compat_metrics)
    telemetry = Observers([metrics, logs, *_traces(config)])
    table = ModelTable(config.plane, telemetry)
    watcher = _watched(config, table, telemetry)
    streams = Streams(None if config.state is None else Path(config.state) / "streams", config.streams, telemetry)
    plane = Plane(table, streams, telemetry, config.plane)

    def close() -> None:
        plane.close(config.drain_seconds)

    watcher.start()
    return Parts(plane, telemetry, metrics.render, config.traces, _management(config, table), [logs.close, close, watcher.stop])


def _management(config: ServerConfig, table: "ModelTable") -> Management | None:
    """Loading again from the folder of models, and unloading, in this process."""
    if not config.manage:
        return None
    from barmill.bundles import Bundle
    from barmill.serving.served import warm

    def load(name: str) -> None:
        folder = Path(config.models or "", name)
        if config.models is None or not (folder / "current.json").is_file():
            raise Refusal("not_found", "unknown_model", "model", "is not in the folder of models")
        bundle = Bundle.load(folder)
        table.install(warm(bundle, int(bundle.folder.name), config.plane, name=name), champion=True)

    return Management(load, table.remove)


def _traces(config: ServerConfig) -> list[Telemetry]:
    if not config.traces:
        return []
    from barmill.serving.traces import Traces

    return [Traces()]


def _watched(config: ServerConfig, table: "ModelTable", telemetry: Telemetry) -> "Watcher":
    """Serve what is there now. Raises BundleError for a bundle that was named and cannot be served; a folder of models may mend itself."""
    from barmill.serving.watcher import Watcher

    root = None if config.models is None else Path(config.models)
    quarantine = None if config.state is None else Path(config.state) / "quarantine"
    named = [Path(folder).resolve() for folder in config.bundles]
    watcher = Watcher(table, root, named, settings=config.plane, telemetry=telemetry, quarantine=quarantine)
    watcher.poll()
    if root is None and not (found := table.readiness()).ready:
        raise BundleError("bundles", "; ".join(found.reasons), mend="See the log, and 'barmill bundle verify'.")
    return watcher


__all__ = ["Building", "Job", "Parts", "Stop", "build"]

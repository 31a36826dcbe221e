"""What a process serves with: the plane of its bundles, named streams, and whoever watches. One place puts the parts together."""

import asyncio
import inspect
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from barmill.errors import BundleError, InputError
from barmill.serving.contract import Forecasting
from barmill.serving.http.pages import Management
from barmill.serving.logs import Logs
from barmill.serving.metrics import Metrics
from barmill.serving.observers import Observers
from barmill.serving.server_config import ServerConfig
from barmill.serving.telemetry import Silent, Telemetry

if TYPE_CHECKING:
    from barmill.serving.feature_store import FeatureStore
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
    """The plane of a job: every bundle that it names, loaded, verified, replayed and warm, with streams, and an eye on new versions."""
    from barmill.serving.model_table import ModelTable
    from barmill.serving.plane import Plane
    from barmill.serving.streams import Streams

    config = job.config
    logs, metrics = Logs(config.log_level), Metrics(str(job.worker) if job.n_workers > 1 else "", config.compat_metrics)
    telemetry = Observers([metrics, logs, *_traces(config)])
    table = ModelTable(config.plane, telemetry)
    store = _feature_store(config, telemetry)
    state = None if config.state is None else Path(config.state)
    streams = Streams(state and state / "streams", config.streams, telemetry, store=store)
    plane = Plane(table, streams, telemetry, config.plane)
    metrics.ask_for("pending_requests", lambda: plane.pending)
    metrics.ask_for_models("stream_lag_seconds", streams.lags)
    watcher = _watcher(config, table, telemetry, state and state / "quarantine")

    def close() -> None:
        plane.close(config.drain_seconds)

    stops: list[Stop] = [logs.close, *([] if store is None else [store.close]), close, watcher.stop]
    for model, aliases in config.aliases.items():
        for alias, given in aliases.items():
            table.want(model, alias, given)
    management = Management(watcher.load, watcher.unload, table.assign) if config.manage else None
    return Parts(plane, telemetry, metrics.render, config.traces, management, stops)


def _watcher(config: ServerConfig, table: "ModelTable", telemetry: Telemetry, quarantine: Path | None) -> "Watcher":
    """Everything that was named is served when this returns, and watched from then on. Raises BundleError for what cannot be served.

    A model in the folder of models may be bad, now or later: it is not served, and the others are. A bundle that was named must not be.
    """
    from barmill.serving.watcher import Watcher

    root = None if config.models is None else Path(config.models).absolute()
    named = [Path(os.path.abspath(folder)) for folder in config.bundles]  # noqa: PTH100 - a link's own name is the model's
    watcher = Watcher(table, root, named, settings=config.plane, telemetry=telemetry, quarantine=quarantine)
    watcher.poll()
    for folder in named:
        why = watcher.why_not(folder)
        if why:
            raise BundleError(str(folder), why, mend="Publish it again, or leave it out.")
    watcher.start()
    return watcher


def _feature_store(config: ServerConfig, telemetry: Telemetry) -> "FeatureStore | None":
    if config.feature_store is None:
        return None
    from barmill.serving.redis_store import RedisStore

    try:
        return RedisStore(config.feature_store, telemetry)
    except ValueError as error:  # the URL may hold a password, and is told to nobody
        raise InputError("feature_store", "is no URL of a Redis", expected="redis://, rediss:// or unix://") from error


def _traces(config: ServerConfig) -> list[Telemetry]:
    if not config.traces:
        return []
    from barmill.serving.traces import Traces

    return [Traces()]


__all__ = ["Building", "Job", "Parts", "Stop", "build"]

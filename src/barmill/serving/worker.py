"""One process that serves: the plane over some bundles, HTTP and gRPC over the plane, until it is told to stop.

To stop is to drain: it says that it is not ready, answers what it was asked and closes each connection with its answer, then takes no more,
waits for what is left, and writes down its streams.
"""

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from barmill.errors import BarmillError
from barmill.serving.building import Building, Job, Parts, Stop, build
from barmill.serving.contract import Forecasting
from barmill.serving.http.application import Application, Rim
from barmill.serving.http.forecasts import nowhere_else
from barmill.serving.http.key_file import KeyFile
from barmill.serving.http.keys import Known, bearer
from barmill.serving.http.limits import TokenBuckets
from barmill.serving.http.pages import make_pages
from barmill.serving.listening import HeldPort, HttpServer, run_loop
from barmill.serving.metrics import merged
from barmill.serving.peers import Call, PeerPlane, Peers, PeerServer, Place
from barmill.serving.server_config import ServerConfig
from barmill.serving.telemetry import Telemetry

LEAVING_SECONDS = 0.3  # in which clients that ask again and again are told to close, so that none is cut off between two requests
BEHIND_SECONDS = 5.0  # of the time to drain, which are left for streams and threads


async def serve(job: Job, parts: Parts, ready: Callable[[], None], stop: asyncio.Event) -> None:
    """Serve until `stop` is set, then drain. `ready` is called once connections are answered."""
    config, plane = job.config, parts.plane
    peers = _with_peers(job, parts)
    if peers is not None:
        plane = PeerPlane(plane, peers)
    keys, rates = _with_keys(config, parts), _rates(job)
    rim = Rim(
        limits=config.limits,
        rates=rates,
        keys=keys,
        hosts=config.allowed_hosts,
        telemetry=parts.telemetry,
        render=_rendering(parts, peers),
        traced=parts.traced,
        pages=make_pages(parts.management),
        elsewhere=plane.elsewhere if isinstance(plane, PeerPlane) else nowhere_else,
    )
    application = Application(plane, rim)
    server = HttpServer(application, config, job.port, parts.telemetry)
    serving = asyncio.ensure_future(server.serve())
    await _listening(config.host, job.port, serving)
    if job.grpc_port is not None:
        parts.stops.append(await _with_grpc(job, plane, parts.telemetry, keys, rates))
    ready()
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    await _drain(application, server, serving, config.drain_seconds)
    await parts.stop()


def _with_peers(job: Job, parts: Parts) -> Peers | None:
    if job.n_workers == 1 or job.folder is None:
        return None
    place = Place(job.worker, job.n_workers, job.folder)

    def failed(error: BaseException) -> None:
        parts.telemetry.event("peer_failed", "error", error=type(error).__name__, message=str(error))

    server = PeerServer(parts.plane, place, parts.render, failed)
    peers = Peers(place)
    parts.stops += [peers.close, server.close]
    return peers


def _with_keys(config: ServerConfig, parts: Parts) -> KeyFile | None:
    if config.keys is None:
        return None
    keys = KeyFile(Path(config.keys), parts.telemetry)
    keys.start()
    parts.stops.append(keys.stop)
    return keys


def _rates(job: Job) -> TokenBuckets:
    """What this process lets through of whoever asks, by HTTP and gRPC together: its part of what all workers do."""
    limits = job.config.limits
    return TokenBuckets(limits.rate / job.n_workers, max(limits.burst // job.n_workers, 1))


def _rendering(parts: Parts, peers: Peers | None) -> Callable[[], bytes] | None:
    """The metrics of this process, and of the others where there are some: one scrape shows all."""
    own = parts.render
    if own is None or peers is None:
        return own

    def render() -> bytes:
        others = peers.ask_others(Call("metrics", seconds=1.0))
        return merged([own(), *(outcome.text for outcome in others.values() if outcome.text is not None)])

    return render


async def _with_grpc(job: Job, plane: Forecasting, telemetry: Telemetry, keys: Known | None, rates: TokenBuckets) -> Stop:
    """Serve gRPC beside HTTP; returns what stops it."""
    from barmill.serving.grpc.method import nowhere_else
    from barmill.serving.grpc.server import GrpcSettings, start

    config = job.config
    files = (config.tls_cert, config.tls_key, config.tls_client_ca)
    certificate, key, client_ca = (None if file is None else Path(file).read_bytes() for file in files)
    settings = GrpcSettings(
        host=config.host,
        port=job.grpc_port or 0,
        max_message_bytes=config.limits.max_body,
        max_calls=config.limits.max_pending,
        drain_seconds=max(config.drain_seconds - BEHIND_SECONDS, 0.1),
        certificate=certificate,
        key=key,
        client_ca=client_ca,
    )
    authenticate = None if keys is None else lambda authorization: keys.principal(bearer(authorization, None))
    kept_elsewhere = plane.elsewhere if isinstance(plane, PeerPlane) else nowhere_else
    server = await start(plane, telemetry, settings, authenticate=authenticate, take=rates.take, elsewhere=kept_elsewhere)
    return server.stop


async def _listening(host: str, port: int, serving: "asyncio.Future[None]") -> None:
    """Return once the server accepts connections; raise what it raised where it does not."""
    while True:
        if serving.done():
            await serving
            raise BarmillError(f"{host}:{port}", "the server ended as it began", mend="See its log.")
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(0.005)
            continue
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return


async def _drain(application: Application, server: HttpServer, serving: "asyncio.Future[None]", seconds: float) -> None:
    """Answer what was asked, closing connections; then take no more, and wait for what is left."""
    end = time.monotonic() + seconds
    application.draining = True
    await asyncio.sleep(min(LEAVING_SECONDS, seconds / 2))
    server.stop()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(serving, max(end - BEHIND_SECONDS - time.monotonic(), 0.1))
    while application.pending and time.monotonic() < end - BEHIND_SECONDS:
        await asyncio.sleep(0.005)
    application.close()


def run(job: Job, ready: Callable[[], None], building: Building = build, parent: int | None = None) -> None:
    """Serve in this process until SIGTERM or SIGINT, or until `parent`, a pipe of which another process holds the other end, ends."""
    parts = building(job)

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        if parent is not None:
            loop.add_reader(parent, stop.set)
        try:
            await serve(job, parts, ready, stop)
        finally:
            if parent is not None:
                loop.remove_reader(parent)

    run_loop(main())


def run_alone(config: ServerConfig, say: Callable[[str], None], building: Building = build) -> None:
    """Serve in this process alone."""
    held = HeldPort(config.host, config.port)
    held_grpc = None if config.grpc_port is None else HeldPort(config.host, config.grpc_port)
    try:
        job = Job(config, held.number, None if held_grpc is None else held_grpc.number)
        run(job, lambda: tell_addresses(config, job.port, job.grpc_port, say), building)
    finally:
        held.close()
        if held_grpc is not None:
            held_grpc.close()


def tell_addresses(config: ServerConfig, port: int, grpc_port: int | None, say: Callable[[str], None]) -> None:
    """Say where the server is found, a line for each protocol."""
    host = f"[{config.host}]" if ":" in config.host else config.host
    if grpc_port is not None:
        say(f"grpc{'s' if config.tls_cert else ''}://{host}:{grpc_port}")
    say(f"http{'s' if config.tls_cert else ''}://{host}:{port}")


def sockets_folder(config: ServerConfig) -> Path:
    """A new folder for the sockets between workers, in the state folder where there is one, which nobody else may enter."""
    parent = None
    if config.state is not None:
        Path(config.state).mkdir(parents=True, exist_ok=True)
        parent = config.state
    return Path(tempfile.mkdtemp(prefix="barmill-workers-", dir=parent))


def main() -> None:
    """A worker that a supervisor began: its job comes on standard input, what it says goes to the pipe that the job names."""
    import msgspec

    from barmill.serving.supervisor import Order

    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=Order)
    job = Job(order.config, order.port, order.grpc_port, order.worker, order.n_workers, Path(order.folder))

    def ready() -> None:
        os.write(order.ready, b"r")
        os.close(order.ready)

    try:
        run(job, ready, parent=sys.stdin.fileno())
    except BarmillError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - standard error is the supervisor's, and so the operator's
        sys.exit(2)


if __name__ == "__main__":
    main()


__all__ = ["run", "run_alone", "serve", "sockets_folder", "tell_addresses"]

"""The gRPC server: starts on the caller's event loop, and stops without dropping what it began."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import grpc
import grpc.aio

from barmill.errors import SetupError
from barmill.serving.contract import Forecasting
from barmill.serving.grpc import oip, own
from barmill.serving.grpc.calls import Authenticate, Calls, Take
from barmill.serving.grpc.health import Health
from barmill.serving.grpc.method import Elsewhere, nowhere_else
from barmill.serving.telemetry import Telemetry

SERVICES = (oip.SERVICE, own.SERVICE)

_IDENTITY_ALONE = 1  # the bit of no compression: a few kilobytes may not unfold to gigabytes


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpcSettings:
    """Where the server listens and what it lets in.

    port : 0 for any that is free; processes that share one get a share of the calls each
    max_message_bytes : of a request or an answer
    max_calls : at once; more are refused (RESOURCE_EXHAUSTED)
    threads : on which calls wait for what the event loop may not wait for
    drain_seconds : for calls that run, when the server stops
    health_seconds : after which those who watch its health hear of a change
    certificate, key : PEM; both, or neither for a server without TLS
    client_ca : PEM of whose certificates clients must show, None where they need none
    """

    host: str = "127.0.0.1"
    port: int = 8081
    max_message_bytes: int = 8 * 2**20
    max_calls: int = 256
    threads: int = 8
    drain_seconds: float = 30.0
    health_seconds: float = 1.0
    certificate: bytes | None = None
    key: bytes | None = None
    client_ca: bytes | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise SetupError("gRPC TLS", "one of certificate and key is missing", expected="both, or neither")
        if self.client_ca is not None and self.certificate is None:
            raise SetupError("gRPC TLS", "clients are to show certificates, and the server has none", expected="certificate and key")


class GrpcServer:
    """A server that runs; made by `start`."""

    def __init__(self, server: grpc.aio.Server, calls: Calls, health: Health, port: int, drain_seconds: float) -> None:
        self._server, self._calls, self._health, self._drain_seconds = server, calls, health, drain_seconds
        self.port = port

    async def stop(self) -> None:
        """Take no further call, let those that run come to their end (at most `drain_seconds`), and close."""
        await self._health.stop()
        await self._server.stop(self._drain_seconds)
        self._calls.close()


async def start(
    plane: Forecasting,
    telemetry: Telemetry,
    settings: GrpcSettings,
    *,
    authenticate: Authenticate | None = None,
    take: Take | None = None,
    elsewhere: Elsewhere = nowhere_else,
    clock: Callable[[], float] = time.monotonic,
) -> GrpcServer:
    """Serve `plane` on the running event loop.

    Parameters
    ----------
    authenticate : whose key the metadata `authorization` holds; None where no keys are asked for
    take : counts the calls of each who asks, and raises Refusal (too_many) where they are too many; None for no bound
    elsewhere : whether another process keeps a stream of a model, see `serving.peers`
    clock : the plane's

    Raises: SetupError if the address cannot be bound.
    """
    calls = Calls(plane, telemetry, authenticate, threads=settings.threads, take=take, elsewhere=elsewhere, clock=clock)
    health = Health(plane, tuple(service.name for service in SERVICES), settings.health_seconds)
    server = grpc.aio.server(maximum_concurrent_rpcs=settings.max_calls, options=_options(settings))
    server.add_generic_rpc_handlers((*(calls.handler(service) for service in SERVICES), health.handler()))
    try:
        port = _bind(server, settings)
    except SetupError:
        calls.close()
        raise
    await server.start()
    await health.start()
    return GrpcServer(server, calls, health, port, settings.drain_seconds)


def _options(settings: GrpcSettings) -> list[tuple[str, int]]:
    return [
        ("grpc.so_reuseport", 1),
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", settings.max_message_bytes),
        ("grpc.max_concurrent_streams", 2 * settings.max_calls),  # of a connection: more than are answered, so that one is told why
        ("grpc.compression_enabled_algorithms_bitset", _IDENTITY_ALONE),
    ]


def _bind(server: grpc.aio.Server, settings: GrpcSettings) -> int:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"{host}:{settings.port}"
    try:
        if settings.certificate is None or settings.key is None:
            return server.add_insecure_port(address)
        pair = (settings.key, settings.certificate)
        asks_clients = settings.client_ca is not None
        credentials = grpc.ssl_server_credentials([pair], settings.client_ca, require_client_auth=asks_clients)
        return server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise SetupError(
            f"gRPC on {address}", f"cannot be bound: {error}", mend="Choose another port, or stop what listens there."
        ) from error


__all__ = ["SERVICES", "GrpcServer", "GrpcSettings", "start"]

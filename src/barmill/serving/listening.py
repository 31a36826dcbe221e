"""The server process's sockets: a port that is held before anybody serves at it, and uvicorn over it, on uvloop."""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Coroutine, Generator
from typing import Any

from barmill.errors import InputError
from barmill.serving.server_config import ServerConfig
from barmill.serving.telemetry import Silent, Telemetry

BACKLOG = 1024


class HeldPort:
    """A port that this process holds, so that every worker can listen at it, and nobody else takes it between two of their lives.

    The socket is bound and does not listen: the kernel gives connections to the workers alone.
    """

    def __init__(self, host: str, port: int) -> None:
        self._socket = _bound(host, port)
        self.number: int = self._socket.getsockname()[1]

    def close(self) -> None:
        self._socket.close()


class HttpServer:
    """Uvicorn of an application, at a port that is held: `await server.serve()` until `server.stop()`.

    watcher : is told what is refused before the application sees it
    """

    def __init__(self, application: Any, config: ServerConfig, port: int, watcher: Telemetry | None = None) -> None:
        from uvicorn import Config, Server

        from barmill.serving.http.connections import Connection

        class OneServer(Server):
            @contextlib.contextmanager
            def capture_signals(self) -> Generator[None]:
                yield  # the process has handlers of its own

        class OneConnection(Connection):
            limits = config.limits
            telemetry = watcher or Silent()
            turns = getattr(application, "turns", None)

        told = Config(
            application,
            http=OneConnection,
            ws="none",
            lifespan="off",
            loop="none",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=BACKLOG,
            ssl_context_factory=None if config.tls_cert is None else lambda *_: tls_context(config),
        )
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # strangers' faults, of which our own lines tell
        self._server = OneServer(told)
        self._address = config.host, port

    async def serve(self) -> None:
        """Answer until `stop`, then let go of connections as their answers leave."""
        await self._server.serve(sockets=[_bound(*self._address)])

    def stop(self) -> None:
        """From any thread."""
        self._server.should_exit = True


def run_loop(main: Coroutine[Any, Any, None]) -> None:
    """Run `main` on an event loop that is made for connections."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


def tls_context(config: ServerConfig) -> ssl.SSLContext:
    """TLS 1.2 and later with Python's own choice of ciphers, and a client's certificate where the configuration asks for one."""
    assert config.tls_cert is not None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=config.tls_client_ca)
    context.load_cert_chain(config.tls_cert, config.tls_key)
    if config.tls_client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _bound(host: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        reason = error.strerror or str(error)
        raise InputError(f"{host}:{port}", f"cannot be listened at: {reason.lower()}", mend="Choose another address or port.") from error
    return bound


__all__ = ["HeldPort", "HttpServer", "run_loop", "tls_context"]

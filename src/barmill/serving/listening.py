"""The server process's sockets: a port that is held before anybody serves at it, and granian's embedded server over it."""

import logging
import socket
from pathlib import Path
from typing import Any

from barmill.errors import InputError
from barmill.serving.http.limits import Limits
from barmill.serving.server_config import ServerConfig

BACKLOG = 1024
MAX_CONNECTIONS = 8192  # open at a time in one process
_LONGEST_HEAD = 8192 + 4096 * 8  # bytes that are read before a head must be whole; what our limit allows is less


class HeldPort:
    """A port that this process holds, so that every worker can listen at it, and nobody else takes it between two of their lives.

    The socket is bound and does not listen: the kernel gives connections to the workers alone.
    """

    def __init__(self, host: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
        except OSError as error:
            self._socket.close()
            reason = error.strerror or str(error)
            raise InputError(
                f"{host}:{port}", f"cannot be listened at: {reason.lower()}", mend="Choose another address or port."
            ) from error
        self.number: int = self._socket.getsockname()[1]

    def close(self) -> None:
        self._socket.close()


def http_server(application: Any, config: ServerConfig, port: int) -> Any:
    """Granian's embedded server of `application`, not started: `await server.serve()` until `server.stop()`."""
    from granian.constants import HTTPModes, Interfaces
    from granian.http import HTTP1Settings
    from granian.log import LogLevels
    from granian.server.embed import Server

    return Server(
        application,
        address=config.host,
        port=port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1,  # what HTTP/2 adds for a forecast is what its attackers use
        websockets=False,
        backlog=BACKLOG,
        backpressure=MAX_CONNECTIONS,
        http1_settings=_http1(HTTP1Settings, config.limits),
        log_level=LogLevels.error,
        log_dictconfig=_logging(),
        ssl_cert=_path(config.tls_cert),
        ssl_key=_path(config.tls_key),
        ssl_ca=_path(config.tls_client_ca),
        ssl_client_verify=config.tls_client_ca is not None,
    )


def _http1(settings: Any, limits: Limits) -> Any:
    return settings(header_read_timeout=int(1000 * limits.header_seconds), max_buffer_size=max(_LONGEST_HEAD, 2 * limits.max_header_bytes))


def _path(given: str | None) -> Path | None:
    return None if given is None else Path(given)


def _logging() -> dict[str, Any]:
    """Granian's own lines go to standard error; nobody else's logging is touched."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"plain": {"format": "%(levelname)s granian: %(message)s"}},
        "handlers": {"console": {"formatter": "plain", "class": "logging.StreamHandler", "stream": "ext://sys.stderr"}},
        "loggers": {"_granian": {"handlers": ["console"], "level": logging.ERROR, "propagate": False}},
    }


__all__ = ["HeldPort", "http_server"]

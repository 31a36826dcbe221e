"""Closes the connection of a client that never sends the rest of what it began.

An ASGI application has no hold of the connection, and the server under it keeps one open whose request it was told to read no further, for
as long as the client likes. The socket is this process's all the same: it is found among its open files by the client's address.
"""

import asyncio
import contextlib
import os
import socket
import stat

FLUSH_SECONDS = 0.25  # in which the answer leaves before its connection is shut

_FILES = "/proc/self/fd"


class Closing:
    """Shuts connections soon, many at one look. For one event loop."""

    def __init__(self) -> None:
        self._clients: set[tuple[str, str]] = set()

    def soon(self, client: "tuple[str, int | str] | None") -> None:
        """Shut the connection of `client`, address and port, once its answer has left; nothing where the system lists no files."""
        if client is None:
            return
        if not self._clients:
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._shut)
        self._clients.add((client[0], str(client[1])))

    def _shut(self) -> None:
        clients, self._clients = self._clients, set()
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(_FILES):  # noqa: PTH208 - names alone, of which some are gone before they are looked at
                with contextlib.suppress(OSError):
                    _shut_if(int(name), clients)


def _shut_if(descriptor: int, clients: set[tuple[str, str]]) -> None:
    if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        return
    with socket.socket(fileno=os.dup(descriptor)) as found:
        if found.family in (socket.AF_INET, socket.AF_INET6):
            address, port = found.getpeername()[:2]
            if (address, str(port)) in clients:
                found.shutdown(socket.SHUT_RDWR)


__all__ = ["FLUSH_SECONDS", "Closing"]

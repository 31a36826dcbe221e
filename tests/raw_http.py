"""HTTP as bytes on a socket: what a client of its own would tidy up."""

import socket


def until_end(connection: socket.socket) -> bytes:
    """Everything up to the end of the connection; a reset is an end."""
    found = b""
    try:
        while part := connection.recv(1 << 20):
            found += part
    except ConnectionError:
        pass
    return found


def statuses(answers: bytes) -> list[int]:
    return [int(part.split()[0]) for part in answers.split(b"HTTP/1.1 ")[1:]]


__all__ = ["statuses", "until_end"]

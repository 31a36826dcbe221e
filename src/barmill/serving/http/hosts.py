"""Whom a request believes that it talks to. Where only this machine is served, a web page of a stranger must not be believed."""

from collections.abc import Collection

from barmill.serving.http.limits import Headers
from barmill.serving.refusals import Refusal

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def is_loopback(address: str) -> bool:
    """Whether an address to listen at is reached from this machine alone."""
    return address in LOOPBACK or address.startswith("127.")


def check_origin(headers: Headers, hosts: Collection[str] | None) -> None:
    """Raise Refusal for a request that names no host, one that is not ours, or that a page of another origin sent.

    A name that resolves to 127.0.0.1 lets any page in a browser talk to a server of this machine; it cannot forge these two headers.

    hosts : names without port; None takes any
    """
    if headers.host is None:
        raise Refusal("malformed", "no_host", "host", "is missing", mend="Send the header Host.")
    if hosts is not None and host_name(headers.host) not in hosts:
        raise Refusal("forbidden", "foreign_host", "host", "is not this server's", expected=", ".join(sorted(hosts)))
    if headers.origin is not None and headers.origin.partition("://")[2].lower() != headers.host.lower():
        raise Refusal("forbidden", "foreign_origin", "origin", "is another than the host", mend="Ask from the server's own pages.")


def host_name(host: str) -> str:
    """The name in a Host header, without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


__all__ = ["LOOPBACK", "check_origin", "host_name", "is_loopback"]

"""Runs a method for one call: who asks, until when, on which thread, and what is said when it is refused."""

import asyncio
import re
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple, NoReturn, Protocol
from urllib.parse import unquote

import grpc
import grpc.aio

from barmill.errors import InputError
from barmill.serving.answers import Ask
from barmill.serving.contract import Forecasting
from barmill.serving.grpc.method import Call, Elsewhere, Method, Service, nowhere_else
from barmill.serving.grpc.statuses import CODES, details_of, trailers_of
from barmill.serving.refusals import Refusal
from barmill.serving.revisions import NAME as REVISION
from barmill.serving.telemetry import Telemetry

REQUEST_ID = "x-request-id"

_LARGE = 65_536  # bytes that an event loop does not read by itself
_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class Principal(Protocol):
    """Who asks, and what the key allows."""

    @property
    def name(self) -> str: ...

    @property
    def scopes(self) -> frozenset[str]: ...


Take = Callable[[str], None]  # one call of somebody, by the name of a key or an address; raises Refusal (too_many)

# From the metadata `authorization`, None where there is none; raises Refusal (unauthorised).
Authenticate = Callable[[str | None], Principal]


class Calls:
    """Calls of methods over one plane, on the caller's event loop and some threads.

    authenticate : None where no keys are asked for
    take : counts the calls of each who asks; None for no bound
    elsewhere : whether another process keeps a stream, so that its answer is waited for on a thread
    clock : the plane's
    """

    def __init__(
        self,
        plane: Forecasting,
        telemetry: Telemetry,
        authenticate: Authenticate | None = None,
        *,
        threads: int = 8,
        take: Take | None = None,
        elsewhere: Elsewhere = nowhere_else,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plane, self._telemetry, self._authenticate, self._clock = plane, telemetry, authenticate, clock
        self._take, self._elsewhere = take, elsewhere
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="grpc")

    def handler(self, service: Service) -> grpc.GenericRpcHandler:
        """What a gRPC server asks for the service. Bytes are read by us: gRPC calls bytes that it cannot read an internal error."""
        handlers = {method.name: grpc.unary_unary_rpc_method_handler(self._handled(service, method)) for method in service.methods}
        return grpc.method_handlers_generic_handler(service.name, handlers)

    def close(self) -> None:
        """Begin nothing more; what runs is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _handled(self, service: Service, method: Method[Any]) -> Callable[..., Any]:
        async def handled(data: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
            start = self._clock()
            told = _metadata(context)
            request_id = told.get(REQUEST_ID, "")
            if not _ID.fullmatch(request_id):
                request_id = uuid.uuid4().hex
            context.set_trailing_metadata(((REQUEST_ID, request_id),))
            call: Call[Any] | None = None
            try:
                ask = Ask(deadline=start + _remaining(context), request_id=request_id, revision=told.get(REVISION))
                asked = self._admitted(method, told.get("authorization"), _address(context), ask)
                call = await self._prepared(method, data, asked)
                return await self._answered(method, call)
            except Refusal as refusal:
                if call is None:  # what comes later the plane tells itself
                    self._telemetry.refused("", refusal.kind, refusal.code, self._clock() - start)
                await _abort(context, refusal, request_id)
            except InputError as error:  # what the floors below say of input
                refusal = Refusal("invalid", "invalid_input", error.place, error.found, expected=error.expected, mend=error.mend)
                await _abort(context, refusal, request_id)
            except Exception as error:  # noqa: BLE001 - whatever a bug raises: its words are for the log, and not for a stranger
                place = f"/{service.name}/{method.name}"
                self._telemetry.event(
                    "grpc_failed", "error", method=place, request_id=request_id, error=type(error).__name__, found=str(error)
                )
                found = f"it failed inside; the log of the server says more of request {request_id}"
                await _abort(context, Refusal("failed", "internal", method.name, found), request_id)

        return handled

    async def _prepared(self, method: Method[Any], data: bytes, asked: "_Asked") -> Call[Any]:
        """The call, once what came is a request that its key allows."""
        request = await self._on_thread(method.read, data) if len(data) > _LARGE else method.read(data)
        if asked.principal is not None:
            _check_scopes(asked.principal, method.scopes(request))
        return Call(self._plane, asked.ask, request, self._elsewhere)

    async def _answered(self, method: Method[Any], call: Call[Any]) -> bytes:
        if method.quick(call):
            return method.answer(call).SerializeToString()
        return await self._on_thread(lambda: method.answer(call).SerializeToString())

    async def _on_thread(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    def _admitted(self, method: Method[Any], authorization: str | None, address: str, ask: Ask) -> "_Asked":
        """Who asks, and whether so soon again, before anything is read of what is asked."""
        if method.open:
            return _Asked(ask, None)
        principal = None if self._authenticate is None else self._authenticate(authorization)
        if self._take is not None:
            self._take(address if principal is None else principal.name)
        return _Asked(ask if principal is None else replace(ask, principal=principal.name), principal)


class _Asked(NamedTuple):
    """principal : None where nobody needs a key"""

    ask: Ask
    principal: Principal | None


def _check_scopes(principal: Principal, scopes: tuple[str, ...]) -> None:
    for scope in scopes:
        if scope not in principal.scopes:
            raise Refusal("forbidden", "no_scope", "authorization", f"the key of '{principal.name}' does not allow '{scope}'")


def _metadata(context: "grpc.aio.ServicerContext[bytes, bytes]") -> Mapping[str, str]:
    """What came with the call, in text."""
    return {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}


def _address(context: "grpc.aio.ServicerContext[bytes, bytes]") -> str:
    """Where the call comes from, as HTTP calls it, since both count by it: "127.0.0.1" of "ipv4:127.0.0.1:5000"."""
    return unquote(context.peer()).partition(":")[2].rpartition(":")[0].strip("[]")


def _remaining(context: "grpc.aio.ServicerContext[bytes, bytes]") -> float:
    """Seconds until the client's deadline."""
    remaining: Any = context.time_remaining()  # declared as a float, and None for a client that named none
    return float("inf") if remaining is None else float(remaining)


async def _abort(context: "grpc.aio.ServicerContext[bytes, bytes]", refusal: Refusal, request_id: str) -> NoReturn:
    trailers = (*trailers_of(refusal), (REQUEST_ID, request_id))
    await context.abort(CODES[refusal.kind], details_of(refusal), trailers)


__all__ = ["REQUEST_ID", "Authenticate", "Calls", "Principal", "Take"]

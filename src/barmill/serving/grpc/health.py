"""`grpc.health.v1`: whether the plane is ready, for whoever balances load; an unknown service is told as unknown."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import grpc
from grpc_health.v1 import health
from grpc_health.v1 import health_pb2 as pb

from barmill.serving.contract import Forecasting
from barmill.serving.grpc.method import parsed
from barmill.serving.grpc.statuses import CODES, details_of, trailers_of
from barmill.serving.refusals import Refusal

Context = Any  # grpc.aio.ServicerContext, whose types of request and answer differ by method


class Health:
    """Says of the whole server ("") and of each service whether all champions answer."""

    def __init__(self, plane: Forecasting, services: tuple[str, ...], seconds: float) -> None:
        self._plane, self._services, self._seconds = plane, ("", *services), seconds
        self._servicer: Any = health.aio.HealthServicer()  # pyright: ignore[reportAttributeAccessIssue]  (a module in it, undeclared)
        self._watching: asyncio.Task[None] | None = None

    def handler(self) -> grpc.GenericRpcHandler:
        """What a gRPC server asks for `grpc.health.v1.Health`."""
        encoded: Callable[[Any], bytes] = pb.HealthCheckResponse.SerializeToString
        handlers = {
            "Check": grpc.unary_unary_rpc_method_handler(self._check, response_serializer=encoded),
            "Watch": grpc.unary_stream_rpc_method_handler(self._watch, response_serializer=encoded),
        }
        return grpc.method_handlers_generic_handler(health.SERVICE_NAME, handlers)

    async def start(self) -> None:
        """Begin to look after the plane, so that a change reaches those who watch."""
        await self._refresh()
        self._watching = asyncio.create_task(self._look())

    async def stop(self) -> None:
        """Say of everything that it serves no more, for good."""
        await self._servicer.enter_graceful_shutdown()
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            await self._refresh()

    async def _refresh(self) -> None:
        ready = self._plane.readiness().ready
        status = pb.HealthCheckResponse.SERVING if ready else pb.HealthCheckResponse.NOT_SERVING
        for service in self._services:
            await self._servicer.set(service, status)

    async def _check(self, data: bytes, context: Context) -> pb.HealthCheckResponse:
        request = await _read(data, context)
        await self._refresh()
        return await self._servicer.Check(request, context)

    async def _watch(self, data: bytes, context: Context) -> None:
        await self._servicer.Watch(await _read(data, context), context)


async def _read(data: bytes, context: Context) -> pb.HealthCheckRequest:
    try:
        return parsed(pb.HealthCheckRequest, data)
    except Refusal as refusal:
        await context.abort(CODES[refusal.kind], details_of(refusal), trailers_of(refusal))
        raise


__all__ = ["Health"]

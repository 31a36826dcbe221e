"""Traces through OpenTelemetry, for those who install the extra `otel` and set up an exporter in its own way (`OTEL_*`)."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from barmill.errors import MissingDependency
from barmill.serving.refusals import Refusal
from barmill.serving.telemetry import Silent

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer


class Traces(Silent):
    """A span for each stretch of work. An attribute `traceparent` (W3C) makes it the child of the asker's own trace.

    Parameters
    ----------
    tracer : OpenTelemetry's; that of its global provider if left out

    Raises: MissingDependency where OpenTelemetry is not installed.
    """

    def __init__(self, tracer: "Tracer | None" = None) -> None:
        try:
            from opentelemetry import trace
            from opentelemetry.trace import StatusCode
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
        except ImportError as error:
            raise MissingDependency("traces", "OpenTelemetry is not installed", mend="pip install 'barmill[otel]'") from error
        self._tracer = tracer or trace.get_tracer("barmill.serving")
        self._propagator = TraceContextTextMapPropagator()
        self._error = StatusCode.ERROR

    @contextmanager
    def span(self, name: str, **attributes: Any) -> Generator[Any]:
        parent = attributes.pop("traceparent", "")
        context = self._propagator.extract({"traceparent": parent}) if parent else None
        told = {f"barmill.{key}": value for key, value in attributes.items()}
        with self._tracer.start_as_current_span(
            f"barmill.{name}", context, attributes=told, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield span
            except Refusal as refusal:
                span.set_attribute("barmill.refusal", refusal.code)  # its words may hold what the asker sent
                span.set_status(self._error)
                raise
            except Exception as error:
                span.set_attribute("barmill.error", type(error).__name__)
                span.set_status(self._error)
                raise


__all__ = ["Traces"]

"""Traces: a span for each stretch of work, under the asker's own trace, without what the asker sent."""

import pytest

from barmill.serving.observers import Observers
from barmill.serving.refusals import Refusal
from barmill.serving.telemetry import Silent
from barmill.serving.traces import Traces

pytest.importorskip("opentelemetry.sdk", reason="OpenTelemetry is not installed")

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def told():
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Traces(provider.get_tracer("test")), exporter


def test_a_request_is_a_child_of_the_askers_span_and_the_model_one_of_the_request(told):
    traces, exporter = told
    watching = Observers([Silent(), traces])
    with watching.span("request", path="/v1/models", traceparent=PARENT), watching.span("forecast", model="trees"):
        pass
    model, request = exporter.get_finished_spans()
    assert (model.name, request.name) == ("barmill.forecast", "barmill.request")
    assert f"{request.context.trace_id:032x}" == "0af7651916cd43dd8448eb211c80319c"
    assert f"{request.parent.span_id:016x}" == "b7ad6b7169203331"
    assert model.parent.span_id == request.context.span_id
    assert dict(request.attributes) == {"barmill.path": "/v1/models"}


def test_a_refusal_marks_its_span_with_its_code_and_not_with_its_words(told):
    traces, exporter = told
    with pytest.raises(Refusal), traces.span("request"):
        raise Refusal("invalid", "unknown_feature", "features", "has the secret 'canary'")
    (span,) = exporter.get_finished_spans()
    assert span.attributes["barmill.refusal"] == "unknown_feature"
    assert not span.status.is_ok
    assert "canary" not in span.to_json()


def test_a_parent_that_is_none_begins_a_trace(told):
    traces, exporter = told
    with traces.span("request", traceparent="not a parent"):
        pass
    assert exporter.get_finished_spans()[0].parent is None

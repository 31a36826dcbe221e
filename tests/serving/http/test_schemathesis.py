"""What the OpenAPI document says holds: requests that are generated from it, valid and broken, are answered as it says."""

import os

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from barmill.serving.http.application import Application, Rim
from barmill.serving.http.pages import make_pages

EXAMPLES = int(os.environ.get("BARMILL_SCHEMATHESIS_EXAMPLES", "4"))
HELD = (
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.unsupported_method,
)


@pytest.fixture(scope="module")
def interface(plane):
    return schemathesis.openapi.from_asgi("/openapi.json", Application(plane, Rim(pages=make_pages(None))))


schema = schemathesis.pytest.from_fixture("interface")


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_generated_request_is_answered_as_the_document_says(case):
    case.call_and_validate(checks=HELD)

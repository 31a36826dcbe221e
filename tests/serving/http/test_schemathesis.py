"""What the OpenAPI document says holds: requests that are generated from it, valid and broken, are answered as it says."""

import json
import os

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from barmill.serving.http.application import Application, Rim
from barmill.serving.http.openapi import document
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


NAMES = {"model": ["logistic", "none"], "version": ["1.2.3", "v1", "9.9.9"]}


@pytest.fixture(scope="module")
def interface(plane):
    """The document with names that there are, so that requests come further than to the first look-up."""
    told = json.loads(json.dumps(document()))
    for methods in told["paths"].values():
        for parameter in methods.get("parameters", ()):
            if parameter["name"] in NAMES:
                parameter["schema"] = {"enum": NAMES[parameter["name"]]}
    found = schemathesis.openapi.from_dict(told)
    found.app = Application(plane, Rim(pages=make_pages(None)))
    return found


schema = schemathesis.pytest.from_fixture("interface")


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_generated_request_is_answered_as_the_document_says(case):
    case.call_and_validate(checks=HELD)

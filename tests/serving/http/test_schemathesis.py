"""What the OpenAPI document says holds: requests that are generated from it, valid and broken, alone and in the order of its links.

All phases and all checks of schemathesis: `BARMILL_SCHEMATHESIS_EXAMPLES=1000` for as many of each route as a goal asks for.
"""

import json
import os
from collections import Counter

import pytest
import schemathesis
from schemathesis.engine import events, from_schema

from barmill.serving.http.application import Application, Rim
from barmill.serving.http.openapi import document
from barmill.serving.http.pages import make_pages

EXAMPLES = int(os.environ.get("BARMILL_SCHEMATHESIS_EXAMPLES", "3"))
PHASES = ("examples", "coverage", "fuzzing", "stateful")
NAMES = {"model": ["logistic", "none"], "version": ["1.2.3", "v1", "9.9.9"]}


@pytest.fixture
def interface(plane):
    """The document with names that there are, so that requests come further than to the first look-up."""
    told = json.loads(json.dumps(document()))
    for methods in told["paths"].values():
        for parameter in methods.get("parameters", ()):
            if parameter["name"] in NAMES:
                parameter["schema"] = {"enum": NAMES[parameter["name"]]}
    acceptance = {
        "expected-statuses": ["2xx", "403", "404", "409", "422"]
    }  # no document knows a model's features, or where a stream stands
    config = {
        "generation": {"mode": "all", "max-examples": EXAMPLES, "deterministic": True, "database": "none"},
        "phases": {phase: {"enabled": True} for phase in PHASES},
        "checks": {"positive_data_acceptance": acceptance},
    }
    found = schemathesis.openapi.from_dict(told, config=schemathesis.Config.from_dict(config))
    found.app = Application(plane, Rim(pages=make_pages(None)))
    return found


def test_every_generated_request_is_answered_as_the_document_says(interface):
    asked, checked, failed = Counter(), Counter(), []
    for event in from_schema(interface).execute():
        assert not isinstance(event, events.NonFatalError), event.info
        if not isinstance(event, events.ScenarioFinished):
            continue
        asked[event.phase.value] += len(event.recorder.cases)
        for name, checks in event.recorder.checks.items():
            case = event.recorder.cases[name].value
            checked.update(check.name for check in checks)
            failed += [f"{case.method} {case.path}: {check.failure_info.failure}" for check in checks if check.failure_info]
    assert not failed, "\n\n".join(failed[:5])
    assert set(asked) == set(PHASES)
    assert asked["coverage"] > 1_000
    assert asked["stateful"] >= 3 * EXAMPLES
    assert {"not_a_server_error", "negative_data_rejection", "use_after_free", "response_schema_conformance"} <= set(checked)


def test_a_stream_is_followed_from_its_first_bar_to_its_end_by_links():
    paths = document()["paths"]
    for model in ("/v1/models/{model}", "/v1/models/{model}/versions/{version}"):
        links = paths[f"{model}/streams/{{stream}}/bars"]["post"]["responses"]["200"]["links"]
        assert set(links) == {"status", "push", "drop"}
        for link in links.values():
            _, _, pointer, method = link["operationRef"].split("/")
            path = pointer.replace("~1", "/").replace("%7B", "{").replace("%7D", "}")
            assert path.startswith(f"{model}/streams")
            assert method in paths[path]
            assert {f"{{{name}}}" for name in link["parameters"]} <= set(path.replace(":", "/").split("/"))

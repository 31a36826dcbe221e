"""A record of parity is read as it was written, by the gates of this version, and belongs to the graphs that were measured."""

import json
from math import inf

import pytest

from barmill.artefacts import sha256
from barmill.bundles.parity_record import Comparison, Difference, GraphParity, Outcomes, ParityReport, check_parity
from barmill.errors import BundleError

GRAPHS = {"forecast.onnx": b"one graph", "model.onnx": b"another"}


def difference(output: str = "p_up", most: float = 1e-8, **fields: object) -> Difference:
    values = {"mae": most / 2, "relative": most, "flips": 0, "ranks": 1.0, "row": 3, "expected": 0.5, "found": 0.5 + most}
    return Difference(output, **{"most": most, **values, **fields})


def graph(name: str = "model.onnx", *outputs: Difference, kind: str = "golden bars", **fields: object) -> GraphParity:
    comparisons = (Comparison(kind, 64, outputs or (difference(),)),)
    return GraphParity(name, sha256(GRAPHS.get(name, b"")), **{"quantised": False, "comparisons": comparisons, **fields})


def report(*graphs: GraphParity) -> ParityReport:
    return ParityReport(graphs or tuple(graph(name) for name in GRAPHS), 7, {"onnx": "1", "onnxruntime": "2"})


def told(record: object, graphs: dict[str, bytes] | None = None) -> list[str]:
    return [str(problem) for problem in check_parity(GRAPHS if graphs is None else graphs, record, "parity.json")]


REPORTS = [
    report(),
    report(graph("model.onnx", difference(), difference("E_r", 0.1, ranks=None))),
    report(graph("model.onnx", difference(most=inf, mae=inf, relative=inf, found=inf, ranks=0.0))),
    report(graph("model.int8.onnx", quantised=True, outcomes=Outcomes(9, (0.6, 0.59), None, (0.9, 0.88)), told=("slow",))),
]


@pytest.mark.parametrize("one", REPORTS)
def test_a_report_is_read_as_it_was_written(one):
    content = json.loads(json.dumps(one.to_json(), allow_nan=False))
    assert ParityReport.from_json(content) == one
    assert content["passed"] is one.passed


@pytest.mark.parametrize(
    ("one", "fault"),
    [
        (
            difference(most=2e-5),
            "p_up differs on average by 1e-05 (limit 1e-06), at most by 2e-05 (limit 1e-05); row 3: the bundle says 0.5,",
        ),
        (difference(most=0.0, relative=2e-4), "relatively by 0.0002 (limit 0.0001)"),
        (difference(flips=2), "2 rows change sides of 0.5"),
        (difference(most=inf, mae=inf, relative=inf), "at most by inf"),
        (difference(most=float("nan")), "at most by nan"),
    ],
)
def test_what_misses_the_gate_is_named_with_its_row(one, fault):
    parity = graph("model.onnx", difference("E_r"), one)
    assert not parity.passed
    assert fault in parity.faults[0]
    assert "E_r" not in parity.faults[0]
    assert not graph("model.onnx", comparisons=()).passed


def test_thresholds_are_held_to_a_tenth_of_the_difference_and_a_second_runtime_to_its_largest_alone():
    near = difference(most=5e-6, mae=1e-9, relative=1e-9)
    assert graph("model.onnx", near).passed
    assert not graph("model.onnx", near, kind="thresholds").passed
    far_on_average = difference(most=9e-6, mae=9e-6, relative=1.0)
    assert graph("model.onnx", far_on_average, kind="reference").passed


def test_a_quantised_graph_has_a_gate_of_its_own():
    rounded = difference(most=0.04, ranks=0.995, flips=3)
    assert graph("model.int8.onnx", rounded, quantised=True).passed
    assert not graph("model.onnx", rounded).passed
    assert "rank correlation -1.0000" in graph("m", difference(most=0.04, ranks=-1.0), quantised=True).faults[0]
    for worse in (Outcomes(9, (0.6, 0.58), None, None), Outcomes(9, None, (0.1, 0.08), None), Outcomes(9, None, None, (0.9, 0.93))):
        assert len(graph("m", rounded, quantised=True, outcomes=worse).faults) == 1
    better = Outcomes(9, (0.5, 0.6), (0.0, 0.1), (0.9, 0.91))
    assert graph("m", rounded, quantised=True, outcomes=better).passed


def _altered(change) -> dict:
    content = json.loads(json.dumps(report().to_json()))
    change(content)
    return content


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["graphs"][0]["comparisons"][0]["gate"].update(most=1.0),
        lambda content: content["graphs"][0].update(passed=False),
        lambda content: content.update(passed=False),
        lambda content: content.update(format=2),
        lambda content: content.update(further=1),
        lambda content: content["graphs"][0]["comparisons"][0].update(kind="easy rows"),
        lambda content: content["graphs"][0]["comparisons"][0].update(rows=0),
        lambda content: content["graphs"][0]["comparisons"][0]["outputs"][0].pop("most"),
        lambda content: content["graphs"][0].update(comparisons=None),
        lambda content: content.update(graphs=3),
        lambda content: content.pop("runtimes"),
    ],
)
def test_an_altered_record_is_refused(change):
    with pytest.raises(BundleError, match="cannot be read"):
        ParityReport.from_json(_altered(change))
    assert told(_altered(change))


def test_a_record_goes_with_the_graphs_that_were_measured():
    assert told(report().to_json()) == []
    assert told(None, {}) == []
    assert "is null, though there are the graphs forecast.onnx, model.onnx" in told(None)[0]
    assert "the graph forecast.onnx is of other bytes" in told(report().to_json(), GRAPHS | {"forecast.onnx": b"else"})[0]
    assert (
        "the graph model.onnx is measured or there, and not both" in told(report().to_json(), {"forecast.onnx": GRAPHS["forecast.onnx"]})[0]
    )
    assert "records a graph twice" in told(report(graph(), graph()).to_json())[0]
    assert told(report().to_json(), {})
    assert told([1])
    failed = report(graph("model.onnx", difference(most=1.0)), graph("forecast.onnx")).to_json()
    assert "model.onnx: golden bars: p_up differs" in told(failed)[0]

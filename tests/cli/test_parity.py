"""`barmill parity` runs a bundle's own graphs again, and `barmill bundle verify` refuses graphs without a record that passes."""

import importlib.util
import json
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType

import onnx
import pytest
from typer.testing import CliRunner, Result

from barmill.bundles import Bundle, publish, read_bundle, verify, with_graphs
from barmill.bundles.parity_record import ParityReport
from barmill.cli.__main__ import app
from barmill.errors import BundleError, DataError
from barmill.export.parity import measure
from barmill.export.pipeline_graph import forecast_graph, model_graph

Made = Callable[..., Path]
ROWS = 100


@pytest.fixture(scope="session")
def making() -> ModuleType:
    """The module tests/bundles/making.py, shared with the tests there."""
    name = "barmill_making"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / "bundles" / "making.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="session")
def made(making: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Publishes a bundle with its graphs, as they are or with scores that are off by `shift`; `record` in place of its own record."""

    @cache
    def of(shift: float = 0.0, record: str = "own") -> Path:
        plain = Bundle.from_verified(read_bundle(publish(making.files_of("logistic"), tmp_path_factory.mktemp("plain"), "logistic")))
        model = next(iter(plain.fitted.values()))
        graphs = {"forecast.onnx": forecast_graph(plain.pipeline, [model], {}), "model.onnx": model_graph(plain.pipeline, model, {})}
        good = {name: graph.SerializeToString() for name, graph in graphs.items()}
        kept = good | ({"model.onnx": _shifted(graphs["model.onnx"], shift)} if shift else {})
        report = measure(plain, good if record == "of others" else kept, n_rows=ROWS)
        files = with_graphs(making.files_of("logistic"), kept, report.to_json())
        return publish(files, tmp_path_factory.mktemp("exported"), "logistic")

    return of


def _shifted(graph: onnx.ModelProto, by: float) -> bytes:
    last = next(node for node in graph.graph.node if "logits" in node.output)
    last.output[0] = "straight"
    graph.graph.initializer.append(onnx.helper.make_tensor("off", onnx.TensorProto.DOUBLE, [], [by]))
    graph.graph.node.append(onnx.helper.make_node("Add", ["straight", "off"], ["logits"]))
    return graph.SerializeToString()


def run(*asked: object) -> Result:
    return CliRunner().invoke(app, ["parity", "--rows", str(ROWS), *map(str, asked)])


def test_a_sound_bundle_passes_in_words_and_in_json(made, making, tmp_path):
    bars = tmp_path / "SIM.parquet"
    making.walk(800, 11).write(bars)
    told = run(made(), "--bars", bars)
    assert told.exit_code == 0, told.output
    assert "parity holds: logistic 1.2.3, 2 graphs" in told.stdout
    assert "bars" in told.stdout
    assert "FAILS" not in told.stdout
    content = json.loads(run(made(), "--json").stdout)
    assert content["passed"]
    assert ParityReport.from_json(content["recorded"]).passed
    measured = ParityReport.from_json(json.loads(run(made(), "--json", "--second-rows", 120).stdout)["measured"])
    assert measured.passed
    assert {one.rows for graph in measured.graphs for one in graph.comparisons if one.kind == "reference"} == {120}


def test_a_graph_that_says_something_else_exits_with_1_and_the_worst_row_is_named(made):
    told = run(made(1e-3))
    assert told.exit_code == 1, told.output
    assert "PARITY FAILS" in told.stdout
    assert "error: model.onnx: golden inputs: p differs on average by" in told.stdout
    assert "the bundle says 0." in told.stdout
    assert "error: model.onnx: the model itself" in told.stdout
    assert "error: recorded: " in told.stdout
    assert json.loads(run(made(1e-3), "--json").stdout)["passed"] is False


def test_a_record_of_other_graphs_fails_though_these_would_too(made):
    told = run(made(1e-9, "of others"))
    assert told.exit_code == 1, told.output
    assert "the graph model.onnx is of other bytes than were measured" in told.stdout


def test_a_bundle_without_graphs_and_bars_of_something_else_are_told(made, making, tmp_path):
    plain = publish(making.files_of("logistic"), tmp_path, "logistic")
    assert isinstance(run(plain).exception, BundleError)
    assert "has no graphs. Write them with 'barmill export" in str(run(plain).exception)
    assert isinstance(run(made(), "--bars", tmp_path / "ES.parquet").exception, DataError)


def test_graphs_verify_with_a_record_that_passes_and_is_theirs_alone(made):
    assert verify(made()).ok
    for wrong, message in (
        (made(1e-3), "model.onnx: golden inputs: p differs"),
        (made(1e-9, "of others"), "of other bytes than were measured"),
    ):
        report = verify(wrong)
        assert not report.ok
        assert report.replay is not None
        assert message in str(report.problems[0])
        assert verify(wrong, replay=False).ok  # of the bytes alone nothing is wrong

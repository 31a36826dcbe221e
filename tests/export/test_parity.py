"""Parity passes graphs that say what the bundle says, and tells what is wrong with those that do not."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from types import ModuleType
from typing import NamedTuple

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
import pytest

from barmill.bundles import Bundle, EnsemblePipeline, assemble, publish, read_bundle
from barmill.bundles.parity_record import ParityReport
from barmill.errors import BundleError
from barmill.export import parity_subjects, pipeline_graph
from barmill.export.parity import measure
from barmill.export.parity_words import fault_lines
from barmill.export.pipeline_graph import FittedFiles, forecast_graph, model_graph
from barmill.models.boosting import lightgbm_text
from barmill.uncertainty import Calibration
from barmill.uncertainty.steps import Temperature

N_ROWS, N_THRESHOLD_ROWS = 200, 2000


class Exported(NamedTuple):
    """A loaded bundle, the models in it as they were fitted, and its graphs."""

    bundle: Bundle
    models: list[FittedFiles]
    graphs: dict[str, bytes]


def graphs_of(pipeline, models: list[FittedFiles]) -> dict[str, bytes]:
    """The graphs of a bundle; of a pipeline that is not quite the bundle's, those of a faulty export."""
    graphs = {"forecast.onnx": forecast_graph(pipeline, models, {})}
    if isinstance(pipeline, EnsemblePipeline):
        graphs |= {f"{label}.model.onnx": model_graph(own, model, {}) for (label, own), model in zip(pipeline.members, models, strict=True)}
    else:
        graphs["model.onnx"] = model_graph(pipeline, models[0], {})
    return {name: graph.SerializeToString() for name, graph in graphs.items()}


@pytest.fixture(scope="session")
def exported(making: ModuleType, ensembles: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Exported]:
    """`exported("logistic", 3)`, or `exported("ridge_stacking", ensembles.SMALL)`: each published and loaded once."""

    @cache
    def make(kind: str, which: object = 2) -> Exported:
        of_ensemble = isinstance(which, tuple)
        contents = ensembles.contents_of(making, kind, which) if of_ensemble else making.contents_of(kind, which)
        bundle = Bundle.from_verified(read_bundle(publish(assemble(contents), tmp_path_factory.mktemp("exported"), kind)))
        models = [FittedFiles(one.model_name, one.model_files) for one in (contents.members if of_ensemble else [contents])]
        return Exported(bundle, models, graphs_of(bundle.pipeline, models))

    return make


def report_of(one: Exported, graphs: dict[str, bytes] | None = None, **how: object) -> ParityReport:
    return measure(one.bundle, graphs or one.graphs, n_rows=N_ROWS, n_threshold_rows=N_THRESHOLD_ROWS, **how)


SOUND = [
    ("logistic", 2),
    ("logistic", 3),
    ("lightgbm", 2),
    ("pattern_cnn", 5),
    ("ridge_stacking", "SMALL"),
    ("softmax_gating", "WIDE"),
]


@pytest.mark.parametrize(("kind", "which"), SOUND)
def test_a_sound_export_passes_on_rows_of_every_kind(exported, making, ensembles, kind, which):
    one = exported(kind, getattr(ensembles, which) if isinstance(which, str) else which)
    report = report_of(one, bars=making.walk(1500, 11))
    assert report.passed, fault_lines(report)
    assert [graph.name for graph in report.graphs] == sorted(one.graphs)
    assert ParityReport.from_json(json.loads(json.dumps(report.to_json()))) == report
    for graph in report.graphs:
        kinds = {comparison.kind for comparison in graph.comparisons}
        assert {"golden bars", "bars", "batches", "reference"} <= kinds
        assert ("golden inputs" in kinds) == (graph.name == "model.onnx")
        assert ("random" in kinds) != any(sentence.startswith("no rows were drawn") for sentence in graph.told)


def test_trees_are_asked_where_they_decide_through_the_model_and_through_its_scaler(exported, ensembles):
    for kind, which in (("lightgbm", 2), ("ridge_stacking", ensembles.SMALL)):
        for graph in report_of(exported(kind, which)).graphs:
            rows = sum(comparison.rows for comparison in graph.comparisons if comparison.kind == "thresholds")
            assert rows == (0 if graph.name.startswith("logistic") else 2 * N_THRESHOLD_ROWS), graph.name


def test_a_second_runtime_is_asked_as_many_rows_as_are_wanted(exported, making):
    def asked(one: Exported, **how: object) -> dict[str, tuple[int, bool]]:
        return {
            graph.name: (comparison.rows, any("there are no more" in sentence for sentence in graph.told))
            for graph in report_of(one, **how).graphs
            for comparison in graph.comparisons
            if comparison.kind == "reference"
        }

    linear, trees = exported("logistic", 2), exported("lightgbm", 2)
    assert set(asked(linear).values()) == {(64, False)}
    assert set(asked(trees).values()) == {(16, False)}
    assert set(asked(trees, n_second_rows=250).values()) == {(250, False)}
    golden = len(linear.bundle.golden_bars.rows)
    assert set(asked(linear, n_second_rows=1000).values()) == {(golden + N_ROWS, True)}
    assert set(asked(linear, n_second_rows=300, bars=making.walk(1500, 11)).values()) == {(300, False)}


def test_a_second_runtime_that_says_something_else_fails_the_graph(exported, monkeypatch):
    one = exported("logistic", 2)
    plain = parity_subjects.run_by_reference

    def off_in_the_last_row(data, feeds):
        found = plain(data, feeds)
        if len(next(iter(found.values()))) == 150:
            found = {name: values + 1e-3 * (np.arange(150) == 149).reshape(-1, *[1] * (values.ndim - 1)) for name, values in found.items()}
        return found

    monkeypatch.setattr(parity_subjects, "run_by_reference", off_in_the_last_row)
    assert report_of(one).passed
    report = report_of(one, n_second_rows=150)
    assert {fault.split(": ")[1] for fault in report.faults} == {"reference"}
    assert all("row 149" in fault for fault in report.faults)


def test_the_same_rows_and_seed_give_the_same_report(exported):
    one = exported("logistic", 2)
    assert report_of(one, seed=3) == report_of(one, seed=3)
    assert report_of(one, seed=3) != report_of(one, seed=4)


def caught(report: ParityReport, name: str) -> str:
    """Of a report that fails for the graph `name` alone, where it says to look."""
    assert [graph.name for graph in report.graphs if not graph.passed] == [name], fault_lines(report)
    *faults, where = fault_lines(report)
    assert all(": the bundle says" in fault for fault in faults)
    return where.removeprefix(f"{name}: ")


def planted(one: Exported, **changes: object) -> ParityReport:
    """The report on graphs of a pipeline that is not quite the bundle's."""
    return report_of(one, graphs_of(replace(one.bundle.pipeline, **changes), one.models))


def test_a_swapped_column_is_caught(exported):
    one = exported("logistic", 2)
    first, second, *others = one.bundle.pipeline.input_names
    assert "the order of the features or their scaler" in caught(planted(one, input_names=(second, first, *others)), "forecast.onnx")


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_calibrator_that_is_left_out_is_caught(exported, n_classes):
    report = planted(exported("logistic", n_classes), calibration=Calibration(n_classes))
    assert caught(report, "forecast.onnx").endswith("the probabilities alone do not: the calibrator")


def test_a_wrong_temperature_is_caught(exported):
    one = exported("logistic", 2)
    right, wrong = (replace(one.bundle.pipeline, calibration=Calibration(2, (Temperature(degrees),))) for degrees in (1.3, 1.3013))
    report = report_of(one._replace(bundle=replace(one.bundle, pipeline=right)), graphs_of(wrong, one.models))
    assert caught(report, "forecast.onnx").endswith("the probabilities alone do not: the calibrator")


def test_another_unit_of_returns_is_caught(exported):
    one = exported("logistic", 2)
    volatility = replace(one.bundle.pipeline.volatility, horizon=31)
    assert caught(planted(one, volatility=volatility), "forecast.onnx").endswith("quantiles, unit or band")


def test_a_scaler_in_float32_is_caught(exported, monkeypatch):
    def in_float32(graph, scaler, names, features):
        columns = [scaler.names.index(name) for name in names]
        centred = graph.op("Sub", graph.cast(features, np.float32), graph.constant(scaler.center[columns], np.float32))
        return graph.op("Div", centred, graph.constant(scaler.scale[columns], np.float32))

    monkeypatch.setattr(pipeline_graph, "add_scaling", in_float32)
    assert "the scaler must work in float64" in caught(planted(exported("lightgbm", 2)), "forecast.onnx")


def test_thresholds_rounded_to_the_nearest_are_caught(exported, monkeypatch):
    one = exported("lightgbm", 2)
    monkeypatch.setattr(lightgbm_text, "at_most", lambda threshold: threshold.astype(np.float32))
    report = report_of(one, graphs_of(one.bundle.pipeline, one.models) | {"forecast.onnx": one.graphs["forecast.onnx"]})
    assert "rounded down to float32, not to the nearest" in caught(report, "model.onnx")


def altered(graph: bytes, change: Callable[[onnx.ModelProto], None]) -> bytes:
    model = onnx.load_from_string(graph)
    change(model)
    return model.SerializeToString()


def negating(name: str) -> Callable[[onnx.ModelProto], None]:
    """Turns an output round."""

    def change(model: onnx.ModelProto) -> None:
        last = next(node for node in model.graph.node if name in node.output)
        last.output[0] = "straight"
        model.graph.node.append(onnx.helper.make_node("Neg", ["straight"], [name]))

    return change


def test_a_quantised_graph_that_turns_its_output_round_is_caught(exported):
    one = exported("logistic", 2)
    turned = altered(one.graphs["model.onnx"], negating("logits"))
    report = report_of(one, one.graphs | {"model.int8.onnx": turned})
    assert caught(report, "model.int8.onnx") == "p is turned round: its order is the opposite of the bundle's"


def test_a_quantised_graph_is_judged_by_its_own_gate_and_by_what_came(exported, making):
    one = exported("logistic", 2)
    rounded = one.graphs["forecast.onnx"]
    graph = report_of(one, {"forecast.int8.onnx": rounded}, bars=making.walk(1500, 11)).graphs[0]
    assert graph.passed
    assert graph.quantised
    assert graph.outcomes.auc[0] == graph.outcomes.auc[1]
    assert 0.8 < graph.outcomes.coverage[0] < 1.0
    assert 0.9 * N_ROWS < graph.outcomes.rows < N_ROWS  # the last ones have no outcome yet
    assert {comparison.kind for comparison in graph.comparisons} == {"golden bars", "bars", "batches", "reference"}


def test_no_number_is_infinitely_far(exported):
    one = exported("logistic", 2)
    never = altered(one.graphs["model.onnx"], lambda model: _fill(model, np.nan))
    report = report_of(one, one.graphs | {"model.onnx": never})
    assert caught(report, "model.onnx") == "the model itself: its weights, or what it makes of them"
    assert ParityReport.from_json(json.loads(json.dumps(report.to_json(), allow_nan=False))) == report


def _fill(model: onnx.ModelProto, value: float) -> None:
    for number, tensor in enumerate(model.graph.initializer):
        array = onnx.numpy_helper.to_array(tensor)
        if array.dtype.kind == "f":
            model.graph.initializer[number].CopyFrom(onnx.numpy_helper.from_array(np.full_like(array, value), tensor.name))


@pytest.mark.parametrize(
    ("graphs", "message"), [({"modell.onnx": b""}, "Did you mean 'model.onnx'"), ({"model.onnx": b"no graph"}, "does not run it")]
)
def test_what_is_no_graph_of_the_bundle_is_refused(exported, graphs, message):
    with pytest.raises(BundleError, match=message):
        report_of(exported("logistic", 2), graphs)

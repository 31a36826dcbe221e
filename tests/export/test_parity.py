"""Parity passes graphs that say what the bundle says, and tells what is wrong with those that do not."""

import json
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import NamedTuple

import pytest

from barmill.bundles import Bundle, EnsemblePipeline, assemble, publish, read_bundle
from barmill.bundles.parity_record import ParityReport
from barmill.export.parity import measure
from barmill.export.pipeline_graph import FittedFiles, forecast_graph, model_graph

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


@pytest.mark.parametrize(("kind", "which"), [("logistic", 2), ("logistic", 3), ("lstm", 2), ("pattern_cnn", 5), ("softmax_gating", "WIDE")])
def test_a_sound_export_passes_on_rows_of_every_kind(exported, making, ensembles, kind, which):
    one = exported(kind, getattr(ensembles, which) if isinstance(which, str) else which)
    report = report_of(one, bars=making.walk(1500, 11))
    assert report.passed, report.faults
    assert ParityReport.from_json(json.loads(json.dumps(report.to_json()))) == report

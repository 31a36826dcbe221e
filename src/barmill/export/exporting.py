"""From a bundle to its graphs, measured against it, and to the same bundle with those of them in it that passed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from barmill.bundles import Bundle, EnsemblePipeline, ForecastPipeline, with_graphs
from barmill.bundles.model_parts import FittedFiles
from barmill.bundles.parity_record import ParityReport
from barmill.errors import BundleError
from barmill.export.metadata import forecast_metadata, model_metadata
from barmill.export.optimising import optimised
from barmill.export.parity import measure
from barmill.export.pipeline_graph import forecast_graph, model_graph
from barmill.export.quantising import quantised
from barmill.export.requirements import require_onnx
from barmill.market import Bars

NETWORK = "model.onnx"  # among the files of a fit: the model is a network


@dataclass(frozen=True, slots=True)
class Graphs:
    """The graphs of a bundle by their file names: `forecast.onnx`, and `model.onnx` or `<label>.model.onnx` of each member; rounded ones
    have `.int8` before their ending.

    notes : what was asked and is not there, and why
    """

    files: Mapping[str, bytes]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Exported:
    """Graphs as they were found.

    graphs : all that were written; report : how far each is from the bundle
    """

    graphs: Graphs
    report: ParityReport

    @property
    def kept(self) -> dict[str, bytes]:
        """The graphs that may go into the bundle: those that passed, and none where one that is not rounded failed."""
        passed = {graph.name for graph in self.report.graphs if graph.passed}
        sound = all(graph.passed for graph in self.report.graphs if not graph.quantised)
        return {name: data for name, data in self.graphs.files.items() if sound and name in passed}

    @property
    def kept_report(self) -> ParityReport:
        """The report of those."""
        return replace(self.report, graphs=tuple(graph for graph in self.report.graphs if graph.name in self.kept))

    def bundled(self, bundle: Bundle) -> dict[str, bytes]:
        """The files of the same bundle with the kept graphs in it. Raises BundleError, which names each fault, where none is kept."""
        if not self.kept:
            faults = "; ".join(self.report.faults)
            raise BundleError(f"export of {bundle.manifest.name}", f"the graphs differ from the bundle: {faults}", mend="Report a bug.")
        return with_graphs(bundle.files, self.kept, self.kept_report.to_json())


def export_bundle(bundle: Bundle, *, optimize: bool = False, quantize: bool = False, bars: Bars | None = None) -> Exported:
    """Write the graphs of a bundle, and measure each against it.

    optimize : let ONNX Runtime take out what is constant or does nothing; quantize : write networks in eight bits too
    bars : for the parity of real rows, and what rounding costs on rows with outcomes; see `measure`

    Raises: MissingDependency without the `onnx` package; SchemaError for a bundle that has no form as a graph.
    """
    require_onnx()
    graphs = write_graphs(bundle, optimize=optimize, quantize=quantize)
    return Exported(graphs, measure(bundle, graphs.files, bars=bars))


def write_graphs(bundle: Bundle, *, optimize: bool = False, quantize: bool = False) -> Graphs:
    """The graphs of a bundle; equal bundles give equal bytes."""
    finished: Callable[[bytes], bytes] = optimised if optimize else lambda graph: graph
    plain = {name: finished(graph) for name, graph in _graphs_of(bundle, bundle.fitted).items()}
    if not quantize:
        return Graphs(plain)
    rounded, notes = _rounded(bundle.fitted)
    if not rounded:
        return Graphs(plain, notes)
    changed = {f"{_of_model(bundle, label)}": label for label in rounded}
    again = _graphs_of(bundle, {**bundle.fitted, **rounded})
    wanted = {name: graph for name, graph in again.items() if name in changed or name == "forecast.onnx"}
    return Graphs({**plain, **{f"{name.removesuffix('.onnx')}.int8.onnx": finished(graph) for name, graph in wanted.items()}}, notes)


def _graphs_of(bundle: Bundle, fitted: Mapping[str, FittedFiles]) -> dict[str, bytes]:
    forecast = forecast_graph(bundle.pipeline, list(fitted.values()), forecast_metadata(bundle))
    models = {
        _of_model(bundle, label): model_graph(pipeline, fitted[label], model_metadata(bundle, label, pipeline))
        for label, pipeline in _pipelines(bundle).items()
    }
    return {name: graph.SerializeToString(deterministic=True) for name, graph in {"forecast.onnx": forecast, **models}.items()}


def _pipelines(bundle: Bundle) -> dict[str, ForecastPipeline]:
    """Each model's own pipeline, by the keys of `Bundle.fitted`."""
    if isinstance(bundle.pipeline, EnsemblePipeline):
        return dict(bundle.pipeline.members)
    return {bundle.manifest.name: bundle.pipeline}


def _of_model(bundle: Bundle, label: str) -> str:
    """File name of the graph of one of its models."""
    return f"{label}.model.onnx" if isinstance(bundle.pipeline, EnsemblePipeline) else "model.onnx"


def _rounded(fitted: Mapping[str, FittedFiles]) -> tuple[dict[str, FittedFiles], tuple[str, ...]]:
    """The models that are networks, in eight bits; and of each other one why it is not."""
    found: dict[str, FittedFiles] = {}
    notes: list[str] = []
    for label, model in fitted.items():
        network = model.files.get(NETWORK)
        small = None if network is None else quantised(network)
        if small is not None:
            found[label] = model._replace(files={**model.files, NETWORK: small})
        else:
            why = "trees and linear models have no layers to round" if network is None else "no layer of it can be rounded"
            notes.append(f"{label}: nothing to quantise, {why}")
    return found, tuple(notes)


__all__ = ["Exported", "Graphs", "export_bundle", "write_graphs"]

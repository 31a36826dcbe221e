"""Everything that is measured of one bundle, as plain JSON."""

from pathlib import Path
from typing import Any

from barmill.bundles.benching.graphs import bench_graphs
from barmill.bundles.benching.loading import bench_loading
from barmill.bundles.benching.rows import batches, clock_of_bar, clock_of_row
from barmill.bundles.benching.sample import Sample
from barmill.bundles.benching.steps import measure_steps
from barmill.bundles.bundle import Bundle
from barmill.bundles.ensemble_pipeline import EnsemblePipeline
from barmill.bundles.hot_path import HotPath
from barmill.bundles.manifest import ENSEMBLE, WEIGHTS
from barmill.market import Calendar
from barmill.progress import Progress, SilentProgress

CALLS = 10_000


def bench_bundle(folder: Path, calls: int = CALLS, progress: Progress | None = None) -> dict[str, Any]:
    """Measure the bundle in `folder`, a version's or a model's.

    Parameters
    ----------
    calls : single forecasts behind each percentile

    Returns
    -------
    `name`, `model`, `digest`, `bars_a_year`; `row` and `bar`, percentiles of one row whose features are there and of one raw bar, in
    microseconds; `steps` of them, calibration and combining; `allocates`; `members`, of an ensemble; `batches`, rows a second; `graphs`;
    `load_s`, `memory_mb`, `process_mb`; `bytes` and `weight_bytes`

    Raises: as `Bundle.load`.
    """
    told = progress or SilentProgress()
    loading = bench_loading(folder)
    told.update(1, 5, "loaded in a process of its own")
    bundle = Bundle.load(folder)
    sample, pipeline = Sample.of(bundle), bundle.pipeline
    row = clock_of_row(pipeline, sample, calls)
    told.update(2, 5, "one row")
    bar = clock_of_bar(bundle, sample, calls)
    told.update(3, 5, "one bar")
    newest = sample.last(pipeline, int(sample.rows[-1]))
    known = None if sample.closed is None else sample.closed.known_at(int(sample.rows[-1]))
    found = {
        "name": bundle.manifest.name,
        "model": bundle.manifest.model.name,
        "digest": bundle.digest,
        "bars_a_year": Calendar.named(bundle.instrument.calendar).periods_per_year(bundle.timeframe),
        "row": row.to_json(),
        "bar": bar.to_json(),
        "steps": {} if pipeline.direction is None else measure_steps(bundle, newest, known),
        "allocates": HotPath(bundle).allocates,
        "members": _members(pipeline, sample, calls),
        "batches": batches(pipeline, sample),
    }
    told.update(4, 5, "rows a second")
    files = bundle.files
    found |= {"graphs": bench_graphs(bundle.graphs, max(calls // 10, 1)), **loading, "bytes": sum(map(len, files.values()))}
    found["weight_bytes"] = sum(len(data) for path, data in files.items() if path.startswith((f"{WEIGHTS}/", f"{ENSEMBLE}/")))
    told.update(5, 5, "graphs")
    return found


def _members(pipeline: Any, sample: Sample, calls: int) -> dict[str, Any]:
    """One row through each member alone, with its own calibration, quantiles and guard."""
    if not isinstance(pipeline, EnsemblePipeline):
        return {}
    return {
        label: {"row": clock_of_row(member, sample.of_member(member), max(calls // 2, 1)).to_json()} for label, member in pipeline.members
    }


__all__ = ["CALLS", "bench_bundle"]

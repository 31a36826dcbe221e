"""What the laws of models stand on, whatever question a model answers: a planted world, and checks that are the same for all."""

import contextlib
import functools
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from pydantic import ValidationError

from barmill.artefacts import write_folder
from barmill.errors import MissingDependency
from barmill.export.graph import GraphBuilder
from barmill.export.model_graphs import add_model
from barmill.models import FittedModel, Forecaster, ModelSpec, RawForecast, View, catalogue, load_fit
from barmill.models.parameters import parameters_of
from barmill.models.view_values import values_of
from barmill.uncertainty.links import probabilities_of

Float64Array = np.ndarray[Any, np.dtype[np.float64]]

N_BARS, N_FEATURES = 2400, 6
TRAIN, VALID, TEST = (50, 1400), (1400, 1700), (1700, 2400)
NAMES = tuple(f"feature_{i}" for i in range(N_FEATURES))
PLANTED = 2  # the feature that knows


def each_in_its_process(specs: Sequence[ModelSpec]) -> Any:
    """The test, for each of `specs`; those of one model run in one process, which keeps its fits."""
    params = [pytest.param(spec, id=spec.name, marks=pytest.mark.xdist_group(f"model {spec.name}")) for spec in specs]
    return pytest.mark.parametrize("spec", params)


@functools.cache
def base() -> np.ndarray[Any, np.dtype[np.float32]]:
    values = np.random.default_rng(1).standard_normal((N_BARS, N_FEATURES)).astype(np.float32)
    values[:5] = np.nan  # bars before the features are ready, which no sample touches
    values.flags.writeable = False  # a fit that wrote into its inputs would fail
    return values


@functools.cache
def returns(strength: float) -> Float64Array:
    return strength * np.nan_to_num(base()[:, PLANTED].astype(np.float64)) + np.random.default_rng(2).standard_normal(N_BARS)


def digests(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}


def told(raw: RawForecast) -> dict[str, Float64Array]:
    """All that a forecast says, by name."""
    said = {name: part for name, part in raw._asdict().items() if part is not None}
    values = said.pop("values", {})
    return {**said, **values}


def assert_equal(one: Mapping[str, Float64Array], other: Mapping[str, Float64Array]) -> None:
    assert sorted(one) == sorted(other)
    for name, said in one.items():
        np.testing.assert_array_equal(said, other[name], err_msg=name)


def assert_read_back_the_same(spec: ModelSpec, model: FittedModel, view: View, folder: Path) -> None:
    write_folder(folder / "model", model.files)
    read = {name: (folder / "model" / name).read_bytes() for name in model.files}
    said, again = (told(catalogue.load_forecaster(spec, files).raw(view)) for files in (model.files, read))
    assert_equal(again, said)


def assert_rows_stand_alone(forecaster: Forecaster, view: View, tolerance: float) -> None:
    """A row's forecast does not depend on its batch."""
    order = np.random.default_rng(5).permutation(len(view))
    pieces = [told(forecaster.raw(view.take(part))) for part in (order[:1], order[1:3], order[3:70], order[70:])]
    for name, said in told(forecaster.raw(view)).items():
        again = np.concatenate([piece[name] for piece in pieces])
        np.testing.assert_allclose(again, said[order], rtol=0, atol=tolerance, err_msg=name)


def assert_graph_says_the_same(spec: ModelSpec, model: FittedModel, view: View) -> None:
    """The model as an ONNX graph, in batches of each size: standardised outputs within the limits of parity, and equal bytes twice."""
    said = standardised(told(catalogue.load_forecaster(spec, model.files).raw(view)))
    inputs = values_of(view)
    widths = {name: values.shape[1:] for name, values in said.items()}
    graph, again = (_graph_of(spec, model.files, inputs.shape[1:], widths) for _ in range(2))
    assert graph == again
    session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    assert set(names) == set(said)
    for size, n in ((len(inputs), len(inputs)), (1, 8), (7, 28), (64, 128)):
        parts = [session.run(names, {"x": inputs[at : at + size]}) for at in range(0, n, size)]
        found = standardised(dict(zip(names, map(np.concatenate, zip(*parts, strict=True)), strict=True)))
        for name, values in found.items():
            apart = np.abs(values - said[name][: len(values)])
            assert apart.mean() < 1e-6, (name, size)
            assert apart.max() < 1e-5, (name, size)


def standardised(said: Mapping[str, Float64Array]) -> dict[str, Float64Array]:
    """Scores of classes as probabilities; what is said of returns is in volatilities already. Scores of no classes are left out."""
    logits = said["logits"] if "logits" in said else np.empty((0, 0))
    p = {"logits": probabilities_of(logits)} if logits.ndim == 1 or logits.shape[1] else {}
    return {**{name: values for name, values in said.items() if name != "logits"}, **p}


def _graph_of(spec: ModelSpec, files: Mapping[str, bytes], shape: Sequence[int], widths: Mapping[str, Sequence[int]]) -> bytes:
    """The model alone, of inputs of `shape`; each of its outputs has one of `widths` after the batch."""
    graph = GraphBuilder()
    raw = add_model(graph, spec.name, files, graph.input("x", np.float32, ("batch", *shape)))
    said = {"logits": raw.logits, "expected": raw.expected, "quantiles": raw.quantiles, **(raw.values or {})}
    assert {name for name, value in said.items() if value} - {"logits"} == {*widths} - {"logits"}
    for name, width in widths.items():
        graph.output(said[name], name, np.float64, ("batch", *width))
    return graph.model(spec.name, {}).SerializeToString(deterministic=True)


def plain_summary(model: FittedModel) -> dict[str, Any]:
    """The summary as it is read back from JSON; a clock in it would make two equal fits differ."""
    summary = json.loads(json.dumps(dict(model.summary), allow_nan=False))
    assert summary
    assert "seconds" not in json.dumps(summary)
    return summary


def assert_shares(output: Mapping[str, Any], names: Sequence[str]) -> None:
    """Every feature has a finite share, and together they have all or nothing."""
    shares = [feature["share"] for feature in output["features"]]
    assert sorted(feature["feature"] for feature in output["features"]) == sorted(names)
    assert np.isfinite(shares).all()
    assert min(shares) >= 0
    assert sum(shares) == pytest.approx(1, abs=1e-4) or sum(shares) == 0


class Listener:
    """Hears how far a fit is."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int]] = []

    def update(self, done: int, total: int, note: str = "") -> None:
        self.told.append((done, total))

    def assert_heard_to_the_end(self) -> None:
        assert self.told[-1][0] == self.told[-1][1] > 0
        assert all(before <= after for (before, _), (after, _) in zip(self.told, self.told[1:], strict=False))


def assert_parameters_say_what_they_are(spec: ModelSpec) -> None:
    assert all(parameter.description for parameter in parameters_of(spec.params))
    with pytest.raises(ValidationError, match="no_such_parameter"):
        spec.params.model_validate({"no_such_parameter": 1})
    assert spec.params() == spec.params.model_validate_json("{}")


def assert_searches_lie_in_range(spec: ModelSpec) -> None:
    """What a tuner tries lies in the parameters' own range."""
    searched = [(parameter.name, parameter.search) for parameter in parameters_of(spec.params) if parameter.search is not None]
    assert searched
    for name, search in searched:
        for value in search.choices or (search.low, search.high):
            spec.params.model_validate({name: value}, strict=True)
        assert search.choices or search.low < search.high
        assert not search.log or search.low > 0


def assert_missing_library_is_told(spec: ModelSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    if not spec.requires:
        assert load_fit(spec)
        return
    monkeypatch.setattr(catalogue, "_is_installed", lambda name: name != spec.requires[0])
    with pytest.raises(MissingDependency, match=rf'needs {spec.requires[0]}, not installed here\. .*pip install "barmill\[{spec.extra}\]"'):
        load_fit(spec)


_FITS_ELSEWHERE = """
import json, sys
sys.path[:0] = {folders!r}
import {laws} as laws
from barmill.models import MODELS, load_fit
for line in sys.stdin:
    spec = MODELS[line.strip()]
    train, valid = laws.samples(spec, laws.TRAIN), laws.samples(spec, laws.VALID)
    model = load_fit(spec)(laws.params(spec), train, valid, laws.context(spec, threads=2))
    print("said", json.dumps([laws.digests(model.files), laws.digests(model.training_files), dict(model.summary)]), flush=True)
"""


@contextlib.contextmanager
def fits_elsewhere(laws: str, complaints: Path) -> Iterator[Callable[[ModelSpec], Any]]:
    """Fits models of the module `laws` in another process, with two threads and another hash seed; stderr goes to `complaints`.

    One process for all models: learning libraries load but once, and a fit that depended on the fits before it would show.
    """
    code = _FITS_ELSEWHERE.format(folders=[str(Path(__file__).parent), str(Path(__file__).parents[1])], laws=laws)
    environment = {"PYTHONHASHSEED": "12345", "PATH": "/usr/bin:/bin", "LC_ALL": "C", "OMP_NUM_THREADS": "2"}
    with _asked_elsewhere(code, complaints, env=environment) as ask:
        yield lambda spec: json.loads(ask(spec.name))


@contextlib.contextmanager
def _asked_elsewhere(code: str, complaints: Path, **process: Any) -> Iterator[Callable[[str], str]]:
    """Asks a process that runs `code`, which reads a line and answers with one that begins with "said "."""
    with (
        complaints.open("w") as stderr,
        subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True, **process
        ) as child,
    ):
        assert child.stdin is not None
        assert child.stdout is not None
        asked, answers = child.stdin, child.stdout

        def ask(line: str) -> str:
            asked.write(f"{line}\n")
            asked.flush()
            answer = next((line for line in answers if line.startswith("said ")), "")
            assert answer, complaints.read_text()
            return answer.removeprefix("said ")

        yield ask


def assert_equal_bytes(model: FittedModel, there: Any) -> None:
    """The model is the one that was fitted elsewhere."""
    files, training_files, summary = there
    assert files == digests(model.files)
    assert training_files == digests(model.training_files)
    assert summary == plain_summary(model)


_FORECASTS_ELSEWHERE = """
import sys
import numpy as np
from pathlib import Path
from barmill import views
from barmill.models import MODELS, load_forecaster
for line in sys.stdin:
    name, kind, folder = line.rstrip("\\n").split("\\t")
    folder = Path(folder)
    view = getattr(views, kind)(**{field: array if array.ndim else array.item() for field, array in np.load(folder / "view.npz").items()})
    raw = load_forecaster(MODELS[name], {path.name: path.read_bytes() for path in (folder / "model").iterdir()}).raw(view)
    said = {part: found for part, found in raw._asdict().items() if found is not None}
    values = said.pop("values", {})
    np.savez(folder / "said.npz", **said, **values)
    # Asked at the end: Polars and SciPy look torch up without importing it.
    loaded = {"torch", "onnx", "onnxscript", "sklearn.linear_model", "barmill.training"} & {*sys.modules}
    assert not loaded, (name, loaded)
    print("said", name, flush=True)
"""


@contextlib.contextmanager
def forecasts_elsewhere(complaints: Path) -> Iterator[Callable[[ModelSpec, FittedModel, View, Path], dict[str, Float64Array]]]:
    """Says what the files of a model say of a view in another process, which may load nothing of the training side.

    One process for all models; stderr goes to `complaints`.
    """
    with _asked_elsewhere(_FORECASTS_ELSEWHERE, complaints) as ask:

        def forecast(spec: ModelSpec, model: FittedModel, view: View, folder: Path) -> dict[str, Float64Array]:
            np.savez(folder / "view.npz", **{field.name: getattr(view, field.name) for field in fields(view) if field.init})
            write_folder(folder / "model", model.files)
            ask(f"{spec.name}\t{type(view).__name__}\t{folder}")
            with np.load(folder / "said.npz") as said:
                return dict(said)

        yield forecast

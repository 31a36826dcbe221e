"""Any fault in a model of any kind, asked over HTTP and gRPC: what comes back is finite, in contract, and marked degraded."""

from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import grpc
import httpx
import numpy as np
import pytest

from barmill.bundles import Bundle, ForecastBand, assemble, publish, read_bundle
from barmill.bundles.guard import guard
from barmill.serving.breaker import Breaker
from barmill.serving.grpc.protocol import barmill_pb2 as own
from barmill.serving.grpc.protocol import inference_pb2 as oip
from barmill.serving.grpc.protocol.barmill_pb2_grpc import BarmillStub
from barmill.serving.grpc.protocol.inference_pb2_grpc import GRPCInferenceServiceStub
from barmill.serving.metrics import Metrics
from barmill.serving.model_table import ModelTable
from barmill.serving.plane import Plane
from barmill.serving.served import ServedModel, warm
from barmill.serving.settings import PlaneSettings
from barmill.serving.signature import signature_of
from barmill.serving.workers import TooLate, Workers
from barmill.uncertainty.conformal import fit_cqr_band
from planted_faults import Faulty

MAX_SECONDS = 2.0
FAILURES = 5  # that open the breaker; a test makes fewer, but one
N_ROWS = 2
Columns = dict[str, np.ndarray]
Fault = Callable[[Columns], Any]

PATTERNS = pytest.mark.xdist_group("a bundle of patterns")  # takes long to train, and is there once
HEADS = ["quantiles and band", "three classes", "entry", "risk", "ensemble", pytest.param("patterns", marks=PATTERNS)]


def _raise(columns: Columns) -> Any:
    raise RuntimeError("planted")


def _first(value: float) -> Fault:
    """The first column holds `value` in its last row."""

    def plant(columns: Columns) -> Columns:
        name = next(iter(columns))
        values = columns[name].copy()
        values[-1] = value
        return columns | {name: values}

    return plant


def _cut(columns: Columns) -> Columns:
    return {name: values[:-1] for name, values in columns.items()}


def _longer(columns: Columns) -> Columns:
    return {name: np.append(values, values[-1]) for name, values in columns.items()}


def _single(columns: Columns) -> Columns:
    return {name: values.astype(np.float32) for name, values in columns.items()}


def _above_one(columns: Columns) -> Columns:
    return _of(columns, "p_", 1.0000001)


def _crossed(columns: Columns) -> Columns:
    """The lowest quantile is above all others; without quantiles the band's ends, if there are any."""
    return _of(columns, ("q05", "sl_kATR_q60"), 0.9 + max(float(values.max()) for values in columns.values()))


def _of(columns: Columns, begins: str | tuple[str, ...], value: float) -> Columns:
    name = next(name for name in columns if name.startswith(begins))
    return columns | {name: np.full(len(columns[name]), value)}


FAULTS: Mapping[str, tuple[Fault, str]] = {
    "raises": (_raise, "model_error"),
    "NaN": (_first(np.nan), "not_finite"),
    "infinity": (_first(np.inf), "not_finite"),
    "minus infinity": (_first(-np.inf), "not_finite"),
    "a row less": (_cut, "wrong_rows"),
    "a row more": (_longer, "wrong_rows"),
    "single precision": (_single, "model_error"),
    "p above 1": (_above_one, "out_of_bounds"),
    "crossed quantiles": (_crossed, "out_of_bounds"),
}
WITHOUT = {  # what a head has not got cannot be wrong
    "p above 1": {"risk"},
    "crossed quantiles": {"entry", "patterns"},
}
OF_BARS = {"a row less": "model_error", "a row more": "model_error"}  # what makes a frame of them raises before anybody can count


class Served:
    """One bundle behind both protocols: its champion, a second version of it that may be the fallback, and a clock that a test moves."""

    def __init__(self, bundle: Bundle, of_bars: bool, bars: Any) -> None:
        self.metrics, self.now, self.bundle, self.of_bars = Metrics(), 0.0, bundle, of_bars
        self.settings = PlaneSettings(max_seconds=MAX_SECONDS, breaker_failures=FAILURES, breaker_open=1e9)
        self.table = ModelTable(self.settings, self.metrics)
        second = replace(bundle, manifest=replace(bundle.manifest, version="0.9.0"), digest="5" * 64)
        self.champion, self.fallback = warm(bundle, 2, self.settings), warm(second, 1, self.settings)
        self.table.install(self.champion, champion=True)
        self.table.install(self.fallback, champion=False)
        for served in (self.champion, self.fallback):
            signature_of(served.bundle)  # kept by digest: what stands in for a pipeline below is not one to read it from
        self.plane = Plane(self.table, None, self.metrics, self.settings, clock=lambda: self.now)
        self.both: Any = None
        self.bars = bars
        self.rows = bundle.plan.compute(bars).values[-N_ROWS:][:, self.champion.schema.positions]

    @property
    def name(self) -> str:
        return self.champion.name

    def broken(self, served: ServedModel, fault: Fault | None) -> None:
        """Plant a fault, or take it away."""
        pipeline = self.bundle.pipeline if fault is None else Faulty(self.bundle.pipeline, fault)
        served.bundle = replace(served.bundle, pipeline=pipeline)

    def sound(self) -> None:
        """As it was in the beginning, but for what it has counted."""
        self.now = 0.0
        self.table.assign(self.name, "fallback", None)
        for served in (self.champion, self.fallback):
            self.broken(served, None)
            served.breaker, served.inline, served.stuck = Breaker(self.settings), True, 0

    def asked(self) -> dict[str, tuple[dict[str, Any], dict[str, list[float]]]]:
        """Who answered and what, by how it was asked: two ways over each protocol."""
        return {way: ask(self) for way, ask in WAYS.items()}

    def counted(self) -> dict[str, float]:
        """What the server has counted so far of answers and of versions that did not answer."""
        lines = [line.rpartition(" ") for line in self.both.client.get("/metrics").text.splitlines()]
        wanted = ("barmill_fallback_total{", "barmill_inference_requests_total{", "barmill_refusals_total{")
        return {name: float(value) for name, _, value in lines if name.startswith(wanted)}


def _of_json(said: Any) -> tuple[dict[str, Any], dict[str, list[float]]]:
    return {name: said[name] for name in ("source", "degraded", "reason", "version")}, said["forecast"]


def _by_own_http(at: Served) -> Any:
    body: dict[str, Any] = {"bars": _columns(at.bars), "last": N_ROWS}
    if not at.of_bars:
        body = {"features": [dict(zip(at.champion.schema.names, row, strict=True)) for row in at.rows.tolist()]}
    reply = at.both.client.post(f"/v1/models/{at.name}/forecast", json=body)
    assert reply.status_code == 200, reply.text
    assert all(word not in reply.content for word in (b"NaN", b"nfinity", b"null"))
    return _of_json(reply.json())


def _by_own_grpc(at: Served) -> Any:
    given: dict[str, Any] = {"bars": own.Bars(**_columns(at.bars)), "last": N_ROWS}
    if not at.of_bars:
        given = {"features": own.Features(names=at.champion.schema.names, shape=at.rows.shape, values=at.rows.ravel().tolist())}
    said = BarmillStub(at.both.channel).Forecast(own.ForecastRequest(model=own.Model(name=at.name), **given))
    who = {"source": said.source, "degraded": said.degraded, "reason": said.reason, "version": said.version}
    return who, {one.name: list(one.values) for one in said.columns}


def _by_open_http(at: Served) -> Any:
    inputs = [
        {"name": name, "datatype": kind, "shape": list(values.shape), "data": values.ravel().tolist()}
        for name, (kind, values) in _tensors(at).items()
    ]
    body = {"inputs": inputs, **({"parameters": {"last": N_ROWS}} if at.of_bars else {})}
    reply = at.both.client.post(f"/v2/models/{at.name}/infer", json=body)
    assert reply.status_code == 200, reply.text
    said = reply.json()
    who = {name: said["parameters"][name] for name in ("source", "degraded", "reason")} | {"version": said["model_version"]}
    return who, {one["name"]: one["data"] for one in said["outputs"] if one["datatype"] == "FP64"}


def _by_open_grpc(at: Served) -> Any:
    request = oip.ModelInferRequest(model_name=at.name)
    for name, (kind, values) in _tensors(at).items():
        request.inputs.add(name=name, datatype=kind, shape=values.shape)
        request.raw_input_contents.append(values.tobytes())
    if at.of_bars:
        request.parameters["last"].int64_param = N_ROWS
    said = GRPCInferenceServiceStub(at.both.channel).ModelInfer(request)
    told = said.parameters
    who = {"source": told["source"].string_param, "degraded": told["degraded"].bool_param, "reason": told["reason"].string_param}
    columns = {
        one.name: np.frombuffer(raw).tolist()
        for one, raw in zip(said.outputs, said.raw_output_contents, strict=True)
        if one.datatype == "FP64"
    }
    return who | {"version": said.model_version}, columns


WAYS: Mapping[str, Callable[[Served], Any]] = {
    "/v1": _by_own_http,
    "/v2": _by_open_http,
    "barmill.v1": _by_own_grpc,
    "inference": _by_open_grpc,
}


def _columns(bars: Any) -> dict[str, Any]:
    return {name: getattr(bars, name).tolist() for name in ("open_time", "open", "high", "low", "close", "volume")}


def _tensors(at: Served) -> dict[str, tuple[str, np.ndarray]]:
    if not at.of_bars:
        return {"features": ("FP64", np.ascontiguousarray(at.rows))}
    bars = at.bars
    prices = np.column_stack([bars.open, bars.high, bars.low, bars.close, bars.volume])
    return {"bars": ("FP64", prices), "open_time": ("INT64", bars.open_time.copy())}


@pytest.fixture(scope="module")
def bundle_for(making: Any, making_ensembles: Any, request: pytest.FixtureRequest, tmp_path_factory: Any) -> Callable[[str], Bundle]:
    def made(contents: Any) -> Bundle:
        return Bundle.from_verified(read_bundle(publish(assemble(contents), tmp_path_factory.mktemp("heads"), contents.name)))

    def make(head: str) -> Bundle:
        if head == "patterns":
            return request.getfixturevalue("pattern_bundle")
        if head == "ensemble":
            return made(making_ensembles.contents_of(making, "ridge_stacking"))
        if head == "quantiles and band":
            z = np.random.default_rng(3).standard_normal(400)
            band = ForecastBand(fit_cqr_band(z, np.full(400, -1.0), np.full(400, 1.0), 0.1), "q05_q95")
            return made(replace(making.contents_of("lightgbm"), band=band))
        return made(making.contents_of("logistic", 3) if head == "three classes" else making.contents_of(head))

    return make


@pytest.fixture(scope="module")
def served(bundle_for: Callable[[str], Bundle], making: Any, serving_both: Callable[..., AbstractContextManager[Any]]) -> Generator[Any]:
    """`served("risk")`, each served until the module ends."""
    found: dict[str, tuple[Served, Any]] = {}

    def serve(head: str) -> Served:
        if head not in found:
            at = Served(bundle_for(head), head == "patterns", making.walk(700, seed=11))
            running = serving_both(at.plane, at.metrics)
            at.both = running.__enter__()
            found[head] = at, running
        at = found[head][0]
        at.sound()
        return at

    yield serve
    for _, running in found.values():
        running.__exit__(None, None, None)


def in_contract(at: Served, columns: dict[str, list[float]]) -> bool:
    """Whether it may be given out."""
    assert list(columns) == list(at.bundle.outputs)
    arrays = {name: np.array(values) for name, values in columns.items()}
    guard(arrays, np.arange(N_ROWS), place="the answer")
    return all(values.shape == (N_ROWS,) for values in arrays.values())


def changes(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """What was counted meanwhile, by the labels that matter, and nothing that stayed."""
    return {name: value - before.get(name, 0.0) for name, value in after.items() if value != before.get(name, 0.0)}


def answered(at: Served, version: str, outcome: str) -> str:
    return f'barmill_inference_requests_total{{model="{at.name}",outcome="{outcome}",version="{version}"}}'


def fell_back(at: Served, reason: str) -> str:
    return f'barmill_fallback_total{{model="{at.name}",reason="{reason}"}}'


@pytest.mark.parametrize("head", HEADS)
def test_a_sound_model_says_the_same_bits_by_every_way_and_nothing_is_counted_as_degraded(served: Any, head: str) -> None:
    at = served(head)
    before, said = at.counted(), at.asked()
    who, columns = said["/v1"]
    assert who == {"source": "champion", "degraded": False, "reason": "", "version": "1.2.3"}
    assert all(one == (who, columns) for one in said.values())
    assert in_contract(at, columns)
    assert changes(before, at.counted()) == {answered(at, "1.2.3", "ok"): len(WAYS)}


@pytest.mark.parametrize("behind", ["prior", "fallback"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("head", HEADS)
def test_a_fault_gives_an_answer_in_contract_that_says_who_and_why_by_every_way(served: Any, head: str, fault: str, behind: str) -> None:
    if head in WITHOUT.get(fault, ()):
        return
    at, (plant, reason) = served(head), FAULTS[fault]
    if at.of_bars:
        reason = OF_BARS.get(fault, reason)
    at.broken(at.champion, plant)
    if behind == "fallback":
        at.table.assign(at.name, "fallback", "0.9.0")
    before, said = at.counted(), at.asked()
    version = "0.9.0" if behind == "fallback" else "1.2.3"
    who, columns = said["/v1"]
    assert who == {"source": behind, "degraded": True, "reason": reason, "version": version}
    assert all(one == (who, columns) for one in said.values())
    assert in_contract(at, columns)
    assert changes(before, at.counted()) == {answered(at, version, "degraded"): len(WAYS), fell_back(at, reason): len(WAYS)}


@pytest.mark.parametrize("behind", ["prior", "fallback"])
@pytest.mark.parametrize("head", HEADS)
def test_a_stall_is_answered_for_when_its_time_is_up_and_no_later(
    served: Any, monkeypatch: pytest.MonkeyPatch, head: str, behind: str
) -> None:
    """Who waits is replaced: the plane's clock is moved by as much as it would have waited, so that nothing depends on the machine."""
    at, waits = served(head), []
    if behind == "fallback":
        at.table.assign(at.name, "fallback", "0.9.0")

    def run(workers: Workers, work: Callable[[], Any], seconds: float, stuck: Callable[[int], None]) -> Any:
        if behind == "fallback" and len(waits) % 2 == 1:  # what is asked next is the fallback
            waits.append(None)
            return work()
        waits.append(seconds)
        at.now += seconds
        raise TooLate(started=True)

    monkeypatch.setattr(Workers, "run", run)
    at.champion.inline = False
    before = at.counted()
    for ask in WAYS.values():
        began = at.now
        who, columns = ask(at)
        assert (who["source"], who["degraded"], who["reason"]) == (behind, True, "timed_out")
        assert in_contract(at, columns)
        assert at.now - began <= MAX_SECONDS + 0.05
    version = "0.9.0" if behind == "fallback" else "1.2.3"
    assert [wait for wait in waits if wait is not None] == [MAX_SECONDS * (0.8 if behind == "fallback" else 1.0)] * len(WAYS)
    assert changes(before, at.counted()) == {answered(at, version, "degraded"): len(WAYS), fell_back(at, "timed_out"): len(WAYS)}


@pytest.mark.parametrize("head", ["quantiles and band", "risk"])
def test_champion_and_fallback_broken_give_the_prior_and_a_server_that_is_live_and_not_ready(served: Any, head: str) -> None:
    at = served(head)
    at.table.assign(at.name, "fallback", "0.9.0")
    at.broken(at.champion, _raise)
    at.broken(at.fallback, _first(np.nan))
    before = at.counted()
    for number in range(1, FAILURES + 3):
        who, columns = _by_own_http(at) if number % 2 else _by_open_grpc(at)
        expected = "model_error" if number <= FAILURES else "breaker_open"
        assert who == {"source": "prior", "degraded": True, "reason": expected, "version": "1.2.3"}
        assert in_contract(at, columns)
        assert health(at) == ((200, 200, True) if number < FAILURES else (200, 503, False))
    fallen = {"model_error": FAILURES, "not_finite": FAILURES, "breaker_open": 4.0}
    expected = {fell_back(at, reason): n for reason, n in fallen.items()} | {answered(at, "1.2.3", "degraded"): FAILURES + 2}
    assert changes(before, at.counted()) == expected
    at.sound()
    assert health(at) == (200, 200, True)


def health(at: Served) -> tuple[int, int, bool]:
    """Live, and ready, over HTTP; ready over gRPC, once all four that say it were seen to agree."""
    client: httpx.Client = at.both.client
    live = {client.get(path).status_code for path in ("/v1/health", "/v2/health/live")}
    ready = {client.get(path).status_code for path in ("/v1/ready", "/v2/health/ready", f"/v2/models/{at.name}/ready")}
    stub = GRPCInferenceServiceStub(at.both.channel)
    assert stub.ServerLive(oip.ServerLiveRequest()).live
    by_grpc = {stub.ServerReady(oip.ServerReadyRequest()).ready, stub.ModelReady(oip.ModelReadyRequest(name=at.name)).ready}
    by_grpc.add(_serving(at.both.channel))
    assert [len(found) for found in (live, ready, by_grpc)] == [1, 1, 1]
    return live.pop(), ready.pop(), by_grpc.pop()


def _serving(channel: grpc.Channel) -> bool:
    from grpc_health.v1 import health_pb2
    from grpc_health.v1.health_pb2_grpc import HealthStub

    return HealthStub(channel).Check(health_pb2.HealthCheckRequest()).status == health_pb2.HealthCheckResponse.SERVING

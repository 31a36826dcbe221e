"""The protocol-free part of the Open Inference Protocol: what it asks the plane, what it refuses, and what it says."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import barmill
from barmill.bundles import Bundle
from barmill.serving.answers import Answer, Ask, StreamStatus, VersionStatus
from barmill.serving.inference import InferReply, InferRequest, check_parameters, infer, model_metadata, server_metadata
from barmill.serving.refusals import Refusal
from barmill.serving.signature import PRICES, Signature, signature_of
from barmill.serving.tensors import Tensor


class Recorder:
    """Answers every call with as many rows as it says, and keeps what it was asked."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle, self.asked, self.rows = bundle, [], 2

    def lease(self, ask: Ask) -> Any:
        self.leased = ask
        return nullcontext(SimpleNamespace(bundle=self.bundle, name="logistic", number=3, inline=True))

    def forecast(self, ask: Ask, features: np.ndarray) -> Answer:
        self.asked.append(("forecast", features))
        return self._answer(ask)

    def forecast_bars(self, ask: Ask, bars: Any, last: int = 1) -> Answer:
        self.asked.append(("forecast_bars", bars, last))
        return self._answer(ask, of_bars=True)

    def push(self, ask: Ask, stream: str, bar: Any) -> Answer:
        self.asked.append(("push", stream, bar))
        return self._answer(ask, of_bars=True, stream=StreamStatus(stream, "logistic", "warming", 1, 80, bar.open_time))

    def extend(self, ask: Ask, stream: str, bars: Any) -> Answer:
        self.asked.append(("extend", stream, bars))
        return self._answer(ask, of_bars=True)

    def index(self) -> Sequence[VersionStatus]:
        states = (("1.2.3", "ready"), ("1.3.0", "ready"), ("2.0.0", "unavailable"))
        return [VersionStatus("logistic", version, number, "d", state) for number, (version, state) in enumerate(states)]

    def _answer(self, ask: Ask, *, of_bars: bool = False, stream: StreamStatus | None = None) -> Answer:
        columns = {name: np.linspace(number, number + 1, self.rows) for number, name in enumerate(self.bundle.outputs)}
        times = 60_000 * np.arange(self.rows) if of_bars else None
        known_at = None if times is None else times + 60_000
        return Answer("logistic", "1.2.3", 3, "abc", columns, times, known_at, notes=("one", "two"), stream=stream)


@pytest.fixture(scope="session")
def bundles(files_of: Callable[..., dict[str, bytes]], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Bundle]:
    from functools import cache

    from barmill.bundles import publish, read_bundle

    @cache
    def load(model: str) -> Bundle:
        return Bundle.from_verified(read_bundle(publish(files_of(model), tmp_path_factory.mktemp("inference"), model)))

    return load


@pytest.fixture
def plane(bundles: Callable[[str], Bundle]) -> Recorder:
    return Recorder(bundles("logistic"))


def ask_with(plane: Any, *inputs: Tensor, outputs: Sequence[str] = (), **parameters: Any) -> InferReply:
    return infer(plane, Ask(request_id="r"), InferRequest("logistic", "", inputs, outputs, "id-7", parameters))


def features_of(plane: Recorder, n: int = 2) -> Tensor:
    return Tensor.of_array("features", np.random.default_rng(1).normal(size=(n, len(signature_of(plane.bundle).features))))


def bars_of(n: int) -> tuple[Tensor, Tensor]:
    return Tensor.of_array("bars", np.arange(5.0 * n).reshape(n, 5)), Tensor.of_array("open_time", 60_000 * np.arange(n))


def test_features_are_forecast_and_all_columns_given_in_order(plane: Recorder) -> None:
    features = features_of(plane)
    reply = ask_with(plane, features)
    assert plane.leased == Ask("logistic", None, request_id="r")
    assert plane.asked == [("forecast", features.data)]
    assert [tensor.name for tensor in reply.outputs] == list(plane.bundle.outputs)
    assert {tensor.datatype for tensor in reply.outputs} == {"FP64"}
    assert (reply.model, reply.version, reply.id) == ("logistic", "1.2.3", "id-7")
    assert reply.parameters == {"source": "champion", "degraded": False, "reason": "", "digest": "abc", "notes": "one\ntwo"}


def test_outputs_are_given_as_they_are_asked_for(plane: Recorder) -> None:
    reply = ask_with(plane, *bars_of(3), outputs=["known_at", "p_up"])
    assert [(tensor.name, tensor.datatype, tensor.shape) for tensor in reply.outputs] == [
        ("known_at", "INT64", (2,)),
        ("p_up", "FP64", (2,)),
    ]
    assert reply.parameters["known_at"] == 120_000


def test_bars_are_forecast_for_the_last_of_them(plane: Recorder) -> None:
    bars, times = bars_of(3)
    ask_with(plane, times, bars)
    ask_with(plane, bars, times, last=2, schema_hash=plane.bundle.manifest.schema_hash)
    (_, raw, last), (_, _, other) = plane.asked
    assert (last, other) == (1, 2)
    np.testing.assert_array_equal(raw.values, bars.data)
    np.testing.assert_array_equal(raw.open_time, times.data)


def test_one_bar_is_pushed_to_a_stream_and_many_extend_it(plane: Recorder) -> None:
    plane.rows = 0
    reply = ask_with(plane, *bars_of(1), stream="s")
    ask_with(plane, *bars_of(2), stream="s")
    assert [call[:2] for call in plane.asked] == [("push", "s"), ("extend", "s")]
    assert plane.asked[0][2] == (0, 0.0, 1.0, 2.0, 3.0, 4.0, {})
    assert {tensor.shape for tensor in reply.outputs} == {(0,)}
    assert (reply.parameters["stream_state"], reply.parameters["missing_bars"]) == ("warming", 80)
    assert "known_at" not in reply.parameters


def _renamed(tensor: Tensor, name: str) -> Tensor:
    return Tensor(name, tensor.datatype, tensor.shape, tensor.data)


CASES: Mapping[str, tuple[Callable[[Recorder], tuple[list[Tensor], dict[str, Any]]], str, str]] = {
    "no input": (lambda plane: ([], {}), "inputs", "wrong_inputs"),
    "bars without times": (lambda plane: ([bars_of(2)[0]], {}), "inputs", "wrong_inputs"),
    "bars and features": (lambda plane: ([*bars_of(2), features_of(plane)], {}), "inputs", "wrong_inputs"),
    "an input twice": (lambda plane: ([features_of(plane), features_of(plane)], {}), "inputs[1].name", "duplicate_input"),
    "a misspelt input": (lambda plane: ([_renamed(features_of(plane), "feature")], {}), "inputs[0].name", "unknown_input"),
    "single precision": (
        lambda plane: ([Tensor.of_array("features", features_of(plane).data.astype(np.float32))], {}),
        "inputs[0].datatype",
        "wrong_datatype",
    ),
    "a feature less": (lambda plane: ([Tensor.of_array("features", np.ones((2, 3)))], {}), "inputs[0].shape", "wrong_shape"),
    "a flat row": (lambda plane: ([Tensor.of_array("features", features_of(plane).data[0])], {}), "inputs[0].shape", "wrong_shape"),
    "fewer times than bars": (lambda plane: ([bars_of(2)[0], bars_of(3)[1]], {}), "open_time.shape", "wrong_shape"),
    "more rows than bars": (lambda plane: ([*bars_of(2)], {"last": 3}), "parameters.last", "wrong_parameter"),
    "no row": (lambda plane: ([*bars_of(2)], {"last": 0}), "parameters.last", "wrong_parameter"),
    "true rows": (lambda plane: ([*bars_of(2)], {"last": True}), "parameters.last", "wrong_parameter"),
    "a number for a stream": (lambda plane: ([*bars_of(2)], {"stream": 3}), "parameters.stream", "wrong_parameter"),
    "rows of a stream": (lambda plane: ([*bars_of(2)], {"stream": "s", "last": 1}), "parameters.last", "wrong_parameter"),
    "a stream of features": (lambda plane: ([features_of(plane)], {"stream": "s"}), "parameters.stream", "wrong_parameter"),
    "an unknown parameter": (lambda plane: ([features_of(plane)], {"lasst": 1}), "parameters.lasst", "unknown_parameter"),
    "another schema": (lambda plane: ([features_of(plane)], {"schema_hash": "0" * 64}), "parameters.schema_hash", "wrong_schema"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_the_model_does_not_take_is_refused_by_the_field(plane: Recorder, case: str) -> None:
    make, place, code = CASES[case]
    inputs, parameters = make(plane)
    with pytest.raises(Refusal) as refused:
        ask_with(plane, *inputs, **parameters)
    assert (refused.value.kind, refused.value.code, refused.value.place) == ("invalid", code, place)
    assert not plane.asked


@pytest.mark.parametrize(
    ("outputs", "code"), [(["p_upp"], "unknown_output"), (["open_time"], "unknown_output"), (["p_up", "p_up"], "duplicate_output")]
)
def test_outputs_that_there_are_not_are_refused(plane: Recorder, outputs: list[str], code: str) -> None:
    with pytest.raises(Refusal) as refused:
        ask_with(plane, features_of(plane), outputs=outputs)
    assert refused.value.code == code
    assert not plane.asked


def test_a_missing_column_of_another_model_is_said_and_not_left_out(plane: Recorder) -> None:
    plane._answer = lambda ask: Answer("other", "1.0.0", 1, "d", {"p_up": np.ones(1)})
    with pytest.raises(Refusal, match="which answered in its place") as refused:
        ask_with(plane, features_of(plane))
    assert refused.value.kind == "failed"


def test_metadata_say_what_goes_in_and_what_comes_out(plane: Recorder) -> None:
    found = model_metadata(plane, Ask("logistic"))
    n = len(plane.bundle.plan.names)
    assert (found.name, found.versions, found.platform) == ("logistic", ("1.2.3", "1.3.0"), "barmill_bundle")
    assert [(one.name, one.datatype, one.shape) for one in found.inputs] == [
        ("features", "FP64", (-1, n)),
        ("bars", "FP64", (-1, 5)),
        ("open_time", "INT64", (-1,)),
    ]
    assert [one.name for one in found.outputs] == [*plane.bundle.outputs, "open_time", "known_at"]


def test_a_model_of_windows_takes_windows() -> None:
    signature = Signature(("a", "b", "c"), 8, ("funding_rate",), ("p_up",), "hash", "onnx_onnxv1")
    assert signature.inputs["features"].shape == (-1, 8, 3)
    assert signature.inputs["bars"].columns == (*PRICES, "funding_rate")


def test_a_model_that_sees_bars_takes_bars_alone(plane: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    signature = Signature((), 1, (), ("p_none",), "hash", "barmill_bundle")
    assert list(signature.inputs) == ["bars", "open_time"]
    monkeypatch.setattr("barmill.serving.inference.signature_of", lambda _: signature)
    with pytest.raises(Refusal, match="sees the bars themselves"):
        ask_with(plane)
    ask_with(plane, *bars_of(2), outputs=["open_time"])
    assert plane.asked[0][0] == "forecast_bars"


def test_the_server_says_who_it_is() -> None:
    assert server_metadata() == ("barmill", barmill.__version__, ("binary_tensor_data", "model_repository", "parameters"))


def test_rows_that_came_in_are_counted() -> None:
    assert InferRequest("m", None, bars_of(3)).n_rows == 3
    assert InferRequest("m", None, ()).n_rows == 0


def test_habits_of_clients_are_let_through() -> None:
    check_parameters("inputs[0].parameters", {"content_type": "np"}, {"content_type": str})

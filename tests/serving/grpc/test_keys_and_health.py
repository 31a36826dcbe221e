"""Who may ask what over gRPC, under which certificate; and what the health service says to whom."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from barmill.errors import SetupError
from barmill.serving.contract import Readiness
from barmill.serving.grpc.server import SERVICES, GrpcSettings
from barmill.serving.http.keys import Keys, add_key, bearer
from barmill.serving.plane import Plane
from barmill.serving.refusals import Refusal

OPEN = {"ServerLive", "ServerReady", "ServerMetadata"}
READ = {"ModelReady", "ModelMetadata", "RepositoryIndex"}
METHODS = {method.name: f"/{service.name}/{method.name}" for service in SERVICES for method in service.methods}


class Heard:
    """Telemetry that keeps what it was told."""

    def __init__(self) -> None:
        self.refusals: list[tuple[str, str]] = []
        self.events: list[tuple[str, dict[str, Any]]] = []

    def refused(self, model: str, kind: str, code: str, seconds: float) -> None:
        self.refusals.append((kind, code))

    def event(self, name: str, level: str = "info", **fields: Any) -> None:
        self.events.append((name, fields))


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A key for each scope; "file" is where they are kept."""
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    return {scope: add_key(file, scope, [scope]) for scope in ("forecast", "stream", "read")} | {"file": str(file)}


@pytest.fixture(scope="module")
def guarded(plane: Plane, run: Callable[..., Any], keys: dict[str, str]) -> Any:
    known = Keys.read(Path(keys["file"]))
    heard = Heard()
    with run(plane, heard, authenticate=lambda given: known.principal(bearer(given, None))) as server, server.channel() as channel:
        yield channel, heard


def code_of(channel: grpc.Channel, method: str, key: str | None) -> str:
    try:
        channel.unary_unary(METHODS[method])(b"", metadata=[] if key is None else [("authorization", key)])
    except grpc.RpcError as error:
        return error.code().name
    return "OK"


@pytest.mark.parametrize("method", METHODS)
def test_every_method_asks_for_its_scope(guarded: Any, keys: dict[str, str], method: str) -> None:
    channel, _ = guarded
    needed = "read" if method in READ else "stream" if method == "PushBar" else "forecast"
    for scope in ("forecast", "stream", "read"):
        found = code_of(channel, method, f"Bearer {keys[scope]}")
        assert (found == "PERMISSION_DENIED") == (method not in OPEN and scope != needed)
    for none in (None, "Bearer nonsense", f"Basic {keys['read']}", f"Bearer {keys['read'][:-1]}"):
        assert code_of(channel, method, none) == ("OK" if method in OPEN else "UNAUTHENTICATED")


def test_a_refusal_before_the_plane_is_told_and_no_secret_with_it(guarded: Any, keys: dict[str, str]) -> None:
    channel, heard = guarded
    heard.refusals.clear()
    code_of(channel, "Forecast", f"Bearer {keys['read']}")
    code_of(channel, "Forecast", None)
    assert heard.refusals == [("forbidden", "no_scope"), ("unauthorised", "no_key")]
    assert keys["read"] not in str(heard.events)


def test_whoever_asks_too_often_is_told_when_to_ask_again(plane: Plane, run: Callable[..., Any]) -> None:
    counted: list[str] = []

    def take(who: str) -> None:
        counted.append(who)
        if len(counted) > 2:
            raise Refusal("too_many", "too_many_requests", "rate", "the rate is used up", retry_after=0.25)

    with run(plane, take=take) as server, server.channel() as channel:
        assert [code_of(channel, "ServerLive", None) for _ in range(4)] == ["OK"] * 4
        assert [code_of(channel, "RepositoryIndex", None) for _ in range(2)] == ["OK"] * 2
        with pytest.raises(grpc.RpcError) as refused:
            channel.unary_unary(METHODS["RepositoryIndex"])(b"")
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert dict(refused.value.trailing_metadata())["grpc-retry-pushback-ms"] == "250"
    assert counted == ["127.0.0.1"] * 3


def test_a_bug_is_an_internal_error_without_its_words(plane: Plane, run: Callable[..., Any]) -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            return getattr(plane, name)

        def index(self) -> Any:
            raise RuntimeError("a path /home/somebody and a secret")

    heard = Heard()
    with run(Broken(), heard) as server, server.channel() as channel:
        with pytest.raises(grpc.RpcError) as refused:
            channel.unary_unary(METHODS["RepositoryIndex"])(b"")
        assert refused.value.code() is grpc.StatusCode.INTERNAL
        assert "secret" not in str(refused.value)
    ((name, told),) = heard.events
    assert (name, told["error"], told["found"]) == ("grpc_failed", "RuntimeError", "a path /home/somebody and a secret")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """A certificate of localhost, signed by itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    named = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*made, *named, "-keyout", folder / "key", "-out", folder / "certificate"], check=True, capture_output=True)
    return (folder / "certificate").read_bytes(), (folder / "key").read_bytes()


def test_tls_is_spoken_and_clients_are_asked_who_they_are(plane: Plane, run: Callable[..., Any], certificate: tuple[bytes, bytes]) -> None:
    pem, key = certificate
    with run(plane, certificate=pem, key=key, client_ca=pem) as server:
        named = server.address.replace("127.0.0.1", "localhost")
        known = grpc.ssl_channel_credentials(pem, key, pem)
        with grpc.secure_channel(named, known) as channel:
            assert code_of(channel, "ServerLive", None) == "OK"
        with grpc.secure_channel(named, grpc.ssl_channel_credentials(pem)) as channel:
            assert code_of(channel, "ServerLive", None) == "UNAVAILABLE"
        with server.channel() as channel:
            assert code_of(channel, "ServerLive", None) == "UNAVAILABLE"


@pytest.mark.parametrize("fields", [{"certificate": b"x"}, {"key": b"x"}, {"client_ca": b"x"}])
def test_half_a_certificate_is_refused(fields: dict[str, bytes]) -> None:
    with pytest.raises(SetupError):
        GrpcSettings(**fields)


class Changing:
    """A plane whose readiness is set from outside."""

    def __init__(self, plane: Plane) -> None:
        self._plane, self.ready = plane, True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plane, name)

    def readiness(self, model: str | None = None, version: str | None = None) -> Readiness:
        return Readiness(self.ready)


def test_health_follows_readiness_and_knows_its_services(plane: Plane, run: Callable[..., Any]) -> None:
    status = health_pb2.HealthCheckResponse
    changing = Changing(plane)
    with run(changing, health_seconds=0.01) as server, server.channel() as channel:
        health = HealthStub(channel)
        for service in ("", "inference.GRPCInferenceService", "barmill.v1.Barmill"):
            assert health.Check(health_pb2.HealthCheckRequest(service=service)).status == status.SERVING
        with pytest.raises(grpc.RpcError) as refused:
            health.Check(health_pb2.HealthCheckRequest(service="other"))
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND
        assert next(health.Watch(health_pb2.HealthCheckRequest(service="other"))).status == status.SERVICE_UNKNOWN
        watched = health.Watch(health_pb2.HealthCheckRequest())
        assert next(watched).status == status.SERVING
        changing.ready = False
        assert next(watched).status == status.NOT_SERVING
        assert health.Check(health_pb2.HealthCheckRequest()).status == status.NOT_SERVING
        watched.cancel()


def test_reflection_is_off(plane: Plane, run: Callable[..., Any]) -> None:
    with run(plane) as server, server.channel() as channel:
        for version in ("v1", "v1alpha"):
            with pytest.raises(grpc.RpcError) as refused:
                channel.unary_unary(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo")(b"")
            assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_an_address_that_is_taken_away_is_told(plane: Plane, run: Callable[..., Any]) -> None:
    with pytest.raises(SetupError, match="cannot be bound"), run(plane, host="192.0.2.1"):
        pass

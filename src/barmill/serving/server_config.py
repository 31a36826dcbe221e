"""What a server is told: which bundles, where to listen, who may ask, and every limit. From a file, an option, or the defaults."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import msgspec

from barmill.errors import InputError
from barmill.serving.alias_settings import AliasSettings, alias_settings
from barmill.serving.aliases import Alias, Assigned
from barmill.serving.http.hosts import LOOPBACK, is_loopback
from barmill.serving.http.limits import Limits
from barmill.serving.settings import PlaneSettings
from barmill.serving.stream_settings import StreamSettings

LogLevel = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True, kw_only=True)
class ServerConfig:
    """One server.

    bundles : folders of versions or of models, served as they are
    models : folder of models, of which new versions are served as they appear; None for none
    host, port : to listen at for HTTP; port 0 takes a free one
    grpc_port : for gRPC; None for none, 0 takes a free one
    workers : processes; more than one are kept alive by another
    keys : file of API keys; None asks for none, which is for this machine alone
    insecure : serve others than this machine without keys
    hosts : names by which the server is called, beside the address that it listens at; empty takes any, but on loopback
    tls_cert, tls_key, tls_client_ca : files (PEM); with the last, clients show a certificate of it
    state : folder in which streams are kept over a restart, and notes on versions that were refused; None keeps none
    feature_store : URL of a Redis that gets each stream's features and forecasts; None for none. It may hold a password
    manage : whether models may be loaded and unloaded, and aliases given, over HTTP, by a key that has the scope
    aliases : by model, which version is its canary, shadow or fallback, and for what share; given as soon as that version is served
    drain_seconds : how long requests may finish once the server is told to stop
    log_level : of the lines on standard error
    traces : whether spans are made for OpenTelemetry
    compat_metrics : "triton" adds Triton's names for the same metrics
    limits, plane, streams : see `Limits`, `PlaneSettings`, `StreamSettings`
    """

    bundles: tuple[str, ...] = ()
    models: str | None = None
    host: str = "127.0.0.1"
    port: int = 8080
    grpc_port: int | None = None
    workers: int = 1
    keys: str | None = None
    insecure: bool = False
    hosts: tuple[str, ...] = ()
    tls_cert: str | None = None
    tls_key: str | None = None
    tls_client_ca: str | None = None
    state: str | None = None
    feature_store: str | None = None
    manage: bool = False
    aliases: AliasSettings = field(default_factory=dict[str, dict[Alias, Assigned]])
    drain_seconds: float = 30.0
    log_level: LogLevel = "info"
    traces: bool = False
    compat_metrics: Literal["", "triton"] = ""
    limits: Limits = field(default_factory=Limits)
    plane: PlaneSettings = field(default_factory=PlaneSettings)
    streams: StreamSettings = field(default_factory=StreamSettings)

    def __post_init__(self) -> None:
        for name in ("port", "grpc_port"):
            port = getattr(self, name)
            if port is not None and not 0 <= port <= 65_535:
                raise InputError(name, f"is {port}", expected="0 to 65535")
        if not 1 <= self.workers <= 256:
            raise InputError("workers", f"is {self.workers}", expected="1 to 256")
        if not 0 < self.drain_seconds <= 600:
            raise InputError("drain_seconds", f"is {self.drain_seconds:g}", expected="more than 0, at most 600")
        if self.manage and (self.keys is None or self.workers > 1):
            found = "is given without keys" if self.keys is None else "is given with several workers, of which a request reaches one"
            raise InputError("manage", found, mend="Publish to the folder of models instead: it is watched.")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise InputError("tls_cert, tls_key", "one is given without the other", mend="Give both.")
        if self.tls_client_ca is not None and self.tls_cert is None:
            raise InputError("tls_client_ca", "is given without tls_cert", mend="Give a certificate and its key too.")

    @property
    def local(self) -> bool:
        """Whether this machine alone is served."""
        return is_loopback(self.host)

    @property
    def allowed_hosts(self) -> frozenset[str] | None:
        """Names that a request may call the server by; None for any."""
        if self.hosts:
            return frozenset(name.lower() for name in (*self.hosts, self.host)) | (LOOPBACK if self.local else frozenset())
        return LOOPBACK | {self.host.lower()} if self.local else None

    def check(self) -> None:
        """Raise InputError for a server that nobody should run: nothing to serve, files that are not there, or open to everybody unsaid."""
        if not self.bundles and self.models is None:
            raise InputError("bundles", "there is nothing to serve", mend="Name bundles, or a folder of models with --models.")
        for name in ("keys", "tls_cert", "tls_key", "tls_client_ca"):
            given = getattr(self, name)
            if given is not None and not Path(given).is_file():
                raise InputError(name, f"{given} is no file", mend="Make one: barmill serve-key NAME." if name == "keys" else "")
        if self.models is not None and not Path(self.models).is_dir():
            raise InputError("models", f"{self.models} is no folder")
        if not self.local and self.keys is None and not self.insecure:
            mend = "Give --keys FILE (barmill serve-key makes one), or say --insecure if whoever reaches this address may ask anything."
            raise InputError("host", f"{self.host} is reached from other machines, and no keys are asked for", mend=mend)

    def warnings(self) -> tuple[str, ...]:
        """What whoever starts it ought to hear."""
        told: list[str] = []
        if not self.local and self.keys is None:
            told.append(f"insecure: {self.host} is reached from other machines, and anybody who reaches it may ask for forecasts")
        if not self.local and self.tls_cert is None:
            told.append("no TLS: keys and forecasts cross the network readable; give --tls-cert and --tls-key, or put a proxy before it")
        return tuple(told)

    def to_json(self) -> bytes:
        return msgspec.json.encode(self)

    @classmethod
    def from_json(cls, text: bytes) -> "ServerConfig":
        return msgspec.json.decode(text, type=cls)

    @classmethod
    def of(cls, values: Mapping[str, Any], place: str) -> "ServerConfig":
        """From plain values, as a file has them. Raises InputError naming the first that is unknown or of another type."""
        known = {name for name in cls.__dataclass_fields__ if not name.startswith("_")}
        for name in values:
            if name not in known:
                raise InputError(f"{place}:{name}", "is no setting of a server", expected=f"some of {', '.join(sorted(known))}")
        for name, kind in (("limits", Limits), ("plane", PlaneSettings), ("streams", StreamSettings)):
            inner = values.get(name, {})
            unknown = sorted(set(inner) - set(kind.__dataclass_fields__)) if isinstance(inner, Mapping) else []
            if unknown:
                expected = f"some of {', '.join(kind.__dataclass_fields__)}"
                raise InputError(f"{place}:{name}.{unknown[0]}", "is no setting", expected=expected)
        plain = {name: value for name, value in values.items() if name != "aliases"}
        aliases = alias_settings(values.get("aliases", {}), f"{place}:aliases")
        try:
            return replace(msgspec.convert(plain, cls), aliases=aliases)
        except msgspec.ValidationError as error:
            raise InputError(place, str(error), mend="Mend the setting.") from error


__all__ = ["LogLevel", "ServerConfig"]

"""`barmill serve`: forecasts over HTTP and gRPC; `barmill serve-key`: a key for whoever may ask."""

from pathlib import Path
from typing import Annotated, Any

import typer


def serve(
    bundles: Annotated[list[Path] | None, typer.Argument(metavar="[BUNDLE]...", help="Folders of versions, or of models.")] = None,
    models: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A folder of models, of which new versions are served as they appear.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen at. Default: 127.0.0.1, which is this machine alone.")] = None,
    port: Annotated[int | None, typer.Option(help="Port for HTTP; 0 takes a free one. Default: 8080.")] = None,
    grpc_port: Annotated[int | None, typer.Option(help="Port for gRPC; 0 takes a free one. Default: no gRPC.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that serve. Default: 1.")] = None,
    keys: Annotated[Path | None, typer.Option(metavar="FILE", help="API keys, made by 'barmill serve-key'.")] = None,
    tls_cert: Annotated[Path | None, typer.Option(metavar="FILE", help="Certificate chain (PEM), for TLS.")] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="FILE", help="Its private key (PEM).")] = None,
    tls_client_ca: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Clients must show a certificate of this authority (PEM).")
    ] = None,
    state: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep streams here over a restart.")] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="All of this and every limit, in YAML. An option goes before it.")
    ] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Serve other machines without keys.")] = False,
    manage: Annotated[
        bool, typer.Option("--manage", help="Let keys of scope 'manage' load and unload models, and give aliases, over HTTP.")
    ] = False,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error. Default: info.")] = None,
) -> None:
    """Serve forecasts: /v1 and the Open Inference Protocol on /v2, until SIGTERM or Ctrl-C, which lets requests finish.

    Example: barmill serve runs/quickstart/bundle/lightgbm --port 8080
    """
    import sys

    from barmill.serving.server_config import ServerConfig
    from barmill.serving.supervisor import run_server

    options = {
        "bundles": [str(folder) for folder in bundles] if bundles else None,
        "models": models,
        "host": host,
        "port": port,
        "grpc_port": grpc_port,
        "workers": workers,
        "keys": keys,
        "tls_cert": tls_cert,
        "tls_key": tls_key,
        "tls_client_ca": tls_client_ca,
        "state": state,
        "insecure": insecure or None,
        "manage": manage or None,
        "log_level": log_level,
    }
    given = {name: str(value) if isinstance(value, Path) else value for name, value in options.items() if value is not None}
    told = ServerConfig.of(_from_file(config) | given, "barmill serve" if config is None else str(config))
    told.check()
    for warning in told.warnings():
        print(f"warning: {warning}", file=sys.stderr)
    run_server(told, lambda line: print(f"serving at {line}" if "://" in line else line, file=sys.stderr, flush=True))


def _from_file(config: Path | None) -> dict[str, Any]:
    if config is None:
        return {}
    from barmill.errors import InputError
    from barmill.pipeline.yaml_reading import read_yaml

    try:
        found = read_yaml(config.read_text(encoding="utf-8"), str(config)).value
    except OSError as error:
        raise InputError(str(config), "cannot be read") from error
    if not isinstance(found, dict):
        raise InputError(str(config), "is no mapping of settings", expected="lines such as 'port: 8080'")
    return found


def serve_key(
    name: Annotated[str, typer.Argument(help="Whose key it is, as logs call it.")],
    scope: Annotated[list[str], typer.Option(help="forecast, stream, read or manage; give it once for each.")],
    keys: Annotated[Path, typer.Option(metavar="FILE", help="File of keys, which is made if it is not there.")] = Path("keys.json"),
) -> None:
    """Make a key of the API, and print it: the file keeps a digest alone, so this is the one time that it is shown.

    Example: barmill serve-key desk --scope forecast --scope stream --keys keys.json
    """
    import sys

    from barmill.serving.http.keys import add_key

    print(add_key(keys, name, scope))
    print(f"added to {keys}; keep the key now, it is not shown again", file=sys.stderr)


__all__ = ["serve", "serve_key"]

"""`barmill bundle`: verify a bundle, show what is in one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from barmill.bundles import Manifest, VerifyReport
    from barmill.bundles.folder import VerifiedFiles

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Place = Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder of a version, or of a model (its current version).")]


@app.command(epilog="Example: barmill bundle verify runs/quickstart/bundle/lightgbm")
def verify(
    bundle: Place,
    quick: Annotated[bool, typer.Option("--quick", help="Check the bytes alone; do not load it or replay its golden samples.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Check every byte of a bundle, load it as a server would, and replay its golden samples. Exit code 2 if it is bad."""
    import json

    from barmill.bundles import verify as verify_bundle
    from barmill.cli.exit_codes import BAD_INPUT

    report = verify_bundle(bundle, replay=not quick)
    print(json.dumps(report.to_json(), indent=2) if json_ else "\n".join(_report_lines(report)))
    if not report.ok:
        raise typer.Exit(BAD_INPUT)


def _report_lines(report: "VerifyReport") -> list[str]:
    bad = {Path(problem.place) for problem in report.problems}
    lines = [
        f"bundle   {f'{report.name} {report.version}'.strip() or 'unknown'}",
        f"folder   {report.folder}",
        f"digest   {report.digest or 'unknown'}",
    ]
    if report.files:
        width = max(len(one.path) for one in report.files)
        lines += ["", f"{'file':<{width}}  {'bytes':>10}  sha256        state"]
        for one in report.files:
            state = "ok" if one.ok else "BAD" if report.folder / one.path in bad else "not read"
            lines.append(f"{one.path:<{width}}  {one.size:>10}  {one.sha256[:12]}  {state}")
    if report.replay is not None:
        replay = report.replay
        said = "to the bit" if replay.exact else f"within {max(replay.features, replay.forecasts):.2g} (another processor or library)"
        lines += ["", f"replay   {replay.n_inputs} golden inputs and {replay.n_bars} golden bars come out {said}"]
    problems = [line for problem in report.problems for line in str(problem).splitlines()]
    return [*lines, "", *(f"error: {line}" for line in problems), f"{'good' if report.ok else 'BAD'}: {report.folder}"]


@app.command(epilog="Example: barmill bundle promote models/lightgbm 3")
def promote(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Folder of a model, which holds its versions.")],
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="The version to make current: its folder's number.")],
) -> None:
    """Make a version the current one, after every byte of it was checked: how a roll-out is ended, and how it is taken back."""
    from barmill.bundles import promote as promote_version
    from barmill.bundles.folder import VERSION_NAME
    from barmill.errors import InputError

    if not VERSION_NAME.fullmatch(number):
        raise InputError("NUMBER", f"is '{number}'", expected="the number of a version's folder, such as 3")
    digest = promote_version(model, int(number))
    print(f"current  {model / number} ({digest[:12]})")


@app.command(epilog="Example: barmill bundle show runs/quickstart/bundle/lightgbm")
def show(
    bundle: Place,
    json_: Annotated[bool, typer.Option("--json", help="Print the manifest, metrics and thresholds as JSON.")] = False,
) -> None:
    """Say what a bundle is: model, features, outputs, metrics and fingerprints. Its bytes are checked first."""
    import json

    from barmill.bundles.folder import read_bundle

    verified = read_bundle(bundle)
    parts = {name: _part(verified, name) for name in ("metrics", "thresholds", "instrument")}
    if json_:
        print(json.dumps({"digest": verified.digest, "manifest": verified.manifest.to_json(), **parts}, indent=2))
    else:
        print("\n".join(_summary_lines(verified, parts)))


def _part(verified: "VerifiedFiles", name: str) -> dict[str, Any]:
    from barmill.bundles.manifest import PARTS
    from barmill.bundles.strict_json import parse_canonical

    return parse_canonical(verified.files[PARTS[name]], str(verified.folder / PARTS[name]))


def _told(view: str, window: "int | Mapping[str, int] | None") -> str:
    """What the model sees."""
    from barmill.models.admission import lengths_told
    from barmill.models.resolutions import finest_first

    if window is None:
        return "what its members see" if view == "ensemble" else "one row of features"
    if isinstance(window, int):
        return f"images of the last {window} bars" if view == "pattern_image" else f"windows of {window} bars"
    return f"windows of closed bars: {lengths_told(finest_first(window))}"


def _returns(volatility: "dict[str, Any] | None") -> list[str]:
    """In what returns were learned; nothing for a model that forecasts none."""
    if volatility is None:
        return []
    return [f"returns    net log returns over {volatility['horizon']} bars, learned in units of {volatility['feature']}"]


def _summary_lines(verified: "VerifiedFiles", parts: dict[str, dict[str, Any]]) -> list[str]:
    manifest = verified.manifest
    model = manifest.model
    classes = f"{model.classes} classes, " if model.classes else ""
    return [
        f"bundle     {manifest.name} {manifest.version}",
        f"folder     {verified.folder}",
        f"digest     {verified.digest}",
        f"market     {manifest.symbol} {manifest.timeframe}, calendar {parts['instrument'].get('calendar')}",
        f"model      {model.name}, {classes}sees {_told(model.view, model.window)}",
        f"features   {len(model.inputs)}: {_shortened(model.inputs)}",
        f"schema     {manifest.schema_hash}",
        f"outputs    {_shortened(model.outputs, 12)}",
        *_returns(parts["thresholds"]["volatility"]),
        *_section("rule", parts["thresholds"]["rule"]),
        *_section("metrics", parts["metrics"]),
        *_section("made of", dict(manifest.fingerprints)),
        *_files(manifest),
    ]


def _section(title: str, value: dict[str, Any]) -> list[str]:
    """The plain values of a nested object, a line each."""
    lines: list[str] = []

    def visit(prefix: str, inner: Any) -> None:
        if isinstance(inner, dict):
            for key, one in inner.items():
                visit(f"{prefix}.{key}" if prefix else str(key), one)
        elif not isinstance(inner, list):
            lines.append(f"  {prefix:<28} {f'{inner:.6g}' if isinstance(inner, float) else inner}")

    visit("", value)
    return ["", title, *lines] if lines else []


def _files(manifest: "Manifest") -> list[str]:
    total = sum(entry.size for entry in manifest.files)
    weights, graphs = (
        sum(entry.size for entry in manifest.files if entry.path in paths) / 1e6 for paths in (manifest.weights, manifest.graphs)
    )
    of_graphs = f", {len(manifest.graphs)} ONNX graphs {graphs:.2f} MB" if manifest.graphs else ""
    return ["", f"files      {len(manifest.files)}, {total / 1e6:.2f} MB, of which weights {weights:.2f} MB{of_graphs}"]


def _shortened(names: tuple[str, ...], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f", and {len(names) - most} more" if len(names) > most else "")

"""`barmill export`: a bundle's forecast as ONNX graphs, measured against the bundle, and published in it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from barmill.bundles import Bundle
    from barmill.export.exporting import Exported


def export(
    place: Annotated[Path, typer.Argument(metavar="RUN|BUNDLE", help="Folder of a run, of a model, or of a bundle's version.")],
    model: Annotated[str | None, typer.Option(metavar="NAME", help="The one model of a run; all of them if left out.")] = None,
    optimize: Annotated[bool, typer.Option("--optimize", help="Let ONNX Runtime take out of the graphs what is constant.")] = False,
    quantize: Annotated[bool, typer.Option("--quantize", help="Write networks in eight bits, too, under a gate of their own.")] = False,
    bars: Annotated[Path | None, typer.Option(help="A file of bars to compare on, beside the golden samples and drawn rows.")] = None,
    symbol: Annotated[str | None, typer.Option(help="What these bars are of, if the file's name does not say it.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write graphs and report into this folder, and publish nothing.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print what became of each bundle as JSON.")] = False,
) -> None:
    """Write a bundle's forecast as ONNX, measure it against the bundle, and publish the bundle's next version with it inside.

    Two graphs of each: `forecast.onnx` takes unscaled features and gives every column of the forecast, `model.onnx` takes what the model
    sees and gives what it says before calibration. One that does not agree with the bundle is not published; exit code 1.

    Example: barmill export runs/quickstart/bundle/lightgbm
    """
    import json

    paths = _bundles(place, model)
    folders = {path: out and (out if len(paths) == 1 else out / path.parent.name) for path in paths}
    told = [_exported(path, optimize=optimize, quantize=quantize, bars=bars, symbol=symbol, out=folders[path]) for path in paths]
    print(json.dumps(told, indent=2) if json_ else "\n".join(line for one in told for line in _lines(one)))
    if not all(one["passed"] for one in told):
        from barmill.cli.exit_codes import FAILED

        raise typer.Exit(FAILED)


def _bundles(place: Path, model: str | None) -> list[Path]:
    """The bundles that are meant: those of a run, or one."""
    from barmill.errors import InputError, nearest
    from barmill.pipeline import Run

    if not (place / "fingerprints.json").exists():
        if model is not None:
            raise InputError("--model", "is given with a bundle, which is of one model", mend="Give the folder of a run, or leave it out.")
        return [place]
    paths = Run(place).bundle_paths
    if model is None:
        return list(paths.values())
    if model not in paths:
        raise InputError("--model", f"the run has no model '{model}'", mend=nearest(model, paths))
    return [paths[model]]


def _exported(path: Path, *, optimize: bool, quantize: bool, bars: Path | None, symbol: str | None, out: Path | None) -> dict[str, Any]:
    from barmill.bundles import Bundle
    from barmill.bundles.bars_for import read_bars_for
    from barmill.export.requirements import require_onnx

    require_onnx()
    from barmill.export.exporting import export_bundle

    bundle = Bundle.load(path)
    offered = None if bars is None else read_bars_for(bundle, bars, symbol)
    done = export_bundle(bundle, optimize=optimize, quantize=quantize, bars=offered)
    written = _written(done, bundle, out) if done.kept else None
    return {
        "bundle": str(bundle.folder),
        "faults": list(done.report.faults),
        "graphs": {name: len(data) for name, data in done.kept.items()},
        "name": bundle.manifest.name,
        "notes": list(done.graphs.notes),
        "passed": done.report.passed,
        "written": None if written is None else str(written),
    }


def _written(done: "Exported", bundle: "Bundle", out: Path | None) -> Path:
    from barmill.artefacts import write_folder
    from barmill.bundles import publish
    from barmill.bundles.folder import VERSION_NAME
    from barmill.bundles.manifest import ONNX, PARTS
    from barmill.errors import InputError

    files = done.bundled(bundle)
    if out is not None:
        write_folder(out, {**done.kept, PARTS["parity"]: files[PARTS["parity"]]})
        return out
    if not VERSION_NAME.fullmatch(bundle.folder.name):
        found = f"is no version in a repository, so there is no next one to publish {ONNX} in"
        raise InputError(str(bundle.folder), found, mend="Name another folder for the graphs with --out.")
    model = bundle.folder.resolve().parent
    return publish(files, model.parent, model.name)


def _lines(told: dict[str, Any]) -> list[str]:
    sizes = [f"  {name:<28} {size / 1e3:>10,.1f} kB" for name, size in told["graphs"].items()]
    end = f"written to {told['written']}" if told["written"] else "nothing is written"
    return [
        f"{told['name']}: {'its graphs say what it says' if told['passed'] else 'NOT EVERY GRAPH AGREES WITH THE BUNDLE'}; {end}",
        *sizes,
        *(f"  note: {note}" for note in told["notes"]),
        *(f"  error: {fault}" for fault in told["faults"]),
    ]


__all__ = ["export"]

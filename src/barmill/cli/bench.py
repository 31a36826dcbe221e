"""`barmill bench`: what a bundle, or each bundle of a run, costs to serve."""

from pathlib import Path
from typing import Annotated, Any

import typer


def bench(
    place: Annotated[Path, typer.Argument(metavar="RUN|BUNDLE", help="Folder of a run, of a bundle's version, or of a model.")],
    calls: Annotated[int, typer.Option(help="Single forecasts behind each percentile.", min=20)] = 10_000,
    json_: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Measure latency, throughput, memory, bytes and load time on this machine, beside the charters' targets.

    Of a run it writes metrics/bench.json, which `barmill report` then shows. One thread; do it on a machine with nothing else to do.

    Example: barmill bench runs/quickstart
    """
    import json

    from barmill.cli.progress_line import ProgressLine
    from barmill.pipeline.benching import bench as measure

    progress = ProgressLine()
    done = measure(place, calls, progress)
    progress.end()
    if json_:
        print(json.dumps(done, indent=2))
    else:
        _print(done)


def _print(done: dict[str, Any]) -> None:
    from barmill.cli.plain_table import print_table

    machine = done["machine"]
    print(f"{machine['processor']}, {machine['cores']} cores, load {machine['load']:g}, Python {machine['python']}; one thread\n")
    print_table(
        ("microseconds", "p50", "p90", "p99", "p99.9"), [row for name, one in done["bundles"].items() for row in _clocks(name, one)]
    )
    print()
    sizes = [str(batch["rows"]) for batch in next(iter(done["bundles"].values()))["batches"]]
    speeds = [[name, *(_count(batch["per_second"]) for batch in one["batches"])] for name, one in done["bundles"].items()]
    print_table(("rows a second, at once", *sizes), speeds)
    print()
    print_table(("", "loads in", "memory", "bundle", "weights", "graphs"), [_sizes(name, one) for name, one in done["bundles"].items()])
    print()
    print_table(("target", "of", "asked", "measured", ""), [_target(one) for one in done["targets"]])
    print(f"\n{done['summary']}")


def _clocks(name: str, one: dict[str, Any]) -> list[tuple[str, ...]]:
    clocks = {f"{name}: one row": one["row"], f"{name}: one bar": one["bar"]}
    clocks |= {f"  member {label}": member["row"] for label, member in one["members"].items()}
    clocks |= {f"  {graph['name']} alone": graph["row"] for graph in one["graphs"]}
    return [(title, *(f"{clock[key]:,.1f}" for key in ("p50_us", "p90_us", "p99_us", "p999_us"))) for title, clock in clocks.items()]


def _sizes(name: str, one: dict[str, Any]) -> tuple[str, ...]:
    graphs = sum(graph["bytes"] for graph in one["graphs"])
    sized = (one["bytes"], one["weight_bytes"], graphs)
    return (name, f"{one['load_s']:.2f} s", f"{one['memory_mb']:.0f} MB", *(f"{size / 1000:,.0f} kB" if size else "none" for size in sized))


def _target(one: dict[str, Any]) -> tuple[str, ...]:
    verdict = {True: "met", False: "MISSED", None: f"not measured: {one['why']}"}[one["met"]]
    unit = one["unit"] if not one["unit"] or one["unit"].startswith("/") else f" {one['unit']}"
    measured = "" if one["measured"] is None else f"{_figure(one['measured'])}{unit}"
    return (one["what"], one["of"], f"{'>=' if one['least'] else '<='} {_figure(one['limit'])}{unit}", measured, verdict)


def _figure(number: float) -> str:
    return f"{number:,.0f}" if number >= 1000 else f"{number:.4g}"


def _count(number: float) -> str:
    return f"{number:,.0f}"

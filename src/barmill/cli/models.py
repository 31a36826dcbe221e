"""`barmill models`: what can be built, and with which parameters. Imports no learning library."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from barmill.cli.plain_table import print_table

if TYPE_CHECKING:
    from barmill.models import ModelSpec
    from barmill.models.parameters import Parameter

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list", epilog="Example: barmill models list --json")
def list_(json_: Json = False) -> None:
    """List every model: family, view, outputs, what it needs, and whether that is installed here."""
    from barmill.models import MODELS

    if json_:
        print_json([_described(spec) for spec in MODELS.values()])
        return
    headings = ("name", "family", "view", "outputs", "causal", "needs", "installed")
    rows = [[_cell(_described(spec)[heading]) for heading in headings] for spec in MODELS.values()]
    print_table(headings, rows)


@app.command(epilog="Example: barmill models show lightgbm")
def show(
    name: Annotated[str, typer.Argument(help="A model, as `barmill models list` names it.")],
    json_: Json = False,
) -> None:
    """Show a model's parameters with their defaults, ranges and what `barmill tune` tries, and where the model is described."""
    from barmill.models import spec_of
    from barmill.models.parameters import parameters_of

    spec = spec_of(name)
    parameters = parameters_of(spec.params)
    if json_:
        print_json({**_described(spec), "parameters": parameters_json(parameters)})
        return
    print(f"{spec.name}: {spec.summary}\n")
    for heading, value in _described(spec).items():
        if heading not in ("name", "summary") and value is not None:
            print(f"  {heading:<10} {_cell(value)}")
    print()
    print_parameters(parameters)
    added = "q05, q50 and q95 are added to every model of direction in the same way. " if spec.question == "direction" else ""
    print(f"\n{added}Set parameters under `config:` of the model's entry in a recipe.")


@app.command(epilog="Example: barmill models verify tcn")
def verify(
    name: Annotated[str, typer.Argument(help="A model, as `barmill models list` names it.")],
    json_: Json = False,
) -> None:
    """Change what a model must not see, and compare bits: newer bars under its hidden states, and rows or bars after its window.

    Networks that are strictly causal within their window, and those that see images, are built with weights from a seed; other models
    are fitted on a few random rows. Exit code 1 if a bit changes that must not.
    """
    from barmill.cli.exit_codes import FAILED
    from barmill.models.catalogue import load_fit, spec_of

    spec = spec_of(name)
    load_fit(spec)  # tells how to install what is missing, before torch is imported in vain
    from barmill.models.causality import verify_model

    report = verify_model(name)
    if json_:
        print_json(report.to_json())
    else:
        inside = "strictly causal: no hidden state sees a newer bar" if report.strictly_causal else "reads its inputs as a whole"
        print(f"{name}: {inside}\n")
        told = {True: "passed", False: "FAILED", None: "left out"}
        print_table(("check", "result", "found"), [[check.what, told[check.passed], check.found] for check in report.checks])
        print("\nThe inputs end at the decision bar. That no feature knows a later bar is held by the pipeline; see `barmill audit`.")
    if not report.ok:
        raise typer.Exit(FAILED)


def _described(spec: "ModelSpec") -> dict[str, Any]:
    from barmill.models import missing_requirements

    missing = missing_requirements(spec)
    return {
        "name": spec.name,
        "summary": spec.summary,
        "family": spec.family,
        "question": spec.question,
        "view": spec.view,
        "views": list(spec.views),
        "outputs": list(spec.outputs),
        "causal": spec.causal,
        "zero_shot": spec.zero_shot,
        "needs": list(spec.requires),
        "installed": not missing,
        "install": f'pip install "barmill[{spec.extra}]"' if missing else None,
        "reference": spec.reference,
    }


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        items: list[str] = value
        return ", ".join(items) or "-"
    return "-" if value is None else str(value)


def print_parameters(parameters: "Sequence[Parameter]", *, tuned: bool = True) -> None:
    """A table of them; `tuned` says whether a tuner looks for them."""
    headings = ("parameter", "default", "range", *(("tuned over",) if tuned else ()), "meaning")
    rows = [[one.name, one.told_default, one.range, *([str(one.search or "-")] if tuned else []), one.description] for one in parameters]
    print_table(headings, rows)


def parameters_json(parameters: "Sequence[Parameter]") -> list[dict[str, Any]]:
    """The same for programs."""
    from dataclasses import asdict

    return [{**asdict(parameter), "range": parameter.range} for parameter in parameters]


def print_json(value: Any) -> None:
    """As people and programs read it."""
    import json

    print(json.dumps(value, indent=2))

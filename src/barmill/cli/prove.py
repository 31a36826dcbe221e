"""`barmill prove`: the whole pipeline of a recipe on markets without an edge, and on markets with a known one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from barmill.pipeline.proving import Certificate


def prove(
    recipe: Annotated[Path, typer.Argument(help="A recipe file.")],
    bars: Annotated[
        Path | None, typer.Option(help="Bars to use instead of those that the recipe names: markets are made like them.")
    ] = None,
    symbol: Annotated[str | None, typer.Option(help="What these bars are of, if the file's name does not say it.")] = None,
    profile: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A profile of the recipe, laid over it before --set; may be given again.")
    ] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Lay a value over the recipe.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Smaller models and a shorter horizon: minutes instead of an hour or more.")
    ] = False,
    markets: Annotated[int | None, typer.Option(help="Markets without an edge; as many as the interval needs if left out.", min=1)] = None,
    seed: Annotated[int, typer.Option(help="Of the markets.", min=0)] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder of the proof; runs/<name>/prove if left out.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the certificate as JSON.")] = False,
) -> None:
    """Run the whole pipeline of a recipe where there is nothing to find, and where it is known what there is.

    Markets are kept as they are done: the same command goes on where a killed one stopped. The certificate is certificate.json and
    certificate.html in the folder. Exit code 0 if it was granted, 1 if it was refused.

    Example: barmill prove recipes/quickstart.yaml --quick
    """
    import json

    from barmill.artefacts import write_bytes
    from barmill.cli.exit_codes import DONE, FAILED
    from barmill.cli.terminal import Terminal
    from barmill.console import render_certificate
    from barmill.pipeline import read_recipe
    from barmill.pipeline.proving import FULL, QUICK, prove_recipe

    folder = out or Path("runs") / read_recipe(recipe, set_ or (), profile or ()).name / "prove"
    made = prove_recipe(
        recipe,
        bars,
        out=folder,
        settings=QUICK if quick else FULL,
        markets=markets,
        seed=seed,
        symbol=symbol,
        overrides=set_ or (),
        profiles=profile or (),
        listener=Terminal(),
    )
    page = folder / "certificate.html"
    write_bytes(page, render_certificate(made.content))
    print(json.dumps(made.content, indent=2) if json_ else _told(made, page))
    raise typer.Exit(DONE if made.granted else FAILED)


def _told(made: "Certificate", page: Path) -> str:
    """The certificate in some lines."""
    content = made.content
    null, level = content["null"], 100 * content["demands"]["level"]
    promoted = null["promotion"]["net"]
    lines = [
        f"{content['name']}: {null['n_markets']} markets without an edge, {null['n_bars']:,} bars, {null['n_labels']:,} forecasts a model",
        f"  AUC                  {_estimate(null['auc'])} ({level:g} %)",
        f"  next to training     {_estimate(null['border'])} ({level:g} %)",
        f"  promoted             {promoted['count']} of {promoted['n']} ({100 * _number(promoted['value']):.1f} %, exact band "
        f"{100 * _number(promoted['low']):.1f} to {100 * _number(promoted['high']):.1f} %)",
    ]
    for control in content["controls"]:
        lines.append(f"edge of strength {control['strength']:g}: the oracle's net Sharpe ratio is {control['oracle_sharpe']:.1f}")
        for model in control["models"]:
            share = model["share"]
            reach = f"{_number(share['low']):.2f} to {_number(share['high']):.2f}"
            lines.append(
                f"  {model['name']:<20} finds {_number(share['value']):.2f} of it ({reach}), AUC {_number(model['auc']['value']):.3f}"
            )
    lines += [f"certificate {content['verdict']}", *(f"  {reason}" for reason in made.reasons), f"page     {page}"]
    return "\n".join(lines)


def _estimate(estimate: dict[str, Any]) -> str:
    return f"{_number(estimate['value']):.4f}, {_number(estimate['low']):.4f} to {_number(estimate['high']):.4f}"


def _number(value: float | None) -> float:
    return float("nan") if value is None else value

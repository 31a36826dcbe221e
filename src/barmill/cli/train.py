"""`barmill train`: run a recipe, from bars to verified bundles and a report."""

from pathlib import Path
from typing import Annotated

import typer


def train(
    recipe: Annotated[Path, typer.Argument(help="A recipe file.")],
    bars: Annotated[Path | None, typer.Option(help="Bars to use instead of those that the recipe names.")] = None,
    symbol: Annotated[str | None, typer.Option(help="What these bars are of, if the file's name does not say it.")] = None,
    profile: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A profile of the recipe, laid over it before --set; may be given again.")
    ] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Lay a value over the recipe.")] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder; runs/<name> if left out.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was begun; refuse to begin one.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Print what would be done, and do nothing.")] = False,
    engine: Annotated[str, typer.Option(help="Where the work is done: local.")] = "local",
    json_: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Run a recipe, from bars to verified bundles and a report.

    Finished stages are kept: the same command goes on where a killed run stopped, and says 'nothing to do' once all is there.

    Example: barmill train recipes/crypto-1m.yaml --set labels.horizon=30 --out runs/h30
    """
    import json

    from barmill.cli.terminal import Terminal
    from barmill.factory import train as run_recipe
    from barmill.pipeline import plan_recipe

    terminal = Terminal()
    if plan:
        terminal.planned(plan_recipe(recipe, bars, symbol=symbol, overrides=set_ or (), profiles=profile or (), out=out))
        return
    run = run_recipe(
        recipe, bars, symbol=symbol, overrides=set_ or (), profiles=profile or (), out=out, resume=resume, engine=engine, listener=terminal
    )
    if json_:
        print(json.dumps(run.summary(), indent=2))
    else:
        terminal.result(run)

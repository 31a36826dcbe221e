"""`barmill tune`: look for the parameters of a recipe's models, on its training block alone."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from barmill.cli.plain_table import print_table

if TYPE_CHECKING:
    from barmill.pipeline.tuning.tuning_run import TuningRun


def tune(
    recipe: Annotated[Path, typer.Argument(help="A recipe file.")],
    bars: Annotated[Path | None, typer.Option(help="Bars to use instead of those that the recipe names.")] = None,
    symbol: Annotated[str | None, typer.Option(help="What these bars are of, if the file's name does not say it.")] = None,
    trials: Annotated[int | None, typer.Option(help="Settings to try for each model; those of the recipe, or 30, if left out.")] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder; runs/<name> if left out.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a tuning that was begun; refuse to begin one.")] = False,
    storage: Annotated[str | None, typer.Option(metavar="URL", help="Database that keeps the trials; a file in the run folder.")] = None,
    profile: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A profile of the recipe, laid over it before --set; may be given again.")
    ] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Lay a value over the recipe.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Look for the parameters of a recipe's models on inner folds of its training block.

    Every trial is counted in the ledger. Neither validation nor test block is looked at. The same command goes on where a killed one
    stopped. The best parameters are written as a recipe that `barmill train` takes.

    Example: barmill tune recipes/quickstart.yaml --trials 30 --set tune.models=[lightgbm] --out runs/tuned
    """
    import json

    from barmill.cli.terminal import Terminal
    from barmill.pipeline.tuning.tuning_run import tune_recipe

    overrides = [*(set_ or ())]
    if trials is not None:
        overrides.append(f"tune.trials={trials}")
    if storage is not None:
        overrides.append(f"tune.storage={json.dumps(storage)}")
    run = tune_recipe(recipe, bars, symbol=symbol, overrides=overrides, profiles=profile or (), out=out, resume=resume, listener=Terminal())
    if json_:
        print(json.dumps(run.summary(), indent=2))
    else:
        _print(run)


def _print(run: "TuningRun") -> None:
    for result in run.results:
        rows = run.trials(result["model"]).to_dicts()
        names = [name.removeprefix("params_") for name in rows[0] if name.startswith("params_")]
        print_table(("trial", "state", result["metric"], *names), [_row(row, names, result["best_trial"]) for row in rows])
        ended = f"{result['n_trials']} trials, {result['n_pruned']} pruned, {result['n_failed']} failed"
        print(f"{result['model']}: best {result['metric']} {result['best_value']:.5g} in trial {result['best_trial']} (*); {ended}\n")
    ledger = run.ledger
    print(f"ledger   {ledger['trials']} trials on these bars, {ledger['test_openings']} openings of a test block")
    print(f"recipe   {run.recipe_file}")
    print(f"next     barmill train {run.recipe_file}")


def _row(row: dict[str, Any], names: list[str], best: int) -> list[str]:
    chosen = " *" if row["number"] == best else ""
    return [f"{row['number']}{chosen}", row["state"], _shown(row["value"]), *(_shown(row[f"params_{name}"]) for name in names)]


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.5g}"
    return "-" if value is None else str(value)

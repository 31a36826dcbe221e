"""`barmill recipe`: check a recipe, print its JSON Schema."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.command(epilog="Example: barmill recipe check recipes/quickstart.yaml --set labels.horizon=30")
def check(
    recipe: Annotated[Path, typer.Argument(help="A recipe file.")],
    profile: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A profile of the recipe, laid over it before --set; may be given again.")
    ] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Lay a value over the recipe.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the completed recipe as JSON.")] = False,
) -> None:
    """Check a recipe and print it completed, with every default filled in."""
    import json
    import sys

    import yaml

    from barmill.pipeline import degradation_lines, notes_on, read_recipe

    read = read_recipe(recipe, set_ or (), profile or ())
    for line in (*degradation_lines(read), *(f"note: {note}" for note in notes_on(read))):
        print(line, file=sys.stderr)
    completed = read.model_dump(mode="json")
    print(json.dumps(completed, indent=2) if json_ else yaml.safe_dump(completed, sort_keys=False, allow_unicode=True).rstrip())


@app.command(epilog="Example: barmill recipe schema > recipe.schema.json")
def schema() -> None:
    """Print the JSON Schema of recipes, for editors."""
    import json

    from barmill.pipeline import recipe_schema

    print(json.dumps(recipe_schema(), indent=2))

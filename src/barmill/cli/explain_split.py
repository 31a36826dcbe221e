"""`barmill explain split`: the map of folds, in the terminal."""

from pathlib import Path
from typing import Annotated

import typer

_WIDTH = 120  # where there is no terminal


def split(
    source: Annotated[Path, typer.Argument(metavar="RUN|RECIPE", help="The folder of a finished run, or a recipe file.")],
    bars: Annotated[Path | None, typer.Option(help="Bars to use instead of those that the recipe names.")] = None,
    symbol: Annotated[str | None, typer.Option(help="What these bars are of, if the file's name does not say it.")] = None,
    profile: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A profile of the recipe, laid over it before --set; may be given again.")
    ] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Lay a value over the recipe.")] = None,
    width: Annotated[int | None, typer.Option(help="Characters in a line; as wide as the terminal if left out.", min=40)] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Draw which bars teach, judge, or are let go of in each split: of a finished run, or of a recipe, for which nothing is trained.

    The first map is of the blocks; a second one, of the folds, follows where there is a cross-validation.
    """
    import json
    import shutil
    import sys

    from barmill.console.drawn_folds import maps_of_recipe, maps_of_run
    from barmill.console.fold_lines import fold_lines
    from barmill.errors import InputError

    if source.is_dir():
        if bars is not None or symbol is not None or set_ or profile:
            raise InputError(
                str(source), "a finished run has its bars and its recipe", mend="Leave out --bars, --symbol, --profile and --set."
            )
        maps = maps_of_run(source)
    else:
        maps = maps_of_recipe(source, bars, symbol=symbol, overrides=tuple(set_ or ()), profiles=tuple(profile or ()))
    if json_:
        print(json.dumps([found.to_json() for found in maps], indent=2))
        return
    wide = width or (shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDTH)
    print("\n\n".join("\n".join(fold_lines(found, wide)) for found in maps))

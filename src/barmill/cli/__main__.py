"""The program `barmill`."""

import sys

import typer

import barmill
from barmill.cli import bundle, data, ensembles, explain, features, ledger, models, recipe
from barmill.cli.audit import audit
from barmill.cli.backtest import backtest
from barmill.cli.bench import bench
from barmill.cli.compare import compare
from barmill.cli.demo import demo
from barmill.cli.exit_codes import INTERRUPTED, exit_code
from barmill.cli.export import export
from barmill.cli.parity import parity
from barmill.cli.predict import predict
from barmill.cli.prove import prove
from barmill.cli.report import report
from barmill.cli.serve import serve, serve_key
from barmill.cli.train import train
from barmill.cli.tune import tune
from barmill.errors import BarmillError

app = typer.Typer(
    name="barmill",
    help="A factory for trading models: from raw bars to a verified bundle, without leakage.",
    epilog="Begin with: barmill demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(asked: bool) -> None:
    if asked:
        print(f"barmill {barmill.__version__}")
        raise typer.Exit


@app.callback()
def _root(version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version.")) -> None:
    del version


app.command()(demo)
app.add_typer(data.app, name="data", help="Bars: check, import, describe, simulate, resample.")
app.add_typer(features.app, name="features", help="Features: list, build.")
app.add_typer(explain.app, name="explain", help="Why a value, a label or a split is what it is: feature, label, split.")
app.add_typer(models.app, name="models", help="The models of the catalogue: list, show.")
app.add_typer(ensembles.app, name="ensembles", help="The ways to combine models: list, show.")
app.add_typer(recipe.app, name="recipe", help="Recipes: check, schema.")
app.command()(audit)
app.command()(train)
app.command()(tune)
app.command()(compare)
app.command()(parity)
app.command()(predict)
app.command()(backtest)
app.command()(prove)
app.add_typer(ledger.app, name="ledger", help="What was tried on which bars: show, verify.")
app.add_typer(bundle.app, name="bundle", help="Bundles: verify, show.")
app.command()(export)
app.command()(bench)
app.command()(report)
app.command()(serve)
app.command()(serve_key)


def main() -> None:
    """Run the program; a `BarmillError` becomes its message and an exit code, never a traceback."""
    try:
        app()
    except BarmillError as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        sys.exit(exit_code(error))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()

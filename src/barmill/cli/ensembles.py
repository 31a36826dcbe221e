"""`barmill ensembles`: the ways to combine models, and what stands between a model and its forecast. Imports no learning library."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from barmill.cli.models import Json, parameters_json, print_json, print_parameters
from barmill.cli.plain_table import print_table

if TYPE_CHECKING:
    from barmill.ensembles import EnsembleSpec

_GATES = {"hmm_gating": "hmm_regime"}

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.command("list", epilog="Example: barmill ensembles list --json")
def list_(json_: Json = False) -> None:
    """List every way to combine models, and every calibration, band and gate."""
    from barmill.ensembles import ENSEMBLES, INFERENCE

    if json_:
        inference = [asdict(spec) for spec in INFERENCE.values()]
        print_json({"ensembles": [_described(spec) for spec in ENSEMBLES.values()], "inference": inference})
        return
    headings = ("name", "method", "meta_learner", "members may differ", "what it does")
    told = [(spec.name, spec.method, spec.meta_learner, spec.supports_heterogeneous, spec.summary) for spec in ENSEMBLES.values()]
    print_table(headings, [[name, method, learner or "-", "yes" if mixed else "no", does] for name, method, learner, mixed, does in told])
    print()
    rows = [(spec.name, spec.category, "yes" if spec.requires_holdout else "no", spec.summary) for spec in INFERENCE.values()]
    print_table(("name", "what for", "rows of its own", "what it does"), rows)


@app.command(epilog="Example: barmill ensembles show ridge_stacking")
def show(
    name: Annotated[str, typer.Argument(help="An ensemble, as `barmill ensembles list` names it.")],
    json_: Json = False,
) -> None:
    """Show an ensemble's parameters with their defaults and limits, and where it is described."""
    from barmill.ensembles import ensemble_spec
    from barmill.models.parameters import parameters_of

    spec = ensemble_spec(name)
    parameters = parameters_of(spec.params)
    if json_:
        print_json({**_described(spec), "parameters": parameters_json(parameters)})
        return
    print(f"{spec.name}: {spec.summary}\n")
    print_parameters(parameters, tuned=False)
    place = "gating.config" if spec.method == "gating" else "config"
    print(f"\nAsk for it with `{_asked(spec)}`; set parameters under `{place}:` of the ensemble.")
    if spec.reference:
        print(f"Source: {spec.reference}.")


def _asked(spec: "EnsembleSpec") -> str:
    """The keys of a recipe that name it."""
    further = {
        "stacking": f", meta_learner: {spec.meta_learner}",
        "voting": f", voting_type: {spec.name.removesuffix('_voting')}",
        "gating": f", gating: {{method: {_GATES.get(spec.name, spec.name.removesuffix('_gating'))}}}",
    }
    return f"method: {spec.method}{further.get(spec.method, '')}"


def _described(spec: "EnsembleSpec") -> dict[str, Any]:
    return {
        "name": spec.name,
        "summary": spec.summary,
        "method": spec.method,
        "meta_learner": spec.meta_learner,
        "out_of_fold": spec.requires_oof,
        "members_may_differ": spec.supports_heterogeneous,
        "needs": list(spec.requires),
        "reference": spec.reference or None,
    }

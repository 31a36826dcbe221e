"""What a judgement tells of each ensemble: what it is made of, and whether it earns its cost."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from barmill.artefacts import read_json, without_nan
from barmill.ensembles.contract import Float64Array
from barmill.pipeline.dataset import Dataset
from barmill.pipeline.ensemble_config import EnsembleConfig
from barmill.pipeline.ensembles.best_member import compared_with_best_member
from barmill.pipeline.ensembles.evidence import of_member
from barmill.pipeline.ensembles.judged_diversity import diversity_of
from barmill.pipeline.ensembles.weights_through_time import told_weights
from barmill.pipeline.inputs import RunInputs
from barmill.pipeline.plan import Stages
from barmill.pipeline.prepare import dataset_of
from barmill.pipeline.workspace import Workspace


def ensembles_section(inputs: RunInputs, stages: Stages, workspace: Workspace, judgement: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A part for each ensemble of the run, in the order of the recipe; plain JSON.

    judgement : with its leaderboard and its section on cross-validation

    Each has name, kind and members; `comparison` with the best member, see `compared_with_best_member`; `table`, by member what `of_member`
    says; `weights`: their `kind` ("weights", "importance" of meta-features), `shares` and what `told_weights` adds, of a stacking with a
    gate that of its gate; `out_of_fold`, what
    `evidence_of` found on the rows of the fit; `shift`, of `forecast_shift`; `diversity` on rows that judge: `test`, and where there are
    paths `cross_validation`.
    """
    if not inputs.recipe.combined:
        return []
    data, validated = dataset_of(inputs, stages, workspace), judgement["cross_validation"]
    return [
        without_nan(_section(ensemble, inputs, stages, workspace, data, judgement["leaderboard"], validated))
        for ensemble in inputs.recipe.combined
    ]


def _section(
    ensemble: EnsembleConfig,
    inputs: RunInputs,
    stages: Stages,
    workspace: Workspace,
    data: Dataset,
    board: Mapping[str, Any],
    validated: Mapping[str, Any] | None,
) -> dict[str, Any]:
    label, members = ensemble.label, [entry.label for entry in inputs.recipe.members(ensemble)]
    evidence = read_json(workspace.path(stages.evidence[label]) / "evidence.json")
    return {
        "name": label,
        "kind": ensemble.kind,
        "method": ensemble.method,
        "members": members,
        "comparison": compared_with_best_member(label, members, board, validated),
        "table": {member: of_member(evidence, member) for member in members},
        "weights": weights_section(ensemble.method, evidence["shares"], told_weights(workspace.path(stages.ensembles[label].forecast))),
        "out_of_fold": {key: evidence[key] for key in ("rows", "alone", "diversity", "fold_information")},
        "shift": evidence["shift"],
        "diversity": {
            "cross_validation": None if validated is None else validated["diversity"][label],
            "test": _on_test(members, inputs, stages, workspace, data),
        },
    }


def weights_section(method: str, shares: Mapping[str, float], told: Mapping[str, Any] | None) -> dict[str, Any]:
    """Those of the members where these are weighed; else the shares of meta-features, beside which stands what a stacking's gate weighs."""
    if told is None or method == "stacking":
        return {**(told or {}), "kind": "importance", "shares": shares}
    return {"kind": "weights", **told}


def _on_test(members: list[str], inputs: RunInputs, stages: Stages, workspace: Workspace, data: Dataset) -> dict[str, Any]:
    """How differently members err on the test block, as their bundles forecast it."""
    test = data.positions["test"]
    times, y = inputs.bars.open_time[data.labels.t0[test]], data.labels.classes(data.n_classes)[test]
    said: list[Float64Array] = []
    for label in members:
        frame = pl.read_parquet(workspace.path(stages.judged[label].forecast) / "forecasts.parquet")
        at = frame[np.searchsorted(frame["open_time"].to_numpy(), times).tolist()]
        p_up = at["p_up"].to_numpy()
        if data.n_classes == 2:
            said.append(p_up)
        else:
            p_down = at["p_down"].to_numpy()
            said.append(np.column_stack((p_down, 1 - p_down - p_up, p_up)))
    return diversity_of(members, said, y)


__all__ = ["ensembles_section", "weights_section"]

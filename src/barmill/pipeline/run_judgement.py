"""What a finished run says of itself: the judgement with everything that stands beside it, put where people look for it."""

from pathlib import Path
from typing import Any

from barmill.artefacts import read_json, write_bytes, write_json
from barmill.evaluation import Ledger, Overlap
from barmill.pipeline.cross_validation import cross_validation_section
from barmill.pipeline.ensembles.dropping import degradations
from barmill.pipeline.ensembles.section import ensembles_section
from barmill.pipeline.experts.judging import experts_section
from barmill.pipeline.facts import moment
from barmill.pipeline.fingerprints import code_fingerprint
from barmill.pipeline.inputs import RunInputs
from barmill.pipeline.leaderboard import LEADERBOARD_FILE, evidence_of, leaderboard_section
from barmill.pipeline.leakage import leakage_section
from barmill.pipeline.luck import luck_section
from barmill.pipeline.model_stages import recipe_fingerprint
from barmill.pipeline.notes import notes_on
from barmill.pipeline.plan import Stages
from barmill.pipeline.run import Run
from barmill.pipeline.tuning.stage import tuned_recipe, tuning_judgement
from barmill.pipeline.workspace import Workspace


def run_judgement(inputs: RunInputs, stages: Stages, workspace: Workspace, ledger: Ledger) -> dict[str, Any]:
    """The judgement stage's with all that stands beside it; writes the rows that the leaderboard compares."""
    judgement = read_json(workspace.path(stages.judgement) / "judgement.json")
    judgement |= {
        "cross_validation": cross_validation_section(stages, workspace),
        "overfitting": luck_section(inputs, stages, workspace, ledger),
        "leakage": leakage_section(inputs, stages, workspace),
        "tuning": tuning_judgement(workspace, stages.tuned),
        "experts": experts_section(stages, workspace),
        "ledger": {**ledger.counts().to_json(), "overlapping": [_overlap(other) for other in ledger.overlapping()]},
    }
    evidence = evidence_of(inputs, stages, workspace)
    evidence.write(workspace.root)
    judgement["degradations"] = degradations(inputs.recipe)
    applied = inputs.recipe.profile
    judgement["notes"] = [note.to_json() for note in notes_on(tuned_recipe(inputs.recipe, workspace, stages.tuned))]
    judgement["profile"] = None if applied is None else applied.model_dump(mode="json")
    judgement["leaderboard"] = leaderboard_section(inputs, stages, workspace, evidence, judgement)
    judgement["ensembles"] = ensembles_section(inputs, stages, workspace, judgement)
    judgement["leaderboard"]["ensembles"] = {
        one["name"]: one["comparison"]["words"] for one in judgement["ensembles"] if one["comparison"] is not None
    }
    judgement["fingerprints"] = _fingerprints(inputs, stages, workspace)
    return judgement


def _overlap(other: Overlap) -> dict[str, Any]:
    """Another ledger on the same time, with its span in words."""
    return {**other.to_json(), "first": moment(other.data.first), "last": moment(other.data.last)}


def _fingerprints(inputs: RunInputs, stages: Stages, workspace: Workspace) -> dict[str, Any]:
    return {
        "data": inputs.bars.fingerprint,
        "recipe": recipe_fingerprint(inputs),
        "code": code_fingerprint(),
        "seed": inputs.recipe.seed,
        "stages": {stage.name: stage.key for stage in stages.all},
        "bundles": digests(stages, workspace),
    }


def digests(stages: Stages, workspace: Workspace) -> dict[str, str]:
    """The digest of each bundle, by its name in the run."""
    return {label: read_json(workspace.path(one.bundle) / "published.json")["digest"] for label, one in stages.bundled.items()}


def publish_judgement(stages: Stages, workspace: Workspace, judgement: dict[str, Any]) -> None:
    """Put the judgement where people look for it, and the fingerprints last: they say that the run is finished."""
    root, judged = workspace.root, workspace.path(stages.judgement)
    write_json(root / "metrics" / "judgement.json", judgement)
    write_bytes(root / "metrics" / "equity.parquet", (judged / "equity.parquet").read_bytes())
    if stages.cross_validation is not None:
        write_bytes(root / "metrics" / "paths.parquet", (workspace.path(stages.cross_validation) / "paths.parquet").read_bytes())
    results = {stage.name: (workspace.record(stage) or {})["digest"] for stage in stages.all}
    places = {"bars": f"{stages.bars.folder}/bars.parquet", "features": stages.table.folder, "labels": stages.labels.folder}
    files = {**places, "splits": stages.splits.folder}
    write_json(root / "fingerprints.json", {**judgement["fingerprints"], "results": results, "files": files})


def is_complete(root: Path, inputs: RunInputs) -> bool:
    """Whether the run folder holds all of this run."""
    if not all(
        (root / name).exists() for name in ("fingerprints.json", "report.html", "timings.json", LEADERBOARD_FILE, "metrics/judgement.json")
    ):
        return False
    return Run(root).fingerprints["recipe"] == recipe_fingerprint(inputs)


__all__ = ["digests", "is_complete", "publish_judgement", "run_judgement"]

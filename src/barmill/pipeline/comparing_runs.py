"""Finished runs side by side: one leaderboard, with paired tests where the runs share bars and labels, and a warning where not."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from barmill.artefacts import read_json, without_nan
from barmill.errors import DataError
from barmill.pipeline.leaderboard import LEADERBOARD_FILE, LOSSES, RETURNS, Evidence, compare_evidence
from barmill.pipeline.path_judging import UP
from barmill.pipeline.run import Run

LEAST_ROWS = 100  # labels that runs must share before a test of them is worth the name
_MEND = "Finish the run again with this version: barmill train RECIPE --resume."
# what a paired test asks for, and what else tells the controls of two runs apart
_NEEDED = ("bars", "labels", "costs", "judged on")
_CONTROLS = (*_NEEDED, "features", "splits", "validation", "cross-validation", "rule", "seed")


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """What is compared of one run.

    folder : as it was named; leaderboard : the content of leaderboard.json
    controls : plain values that must be alike for a fair comparison
    """

    folder: Path
    leaderboard: dict[str, Any]
    evidence: Evidence
    controls: dict[str, Any]
    horizon: int
    every: int
    hold: int
    seed: int

    @classmethod
    def read(cls, folder: Path) -> "ComparedRun":
        """Read a run folder. Raises RecipeError if it holds no finished run, DataError for a run without a leaderboard."""
        run = Run(folder)
        for name in (LEADERBOARD_FILE, f"metrics/{LOSSES}", f"metrics/{RETURNS}"):
            if not (folder / name).exists():
                raise DataError(str(folder / name), "there is no such file", mend=_MEND)
        board, recipe = read_json(folder / LEADERBOARD_FILE), read_json(folder / "recipe.json")
        labels, rule = recipe["labels"], recipe["rule"]
        controls = {
            "bars": run.fingerprints["data"],
            "labels": labels,
            "costs": read_json(run.bars_file.parent / "instrument.json"),
            "judged on": board["block"],
            **{name: recipe[name] for name in ("features", "splits", "validation", "rule", "seed")},
            "cross-validation": recipe["cross_validation"],
        }
        hold = rule["hold_bars"] or labels["horizon"]
        return cls(folder, board, Evidence.read(folder), controls, labels["horizon"], labels["every"], hold, recipe["seed"])


def compare_runs(folders: Sequence[Path]) -> dict[str, Any]:
    """The models of one run or more as one leaderboard, in plain JSON.

    One run gives its own leaderboard. Several that share bars, labels, costs and the block that judges are tested in pairs on the
    rows that all of them have; where they do not, the table stands without ranks, and `differs` names what is not alike.

    Raises: DataError for the same run twice, or runs of one name that outcomes differ in; see `ComparedRun.read`.
    """
    runs = [ComparedRun.read(folder) for folder in folders]
    if len(runs) == 1:
        return {**runs[0].leaderboard, "runs": [str(folders[0])], "differs": [], "paired": True}
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise DataError(", ".join(map(str, folders)), "names a run twice", mend="Name each run once.")
    prefixes = _prefixes(folders)
    differs = [name for name in _CONTROLS if any(run.controls[name] != runs[0].controls[name] for run in runs[1:])]
    models = [
        {**model, "run": prefix, "name": f"{prefix}:{model['name']}", "beaten_by": []}
        for run, prefix in zip(runs, prefixes, strict=True)
        for model in run.leaderboard["models"]
    ]
    together = {"format": 1, "runs": [str(folder) for folder in folders], "differs": differs}
    shared = None if set(differs) & set(_NEEDED) else _shared(runs, prefixes)
    if shared is None:
        unranked = [{**model, "rank": None, "net_rank": None, "paired_log_loss": None} for model in models]
        return {**together, "paired": False, "models": unranked, "pairs": []}
    return {**together, "paired": True, **_ranked(runs[0], shared, models)}


def _ranked(run: ComparedRun, shared: Evidence, models: list[dict[str, Any]]) -> dict[str, Any]:
    names = tuple(model["name"] for model in models)
    found = compare_evidence(shared, names, horizon=run.horizon, every=run.every, hold=run.hold, seed=run.seed)
    losses = dict(zip(names, found.mean_loss.tolist(), strict=True))
    ranked = {
        model["name"]: {
            **model,
            "rank": found.loss_ranks[model["name"]],
            "net_rank": found.net_ranks[model["name"]],
            "paired_log_loss": losses[model["name"]],
            "beaten_by": list(found.beaten_by(model["name"])),
        }
        for model in models
    }
    return without_nan(
        {
            "block": run.leaderboard["block"],
            "ranked_by": "log_loss",
            "alpha": found.alpha,
            "overlap": run.leaderboard["overlap"],
            "n_labels": shared.losses.height,
            "n_bars": shared.returns.height,
            "models": [ranked[name] for name in found.order],
            "pairs": [pair.to_json() for pair in found.pairs],
        }
    )


def _shared(runs: Sequence[ComparedRun], prefixes: Sequence[str]) -> Evidence | None:
    """The rows that all runs have, a column for each model of each run; None where they are too few.

    Raises: DataError where the same decision came out differently, which runs on the same bars and labels cannot have.
    """
    losses = _joined([run.evidence.losses for run in runs], prefixes)
    returns = _joined([run.evidence.returns for run in runs], prefixes)
    if losses.height < LEAST_ROWS or returns.height < LEAST_ROWS:
        return None
    outcomes = [losses[f"{prefix}:{UP}"].to_numpy() for prefix in prefixes]
    for run, came in zip(runs[1:], outcomes[1:], strict=True):
        if (came != outcomes[0]).any():
            row = int(np.argmax(came != outcomes[0]))
            found = f"the label at {losses['open_time'][row]} (ms UTC) came out differently than in {runs[0].folder}"
            raise DataError(str(run.folder), found, mend=_MEND)
    return Evidence(losses.drop(f"{prefix}:{UP}" for prefix in prefixes), returns)


def _joined(frames: Sequence[pl.DataFrame], prefixes: Sequence[str]) -> pl.DataFrame:
    named = [
        frame.rename({name: f"{prefix}:{name}" for name in frame.columns if name != "open_time"})
        for frame, prefix in zip(frames, prefixes, strict=True)
    ]
    whole = named[0]
    for frame in named[1:]:
        whole = whole.join(frame, on="open_time", how="inner")
    return whole.sort("open_time")


def _prefixes(folders: Sequence[Path]) -> list[str]:
    """A short name for each run: its folder's, or as much of its path as tells it from the others."""
    parts = [folder.resolve().parts for folder in folders]
    length = 1
    while len({one[-length:] for one in parts}) < len(parts):
        length += 1
    return ["/".join(one[-length:]) for one in parts]


__all__ = ["ComparedRun", "compare_runs"]

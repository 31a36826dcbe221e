"""The whole run, as a list of named steps."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from barmill.artefacts import read_json, readable_json, write_bytes, write_json
from barmill.errors import RecipeError
from barmill.market import Bars
from barmill.models.catalogue import spec_of, window_of
from barmill.models.contract import Window
from barmill.pipeline.cross_validation import cross_validate_models
from barmill.pipeline.ensembles.dropping import degradation_lines
from barmill.pipeline.ensembles.losing import Loss, losses, spared_models, without
from barmill.pipeline.ensembles.overhead import overheads
from barmill.pipeline.ensembles.running import fit_ensembles, forecast_for_bands
from barmill.pipeline.ensembles.stages import stages_of_band
from barmill.pipeline.events import Listener, Plan, Silence
from barmill.pipeline.executor import Job, run_jobs
from barmill.pipeline.experts.judging import judge_experts
from barmill.pipeline.experts.labelling import label_questions
from barmill.pipeline.fingerprints import environment
from barmill.pipeline.inputs import RunInputs, gather_inputs, params_of
from barmill.pipeline.job import ForecastJob, ModelJob, StageRef
from barmill.pipeline.judging import judge
from barmill.pipeline.latency import latencies
from barmill.pipeline.leaderboard import LEADERBOARD_FILE, with_clocks
from barmill.pipeline.leakage import check_leakage
from barmill.pipeline.memory_watch import MemoryWatch
from barmill.pipeline.model_stages import origins, portable_recipe
from barmill.pipeline.plan import Stages, plan_run, stages_of
from barmill.pipeline.prepare import prepare
from barmill.pipeline.recipe import Recipe
from barmill.pipeline.recipe_reading import recipe_of
from barmill.pipeline.requirements import require_libraries
from barmill.pipeline.returns import TYPICAL, path_returns, test_returns
from barmill.pipeline.run import Run
from barmill.pipeline.run_judgement import digests, is_complete, publish_judgement, run_judgement
from barmill.pipeline.targets import check_targets
from barmill.pipeline.trials import Trials
from barmill.pipeline.tuning.stage import tuned_recipe, tuning_jobs
from barmill.pipeline.workspace import Stage, Workspace


def run_recipe(
    recipe: Recipe | Path | str,
    bars: Bars | Path | str | None = None,
    *,
    symbol: str | None = None,
    overrides: Sequence[str] = (),
    profiles: Sequence[str] = (),
    out: Path | str | None = None,
    resume: bool = False,
    engine: str = "local",
    listener: Listener | None = None,
    render: Callable[[Path], Mapping[str, bytes]],
) -> Run:
    """Run a recipe: from bars to verified bundles, judged on bars that nothing was fitted on, and a report.

    Stages are addressed by content: what is there already is not computed again, so the same call goes on where a
    killed one stopped, to the identical result.

    Parameters
    ----------
    recipe : path of a recipe file, or a `Recipe`
    bars : bars, or a file of them, instead of those that the recipe names
    symbol : what the bars are of, where the file's name does not say it
    overrides : "key.path=value" strings laid over the recipe file
    profiles : names of the recipe's own profiles, laid over it before the overrides
    out : the run folder; runs/<name> if None
    resume : refuse to begin a new run
    listener : where the run tells what it does
    render : makes the pages of the finished run folder, by the names of their files, report.html the last

    Raises
    ------
    InputError of some kind before any work, if recipe or bars will not do; TrainingError, StorageError later.
    """
    telling = listener or Silence()
    if engine != "local":
        raise RecipeError(f"--engine {engine}", "no such engine in this version", expected="local", mend="Leave --engine out.")
    inputs, root = _begin(recipe, bars, symbol, overrides, profiles, out)
    for line in profile_lines(inputs.recipe):
        telling.said(line)
    if resume and not (root / "recipe.json").exists():
        raise RecipeError(str(root), "there is no run to resume", mend="Leave --resume out to begin one.")
    workspace, stages = Workspace(root), stages_of(inputs)
    with workspace.locked():
        plan = plan_run(inputs, stages, workspace)
        telling.planned(plan)
        if not plan.to_do and is_complete(root, inputs):
            telling.said(f"nothing to do: {root} is complete")
            return Run(root)
        clock = _Clock(telling)
        _work(inputs, stages, workspace, plan, clock)
        _report(root, render, clock)
    return Run(root)


def plan_recipe(
    recipe: Recipe | Path | str,
    bars: Bars | Path | str | None = None,
    *,
    symbol: str | None = None,
    overrides: Sequence[str] = (),
    profiles: Sequence[str] = (),
    out: Path | str | None = None,
) -> Plan:
    """What `run_recipe` would do with the same arguments, without doing it: stages, what is there, memory."""
    inputs, root = _begin(recipe, bars, symbol, overrides, profiles, out)
    return plan_run(inputs, stages_of(inputs), Workspace(root))


def _begin(
    recipe: Recipe | Path | str,
    bars: Bars | Path | str | None,
    symbol: str | None,
    overrides: Sequence[str],
    profiles: Sequence[str],
    out: Path | str | None,
) -> tuple[RunInputs, Path]:
    """The inputs of a run and its folder, after every check that needs no work."""
    completed, beside = recipe_of(recipe, overrides, profiles)
    require_libraries(completed)
    root = Path(out) if out is not None else Path("runs") / completed.name
    return gather_inputs(completed, bars, symbol, beside), root


def profile_lines(recipe: Recipe) -> list[str]:
    """What a recipe's profile changed, a line each; none without one."""
    if recipe.profile is None:
        return []
    return [f"profile {', '.join(recipe.profile.names)}: {change}" for change in recipe.profile.changes]


def _work(inputs: RunInputs, stages: Stages, workspace: Workspace, plan: Plan, clock: "_Clock") -> None:
    began = time.perf_counter()
    root = workspace.root
    with MemoryWatch() as memory:
        _write_recipe(root, inputs)
        for note in (*inputs.bars.notes, *(finding.message for finding in inputs.bars.findings)):
            clock.said(f"bars: {note}")
        prepare(inputs, stages, workspace, clock)
        label_questions(inputs, stages, workspace, clock)
        check_leakage(inputs, stages, workspace, clock)
        trials = Trials.of(inputs, stages)
        while lost := _fit(inputs, stages, workspace, trials, plan.workers, clock):
            before, inputs = inputs, without(inputs, lost, root)
            stages = stages_of(inputs)
            trials = Trials.of(inputs, stages)
            for line in degradation_lines(inputs.recipe, since=before.recipe):
                clock.said(line)
        if workspace.record(stages.judgement) is None:
            trials.open_test(digests(stages, workspace))
            _forecast_test(stages, workspace, clock)
            judge(inputs, stages, workspace, clock)
        _forecast_test(stages, workspace, clock)  # where a run was killed after the models were judged and before the experts were
        judge_experts(inputs, stages, workspace, clock)
        trials.close("cross_validation", path_returns(stages, workspace, TYPICAL))
        trials.close("test", test_returns(stages, workspace))
    judgement = run_judgement(inputs, stages, workspace, trials.ledger)
    publish_judgement(stages, workspace, judgement)
    earlier = _earlier_timings(root)
    seconds = {**earlier.get("stages", {}), **clock.seconds}
    latency = latencies(root, judgement["fingerprints"]["bundles"], earlier.get("latency", {}))
    bundles = {model["name"]: root / model["bundle"] for model in judgement["models"]}
    timings = {
        "stages": seconds,
        "ensembles": overheads(inputs.recipe, seconds),
        "latency": latency,
        "targets": check_targets(inputs.recipe, bundles, latency),
        "wall_s": time.perf_counter() - began,
        "peak_memory_mb": memory.peak_mb,
        "estimated_memory_mb": plan.memory_mb,
    }
    write_json(root / "timings.json", timings)
    write_json(root / LEADERBOARD_FILE, with_clocks(judgement["leaderboard"], timings))


def _fit(inputs: RunInputs, stages: Stages, workspace: Workspace, trials: Trials, workers: int, listener: Listener) -> list[Loss]:
    """Everything that is fitted, as far as that is not done, or who was lost on the way; what comes after them is not done then."""
    if lost := _tune_models(inputs, stages, workspace, workers, listener):
        return lost
    tuned = tuned_recipe(inputs.recipe, workspace, stages.tuned)
    if lost := forecast_for_bands(inputs, tuned, stages, workspace, workers, listener):
        return lost
    if lost := _fit_models(inputs, stages, workspace, workers, listener):
        return lost
    lost = fit_ensembles(inputs, tuned, stages, workspace, workers, listener)
    if lost or workspace.record(stages.judgement) is not None:
        return lost
    trials.enter()
    return cross_validate_models(inputs, stages, workspace, workers, listener)


def _earlier_timings(root: Path) -> dict[str, Any]:
    """What clocks said of stages that an earlier call in this folder computed."""
    try:
        return read_json(root / "timings.json")
    except FileNotFoundError:
        return {}


class _Clock:
    """A listener that passes everything on and keeps the seconds of each stage."""

    def __init__(self, listener: Listener) -> None:
        self.seconds: dict[str, float] = {}
        self.planned = listener.planned
        self.said = listener.said
        self.started = listener.started
        self.progressed = listener.progressed
        self._finished = listener.finished

    def finished(self, stage: str, seconds: float) -> None:
        self.seconds[stage] = round(seconds, 3)
        self._finished(stage, seconds)


def _write_recipe(root: Path, inputs: RunInputs) -> None:
    completed = inputs.recipe.model_dump(mode="json")
    write_bytes(root / "recipe.yaml", yaml.safe_dump(completed, sort_keys=False, allow_unicode=True).encode())
    write_json(root / "recipe.json", completed)
    write_json(root / "environment.json", environment())


def _fit_jobs(inputs: RunInputs, stages: Stages, workspace: Workspace) -> list[Job]:
    """One job for each model and each expert that is not fitted, calibrated and bundled; with its tuned parameters, where it was tuned."""
    tuned = replace(inputs, recipe=tuned_recipe(inputs.recipe, workspace, stages.tuned))
    work: list[tuple[str, str, dict[str, Stage], dict[str, Stage], Window]] = []
    for label, model in stages.models.items():
        own = {"fit": model.fit, "calibrate": model.calibrate, "bundle": model.bundle}
        work.append((label, "barmill.pipeline.fitting", {}, own, inputs.windows[label]))
    for entry in inputs.recipe.experts:
        expert = stages.experts[entry.label]
        own = {"fit": expert.fit, "calibrate": expert.calibrate, "bundle": expert.bundle}
        window = window_of(spec_of(entry.name), params_of(entry))
        work.append((entry.label, "barmill.pipeline.experts.fitting", {"answers": expert.answers}, own, window))
    families = {entry.label: spec_of(entry.name).family for entry in (*inputs.recipe.base_models, *inputs.recipe.experts)}
    folds = {label: stages_of_band(inputs.recipe, label, stages.out_of_fold) for label in stages.models}
    jobs: list[Job] = []
    for label, worker, read, own, window in work:
        if all(workspace.record(stage) is not None for stage in own.values()):
            continue
        job = ModelJob(
            root=workspace.root.absolute(),
            label=label,
            recipe=tuned.recipe,
            portable_recipe=portable_recipe(tuned),
            fingerprints=origins(inputs, [families[label]]),
            stages={role: StageRef.of(stage) for role, stage in {**stages.prepared, **read, **own}.items()},
            window=window,
            volatility=inputs.volatility,
            folds=tuple(StageRef.of(stage) for stage in folds.get(label, ())),
        )
        file = workspace.root / ".scratch" / f"fitting-{label}.json"
        write_bytes(file, readable_json(job.model_dump(mode="json")))
        jobs.append(Job(_job_name(label), worker, file, workspace.root / "logs" / f"{label}.log"))
    return jobs


def _tune_models(inputs: RunInputs, stages: Stages, workspace: Workspace, workers: int, listener: Listener) -> list[Loss]:
    jobs = tuning_jobs(inputs, stages.prepared, stages.tuned, workspace)
    spared = spared_models(inputs.recipe, {label: [stage.name] for label, stage in stages.tuned.items()})
    return losses(run_jobs(jobs, workers, listener, spared), spared)


def _fit_models(inputs: RunInputs, stages: Stages, workspace: Workspace, workers: int, listener: Listener) -> list[Loss]:
    called = {
        label: [_job_name(label), *(stage.name for stage in (own.fit, own.calibrate, own.bundle))] for label, own in stages.models.items()
    }
    spared = spared_models(inputs.recipe, called)
    return losses(run_jobs(_fit_jobs(inputs, stages, workspace), workers, listener, spared), spared)


def _job_name(label: str) -> str:
    return f"model {label}"


def _forecast_test(stages: Stages, workspace: Workspace, listener: Listener) -> None:
    """Forecast with every bundle in one process: the bars are read, and their features computed, once."""
    to_do = {label: model for label, model in stages.bundled.items() if workspace.record(model.forecast) is None}
    if not to_do:
        return
    job = ForecastJob(
        root=workspace.root.absolute(),
        bars=StageRef.of(stages.bars),
        labels=StageRef.of(stages.labels),
        splits=StageRef.of(stages.splits),
        bundles={label: StageRef.of(model.bundle) for label, model in to_do.items()},
        forecasts={label: StageRef.of(model.forecast) for label, model in to_do.items()},
    )
    file = workspace.root / ".scratch" / "forecasting.json"
    write_bytes(file, readable_json(job.model_dump(mode="json")))
    run_jobs([Job("forecasting", "barmill.pipeline.forecasting", file, workspace.root / "logs" / "forecasting.log")], 1, listener)


def _report(root: Path, render: Callable[[Path], Mapping[str, bytes]], listener: Listener) -> None:
    listener.started("report")
    began = time.perf_counter()
    for name, page in render(root).items():
        write_bytes(root / name, page)
    listener.finished("report", time.perf_counter() - began)

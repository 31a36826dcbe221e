"""The whole proof, as a list of named steps."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from barmill.artefacts import canonical_json, read_json, readable_json, sha256, write_bytes, write_json
from barmill.errors import RecipeError
from barmill.market import NULL_MARKETS, Bars
from barmill.models.catalogue import spec_of
from barmill.pipeline.dataset import save_bars
from barmill.pipeline.events import Listener, Silence
from barmill.pipeline.executor import Job, run_jobs
from barmill.pipeline.fingerprints import code_fingerprint, core_versions, family_versions, key_of
from barmill.pipeline.inputs import RunInputs, gather_inputs
from barmill.pipeline.job import StageRef
from barmill.pipeline.model_stages import portable_recipe
from barmill.pipeline.proving.certificate import Certificate, certificate, null_summary
from barmill.pipeline.proving.job import CONTROL, MarketTask, PipelineUnderProof, ProofJob
from barmill.pipeline.proving.settings import FULL, ProofSettings
from barmill.pipeline.proving.small_recipe import SmallRecipe, small_recipe
from barmill.pipeline.proving.working import do_markets
from barmill.pipeline.recipe import Recipe
from barmill.pipeline.recipe_reading import recipe_of
from barmill.pipeline.workspace import Stage, Workspace

CERTIFICATE_FILE = "certificate.json"
ROUND = 2  # markets of each kind that are added while the interval is too wide
DRAWN_COLUMNS = ("quote_volume", "trades", "taker_buy_base", "taker_buy_quote")  # that a market which is not made of real bars has
_CODE = ("market", "features", "labels", "splits", "views", "models", "training", "uncertainty", "evaluation", "pipeline")


def prove_recipe(
    recipe: Recipe | Path | str,
    bars: Bars | Path | str | None = None,
    *,
    out: Path | str | None = None,
    settings: ProofSettings = FULL,
    markets: int | None = None,
    seed: int = 0,
    symbol: str | None = None,
    overrides: Sequence[str] = (),
    profiles: Sequence[str] = (),
    workers: int | None = None,
    listener: Listener | None = None,
) -> Certificate:
    """Run the whole pipeline of a recipe on markets without an edge and on markets with a known one, and certify it or not.

    Each market is kept by its content as soon as it is done: the same call goes on where a killed one stopped, to the same bytes.

    Parameters
    ----------
    recipe : path of a recipe file, or a `Recipe`
    bars : bars, or a file of them, instead of those that the recipe names: markets are made like them
    out : folder of the proof; runs/<name>/prove if None. certificate.json is written there
    settings : how much is done, and what is demanded
    markets : markets without an edge, rounded up to as many of each kind; None takes those of `settings`, and more if the interval of the
        AUC is too wide
    seed : of the markets
    overrides : "key.path=value" strings laid over the recipe file
    profiles : names of the recipe's own profiles, laid over it before the overrides
    workers : processes, as many as there are cores if None; 0 does everything in this one

    Raises
    ------
    InputError of some kind before any work if recipe or bars will not do. A refusal is a result, not an error.
    """
    telling = listener or Silence()
    completed, beside = recipe_of(recipe, overrides, profiles)
    inputs = gather_inputs(completed, bars, symbol, beside)
    root = Path(out) if out is not None else Path("runs") / completed.name / "prove"
    proof = _Proof.of(inputs, settings, seed, Workspace(root), os.cpu_count() or 1 if workers is None else workers, telling)
    with proof.workspace.locked():
        proof.tell_plan()
        made = proof.done(markets)
        write_json(root / CERTIFICATE_FILE, made.content)
    return made


@dataclass(frozen=True)
class _Proof:
    """What every step of a proof needs."""

    inputs: RunInputs
    small: SmallRecipe
    pipeline: PipelineUnderProof
    settings: ProofSettings
    seed: int
    workspace: Workspace
    workers: int
    listener: Listener
    kinds: tuple[str, ...]
    left_out: Mapping[str, str]

    @classmethod
    def of(cls, inputs: RunInputs, settings: ProofSettings, seed: int, workspace: Workspace, workers: int, listener: Listener) -> "_Proof":
        instrument = inputs.bars.instrument
        small = small_recipe(inputs.recipe, instrument, inputs.bars.timeframe, settings)
        pipeline = PipelineUnderProof(
            recipe=small.recipe,
            instrument=small.instrument,
            control_instrument=instrument,
            purge_bars=small.purge_bars,
            embargo_bars=small.embargo_bars,
            settings=settings,
        )
        left_out = _left_out(inputs, small, settings)
        kinds = tuple(kind for kind in settings.kinds if kind not in left_out)
        if not kinds:
            found = "; ".join(f"{kind}: {why}" for kind, why in left_out.items())
            raise RecipeError("prove", f"no kind of market can be made ({found})", mend="Give more bars.")
        return cls(inputs, small, pipeline, settings, seed, workspace, workers, listener, kinds, left_out)

    def tell_plan(self) -> None:
        """Say what will be done, and everything that is done otherwise than the recipe says."""
        said = self.listener.said
        said(f"prove ({self.settings.name}): {', '.join(self.kinds)}; {_bars_needed(self.inputs, self.small, self.settings):,} bars each")
        for kind, why in self.left_out.items():
            said(f"  left out: {kind}, {why}")
        for override in self.small.overrides:
            said(f"  override {override.key}: {override.was} -> {override.now} ({override.why})")

    def done(self, markets: int | None) -> Certificate:
        """Run the markets, more of them while the interval is too wide, and certify."""
        like = self._kept_like()
        each = -(-(markets or self.settings.markets) // len(self.kinds))
        found = self._run("null markets", self._null_tasks(0, each), like)
        while markets is None and (each + ROUND) * len(self.kinds) <= self.settings.most_markets and self._is_wide(found):
            found += self._run("more null markets", self._null_tasks(each, each + ROUND), like)
            each += ROUND
        found += self._run("markets with an edge", self._control_tasks(), like)
        return certificate(self._identity(), found, self.settings.demands)

    def _is_wide(self, found: list[dict[str, Any]]) -> bool:
        auc = null_summary(found, self.settings.demands)["auc"]
        return not auc["high"] - auc["low"] <= self.settings.demands.width

    def _kept_like(self) -> Stage:
        """The bars that markets are made like, where every worker finds them."""
        bars = self.inputs.bars
        stage = Stage("bars", "data/bars", key_of(data=bars.fingerprint, instrument=bars.instrument.model_dump(mode="json")))
        if self.workspace.record(stage) is None:
            with self.workspace.writing(stage) as folder:
                save_bars(folder, bars)
        return stage

    def _null_tasks(self, first: int, stop: int) -> list[MarketTask]:
        n_bars = _bars_needed(self.inputs, self.small, self.settings)
        tasks: list[MarketTask] = []
        for number in range(first, stop):
            for kind in self.kinds:
                limit = len(self.inputs.bars) if NULL_MARKETS[kind].of_real_bars else n_bars
                place = tuple(NULL_MARKETS).index(kind)
                tasks.append(MarketTask(kind=kind, number=number, seed=_seed_of(self.seed, place, number), n_bars=min(n_bars, limit)))
        return tasks

    def _control_tasks(self) -> list[MarketTask]:
        if CONTROL in self.left_out:
            return []
        n_bars = _bars_needed(self.inputs, self.small, self.settings)
        place = len(NULL_MARKETS)
        return [
            MarketTask(kind=CONTROL, number=number, seed=_seed_of(self.seed, place + i, number), n_bars=n_bars, strength=strength)
            for number in range(self.settings.control_markets)
            for i, strength in enumerate(self.settings.strengths)
        ]

    def _run(self, what: str, tasks: Sequence[MarketTask], like: Stage) -> list[dict[str, Any]]:
        """Results of `tasks`, in their order; what is there already is not computed again."""
        stages = {task.name: self._stage(task) for task in tasks}
        missing = [task for task in tasks if self.workspace.record(stages[task.name]) is None]
        if len(missing) < len(tasks):
            self.listener.said(f"{what}: {len(tasks) - len(missing)} of {len(tasks)} are there already")
        shares = [missing[start :: max(self.workers, 1)] for start in range(max(self.workers, 1))]
        jobs = [
            ProofJob(
                root=self.workspace.root.absolute(),
                pipeline=self.pipeline,
                like=StageRef.of(like),
                markets=tuple((task, StageRef.of(stages[task.name])) for task in share),
                label=what if len(shares) == 1 else f"{what} ({number + 1} of {len(shares)} processes)",
            )
            for number, share in enumerate(shares)
            if share
        ]
        if self.workers == 0:
            for job in jobs:
                do_markets(job, self.listener)
        else:
            run_jobs([self._job(number, job) for number, job in enumerate(jobs)], self.workers, self.listener)
        return [_as_measured(read_json(self.workspace.path(stages[task.name]) / "market.json")) for task in tasks]

    def _job(self, number: int, job: ProofJob) -> Job:
        file = self.workspace.root / ".scratch" / f"proving-{number}.json"
        write_bytes(file, readable_json(job.model_dump(mode="json")))
        log = self.workspace.root / "logs" / f"proving-{number}.log"
        return Job(job.label, "barmill.pipeline.proving.working", file, log)

    def _stage(self, task: MarketTask) -> Stage:
        families = {spec_of(entry.name).family for entry in self.small.recipe.base_models}
        libraries = {name: version for family in families for name, version in family_versions(family).items()}
        settings = self.settings
        key = key_of(
            task=task.model_dump(mode="json"),
            pipeline=self.pipeline.model_dump(mode="json", exclude={"settings"}),
            folds=[settings.folds, settings.short_folds],
            like=self.inputs.bars.fingerprint,
            code=code_fingerprint(*_CODE),
            libraries={**core_versions(), **libraries},
        )
        return Stage(task.name, f"metrics/{task.name}", key)

    def _identity(self) -> dict[str, Any]:
        """What was proven, by fingerprints; no time and no machine, so that the same proof has the same bytes."""
        bars, recipe = self.inputs.bars, portable_recipe(self.inputs)
        return {
            "name": self.inputs.recipe.name,
            "symbol": bars.instrument.symbol,
            "timeframe": str(bars.timeframe),
            "settings": self.settings.model_dump(mode="json", exclude={"demands"}),
            "seed": self.seed,
            "horizon": self.small.recipe.labels.horizon,
            "embargo_bars": self.small.embargo_bars,
            "fingerprints": {
                "recipe": sha256(canonical_json(recipe)),
                "code": code_fingerprint(),
                "data": bars.fingerprint,
                "libraries": sha256(canonical_json(core_versions())),
            },
            "overrides": [override.to_json() for override in self.small.overrides],
            "left_out": [{"kind": kind, "why": why} for kind, why in self.left_out.items()],
        }


def _bars_needed(inputs: RunInputs, small: SmallRecipe, settings: ProofSettings) -> int:
    """Bars of a market: those of the warm-up, and enough after them for the folds and their embargoes."""
    labels = small.recipe.labels
    useful = max(settings.useful_bars, settings.bars_per_horizon * labels.horizon, 10 * (small.embargo_bars + 2 * labels.horizon))
    return inputs.warmup_bars + 1 + labels.atr_window + useful


def _left_out(inputs: RunInputs, small: SmallRecipe, settings: ProofSettings) -> dict[str, str]:
    """Kinds of markets that cannot be made for this recipe, and why."""
    bars, needed = inputs.bars, _bars_needed(inputs, small, settings)
    made: dict[str, str] = {}
    drawn = [name for name in bars.frame.columns if name in ("open_time", "open", "high", "low", "close", "volume", *DRAWN_COLUMNS)]
    unread = inputs.plan.missing(drawn)
    for kind in settings.kinds:
        if NULL_MARKETS[kind].of_real_bars and 2 * len(bars) < needed:
            made[kind] = f"it needs {needed // 2:,} bars at least, there are {len(bars):,}"
        if not NULL_MARKETS[kind].of_real_bars and unread:
            made[kind] = "features read columns that only the given bars have"
    if unread:
        made[CONTROL] = "features read columns that only the given bars have"
    return made


def _seed_of(seed: int, place: int, number: int) -> int:
    return int(np.random.SeedSequence([seed, place, number]).generate_state(1)[0])


def _as_measured(found: Any) -> Any:
    """A result as it was before JSON had no word for NaN."""
    if isinstance(found, dict):
        return {name: float("nan") if item is None and name != "strength" else _as_measured(item) for name, item in found.items()}
    return found


__all__ = ["CERTIFICATE_FILE", "prove_recipe"]

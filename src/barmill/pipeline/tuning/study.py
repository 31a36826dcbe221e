"""The trials of one tuning in Optuna's storage: what was tried, and what to try next.

A trial is put into the storage once, when it is over. What a killed process was at work on is therefore not there, and the
next process proposes it again: a proposal depends on the seed, the number of the trial and the finished trials alone, since
each trial has a sampler of its own. So a tuning that was killed and resumed tries the same settings, and as many.

Source: Akiba et al. (2019), Optuna: a next-generation hyperparameter optimization framework, KDD 25; Bergstra et al. (2011),
Algorithms for hyper-parameter optimization, NeurIPS 24 (the sampler).
"""

import contextlib
import importlib
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from barmill.errors import MissingDependency, StorageError
from barmill.models.search import Search
from barmill.pipeline.tuning.config import TuneConfig
from barmill.pipeline.tuning.spaces import Space
from barmill.pipeline.tuning.trials import MAXIMISED, State, Trial

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution

INSTALL = 'Install it with: pip install "barmill[tune]".'
STARTUP_TRIALS = 5  # a median of fewer says little


def require_optuna() -> None:
    """Raises MissingDependency with the line that installs it."""
    try:
        importlib.import_module("optuna")
    except ImportError as error:
        raise MissingDependency("recipe:tune", "optuna is not installed", mend=f"{INSTALL} Or remove tune from the recipe.") from error


class Study:
    """The finished trials under one name, and the next proposal. Made by `open_study`.

    One process at a time works on a study. (Two would propose the same settings to each other, not wrong ones.)
    """

    def __init__(self, name: str, storage: "optuna.storages.BaseStorage", space: Space, config: TuneConfig, seed: Sequence[int]) -> None:
        import optuna

        self._name, self._config, self._seed = name, config, seed
        self._distributions = {parameter: _distribution(search) for parameter, search in space.items()}
        direction = "maximize" if MAXIMISED[config.metric] else "minimize"
        self._kept = optuna.create_study(study_name=name, storage=storage, direction=direction, load_if_exists=True)
        # samplers and pruners look at all trials, many times for each: at a copy, so that the database is read once
        self._copy = optuna.storages.InMemoryStorage()
        optuna.create_study(study_name=name, storage=self._copy, direction=direction).add_trials(self._kept.get_trials(deepcopy=False))

    @property
    def trials(self) -> tuple[Trial, ...]:
        """Every finished trial, in the order of the numbers."""
        return tuple(_told(frozen) for frozen in self._study(0).get_trials(deepcopy=False))

    def propose(self, number: int) -> dict[str, Any]:
        """The parameters of trial `number`, given those before it."""
        import optuna

        study = self._study(number)
        running = optuna.trial.create_trial(state=optuna.trial.TrialState.RUNNING)
        joint = study.sampler.infer_relative_search_space(study, running)
        params = study.sampler.sample_relative(study, running, joint)
        for name, distribution in self._distributions.items():
            if name not in params:
                params[name] = study.sampler.sample_independent(study, running, name, distribution)
        return {name: params[name] for name in self._distributions}

    def gives_up(self, number: int, steps: list[float]) -> bool:
        """Whether a trial that came to these values after its first inner folds is not worth the others."""
        import optuna

        if self._config.pruner == "none":
            return False
        running = optuna.trial.create_trial(state=optuna.trial.TrialState.RUNNING, intermediate_values=dict(enumerate(steps)))
        return optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS).prune(self._study(number), running)

    def add(self, trial: Trial) -> None:
        """Put a finished trial into the storage, whole or not at all."""
        import optuna

        states: dict[State, Any] = {
            "completed": optuna.trial.TrialState.COMPLETE,
            "pruned": optuna.trial.TrialState.PRUNED,
            "failed": optuna.trial.TrialState.FAIL,
        }
        frozen = optuna.trial.create_trial(
            state=states[trial.state],
            value=trial.value,
            params=dict(trial.params),
            distributions=self._distributions,
            intermediate_values=dict(enumerate(trial.steps)),
            user_attrs={"sharpe": trial.sharpe, "n_obs": trial.n_obs, "reason": trial.reason[:500]},
        )
        self._kept.add_trial(frozen)
        self._study(trial.number).add_trial(frozen)

    def _study(self, number: int) -> "optuna.Study":
        """Optuna's own study of the copy, with the sampler of trial `number`; made anew, for it remembers which trials it has seen."""
        import optuna

        seed = int(np.random.SeedSequence([*self._seed, number]).generate_state(1)[0])
        sampler: optuna.samplers.BaseSampler = optuna.samplers.RandomSampler(seed=seed)
        if self._config.sampler == "tpe":
            sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=False)  # it would look at trials that run beside
        return optuna.load_study(study_name=self._name, storage=self._copy, sampler=sampler)


@contextlib.contextmanager
def open_study(name: str, storage: str | None, space: Space, config: TuneConfig, seed: Sequence[int]) -> Generator[Study]:
    """The study `name` in the database at `storage`, begun or gone on with; in memory if None.

    Raises: StorageError for a database that cannot be reached, MissingDependency for one whose driver is not installed.
    """
    require_optuna()
    import optuna

    with _quiet():
        if storage is None:
            yield Study(name, optuna.storages.InMemoryStorage(), space, config, seed)
            return
        kept = _connected(storage)
        try:
            with _storage_told(storage):
                yield Study(name, kept, space, config, seed)
        finally:
            kept.remove_session()
            kept.engine.dispose()


def sqlite_url(path: Path) -> str:
    """The URL of a database in a file, whose folder must be there."""
    return f"sqlite:///{path.absolute()}"


def check_storage(storage: str | None) -> None:
    """Connect once, before any work. Raises as `open_study` does."""
    if storage is None:
        return
    with _quiet():
        kept = _connected(storage)
        kept.remove_session()
        kept.engine.dispose()


def _connected(storage: str) -> "optuna.storages.RDBStorage":
    import optuna

    try:
        with _storage_told(storage):
            return optuna.storages.RDBStorage(storage)
    except ImportError as error:
        mend = "Install the driver of this database, or leave storage out for a file in the run folder."
        raise MissingDependency(_place(storage), f"its driver is not installed: {error.name or error}", mend=mend) from error


@contextlib.contextmanager
def _storage_told(storage: str) -> Generator[None]:
    """What goes wrong with a database, in our words."""
    import optuna
    import sqlalchemy.exc

    try:
        yield
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        reason = str(getattr(error, "orig", None) or error.__cause__ or error).splitlines()[0]
        mend = "Give a URL such as sqlite:///tuning.sqlite or postgresql://host/name, and see that the database can be reached."
        raise StorageError(_place(storage), f"cannot be used: {reason}", mend=mend) from error


def _place(storage: str) -> str:
    """The URL without what may be a password."""
    head, sign, tail = storage.rpartition("@")
    return f"tune.storage {head.split('://')[0]}://...@{tail}" if sign else f"tune.storage {storage}"


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """Optuna says nothing of its own: what a tuning tells, it tells its caller."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _distribution(search: Search) -> "BaseDistribution":
    import optuna

    if search.choices:
        return optuna.distributions.CategoricalDistribution(search.choices)
    assert search.low is not None
    assert search.high is not None
    if isinstance(search.low, int):
        step = 1 if search.step is None else int(search.step)
        return optuna.distributions.IntDistribution(search.low, int(search.high), log=search.log, step=step)
    return optuna.distributions.FloatDistribution(search.low, search.high, log=search.log, step=search.step)


def _told(frozen: "optuna.trial.FrozenTrial") -> Trial:
    states: dict[str, State] = {"COMPLETE": "completed", "PRUNED": "pruned", "FAIL": "failed"}
    steps = tuple(value for _, value in sorted(frozen.intermediate_values.items()))
    told = frozen.user_attrs
    state = states[frozen.state.name]
    return Trial(frozen.number, frozen.params, state, frozen.value, steps, told["sharpe"], told["n_obs"], told["reason"])


__all__ = ["Study", "check_storage", "open_study", "require_optuna", "sqlite_url"]

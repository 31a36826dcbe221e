"""What a setting is judged on: inner folds that never meet the outside of the training rows, nor each other."""

from dataclasses import dataclass, fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import barmill as bm
from barmill.errors import LabelError, SplitError
from barmill.evaluation import Ledger
from barmill.pipeline.dataset import Dataset, load_bars
from barmill.pipeline.ensemble_config import OofConfig
from barmill.pipeline.ensembles.folding import forecast_fold
from barmill.pipeline.ensembles.oof_folds import OofFolds
from barmill.pipeline.events import Silence
from barmill.pipeline.recipe_reading import recipe_from_text
from barmill.pipeline.tuning import TuneConfig
from barmill.pipeline.tuning.in_fold import TunedInFold
from barmill.pipeline.tuning.inner_folds import InnerFolds, inner_folds
from barmill.pipeline.tuning.tuner import Tuning, tune_model
from barmill.pipeline.tuning.tuning_run import tune_recipe
from barmill.pipeline.workspace import Stage, Workspace

pytestmark = pytest.mark.xdist_group("folds of a tuning")  # one process, which tunes once

pytest.importorskip("optuna")

RECIPE = """
name: small
bars: {simulate: {n_bars: 5000, seed: 3, strength: 2.5}}
features: {timeframes: [1m]}
labels: {horizon: 20, atr_window: 30, every: 5}
splits: {embargo: 40, purge: 20}
base_models: [{name: lightgbm, config: {n_estimators: 8, early_stopping_rounds: 5}}]
tune: {trials: 2, folds: 2, sampler: random, pruner: none, search: {lightgbm: {num_leaves: {low: 2, high: 15}}}}
"""


@dataclass(frozen=True)
class Spans:
    t0: np.ndarray
    t1: np.ndarray


@st.composite
def _spans(draw):
    n = draw(st.integers(500, 900))
    seed = draw(st.integers(0, 2**16))
    rng = np.random.default_rng(seed)
    t0 = np.cumsum(rng.integers(0, 4, n)).astype(np.int64)
    t1 = t0 + rng.integers(0, 6, n)
    first, last = sorted(rng.choice(n, 2, replace=False))
    train = np.setdiff1d(np.arange(n), np.arange(first, min(last, first + 40)))  # with a hole, as in a split of CPCV
    return Spans(t0, t1), train.astype(np.int64)


@pytest.mark.parametrize("method", ["purged_kfold", "walk_forward"])
@settings(max_examples=40)
@given(case=_spans(), folds=st.integers(2, 4), purge=st.integers(0, 5), embargo=st.integers(0, 8))
def test_no_row_that_teaches_meets_a_row_that_judges_or_anything_outside(method, case, folds, purge, embargo):
    spans, train = case
    recipe = recipe_from_text(RECIPE, "small.yaml", ["splits.train=0.4", "splits.validation=0.45"])
    cut = inner_folds(spans, train, TuneConfig(folds=folds, method=method), recipe, purge, embargo)
    ends = np.maximum(spans.t1, spans.t0 + purge)
    assert len(cut) == folds
    judged = np.concatenate([fold.test for fold in cut])
    assert len(np.unique(judged)) == len(judged)
    assert np.isin(judged, train).all()
    if method == "purged_kfold":
        assert len(judged) == len(train)
    for fold in cut:
        taught = np.concatenate(list(fold.parts.values()))
        assert np.isin(taught, train).all()
        assert len(np.unique(taught)) == len(taught)
        first, last = spans.t0[fold.test].min(), ends[fold.test].max()
        late = embargo if method == "purged_kfold" else 0
        assert not ((spans.t0[taught] <= last + late) & (ends[taught] >= first)).any()
        if method == "walk_forward":
            assert ends[taught].max() < first
        for earlier, later in zip(list(fold.parts.values())[:-1], list(fold.parts.values())[1:], strict=True):
            assert ends[earlier].max() < spans.t0[later].min()


def test_too_few_rows_are_told_with_the_fold():
    spans = Spans(np.arange(20), np.arange(20) + 15)
    with pytest.raises(SplitError, match=r"tune.folds: inner fold 0 has \d+ rows to learn from"):
        inner_folds(spans, np.arange(20), TuneConfig(folds=3), recipe_from_text(RECIPE, "small.yaml"), 0, 0)


def test_rows_of_one_class_are_told_before_any_trial_is_counted(world, tmp_path):
    tuning, data, bars, _ = world
    train, ledger = data.positions["train"], Ledger(tmp_path, "f" * 64)
    up = np.flatnonzero(data.labels.classes(2)[train] == 1)
    with pytest.raises(LabelError, match="inner fold 0, its rows for"):
        tune_model(tuning, data, bars, np.delete(train, up[: len(up) * 4 // 5]), ledger=ledger)
    assert ledger.count == 0


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A recipe, its prepared data and bars, and the tuning of its one model."""
    folder = tmp_path_factory.mktemp("tuned")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BARMILL_LEDGER", str(folder / "ledger"))
        recipe = recipe_from_text(RECIPE, "small.yaml")
        run = tune_recipe(recipe, out=folder / "run")
    places = {name: next(run.folder.glob(f"data/{name}-*")) for name in ("features", "labels", "splits", "scaled", "bars")}
    data = Dataset(places["features"], places["labels"], places["splits"], places["scaled"], 2, 20, "realised_volatility_60")
    tuning = Tuning(recipe.base_models[0], recipe.tune, recipe, {"data": "these"}, None, 20, 40)
    return tuning, data, load_bars(places["bars"]), run


def _changed(data, bars, train, rng):
    """Everything outside `train` is another: features and labels of other decisions, prices before its first bar and after its last."""
    inside = np.zeros(len(bars), dtype=bool)
    for run in np.split(train, np.flatnonzero(np.diff(train) > 1) + 1):
        inside[data.labels.t0[run[0]] : data.labels.t1[run].max() + 1] = True
    values = np.array(data.values)
    decisions = np.zeros(len(bars), dtype=bool)
    decisions[data.labels.t0[train]] = True
    values[~decisions] = rng.normal(size=(int((~decisions).sum()), values.shape[1]))
    labels = data.labels
    others = np.setdiff1d(np.arange(len(labels)), train)
    replaced = {}
    for item in fields(labels):
        column = getattr(labels, item.name)
        if isinstance(column, np.ndarray) and item.name not in ("t0", "t1"):
            column = np.array(column)
            column[others] = rng.permutation(column[others])
            replaced[item.name] = column
    altered = replace(data)
    altered.__dict__.update(values=values, labels=replace(labels, **replaced))
    scale = np.where(inside, 1.0, rng.uniform(0.5, 2.0, len(bars)))
    columns = {name: bars.column(name) * scale for name in ("open", "high", "low", "close")}
    return altered, bm.Bars.from_columns(bars.instrument, "1m", bars.open_time, **columns, volume=bars.column("volume"))


def _same(one, two):
    return one.trials == two.trials and np.array_equal(one.returns, two.returns, equal_nan=True)


def test_a_tuning_does_not_change_when_everything_outside_its_rows_does(world):
    """Law 5, isolation: to the bit."""
    tuning, data, bars, run = world
    train = data.positions["train"]
    here = tune_model(tuning, data, bars, train)
    assert _same(here, tune_model(tuning, *_changed(data, bars, train, np.random.default_rng(1)), train))
    assert here.to_json() == run.results[0]  # in a process of its own, and kept in a database


def test_a_tuning_does_not_look_into_a_hole_in_its_rows(world):
    """As in a split of the cross-validation, whose test groups lie in the middle."""
    tuning, data, bars, _ = world
    tuning = replace(tuning, config=tuning.config.model_copy(update={"metric": "sharpe"}))
    train = np.delete(data.positions["train"], np.arange(150, 330))
    here = tune_model(tuning, data, bars, train)
    assert _same(here, tune_model(tuning, *_changed(data, bars, train, np.random.default_rng(2)), train))
    for number, trial in enumerate(here.trials):
        if trial.state == "completed":
            assert np.isfinite(here.returns[:, number]).all()


def test_a_tuning_that_is_given_one_later_row_is_caught(world):
    """The planted fault: a row of the test block among those that judge."""
    tuning, data, bars, _ = world
    train, leaked = data.positions["train"], np.append(data.positions["train"], data.positions["test"][5])
    here = tune_model(tuning, data, bars, leaked)
    assert not _same(here, tune_model(tuning, *_changed(data, bars, train, np.random.default_rng(1)), leaked))


def test_a_member_in_a_fold_is_tuned_on_the_rows_that_fit_it_there_and_they_meet_nothing_that_it_forecasts(world, tmp_path):
    tuning, data, bars, _ = world
    folds = OofFolds.of(data.labels, data.positions["train"], OofConfig(n_folds=3, purge_bars=20, embargo_bars=40))
    asked = {}

    def entry_for(label, train, scratch):
        asked[label] = train
        return tuning.entry

    known = Workspace(tmp_path / "run"), data, tuning.recipe, {"lightgbm": None}
    stage = Stage("out of fold", "oof/one", "key")
    forecast_fold(1, folds, entry_for, {"lightgbm": stage}, *known, lambda: bars, Silence())
    labels, train, held_out = data.labels, asked["lightgbm"], folds.test(1)
    assert np.isin(train, folds.train(1)).all()
    first, last = labels.t0[held_out].min(), labels.t1[held_out].max()
    assert not ((labels.t0[train] <= last + 40) & (labels.t1[train] >= first)).any()


def test_parameters_in_a_fold_are_a_function_of_its_own_rows_and_their_trials_are_counted(world, tmp_path, monkeypatch):
    tuning, data, bars, _ = world
    monkeypatch.setenv("BARMILL_LEDGER", str(tmp_path / "ledger"))
    stages = {name: Stage(name, f"data/{name}", name) for name in ("features", "labels")}
    train = data.positions["train"][:-20]

    def tuned(data, bars):
        return TunedInFold(tuning.recipe, data, {"lightgbm": None}, stages, lambda: bars).entry("lightgbm", train, None)

    here = tuned(data, bars)
    assert Ledger.of(bars.fingerprint).counts().trials == tuning.config.fold_trials
    assert here == tuned(*_changed(data, bars, train, np.random.default_rng(1))) != tuning.entry
    untuned = tuning.recipe.model_copy(update={"tune": None})
    assert TunedInFold(untuned, data, {"lightgbm": None}, stages, lambda: bars).entry("lightgbm", train, None) == tuning.entry


def test_a_fold_is_judged_by_what_its_own_rows_taught(world):
    """Rows of a fold's test have no say in its scaler, features or model."""
    tuning, data, bars, _ = world
    train = data.positions["train"]
    folds = inner_folds(data.labels, train, tuning.config, tuning.recipe, 20, 40)
    judge = InnerFolds(tuning.entry, data, bars, tuning.recipe, folds, None)
    scaled = judge._data_of(0)
    values = np.array(data.values)
    values[data.labels.t0[folds[0].test]] *= 7.0
    altered = replace(data)
    altered.__dict__["values"] = values
    again = InnerFolds(tuning.entry, altered, bars, tuning.recipe, folds, None)._data_of(0)
    rows = data.labels.t0[folds[0].parts["fit"]]
    np.testing.assert_array_equal(scaled.base[rows], again.base[rows])
    assert scaled.floor == again.floor
    assert (scaled.base[data.labels.t0[folds[0].test]] != again.base[data.labels.t0[folds[0].test]]).any()


def test_tables_on_disk_give_what_tables_in_memory_give(world, tmp_path):
    tuning, data, bars, _ = world
    train = data.positions["train"]
    assert _same(tune_model(tuning, data, bars, train), tune_model(tuning, data, bars, train, scratch=tmp_path))
    assert (tmp_path / "fold-0.npy").exists()


def test_a_configuration_is_one_trial_on_whatever_rows_it_is_judged(world, tmp_path):
    """As in a split of the cross-validation, which tunes on its own training rows."""
    tuning, data, bars, _ = world
    train, ledger = data.positions["train"], Ledger(tmp_path, "e" * 64)
    tune_model(tuning, data, bars, train, ledger=ledger)
    tune_model(tuning, data, bars, train[: len(train) * 2 // 3], ledger=ledger)
    assert ledger.count == tuning.config.trials
    tune_model(tuning, data, bars, train, trials=tuning.config.trials + 1, ledger=ledger)
    assert ledger.count == tuning.config.trials + 1

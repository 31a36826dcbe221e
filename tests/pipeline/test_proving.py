"""The proof of a pipeline: granted as it is, refused with one leak planted in it; kept market by market, to the same bytes.

Leaks are planted in the engine while it runs in this process: the program has no switch for them. Sizes are small, and their power
is stated with each demand: 12 markets of 4000 bars have an interval of about 0.05 from end to end.
"""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from barmill.errors import RecipeError, TrainingError
from barmill.labels import make_labels
from barmill.market import simulate
from barmill.pipeline import recipe_from_text
from barmill.pipeline.proving import CERTIFICATE_FILE, Caps, Demands, ProofSettings, market_proof, proof_folds, prove_recipe, working
from barmill.pipeline.proving.direction import direction_score, gross_direction
from barmill.pipeline.proving.small_recipe import small_recipe

RECIPE = """
name: proof
bars: {simulate: {n_bars: 6000, seed: 3, strength: 2.0}}
features: {timeframes: [1m]}
labels: {horizon: 12, k_up: 2.0, k_down: 2.0, atr_window: 30, every: 3}
splits: {embargo: 60, purge: 12}
base_models:
  - name: lightgbm
    outputs: [p_up]
    inputs: [log_return_5, log_return_60, realised_volatility_60, bollinger_position_20_2, ema_distance_200, volume_ratio_20]
    config: {n_estimators: 30, num_leaves: 15, learning_rate: 0.1}
"""
SMALL = ProofSettings(
    name="small",
    markets=12,
    most_markets=12,
    useful_bars=4_000,
    bars_per_horizon=1,
    kinds=("random_walk", "garch", "bid_ask_bounce"),
    folds=2,
    short_folds=8,
    strengths=(3.0,),
    control_markets=0,
    caps=Caps(n_estimators=30),
    demands=Demands(width=0.08),
)
TINY = SMALL.model_copy(update={"kinds": ("garch", "sign_flipped"), "useful_bars": 2_000, "control_markets": 1})


@pytest.fixture(scope="module")
def recipe():
    return recipe_from_text(RECIPE, "proof.yaml")


def proven(recipe, folder, settings=SMALL, **more):
    return prove_recipe(recipe, out=folder, settings=settings, workers=0, **more)


def shift(made, figure="auc"):
    return made.content["null"][figure]["value"] - 0.5


def test_a_clean_pipeline_is_granted(recipe, tmp_path):
    made = proven(recipe, tmp_path)
    assert made.granted, made.reasons
    auc = made.content["null"]["auc"]
    assert auc["n"] == 12
    assert auc["high"] - auc["low"] < 0.08
    assert json.loads((tmp_path / CERTIFICATE_FILE).read_bytes()) == made.content


def test_without_purge_the_witness_tells_and_the_models_do_not(recipe, tmp_path, monkeypatch):
    """Large folds hide it, and trees that stop early: the AUC of the model holds one half, that of the witness does not."""

    def all_others(t0, spans, test, embargo_bars):
        return np.setdiff1d(np.arange(t0.size), test)

    monkeypatch.setattr(proof_folds, "training_rows", all_others)
    made = proven(recipe, tmp_path)
    (reason,) = made.reasons
    assert "the witness next to rows that trained" in reason
    assert shift(made, "border") > 0.1


def test_labels_that_say_they_end_before_their_outcome_does_are_told_by_the_witness(recipe, tmp_path, monkeypatch):
    def short(bars, config, ready=None):
        labels = make_labels(bars, config, ready)
        return replace(labels, t1=labels.t0.copy())

    monkeypatch.setattr("barmill.pipeline.prepare.make_labels", short)
    careless = recipe.model_copy(update={"splits": recipe.splits.model_copy(update={"purge": 0})})
    monkeypatch.setattr("barmill.pipeline.proving.proof.small_recipe", lambda *given: replace(small_recipe(*given), purge_bars=0))
    made = proven(careless, tmp_path)
    assert any("the witness" in reason for reason in made.reasons)


def test_a_feature_that_sees_the_next_bars_is_refused(recipe, tmp_path, monkeypatch):
    honest = market_proof.prepared

    def seeing(inputs, workspace):
        data = honest(inputs, workspace)
        x = np.log(inputs.bars.close)
        values = np.array(data.values)
        values[:-3, data.names.index("log_return_5")] = x[3:] - x[:-3]
        data.__dict__["values"] = values
        return data

    monkeypatch.setattr(market_proof, "prepared", seeing)
    made = proven(recipe, tmp_path)
    assert not made.granted
    assert shift(made) > 0.1
    assert any("sees the future" in reason for reason in made.reasons)
    assert any("promoted" in reason for reason in made.reasons)


def test_settings_chosen_by_the_test_rows_are_refused(recipe, tmp_path, monkeypatch):
    """The best of eight on the very rows that judge: what a search does that forgets where it may look."""
    judge, fit = market_proof._Market._judge, market_proof.fit_entry
    now = SimpleNamespace()

    def remembering(self, fold, said, known):
        now.market, now.fold = self, fold
        judge(self, fold, said, known)

    def searching(entry, parts, scaled, recipe, window, **more):
        direction = gross_direction(now.market.bars, scaled.labels, now.fold.test, now.market.horizon)
        best = None
        for start in range(8):
            inputs = scaled.names[start::8]
            model = fit(entry.model_copy(update={"inputs": inputs}), parts, scaled, recipe, window, **more)
            score = direction_score(model.p_up(scaled.view(now.fold.test, window, inputs), None), direction).total
            if best is None or score > best[0]:
                best = score, model, inputs
        now.inputs = best[2]
        return best[1]

    def forecast(self, model, scaled, fold, window, entry):
        return model.p_up(scaled.view(fold.test, window, now.inputs), None)

    monkeypatch.setattr(market_proof._Market, "_judge", remembering)
    monkeypatch.setattr(market_proof._Market, "_forecast", forecast)
    monkeypatch.setattr(market_proof, "fit_entry", searching)
    made = proven(recipe, tmp_path)
    assert not made.granted
    assert shift(made) > 0.03


def test_labels_that_begin_before_their_decision_are_refused(recipe, tmp_path, monkeypatch):
    def late(bars, config, ready=None):
        labels = make_labels(bars, config, ready)
        kept = labels.take(np.flatnonzero(labels.t1 < len(bars) - 6))
        return replace(kept, t0=kept.t0 + 3, t1=kept.t1 + 3)  # decided, it says, three bars later than it was

    monkeypatch.setattr("barmill.pipeline.prepare.make_labels", late)
    made = proven(recipe, tmp_path)
    assert not made.granted
    assert shift(made) > 0.05


def test_a_fill_at_the_close_that_decides_shows_where_prices_bounce(recipe, tmp_path, monkeypatch):
    def from_the_close(bars, config, ready=None):
        labels = make_labels(bars, config, ready)
        labels = labels.take(np.flatnonzero(labels.t0 + config.horizon < len(bars)))
        entry, last = bars.close[labels.t0], labels.t0 + config.horizon
        earned = bars.close[last] / entry - 1
        side = np.sign(earned).astype(np.int8)
        return replace(labels, t1=last, entry_price=entry, gross_return=earned, net_return=earned, label=side)

    model = "base_models: [{name: logistic, inputs: [log_return_1, log_return_5], config: {C: 0.01}}]"
    near = recipe_from_text(RECIPE[: RECIPE.index("base_models")].replace("horizon: 12", "horizon: 2") + model, "near.yaml")
    settings = SMALL.model_copy(update={"kinds": ("bid_ask_bounce",)})
    assert proven(near, tmp_path / "honest", settings, markets=6).granted
    monkeypatch.setattr("barmill.pipeline.prepare.make_labels", from_the_close)
    made = proven(near, tmp_path / "leaking", settings, markets=6)
    assert not made.granted
    assert shift(made) > 0.03


def test_a_scaler_that_saw_every_row_is_not_seen_here(recipe, tmp_path, monkeypatch):
    """It looks at no outcome. Provenance and leakage checks answer for it, and the page says so."""
    honest = market_proof.fold_data

    def everywhere(dataset, train, read_bars):
        return honest(dataset, np.arange(len(dataset.labels)), read_bars)

    monkeypatch.setattr(market_proof, "fold_data", everywhere)
    assert proven(recipe, tmp_path).granted


def test_a_pipeline_that_finds_nothing_anywhere_is_refused(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(market_proof._Market, "_forecast", lambda self, model, scaled, fold, *_: np.linspace(0.4, 0.6, fold.test.size))
    made = proven(recipe, tmp_path, TINY.model_copy(update={"control_markets": 3}), markets=4)
    assert any("no model found the edge" in reason for reason in made.reasons)


def test_the_planted_edge_is_found_and_told_as_a_share_of_the_oracles(recipe, tmp_path):
    settings = TINY.model_copy(update={"useful_bars": 5_000, "control_markets": 3, "short_folds": 0})
    made = proven(recipe, tmp_path, settings, markets=2)
    (control,) = made.content["controls"]
    (model,) = control["models"]
    assert control["oracle_sharpe"] > 10
    assert model["auc"]["low"] > 0.5
    assert 0.2 < model["share"]["value"] < 1.3
    assert model["share"]["low"] < model["share"]["value"] < model["share"]["high"]
    assert not any("planted" in reason for reason in made.reasons)


def test_too_wide_an_interval_shows_nothing_and_is_refused(recipe, tmp_path):
    made = proven(recipe, tmp_path, TINY.model_copy(update={"demands": Demands(width=0.001), "control_markets": 0}), markets=4)
    assert any("add markets" in reason for reason in made.reasons)


def test_markets_are_added_while_the_interval_is_too_wide(recipe, tmp_path):
    settings = TINY.model_copy(update={"markets": 4, "most_markets": 8, "control_markets": 0, "demands": Demands(width=0.0001)})
    assert proven(recipe, tmp_path, settings).content["null"]["n_markets"] == 8


def test_a_killed_proof_goes_on_to_the_same_bytes_and_does_nothing_twice(recipe, tmp_path, monkeypatch):
    whole = proven(recipe, tmp_path / "whole", TINY, markets=4)
    prove_market, done = working.prove_market, []

    def until_the_third(task, pipeline, like):
        if len(done) == 3:
            raise TrainingError("market", "the machine ended")
        done.append(task.name)
        return prove_market(task, pipeline, like)

    monkeypatch.setattr(working, "prove_market", until_the_third)
    with pytest.raises(TrainingError):
        proven(recipe, tmp_path / "killed", TINY, markets=4)
    first = list(done)
    monkeypatch.setattr(working, "prove_market", lambda task, *rest: done.append(task.name) or prove_market(task, *rest))
    resumed = proven(recipe, tmp_path / "killed", TINY, markets=4)
    assert len(done) == len(set(done)) == 5
    assert done[:3] == first
    assert resumed.content == whole.content
    names = [tmp_path / name / CERTIFICATE_FILE for name in ("whole", "killed")]
    assert names[0].read_bytes() == names[1].read_bytes()


def test_processes_give_the_bytes_of_one(recipe, tmp_path):
    settings = TINY.model_copy(update={"control_markets": 0})
    alone = proven(recipe, tmp_path / "alone", settings, markets=2)
    together = prove_recipe(recipe, out=tmp_path / "together", settings=settings, markets=2, workers=2)
    assert alone.content == together.content


def test_another_seed_gives_other_markets(recipe, tmp_path):
    settings = TINY.model_copy(update={"control_markets": 0, "short_folds": 0})
    data = [
        {market["data"] for market in proven(recipe, tmp_path / str(seed), settings, markets=2, seed=seed).content["markets"]}
        for seed in (0, 1)
    ]
    assert not data[0] & data[1]


def test_kinds_that_cannot_be_made_are_left_out_with_the_reason(recipe, tmp_path):
    settings = TINY.model_copy(update={"useful_bars": 20_000, "control_markets": 0, "kinds": ("sign_flipped",)})
    with pytest.raises(RecipeError, match="it needs"):
        proven(recipe, tmp_path, settings)


def test_overrides_keep_the_shape_of_outcomes_and_are_told(recipe):
    bars = simulate(200, seed=1).bars
    small = small_recipe(recipe, bars.instrument, bars.timeframe, SMALL.model_copy(update={"horizon": 3, "caps": Caps(n_estimators=5)}))
    assert small.recipe.labels.horizon == 3
    assert small.recipe.labels.k_up == pytest.approx(1.0)
    assert small.instrument.fee.bps == pytest.approx(bars.instrument.fee.bps / 2)
    assert small.recipe.base_models[0].config["n_estimators"] == 5
    assert small.embargo_bars == 60
    told = {override.key: (override.was, override.now) for override in small.overrides}
    assert told["labels.horizon"] == (12, 3)
    assert told["lightgbm.n_estimators"] == (30, 5)
    assert "splits.embargo" not in told


def test_a_recipe_small_enough_is_run_as_it_stands(recipe):
    bars = simulate(200, seed=1).bars
    small = small_recipe(recipe, bars.instrument, bars.timeframe, SMALL)
    assert [override.key for override in small.overrides] == []

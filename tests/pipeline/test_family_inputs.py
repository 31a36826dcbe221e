"""What each family sees: few columns of the base timeframe for networks, the recipe's set for tabular models, and no silent change."""

import pytest

import barmill as bm
from barmill.errors import RecipeError
from barmill.features import FeaturePlan, read_set
from barmill.market import Timeframe
from barmill.pipeline import recipe_from_text
from barmill.pipeline.inputs import gather_inputs

TEXT = """
features: {set: SET, by_family: FAMILY}
labels: {horizon: 30, atr_window: 30, every: 2}
splits: {embargo: 60}
base_models:
  - {name: logistic}
  - {name: lstm, config: {seq_len: 8}}
  - {name: patchtst, view: window_tensor, config: {seq_len: 16, patch_length: 4, stride: 4}}
  - {name: lstm, alias: mine, inputs: [rsi_14], config: {seq_len: 8}}
"""


@pytest.fixture(scope="module")
def bars():
    return bm.simulate(12_000, seed=5).bars


def gathered(bars, chosen="core", by_family="true", text=TEXT):
    recipe = recipe_from_text(text.replace("SET", chosen).replace("FAMILY", by_family), "r.yaml")
    return gather_inputs(recipe, bars, None, None)


def seen(inputs):
    return {entry.label: entry.inputs for entry in inputs.recipe.base_models}


def test_without_by_family_every_model_sees_the_set_as_before(bars):
    inputs = gathered(bars, by_family="false")
    assert inputs.plan.names == FeaturePlan.build(base=Timeframe(1), set="core").names
    assert seen(inputs) == {"logistic": (), "lstm": (), "patchtst": (), "mine": ("rsi_14",)}


@pytest.mark.parametrize("chosen", ["core", "charter"])
def test_each_family_sees_its_own_columns_and_tabular_models_the_set(bars, chosen):
    text = TEXT.replace("[rsi_14]", "[rsi_1m]") if chosen == "charter" else TEXT
    inputs = gathered(bars, chosen, text=text)
    own = FeaturePlan.build(base=Timeframe(1), set=chosen).names
    found = seen(inputs)
    assert found["logistic"] == own
    assert len(found["lstm"]) == 25
    assert len(found["patchtst"]) == 7
    assert len(found["mine"]) == 1
    assert inputs.plan.names[: len(own)] == own
    assert set(inputs.plan.names) == set().union(*map(set, found.values()))
    assert len(set(inputs.plan.features)) == len(inputs.plan.features)


def test_a_feature_that_the_set_calls_otherwise_is_found_under_that_name(bars):
    inputs = gathered(bars, "charter", text=TEXT.replace("[rsi_14]", "[rsi_1m]"))
    assert "wavelet_D1_open" in seen(inputs)["lstm"]


@pytest.mark.parametrize("name", ["sequence_returns", "transformer_returns", "foundation_returns"])
def test_the_default_sets_do_not_depend_on_the_price_level(bars, name):
    """Ten times the price, the same features."""
    columns = {column: 10 * bars.column(column) for column in ("open", "high", "low", "close")}
    dearer = bm.Bars.from_columns(bars.instrument, "1m", bars.open_time, **columns, volume=bars.column("volume"))
    plan = FeaturePlan.build(base=Timeframe(1), set=name, needs=())
    cheap, dear = plan.compute(bars).values, plan.compute(dearer).values
    assert cheap[500:] == pytest.approx(dear[500:], abs=1e-6, rel=1e-6)
    assert "log_return_1" in plan.names
    assert read_set(name).ladder == (1,)


def test_an_input_that_the_plan_does_not_have_is_told_before_any_work(bars):
    with pytest.raises(RecipeError, match=r"base_models\[3\]\.inputs: no feature 'rsi_15'.*Did you mean 'rsi_14'"):
        gathered(bars, text=TEXT.replace("[rsi_14]", "[rsi_15]"))

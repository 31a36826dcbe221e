"""The experts: known quantiles are found, and liquidity clusters go their own ways. The laws of all models are held elsewhere."""

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.metrics import mean_pinball_loss, roc_auc_score

from barmill.errors import RecipeError
from barmill.models import FitContext, FittedModel, ModelSpec, RawForecast, Samples, load_fit, load_forecaster
from barmill.models.boosting.explaining import lightgbm_trees, trees_health
from barmill.models.expert.explaining import by_cluster
from barmill.models.expert.liquidity import cluster_of
from barmill.models.expert.specs import SPECS
from barmill.models.explaining import evenly
from barmill.views import FeatureMatrix
from common.model_laws import Listener, assert_rows_stand_alone, digests, told

EXPERTS = {spec.name: spec for spec in SPECS}
QUANTILE = [spec for spec in SPECS if spec.targets]
N = 6000
TRAIN, VALID, TEST = slice(5, 3600), slice(3600, 4500), slice(4500, N)
NAMES = ("liquidity", "calm", "strength", "noise,1m", "noise_2")
SMALL: Mapping[str, Any] = {"n_estimators": 60, "num_leaves": 8, "learning_rate": 0.1, "early_stopping_rounds": 20}

every_expert = pytest.mark.parametrize("spec", [pytest.param(spec, id=spec.name) for spec in SPECS])
every_quantile = pytest.mark.parametrize("spec", [pytest.param(spec, id=spec.name) for spec in QUANTILE])


@functools.cache
def base() -> np.ndarray[Any, np.dtype[np.float32]]:
    values = np.random.default_rng(1).standard_normal((N, len(NAMES))).astype(np.float32)
    values[:5] = np.nan
    values.flags.writeable = False
    return values


@functools.cache
def world() -> dict[str, np.ndarray[Any, Any]]:
    """Outcomes whose conditional law is known: draw-downs are exponential with a scale that `calm` tells."""
    rng = np.random.default_rng(2)
    liquidity, calm, strength = np.nan_to_num(base()[:, :3].astype(np.float64)).T
    scale = np.exp(0.5 * np.sign(calm))
    drift = 0.8 * np.sign(strength)
    direction = np.where(liquidity < -0.43, -1.0, 1.0)  # the lowest third of a standard normal goes the other way
    return {
        "scale": scale,
        "drift": drift,
        "y": (direction * strength + rng.standard_normal(N) > 0).astype(np.int8),
        "drawdown_kATR": scale * rng.exponential(size=N),
        "realised_R": drift + rng.standard_normal(N),
        "runup_R": np.abs(rng.standard_normal(N)) + 2.0,
        "offset_kATR": np.where(rng.uniform(size=N) < 0.8, np.where(strength > 0, 0.25, -0.15), 0.0),
    }


def samples(part: slice) -> Samples:
    at = np.arange(N)[part]
    told = world()
    weight = np.random.default_rng(3).uniform(0.5, 1.5, at.size)
    targets = {name: told[name][at] for name in ("drawdown_kATR", "realised_R", "runup_R", "offset_kATR")}
    return Samples(FeatureMatrix(base(), at), told["y"][at], told["realised_R"][at], weight / weight.mean(), targets)


def context(spec: ModelSpec, threads: int = 1, n_classes: int = 2, **more: Any) -> FitContext:
    return FitContext(seed=7, n_classes=n_classes, outputs=spec.outputs, feature_names=NAMES, threads=threads, **more)


@functools.cache
def fitted(name: str, threads: int = 1, **changed: Any) -> FittedModel:
    spec = EXPERTS[name]
    return load_fit(spec)(spec.params(**{**SMALL, **changed}), samples(TRAIN), samples(VALID), context(spec, threads))


def forecast(model: FittedModel, part: slice = TEST) -> RawForecast:
    return load_forecaster(EXPERTS[model.name], model.files).raw(samples(part).view)


def test_the_stop_lies_at_the_known_quantile_of_the_draw_down():
    values = told(forecast(fitted("risk")))
    scale, came = world()["scale"][TEST], world()["drawdown_kATR"][TEST]
    levels = np.array([0.6, 0.7, 0.8])
    oracle = -np.log1p(-levels) * scale[:, None]
    found = values["sl_kATR_quantiles"]
    for number, level in enumerate(levels):
        loss, best = (mean_pinball_loss(came, said[:, number], alpha=level) for said in (found, oracle))
        unconditional = mean_pinball_loss(came, np.full(came.size, np.quantile(came, level)), alpha=level)
        assert loss < best + 0.25 * (unconditional - best)  # 0.16 of what there is to know is lost to 3595 rows and noise
        assert np.mean(came <= found[:, number]) == pytest.approx(level, abs=0.045)  # 3.5 standard errors of 1500 trades
    np.testing.assert_array_equal(values["sl_kATR"], found[:, 1])


def test_the_target_lies_at_the_known_quantile_of_what_trades_bring():
    values = told(forecast(fitted("reward")))
    found = values["rr_target_quantiles"]
    assert np.mean(np.abs(found[:, 0] - world()["drift"][TEST])) < 0.15  # the median
    np.testing.assert_array_equal(values["rr_target"], found[:, 1])
    summary = fitted("reward").summary["valid"]
    assert set(summary) == {"smape_of_median", "utility_uplift_R"}


def test_the_offset_says_which_order_would_have_been_best():
    offset = told(forecast(fitted("entry_offset")))["offset_kATR"]
    strength = base()[TEST, 2]
    clear = np.abs(strength) > 0.05
    np.testing.assert_array_equal(np.sign(offset[clear]), np.where(strength[clear] > 0, 1.0, -1.0))
    assert fitted("entry_offset").summary["valid"]["entry_style_share"] == pytest.approx(0.8, abs=0.05)


def test_offsets_within_the_dead_band_are_entries_at_the_open():
    offset = told(forecast(fitted("entry_offset", dead_band_atr=0.2)))["offset_kATR_quantiles"]
    assert not ((np.abs(offset) < 0.2) & (offset != 0.0)).any()
    assert (offset == 0.0).any()


@every_quantile
def test_quantiles_never_fall_in_a_row(spec):
    # One leaf more than the rows can carry makes neighbouring boosters cross; what is said must not.
    model = fitted(spec.name, n_estimators=40, num_leaves=64, min_data_in_leaf=5, levels=(0.48, 0.5, 0.52), alpha=0.5, learning_rate=0.3)
    quantiles = told(forecast(model))[f"{spec.outputs[0]}_quantiles"]
    assert (np.diff(quantiles, axis=1) >= 0).all()
    import lightgbm as lgb

    boosters = [lgb.Booster(model_str=model.files[f"q{level:g}.txt"].decode()) for level in (0.48, 0.5, 0.52)]
    bare = np.column_stack([booster.predict(base()[TEST]) for booster in boosters])
    assert (np.diff(bare, axis=1) < 0).any()
    if spec.name != "entry_offset":  # which moves small offsets to 0
        np.testing.assert_array_equal(np.sort(bare, axis=1), quantiles)


@every_quantile
def test_what_the_fit_tells_of_its_levels_is_measured_on_its_own_forecasts(spec):
    model = fitted(spec.name)
    quantiles = told(forecast(model, VALID))[f"{spec.outputs[0]}_quantiles"]
    came = world()[spec.targets[0]][VALID]
    for number, (level, figures) in enumerate(model.summary["levels"].items()):
        assert figures["coverage"] == np.mean(came <= quantiles[:, number])
        assert figures["pinball"] == pytest.approx(mean_pinball_loss(came, quantiles[:, number], alpha=float(level)))


def test_a_cluster_with_a_law_of_its_own_gets_a_booster_of_its_own():
    y = samples(TEST).y
    clustered = fitted("entry", liquidity="liquidity", min_cluster_rows=500, num_leaves=2)
    pooled = fitted("entry", num_leaves=2)
    assert sorted(clustered.files) == ["entry_H.txt", "entry_L.txt", "entry_M.txt", "expert.json"]
    assert sorted(pooled.files) == ["entry_pooled.txt", "expert.json"]
    # trees of one split cannot say that strength means another thing where trade is thin
    assert roc_auc_score(y, forecast(clustered).logits) > 0.8
    assert roc_auc_score(y, forecast(pooled).logits) < 0.75
    assert clustered.summary["borders"] == pytest.approx([-0.43, 0.43], abs=0.07)
    assert sum(cluster["rows"] for cluster in clustered.summary["clusters"].values()) == 3595


def test_a_cluster_with_too_few_rows_uses_the_pooled_booster_and_says_so():
    model = fitted("entry", liquidity="liquidity", min_cluster_rows=1199)  # 3595 rows in three: 1199, 1198 and 1198
    assert [name for name, cluster in model.summary["clusters"].items() if "pooled" not in cluster] == ["L"]
    assert model.summary["clusters"]["H"]["pooled"] == "1198 training rows, fewer than 1199"
    assert sorted(model.files) == ["entry_L.txt", "entry_pooled.txt", "expert.json"]
    low = base()[TEST, 0] <= model.summary["borders"][0]
    alone, pooled = forecast(model).logits, forecast(fitted("entry")).logits
    np.testing.assert_array_equal(alone[~low], pooled[~low])
    assert (alone[low] != pooled[low]).any()


def test_three_classes_give_three_scores():
    spec = EXPERTS["entry"]
    parts = [samples(part) for part in (TRAIN, VALID)]
    three = [Samples(p.view, np.digitize(p.view.values[:, 2], [-0.5, 0.5]).astype(np.int8), p.z, p.weight) for p in parts]
    model = load_fit(spec)(spec.params(**SMALL), *three, context(spec, n_classes=3))
    logits = forecast(model).logits
    assert logits.shape == (1500, 3)
    assert np.mean(logits.argmax(axis=1) == np.digitize(base()[TEST, 2], [-0.5, 0.5])) > 0.95


def test_balanced_classes_lift_the_rarer_one():
    spec = EXPERTS["entry"]
    rare = [Samples(p.view, (p.z > 2.0).astype(np.int8), p.z, p.weight) for p in (samples(TRAIN), samples(VALID))]
    mean: dict[str | None, float] = {}
    for weighting in (None, "balanced"):
        model = load_fit(spec)(spec.params(**SMALL, class_weight=weighting), *rare, context(spec))
        mean[weighting] = float((1 / (1 + np.exp(-forecast(model).logits))).mean())
    assert mean[None] == pytest.approx((samples(TEST).z > 2.0).mean(), abs=0.03)
    assert mean["balanced"] > 0.3


def test_rows_of_several_clusters_stand_alone_and_their_boosters_depend_on_no_thread():
    model = fitted("entry", liquidity="liquidity")
    assert_rows_stand_alone(load_forecaster(EXPERTS["entry"], model.files), samples(TEST).view, 0.0)
    again = fitted("entry", threads=2, liquidity="liquidity")
    assert digests(again.files) == digests(model.files)
    assert again.summary == model.summary


def test_each_cluster_is_explained_by_its_own_booster():
    model = fitted("entry", liquidity="liquidity")
    view = samples(TEST).view
    files = {name: text for name, text in model.files.items() if name.endswith(".txt")}
    boosters = {name: f"entry_{name}.txt" for name in "LMH"}
    borders = np.array(model.summary["borders"])
    trees = by_cluster({name: lightgbm_trees(text) for name, text in files.items()}, boosters, 0, borders)
    found = trees.contributions(view.values)
    np.testing.assert_array_equal(trees.scores(view.values)[:, 0], forecast(model).logits)
    np.testing.assert_allclose(found.sum(axis=2)[:, 0], forecast(model).logits, rtol=0, atol=1e-12)
    for number, name in enumerate("LMH"):
        own = cluster_of(view.values[:, 0], borders) == number
        alone = lightgbm_trees(files[f"entry_{name}.txt"])
        np.testing.assert_array_equal(found[own], alone.contributions(view.values[own]))
    assert len(trees.leaves) == sum(cluster["trees"] for cluster in model.summary["clusters"].values())
    assert trees_health(trees) == model.summary["p_up"]["health"]


def test_the_level_used_online_is_the_one_that_is_explained():
    spec, view = EXPERTS["risk"], samples(TEST).view
    fit = functools.partial(load_fit(spec), spec.params(**SMALL, alpha=0.8), samples(TRAIN), samples(VALID))
    told_of = fit(context(spec, explain=view)).explanation["outputs"]
    assert list(told_of) == ["sl_kATR"]
    assert told_of["sl_kATR"]["explains"] == "the 0.8 quantile of drawdown_kATR"
    assert told_of["sl_kATR"]["features"][0]["feature"] == "calm"
    trees = lightgbm_trees(fit(context(spec)).files["q0.8.txt"])
    up = np.abs(trees.contributions(evenly(view, 512).values)[:, 0, 1]).mean()
    assert told_of["sl_kATR"]["features"][0]["size"] == pytest.approx(up, rel=1e-5)


def test_a_liquidity_that_is_no_feature_is_refused_with_the_nearest_name():
    with pytest.raises(RecipeError, match=r"no feature 'liquidty' to tell liquidity by\. Did you mean 'liquidity'\?"):
        fitted("entry", liquidity="liquidty")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"levels": (0.7, 0.6)}, "do not rise"),
        ({"alpha": 0.65}, "alpha 0.65 is none of the levels"),
        ({"levels": (1.0,)}, "less than 1"),
    ],
)
def test_levels_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        EXPERTS["risk"].params(**changes)


def test_progress_of_several_boosters_is_told_to_the_end():
    spec, listener = EXPERTS["entry"], Listener()
    params = spec.params(**SMALL, liquidity="liquidity")
    load_fit(spec)(params, samples(TRAIN), samples(VALID), context(spec, progress=listener))
    listener.assert_heard_to_the_end()


@every_expert
def test_the_defaults_of_the_trees_are_the_seeds(spec):
    defaults = spec.params()
    assert (defaults.num_leaves, defaults.feature_fraction, defaults.bagging_fraction) == (64, 0.9, 0.8)
    assert (defaults.min_data_in_leaf, defaults.lambda_l2) == (50, 1.0)

"""The laws of models whose question is not direction, over all of them with no exceptions.

Rows and images are planted with what the models of their question are to find: feature 2 moves every outcome, and the distance from the
mean, the second channel of an image, tells which pattern it is.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import spearmanr
from sklearn.metrics import mean_pinball_loss, roc_auc_score

from barmill.console.judged_explanations import Explanation
from barmill.errors import DataError, ForecastError, RecipeError, SchemaError, ShapeError
from barmill.models import MODELS, FitContext, FittedModel, ModelSpec, RawForecast, Samples, View, load_fit, load_forecaster
from barmill.models.contract import AnsweringForecaster
from barmill.models.explaining import evenly
from barmill.models.pattern.detectors import FLAG, PATTERNS
from barmill.models.pattern.explaining import CHANNELS, FEATURES
from barmill.training import train_network
from barmill.training.loop import train_network as loop
from barmill.views import FeatureMatrix, PatternImage, WindowTensor
from common.model_laws import (
    NAMES,
    PLANTED,
    TEST,
    TRAIN,
    VALID,
    Listener,
    assert_equal,
    assert_equal_bytes,
    assert_graph_says_the_same,
    assert_missing_library_is_told,
    assert_parameters_say_what_they_are,
    assert_read_back_the_same,
    assert_rows_stand_alone,
    assert_searches_lie_in_range,
    assert_shares,
    base,
    digests,
    each_in_its_process,
    fits_elsewhere,
    forecasts_elsewhere,
    plain_summary,
    returns,
    told,
)

TREES = {"n_estimators": 80, "num_leaves": 7, "learning_rate": 0.1, "min_data_in_leaf": 20}
SMALL: Mapping[str, Mapping[str, Any]] = {
    **dict.fromkeys(("entry", "risk", "reward", "entry_offset"), TREES),
    "pattern_cnn": {
        "channels": (2, 2, 2),
        "hidden_size": 8,
        "embedding_size": 4,
        "epochs": 6,
        "batch_size": 10,
        "learning_rate": 0.03,
        "dropout": 0.0,
        "mixup_alpha": 0.0,
        "time_warp": 0.0,
    },
}
EXPERTS = [spec for spec in MODELS.values() if spec.question != "direction"]
OF_ROWS = [spec for spec in EXPERTS if spec.view == "feature_matrix"]
TARGETED = [spec for spec in EXPERTS if spec.targets]
IMAGES = {TRAIN: (0, 120), VALID: (120, 150), TEST: (150, 230)}  # numbers of the images of each part
FIRST_BAR, SIDE = 20, 64  # the first bar that an image may show, bars of an image
N_IMAGES = 230
EMBEDDED = 4  # numbers of the small embedding

every_expert, every_expert_of_rows, every_targeted = (each_in_its_process(specs) for specs in (EXPERTS, OF_ROWS, TARGETED))


@functools.cache
def outcomes(strength: float) -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
    """What becomes of trades, float64 (n_bars,), whose laws are known where the planted feature is; see `oracle`."""
    rng, z = np.random.default_rng(4), returns(strength)
    planted = strength * np.nan_to_num(base()[:, PLANTED].astype(np.float64))
    return {
        "drawdown_kATR": np.exp(0.7 * planted) * rng.exponential(size=z.size),
        "realised_R": z,
        "runup_R": np.abs(z) + 1.0,
        "offset_kATR": 0.3 * planted + 0.2 * rng.standard_normal(z.size),
    }


def oracle(target: str, level: float, strength: float = 1.0) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The quantile of a target that the planted feature tells, of each bar."""
    planted = strength * np.nan_to_num(base()[:, PLANTED].astype(np.float64))
    if target == "drawdown_kATR":
        return -np.log1p(-level) * np.exp(0.7 * planted)
    return planted + ndtri(level) if target == "realised_R" else 0.3 * planted + 0.2 * ndtri(level)


@functools.cache
def images(strength: float) -> tuple[PatternImage, np.ndarray[Any, np.dtype[np.int8]]]:
    """Images that share no bar, and their patterns: each pattern has a shade of the second channel; all else is noise."""
    rng = np.random.default_rng(6)
    y = rng.permutation(np.arange(N_IMAGES) % len(PATTERNS)).astype(np.int8)
    n_bars = FIRST_BAR + SIDE * N_IMAGES
    close = 1000.0 + np.cumsum(rng.normal(0.0, 0.5, n_bars))
    opened = np.concatenate((close[:1], close[:-1]))
    wicks = np.abs(rng.normal(0.0, 0.3, (2, n_bars)))
    prices = np.column_stack([opened, np.maximum(opened, close) + wicks[0], np.minimum(opened, close) - wicks[1], close])
    shade = 0.5 + 0.2 * strength * (np.repeat(y, SIDE) - 2.0) + rng.normal(0.0, 0.03, n_bars - FIRST_BAR)
    known = np.column_stack([shade, rng.integers(20, 45, shade.size), rng.uniform(0.4, 0.8, shade.size)])
    signals = np.vstack([np.full((FIRST_BAR, 3), np.nan), known]).astype(np.float32)
    return PatternImage(prices, signals, FIRST_BAR + SIDE * np.arange(1, N_IMAGES + 1) - 1), y


def samples(spec: ModelSpec, part: tuple[int, int], strength: float = 1.0) -> Samples:
    if spec.view == "pattern_image":
        view, y = images(strength)
        at = np.arange(*IMAGES[part])
        quality, pole = np.where(y == 0, 0.1, 0.9), np.where(y == FLAG, 6.0, np.nan)
        return Samples(view.take(at), y[at], np.zeros(at.size), np.ones(at.size), {"quality": quality[at], "pole_kATR": pole[at]})
    at = np.arange(*part)
    z, weight = returns(strength)[at], np.random.default_rng(3).uniform(0.5, 1.5, at.size)
    targets = {name: values[at] for name, values in outcomes(strength).items()}
    return Samples(FeatureMatrix(base(), at), (z > 0).astype(np.int8), z, weight / weight.mean(), targets)


def params(spec: ModelSpec, **changed: Any) -> Any:
    return spec.params(**{**SMALL[spec.name], **changed})


def context(spec: ModelSpec, **more: Any) -> FitContext:
    patterns = spec.question == "patterns"
    n_classes, names = (len(PATTERNS), ()) if patterns else (2, NAMES)
    given = {"seed": 7, "n_classes": n_classes, "outputs": spec.outputs, "feature_names": names, "train_network": train_network}
    return FitContext(**{**given, **more})


@functools.cache
def fitted(name: str, strength: float = 1.0) -> FittedModel:
    spec = MODELS[name]
    return load_fit(spec)(params(spec), samples(spec, TRAIN, strength), samples(spec, VALID, strength), context(spec))


def forecast(spec: ModelSpec, model: FittedModel, strength: float = 1.0) -> RawForecast:
    return load_forecaster(spec, model.files).raw(samples(spec, TEST, strength).view)


def shapes(spec: ModelSpec, n: int) -> dict[str, tuple[int, ...]]:
    """What the model says, by name, and in which shape."""
    if spec.question == "patterns":
        return {"logits": (n, len(PATTERNS)), "quality": (n,), "pole_kATR": (n,), "embedding": (n, EMBEDDED)}
    if not spec.targets:
        return {"logits": (n,)}
    output = spec.outputs[0]
    return {"logits": (n, 0), output: (n,), f"{output}_quantiles": (n, len(params(spec).levels))}


@every_expert
def test_forecasts_are_finite_and_of_the_declared_shapes_and_names(spec: ModelSpec) -> None:
    raw = forecast(spec, fitted(spec.name))
    said = told(raw)
    assert {name: values.shape for name, values in said.items()} == shapes(spec, len(samples(spec, TEST)))
    assert set(raw.values or spec.outputs) >= {*spec.outputs}
    for name, values in said.items():
        assert values.dtype == np.float64, name
        assert np.isfinite(values).all(), name


@every_expert
def test_its_columns_are_all_that_a_bundle_forecasts(spec: ModelSpec) -> None:
    forecaster = load_forecaster(spec, fitted(spec.name).files)
    assert isinstance(forecaster, AnsweringForecaster)
    raw = forecast(spec, fitted(spec.name))
    odds = np.exp(raw.logits) if raw.logits.ndim == 1 else np.exp(raw.logits - raw.logits.max(axis=1, initial=-np.inf, keepdims=True))
    p = odds / (1 + odds) if odds.ndim == 1 else odds / odds.sum(axis=1, keepdims=True)
    table = forecaster.table(raw, p)
    assert tuple(table) == forecaster.columns
    assert all(column.shape == (len(p),) and column.dtype == np.float64 for column in table.values())
    for name, values in (raw.values or {}).items():
        if name in table:
            np.testing.assert_array_equal(table[name], values)
    probabilities = [column for name, column in table.items() if name.startswith("p_")]
    if len(probabilities) > 1:
        np.testing.assert_allclose(np.sum(probabilities, axis=0), 1.0)


@every_expert
def test_quantiles_do_not_fall_and_the_one_used_online_is_among_them(spec: ModelSpec) -> None:
    said = told(forecast(spec, fitted(spec.name)))
    for name in (name for name in said if name.endswith("_quantiles")):
        assert (np.diff(said[name], axis=1) >= 0).all()
        online = params(spec).levels.index(params(spec).alpha)
        np.testing.assert_array_equal(said[name.removesuffix("_quantiles")], said[name][:, online])


@every_expert
def test_files_written_and_read_back_forecast_the_same(spec: ModelSpec, tmp_path: Path) -> None:
    assert_read_back_the_same(spec, fitted(spec.name), samples(spec, TEST).view, tmp_path)


@every_expert
def test_its_graph_says_what_it_says(spec: ModelSpec) -> None:
    assert_graph_says_the_same(spec, fitted(spec.name), samples(spec, TEST).view)


@every_expert
def test_learns_a_planted_signal(spec: ModelSpec) -> None:
    raw, test = forecast(spec, fitted(spec.name)), samples(spec, TEST)
    if spec.question == "patterns":
        assert np.mean(raw.logits.argmax(axis=1) == test.y) > 0.6  # chance is 0.2
    elif not spec.targets:
        assert roc_auc_score(test.y, raw.logits) > 0.7  # an oracle that sees the planted part gets 0.75
    else:
        target, level = spec.targets[0], params(spec).alpha
        came = test.targets[target]
        nothing = np.full(came.size, np.quantile(samples(spec, TRAIN).targets[target], level))
        said = (told(raw)[spec.outputs[0]], oracle(target, level)[slice(*TEST)], nothing)
        loss, best, worst = (mean_pinball_loss(came, quantile, alpha=level) for quantile in said)
        assert loss < best + 0.4 * (worst - best)  # more than half of all that there is to know


@every_expert
def test_finds_nothing_in_noise(spec: ModelSpec) -> None:
    raw, test = forecast(spec, fitted(spec.name, 0.0), 0.0), samples(spec, TEST, 0.0)
    output = "quality" if spec.question == "patterns" else spec.outputs[0]
    said, came = (raw.logits, test.z) if not spec.targets else (told(raw)[output], test.targets[spec.targets[0]])
    found = spearmanr(said, came).statistic if np.ptp(said) > 0 else 0.0
    assert abs(found) < 4 / np.sqrt(len(test) - 1)  # ranks without a signal leave 4 standard deviations once in 16,000


@every_expert
def test_forecast_of_a_row_does_not_depend_on_its_batch(spec: ModelSpec) -> None:
    forecaster = load_forecaster(spec, fitted(spec.name).files)
    assert_rows_stand_alone(forecaster, samples(spec, TEST).view, 0.0 if spec.view == "feature_matrix" else 1e-5)


@every_expert
def test_forecasting_no_rows_gives_no_rows(spec: ModelSpec) -> None:
    raw = load_forecaster(spec, fitted(spec.name).files).raw(samples(spec, TEST).view.take(np.arange(0)))
    assert {name: values.shape for name, values in told(raw).items()} == shapes(spec, 0)


@every_expert_of_rows
def test_another_number_of_features_is_refused(spec: ModelSpec) -> None:
    narrow = FeatureMatrix(np.ascontiguousarray(base()[:, :-1]), np.arange(*TEST))
    with pytest.raises(SchemaError, match="5 features are offered; expected 6"):
        load_forecaster(spec, fitted(spec.name).files).raw(narrow)
    with pytest.raises(SchemaError, match="6 features are offered; expected 7"):
        load_fit(spec)(params(spec), samples(spec, TRAIN), samples(spec, VALID), context(spec, feature_names=(*NAMES, "seventh")))


@every_expert
def test_another_view_is_refused(spec: ModelSpec) -> None:
    at, train = np.arange(*TEST), samples(spec, TRAIN)
    others: list[View] = [WindowTensor(base(), at, 9), images(1.0)[0] if spec.view == "feature_matrix" else FeatureMatrix(base(), at)]
    for other in others:
        with pytest.raises(SchemaError, match=f"is offered; expected a {spec.view}"):
            load_forecaster(spec, fitted(spec.name).files).raw(other)
        with pytest.raises(SchemaError, match=rf"model '{spec.name}', train rows: a .* is offered; expected a {spec.view}"):
            load_fit(spec)(params(spec), replace(train, view=other), samples(spec, VALID), context(spec))


def unready(view: View) -> tuple[View, str, str]:
    """`view` with something that is not finite in its first sample, and what a fit and a forecast say of it."""
    if isinstance(view, FeatureMatrix):
        broken: View = FeatureMatrix(view.base, np.concatenate(([4], view.rows[1:])))
        return broken, "feature 'feature_0' is nan at bar 4", "row 0, feature 0 is nan"
    assert isinstance(view, PatternImage)
    prices = view.prices.copy()
    prices[FIRST_BAR + 3, 1] = np.nan
    return PatternImage(prices, view.signals, view.ends), *[f"high of bar {FIRST_BAR + 3} is nan"] * 2


@every_expert
def test_inputs_that_are_not_finite_are_refused_by_fit_and_forecast(spec: ModelSpec) -> None:
    train = samples(spec, TRAIN)
    view, of_fit, of_forecast = unready(train.view)
    with pytest.raises(DataError, match=rf"model '{spec.name}', train rows: {of_fit}"):
        load_fit(spec)(params(spec), replace(train, view=view), samples(spec, VALID), context(spec))
    with pytest.raises(ForecastError, match=of_forecast):
        load_forecaster(spec, fitted(spec.name).files).raw(view)


@every_expert
def test_samples_that_do_not_fit_together_are_refused(spec: ModelSpec) -> None:
    train = samples(spec, TRAIN)
    n, place = len(train), f"model '{spec.name}', train rows"

    def fit(changed: Samples, asked: FitContext | None = None) -> None:
        load_fit(spec)(params(spec), changed, samples(spec, VALID), asked or context(spec))

    with pytest.raises(ShapeError, match=rf"{place}: weight has shape \({n - 1},\); expected \({n},\)"):
        fit(replace(train, weight=train.weight[1:]))
    with pytest.raises(DataError, match=rf"{place}: weight of row 5 is -1"):
        fit(replace(train, weight=np.where(np.arange(n) == 5, -1.0, train.weight)))
    nothing = {name: values[:0] for name, values in train.targets.items()}
    with pytest.raises(ShapeError, match=rf"{place}: there are none"):
        fit(Samples(train.view.take(np.arange(0)), train.y[:0], train.z[:0], train.weight[:0], nothing))
    with pytest.raises(RecipeError, match="has no output 'trend'"):
        fit(train, context(spec, outputs=("trend",)))


@every_targeted
def test_targets_that_are_missing_or_not_finite_are_refused(spec: ModelSpec) -> None:
    train = samples(spec, TRAIN)
    row = int(np.flatnonzero(train.y == FLAG)[2])  # a pole is asked for of flags alone

    def fit(targets: Mapping[str, Any]) -> None:
        load_fit(spec)(params(spec), replace(train, targets=targets), samples(spec, VALID), context(spec))

    for name in spec.targets:
        with pytest.raises(ShapeError, match=f"model '{spec.name}', train rows: there is no target '{name}'"):
            fit({other: values for other, values in train.targets.items() if other != name})
        with pytest.raises(ShapeError, match=rf"{name} has shape \(3,\); expected \({len(train)},\)"):
            fit({**train.targets, name: np.ones(3)})
        with pytest.raises(DataError, match=f"model '{spec.name}', train rows: {name} of row {row} is nan"):
            fit({**train.targets, name: np.where(np.arange(len(train)) == row, np.nan, train.targets[name])})


FIGURES = {  # of its own question, on the validation rows
    "entry": {"good_share", "good_share_of_best_tenth"},
    "risk": {"stop_hit_rate"},
    "reward": {"smape_of_median", "utility_uplift_R"},
    "entry_offset": {"entry_style_share"},
    "pattern_cnn": {"accuracy", "pole_error_kATR"},
}


@every_expert
def test_fit_says_how_it_went_in_plain_json_with_health_and_the_figures_of_its_question(spec: ModelSpec) -> None:
    summary = plain_summary(fitted(spec.name))
    health = summary["health"] if spec.question == "patterns" else summary[spec.outputs[0]]["health"]
    assert health
    assert np.isfinite(list(health.values())).all()
    assert set(summary["valid"]) == FIGURES[spec.name]
    for figures in summary.get("levels", {}).values():
        assert figures["health"]["trees"] == figures["trees"]
        assert figures["pinball"] > 0
        assert 0 < figures["coverage"] < 1


@every_expert
def test_an_explanation_names_every_feature_with_a_finite_share_and_the_planted_one_first(spec: ModelSpec) -> None:
    assert fitted(spec.name).explanation == {}
    asked = context(spec, explain=samples(spec, TEST).view)
    model = load_fit(spec)(params(spec), samples(spec, TRAIN), samples(spec, VALID), asked)
    assert digests(model.files) == digests(fitted(spec.name).files)  # asking changes no byte of the model
    names = FEATURES if spec.question == "patterns" else NAMES
    outputs = model.explanation["outputs"]
    shown = Explanation.model_validate(model.explanation)  # as the report reads it
    assert shown.rows == len(evenly(samples(spec, TEST).view, 64 if spec.question == "patterns" else 512))
    assert [len(output.features) for output in shown.outputs.values()] == [len(names)]
    assert list(outputs) == ["pattern" if spec.question == "patterns" else spec.outputs[0]]
    for output in outputs.values():
        assert_shares(output, names)
        first = output["features"][0]["feature"]
        assert (CHANNELS[1] in first) if spec.question == "patterns" else (first == NAMES[PLANTED])
        assert output["features"][0]["direction"] > 0.5


@every_expert
def test_tells_its_progress_to_the_end(spec: ModelSpec) -> None:
    listener = Listener()
    changed = {"epochs": 1} if "epochs" in spec.params.model_fields else {}
    load_fit(spec)(params(spec, **changed), samples(spec, TRAIN), samples(spec, VALID), context(spec, progress=listener))
    listener.assert_heard_to_the_end()


@every_expert
def test_a_missing_library_is_told_with_the_line_that_installs_it(spec: ModelSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_missing_library_is_told(spec, monkeypatch)


@every_expert
def test_parameters_say_what_they_are_unknown_ones_are_refused_and_a_tuner_stays_in_their_range(spec: ModelSpec) -> None:
    assert_parameters_say_what_they_are(spec)
    assert_searches_lie_in_range(spec)


@every_expert
def test_a_fit_that_was_killed_and_goes_on_gives_the_same_bytes(spec: ModelSpec, tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    class Killer:
        def update(self, done: int, total: int, note: str = "") -> None:
            if done == 13:
                raise Killed

    changed = {"epochs": 2} if "epochs" in spec.params.model_fields else {}
    fit = functools.partial(load_fit(spec), params(spec, **changed), samples(spec, TRAIN), samples(spec, VALID))
    often = functools.partial(loop, checkpoint_every=1)
    with pytest.raises(Killed):
        fit(context(spec, scratch=tmp_path, train_network=often, progress=Killer()))
    assert bool(list(tmp_path.iterdir())) == (spec.question == "patterns")  # trees begin anew: they take seconds
    resumed, whole = fit(context(spec, scratch=tmp_path, train_network=often)), fit(context(spec))
    assert digests({**resumed.files, **resumed.training_files}) == digests({**whole.files, **whole.training_files})
    assert plain_summary(resumed) == plain_summary(whole)


@pytest.fixture(scope="module")  # a process that lived longer would be counted among those of runs
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[ModelSpec], Any]]:
    with fits_elsewhere("test_every_expert", tmp_path_factory.mktemp("elsewhere") / "stderr") as fit:
        yield fit


@every_expert
def test_two_fits_give_equal_bytes_in_another_process_with_more_threads_and_another_hash_seed(
    spec: ModelSpec, elsewhere: Callable[[ModelSpec], Any]
) -> None:
    assert_equal_bytes(fitted(spec.name), elsewhere(spec))


@pytest.fixture(scope="module")
def without_torch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Any]]:
    with forecasts_elsewhere(tmp_path_factory.mktemp("without-torch") / "stderr") as forecast_there:
        yield forecast_there


@every_expert
def test_forecasts_in_a_process_without_torch_are_the_same(spec: ModelSpec, without_torch: Callable[..., Any], tmp_path: Path) -> None:
    model = fitted(spec.name)
    assert_equal(without_torch(spec, model, samples(spec, TEST).view, tmp_path), told(forecast(spec, model)))

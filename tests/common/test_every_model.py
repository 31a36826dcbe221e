"""The laws of models, over the whole catalogue with no exceptions."""

import functools
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.metrics import roc_auc_score

from barmill.errors import DataError, ForecastError, LabelError, RecipeError, SchemaError, ShapeError
from barmill.models import MODELS, FitContext, FittedModel, ModelSpec, RawForecast, Samples, load_fit, load_forecaster, window_of
from barmill.models.contract import QUANTILES
from barmill.models.occlusion import with_explanation
from barmill.models.parameters import Parameter, parameters_of
from barmill.training import train_network
from barmill.views import FeatureMatrix, WindowTensor
from common.model_laws import (
    NAMES,
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
from foreign_models.tiny import tiny_chronos, tiny_timesfm

SMALL: Mapping[str, Mapping[str, Any]] = {  # parameters with which a fit takes about a second
    "logistic": {},
    "ridge": {},
    "elastic_net": {},
    "lightgbm": {"n_estimators": 80, "num_leaves": 7, "learning_rate": 0.1},
    "xgboost": {"n_estimators": 80, "max_depth": 3, "learning_rate": 0.1},
    "catboost": {"n_estimators": 80, "max_depth": 3, "learning_rate": 0.1},
    "lstm": {"seq_len": 8, "hidden_size": 8, "epochs": 8, "batch_size": 64, "learning_rate": 0.02, "num_layers": 1},
    "tcn": {"seq_len": 8, "width": 8, "epochs": 8, "batch_size": 64, "learning_rate": 0.02, "dropout": 0.0},
    "inceptiontime": {
        "seq_len": 8,
        "kernel_sizes": (5, 3, 2),
        "depth": 3,
        "n_filters": 4,
        "bottleneck": 4,
        "epochs": 6,
        "batch_size": 64,
        "learning_rate": 0.01,
    },
    "resnet_1d": {"seq_len": 8, "channels": (8, 8), "kernel_sizes": (4, 3), "epochs": 6, "batch_size": 64, "learning_rate": 0.01},
    "cnn_1d": {"seq_len": 8, "channels": (8, 16), "epochs": 6, "batch_size": 64, "learning_rate": 0.01},
    "nbeats": {
        "seq_len": 8,
        "width": 16,
        "seasonal_width": 16,
        "layers": 2,
        "horizon": 4,
        "epochs": 8,
        "batch_size": 64,
        "learning_rate": 0.01,
    },
    "nhits": {"seq_len": 8, "width": 16, "horizon": 4, "dropout": 0.1, "epochs": 8, "batch_size": 64, "learning_rate": 0.01},
    "dlinear": {"seq_len": 8, "horizon": 4, "moving_average": 3, "epochs": 8, "batch_size": 64, "learning_rate": 0.01},
    "nlinear": {"seq_len": 8, "horizon": 4, "epochs": 8, "batch_size": 64, "learning_rate": 0.01},
    "patchtst": {
        "seq_len": 8,
        "patch_length": 4,
        "stride": 2,
        "d_model": 8,
        "n_heads": 2,
        "n_layers": 1,
        "d_ff": 16,
        "epochs": 8,
        "batch_size": 64,
        "learning_rate": 0.003,
        "dropout": 0.0,
    },
    "itransformer": {
        "seq_len": 8,
        "d_model": 8,
        "n_heads": 2,
        "n_layers": 1,
        "d_ff": 16,
        "epochs": 8,
        "batch_size": 64,
        "learning_rate": 0.01,
    },
    "tft": {"seq_len": 8, "hidden_size": 8, "n_heads": 2, "epochs": 8, "batch_size": 64, "learning_rate": 0.01},
    "deepar": {"seq_len": 8, "hidden_size": 8, "num_layers": 1, "epochs": 8, "batch_size": 64, "learning_rate": 0.02},
    "chronos": {"seq_len": 32, "target": "feature_2", "recentre_rows": 200},
    "timesfm": {"seq_len": 32, "target": "feature_2", "recentre_rows": 200},
    "quantile_rnn": {"seq_len": 8, "hidden_size": 8, "epochs": 8, "batch_size": 64, "learning_rate": 0.02},
}
TINY = {"chronos": tiny_chronos, "timesfm": tiny_timesfm}
DIRECTION = [spec for spec in MODELS.values() if spec.question == "direction"]  # the others go through test_every_expert.py
# The interval that an AUC of 700 rows without a signal leaves once in 16,000 (4 standard deviations).
NOISE_BAND = 4 * np.sqrt((350 + 350 + 1) / (12 * 350 * 350))

every_model, every_learner = (each_in_its_process(specs) for specs in (DIRECTION, [spec for spec in DIRECTION if not spec.zero_shot]))


def samples(spec: ModelSpec, part: tuple[int, int], strength: float = 1.0, n_classes: int = 2) -> Samples:
    at = np.arange(*part)
    window = window_of(spec, params(spec))
    view = FeatureMatrix(base(), at) if window is None else WindowTensor(base(), at, window)
    z = returns(strength)[at]
    y = (z > 0).astype(np.int8) if n_classes == 2 else np.digitize(z, [-0.5, 0.5]).astype(np.int8)
    weight = np.random.default_rng(3).uniform(0.5, 1.5, at.size)
    return Samples(view, y, z, weight / weight.mean())


def params(spec: ModelSpec, **changed: Any) -> Any:
    foreign = {"model_id": TINY[spec.name]()} if spec.zero_shot else {}
    return spec.params(**{**SMALL[spec.name], **foreign, **changed})


def context(spec: ModelSpec, n_classes: int = 2, outputs: tuple[str, ...] | None = None, **more: Any) -> FitContext:
    outputs = spec.outputs if outputs is None else outputs
    return FitContext(seed=7, n_classes=n_classes, outputs=outputs, feature_names=NAMES, train_network=train_network, **more)


@functools.cache
def fitted(name: str, strength: float = 1.0, n_classes: int = 2, outputs: tuple[str, ...] | None = None, **changed: Any) -> FittedModel:
    spec = MODELS[name]
    train, valid = (samples(spec, part, strength, n_classes) for part in (TRAIN, VALID))
    return load_fit(spec)(params(spec, **changed), train, valid, context(spec, n_classes, outputs))


def forecast(spec: ModelSpec, model: FittedModel, part: tuple[int, int] = TEST) -> RawForecast:
    return load_forecaster(spec, model.files).raw(samples(spec, part).view)


@every_model
@pytest.mark.parametrize("n_classes", [2, 3])
def test_forecasts_are_finite_and_of_the_declared_shape(spec: ModelSpec, n_classes: int) -> None:
    raw = forecast(spec, fitted(spec.name, n_classes=n_classes))
    n = TEST[1] - TEST[0]
    assert raw.logits.shape == ((n,) if n_classes == 2 else (n, 3))
    assert raw.logits.dtype == np.float64
    assert np.isfinite(raw.logits).all()
    assert (raw.expected is not None) == ("E_r" in spec.outputs)
    assert (raw.quantiles is not None) == ("q50" in spec.outputs)
    for said, shape in ((raw.expected, (n,)), (raw.quantiles, (n, 3))):
        if said is not None:
            assert said.shape == shape
            assert said.dtype == np.float64
            assert np.isfinite(said).all()


@every_model
def test_quantiles_are_learned_all_three_or_none_and_do_not_cross(spec: ModelSpec) -> None:
    assert set(QUANTILES) <= set(spec.outputs) or not set(QUANTILES) & set(spec.outputs)
    raw, test = forecast(spec, fitted(spec.name)), samples(spec, TEST)
    if raw.quantiles is not None:
        assert (np.diff(raw.quantiles, axis=1) >= 0).all()
    if raw.quantiles is not None and not spec.zero_shot:
        assert np.corrcoef(raw.quantiles[:, 1], test.z)[0, 1] > 0.5
        within = (test.z >= raw.quantiles[:, 0]) & (test.z <= raw.quantiles[:, 2])
        assert 0.8 < within.mean() < 0.97


@every_model
def test_files_written_and_read_back_forecast_the_same(spec: ModelSpec, tmp_path: Path) -> None:
    assert_read_back_the_same(spec, fitted(spec.name), samples(spec, TEST).view, tmp_path)


@every_model
@pytest.mark.parametrize("n_classes", [2, 3])
def test_its_graph_says_what_it_says(spec: ModelSpec, n_classes: int) -> None:
    assert_graph_says_the_same(spec, fitted(spec.name, n_classes=n_classes), samples(spec, TEST).view)


@every_learner
def test_learns_a_planted_signal(spec: ModelSpec) -> None:
    raw = forecast(spec, fitted(spec.name))
    test = samples(spec, TEST)
    assert roc_auc_score(test.y, raw.logits) > 0.7  # an oracle that sees the planted part gets 0.75
    if raw.expected is not None:
        assert np.corrcoef(raw.expected, test.z)[0, 1] > 0.55  # the planted part itself correlates by 0.71


@every_model
def test_finds_nothing_in_noise(spec: ModelSpec) -> None:
    raw = forecast(spec, fitted(spec.name, strength=0.0))
    assert abs(roc_auc_score(samples(spec, TEST, strength=0.0).y, raw.logits) - 0.5) < NOISE_BAND


@every_learner
def test_three_classes_put_the_planted_signal_into_the_right_columns(spec: ModelSpec) -> None:
    raw = forecast(spec, fitted(spec.name, n_classes=3))
    y = samples(spec, TEST, n_classes=3).y
    assert roc_auc_score(y == 2, raw.logits[:, 2] - raw.logits[:, 0]) > 0.7
    assert roc_auc_score(y == 0, raw.logits[:, 0] - raw.logits[:, 2]) > 0.7


@every_model
def test_gives_the_outputs_that_were_asked_for_and_no_more(spec: ModelSpec) -> None:
    raw = forecast(spec, fitted(spec.name, outputs=("p_up",)) if spec.zero_shot else of_the_rarer(spec.name, None))
    assert raw.expected is None
    assert raw.quantiles is None


@every_model
def test_forecast_of_a_row_does_not_depend_on_its_batch(spec: ModelSpec) -> None:
    forecaster = load_forecaster(spec, fitted(spec.name).files)
    assert_rows_stand_alone(forecaster, samples(spec, TEST).view, 0.0 if spec.view == "feature_matrix" else 1e-6)


@every_model
def test_forecasting_no_rows_gives_no_rows(spec: ModelSpec) -> None:
    raw = load_forecaster(spec, fitted(spec.name, n_classes=3).files).raw(samples(spec, TEST).view.take(np.arange(0)))
    assert raw.logits.shape == (0, 3)


@every_model
def test_another_number_of_features_is_refused(spec: ModelSpec) -> None:
    window = window_of(spec, params(spec))
    narrow = np.ascontiguousarray(base()[:, :-1])
    view = FeatureMatrix(narrow, np.arange(*TEST)) if window is None else WindowTensor(narrow, np.arange(*TEST), window)
    with pytest.raises(SchemaError, match="5 features are offered; expected 6"):
        load_forecaster(spec, fitted(spec.name).files).raw(view)
    with pytest.raises(SchemaError, match="6 features are offered; expected 7"):
        load_fit(spec)(params(spec), samples(spec, TRAIN), samples(spec, VALID), FitContext(1, 2, ("p_up",), (*NAMES, "seventh")))


@every_model
def test_another_view_or_window_is_refused(spec: ModelSpec) -> None:
    at = np.arange(*TEST)
    window = window_of(spec, params(spec))
    others = [WindowTensor(base(), at, 9)] if window is None else [FeatureMatrix(base(), at), WindowTensor(base(), at, window + 1)]
    for other in others:
        with pytest.raises(SchemaError, match="offered"):
            load_forecaster(spec, fitted(spec.name).files).raw(other)


@every_model
def test_inputs_that_are_not_finite_are_refused_by_fit_and_forecast(spec: ModelSpec) -> None:
    window = window_of(spec, params(spec)) or 4
    unready = samples(spec, (window + 1, 1400))
    view: Any = unready.view
    at = np.r_[window, (view.rows if isinstance(view, FeatureMatrix) else view.ends)[1:]]
    unready = Samples(
        type(view)(view.base, at, *([view.window] if isinstance(view, WindowTensor) else [])), unready.y, unready.z, unready.weight
    )
    with pytest.raises(DataError, match=r"feature 'feature_0' is nan at bar [1-4]"):
        load_fit(spec)(params(spec), unready, samples(spec, VALID), context(spec))
    with pytest.raises(ForecastError, match=rf"row 0, feature {2 if spec.zero_shot else 0} is nan"):
        load_forecaster(spec, fitted(spec.name).files).raw(unready.view)


@every_model
def test_samples_that_do_not_fit_together_are_refused(spec: ModelSpec) -> None:
    train, valid = samples(spec, TRAIN), samples(spec, VALID)

    def fit(changed: Samples, asked: FitContext | None = None) -> None:
        load_fit(spec)(params(spec), changed, valid, asked or context(spec))

    with pytest.raises(ShapeError, match=r"z has shape \(1349,\); expected \(1350,\)"):
        fit(Samples(train.view, train.y, train.z[1:], train.weight))
    with pytest.raises(ShapeError, match="there are none"):
        fit(Samples(train.view.take(np.arange(0)), train.y[:0], train.z[:0], train.weight[:0]))
    with pytest.raises(LabelError, match="no row of class 1 among 1350"):
        fit(Samples(train.view, np.zeros_like(train.y), train.z, train.weight))
    with pytest.raises(LabelError, match="row 3 has class 2; expected 0 to 1"):
        fit(Samples(train.view, np.where(np.arange(1350) == 3, 2, train.y).astype(np.int8), train.z, train.weight))
    with pytest.raises(DataError, match="z of row 5 is inf"):
        fit(Samples(train.view, train.y, np.where(np.arange(1350) == 5, np.inf, train.z), train.weight))
    with pytest.raises(DataError, match="weight of row 5 is -1"):
        fit(Samples(train.view, train.y, train.z, np.where(np.arange(1350) == 5, -1.0, train.weight)))
    with pytest.raises(RecipeError, match="has no output 'trend'"):
        fit(train, context(spec, outputs=("p_up", "trend")))
    with pytest.raises(RecipeError, match="4 classes; expected 2 or 3"):
        fit(train, context(spec, n_classes=4))


@functools.cache
def of_the_rarer(name: str, weighting: str | None) -> FittedModel:
    """The model fitted on whether a return is large, which few are, and asked for p_up alone."""
    spec = MODELS[name]
    rare = [
        Samples(part.view, (part.z > 1.0).astype(np.int8), part.z, part.weight) for part in (samples(spec, TRAIN), samples(spec, VALID))
    ]
    return load_fit(spec)(params(spec, class_weight=weighting), *rare, context(spec, outputs=("p_up",)))


@every_learner
def test_balanced_classes_lift_the_rarer_one(spec: ModelSpec) -> None:
    is_rare = samples(spec, TEST).z > 1.0
    plain, balanced = (1 / (1 + np.exp(-forecast(spec, of_the_rarer(spec.name, weighting)).logits)) for weighting in (None, "balanced"))
    assert plain.mean() == pytest.approx(is_rare.mean(), abs=0.05)
    assert (balanced[is_rare].mean() + balanced[~is_rare].mean()) / 2 == pytest.approx(0.5, abs=0.05)


@every_model
def test_fit_says_how_it_went_in_plain_json(spec: ModelSpec) -> None:
    assert plain_summary(fitted(spec.name))


@functools.cache
def explained(name: str) -> tuple[FittedModel, Listener]:
    """The model fitted again and asked what it looks at on the test rows, with somebody listening."""
    spec, listener = MODELS[name], Listener()
    train, valid, view = samples(spec, TRAIN), samples(spec, VALID), samples(spec, TEST).view
    asked = load_fit(spec)(params(spec), train, valid, context(spec, explain=view, progress=listener))
    return with_explanation(spec, asked, view, NAMES), listener


@every_model
def test_neither_a_listener_nor_a_question_changes_a_byte(spec: ModelSpec) -> None:
    assert digests(explained(spec.name)[0].files) == digests(fitted(spec.name).files)


@every_model
def test_an_explanation_names_every_feature_with_a_finite_share_and_a_learner_looks_at_the_planted_one_most(spec: ModelSpec) -> None:
    assert fitted(spec.name).explanation == {}
    said = json.loads(json.dumps(dict(explained(spec.name)[0].explanation), allow_nan=False))
    assert "p_up" in said["outputs"]
    for output in said["outputs"].values():
        assert_shares(output, NAMES)
        if not spec.zero_shot:
            assert output["features"][0]["feature"] == "feature_2"
            assert output["features"][0]["direction"] > 0.5
    for weights in (said["read_out"].get("attention"), [one["weight"] for one in said["read_out"].get("variables", [])]):
        if weights:
            assert sum(weights) == pytest.approx(1, abs=1e-3)


@every_model
def test_tells_its_progress_to_the_end(spec: ModelSpec) -> None:
    explained(spec.name)[1].assert_heard_to_the_end()


def _bad_values(parameter: Parameter) -> list[Any]:
    if parameter.kind == "text":
        return [1, [1], True, float("nan")]
    bad: list[Any] = ["a lot", [1], True if parameter.kind != "choice" else 3]
    if parameter.kind == "integer":
        bad.append(1.5)
    if parameter.low is not None:
        bad.append(parameter.low - 1 if parameter.low_in else parameter.low)
    if parameter.high is not None:
        bad.append(parameter.high + 1 if parameter.high_in else parameter.high)
    if parameter.kind == "number":
        bad += [float("nan"), float("inf")]
    else:
        bad = [int(value) if isinstance(value, float) and value.is_integer() else value for value in bad]
    return bad


@pytest.mark.parametrize(
    ("spec", "parameter"),
    [(spec, parameter) for spec in MODELS.values() for parameter in parameters_of(spec.params)],
    ids=lambda one: one.name,
)
def test_a_parameter_out_of_its_range_is_refused_and_its_ends_are_not(spec: ModelSpec, parameter: Parameter) -> None:
    for value in _bad_values(parameter):
        with pytest.raises(ValidationError, match=parameter.name):
            spec.params.model_validate({parameter.name: value}, strict=True)
    ends = [end for end, inside in ((parameter.low, parameter.low_in), (parameter.high, parameter.high_in)) if end is not None and inside]
    for value in (*ends, *parameter.choices, parameter.default):
        given = int(value) if parameter.kind == "integer" and value is not None else value
        built, refused = _built(spec, {parameter.name: given})
        if refused is None:
            assert getattr(built, parameter.name) == given
        else:  # in its range, and at odds with the default of another parameter, which the message names
            assert [problem["loc"] for problem in refused.errors()] == [()]
            assert parameter.name in str(refused)
            assert value != parameter.default


def _built(spec: ModelSpec, given: dict[str, Any]) -> tuple[Any, ValidationError | None]:
    try:
        return spec.params.model_validate(given, strict=True), None
    except ValidationError as error:
        return None, error


@every_learner
def test_what_a_tuner_tries_lies_in_the_parameters_own_range(spec: ModelSpec) -> None:
    assert_searches_lie_in_range(spec)


@every_model
def test_every_parameter_says_what_it_is_and_unknown_ones_are_refused(spec: ModelSpec) -> None:
    assert_parameters_say_what_they_are(spec)


@every_model
def test_a_missing_library_is_told_with_the_line_that_installs_it(spec: ModelSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_missing_library_is_told(spec, monkeypatch)


@pytest.fixture(scope="module")  # a process that lived longer would be counted among those of runs
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[ModelSpec], Any]]:
    with fits_elsewhere("test_every_model", tmp_path_factory.mktemp("elsewhere") / "stderr") as fit:
        yield fit


@every_model
def test_two_fits_give_equal_bytes_in_another_process_with_more_threads_and_another_hash_seed(
    spec: ModelSpec, elsewhere: Callable[[ModelSpec], Any]
) -> None:
    assert_equal_bytes(fitted(spec.name), elsewhere(spec))


@pytest.fixture(scope="module")
def without_torch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Any]]:
    with forecasts_elsewhere(tmp_path_factory.mktemp("without-torch") / "stderr") as forecast_there:
        yield forecast_there


@every_model
def test_forecasts_in_a_process_without_torch_are_the_same(spec: ModelSpec, without_torch: Callable[..., Any], tmp_path: Path) -> None:
    model = fitted(spec.name)
    assert_equal(without_torch(spec, model, samples(spec, TEST).view, tmp_path), told(forecast(spec, model)))

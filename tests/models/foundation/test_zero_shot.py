"""Foundation models through the real loading path: the graph says what their authors' code says, without it."""

import json

import numpy as np
import pytest

from barmill.errors import SetupError
from barmill.models import FitContext, Samples, load_fit, load_forecaster, spec_of
from barmill.models.catalogue import require_ready
from barmill.models.foundation.deciles import quantiles
from barmill.models.foundation.forecast_cache import ForecastCache, content_keys
from barmill.models.foundation.weights import find_weights
from barmill.views import WindowTensor
from foreign_models.tiny import tiny_chronos, tiny_timesfm

pytest.importorskip("chronos")
pytestmark = pytest.mark.xdist_group("foundation models")  # one process, which cuts each graph once
WINDOW, N = 64, 400
TINY = {"chronos": tiny_chronos, "timesfm": tiny_timesfm}
both = pytest.mark.parametrize("name", list(TINY))


def base(seed=0):
    return np.random.default_rng(seed).standard_normal((N, 3)).astype(np.float32)


def samples(values=None, n_classes=2):
    values = base() if values is None else values
    at = np.arange(WINDOW, N)
    z = np.random.default_rng(1).standard_normal(at.size) - 0.4
    y = (z > 0).astype(np.int8) if n_classes == 2 else np.digitize(z, [-0.8, 0.2]).astype(np.int8)
    return Samples(WindowTensor(values, at, WINDOW), y, z, np.ones(at.size))


def fitted(name, n_classes=2, horizon=20, **changed):
    spec = spec_of(name)
    given = {"model_id": TINY[name](), "seq_len": WINDOW, "target": "return", "recentre_rows": 64, **changed}
    context = FitContext(seed=1, n_classes=n_classes, outputs=spec.outputs, feature_names=("a", "return", "b"), horizon=horizon)
    return load_fit(spec)(spec.params.model_validate(given), samples(n_classes=n_classes), samples(n_classes=n_classes), context)


def levels(view):
    returns = view.gather(np.arange(len(view)))[:, :, 1].astype(np.float64)
    path = np.cumsum(returns, axis=1)
    return (path - path[:, -1:]).astype(np.float32), np.sqrt((returns[:, -60:] ** 2).mean(axis=1))


def by_their_own_code(name, path, step):
    """Deciles at `step` as the authors' interface gives them."""
    import torch

    if name == "chronos":
        from chronos import BaseChronosPipeline

        pipeline = BaseChronosPipeline.from_pretrained(TINY[name](), device_map="cpu")
        said, _ = pipeline.predict_quantiles(torch.from_numpy(path), prediction_length=step, quantile_levels=[k / 10 for k in range(1, 10)])
        return said[:, step - 1].numpy()
    from transformers import TimesFm2_5ModelForPrediction

    network = TimesFm2_5ModelForPrediction.from_pretrained(TINY[name]()).eval()
    with torch.no_grad():
        said = network(past_values=list(torch.from_numpy(path)), forecast_context_len=WINDOW, truncate_negative=False)
    return said.full_predictions[:, step - 1, 1:].numpy()


@both
@pytest.mark.filterwarnings("ignore")
def test_the_graph_says_what_the_authors_code_says(name):
    model, view = fitted(name), samples().view.take(np.arange(40))
    path, spread = levels(view)
    own = np.sort(by_their_own_code(name, path, 20), axis=1) / spread[:, None] / np.sqrt(20)
    raw = load_forecaster(spec_of(name), model.files).raw(view)
    shift = json.loads(model.files["architecture.json"])["shift"]
    np.testing.assert_allclose(raw.quantiles, quantiles(own.astype(np.float64) + shift, (0.05, 0.5, 0.95)), atol=2e-5)
    np.testing.assert_allclose(raw.expected, own.mean(axis=1) + shift, atol=2e-5)


@both
def test_what_trades_cost_is_taken_off_on_the_training_rows(name):
    model, train = fitted(name, recentre_rows=10_000), samples()
    raw = load_forecaster(spec_of(name), model.files).raw(train.view)
    assert raw.expected.mean() == pytest.approx(train.z.mean(), abs=1e-9)
    assert model.summary["recentred_on"] == len(train)
    assert set(model.summary["derived"]) == {"p_up", "E_r", "q05", "q95"}
    bare = fitted(name, recentre_rows=0)
    assert json.loads(bare.files["architecture.json"])["shift"] == 0.0


@both
def test_three_classes_share_out_as_the_training_rows_did(name):
    model, train = fitted(name, n_classes=3, recentre_rows=10_000), samples(n_classes=3)
    raw = load_forecaster(spec_of(name), model.files).raw(train.view)
    p = np.exp(raw.logits)
    np.testing.assert_allclose(p.sum(axis=1), 1.0, atol=1e-5)
    assert p[:, 1].mean() == pytest.approx((train.y == 1).mean(), abs=1e-4)


@both
def test_a_window_of_other_units_is_forecast_the_same(name):
    forecaster = load_forecaster(spec_of(name), fitted(name).files)
    at = np.arange(WINDOW, WINDOW + 50)
    one, other = (forecaster.raw(WindowTensor(values, at, WINDOW)) for values in (base(), base() * np.float32(8.0)))
    np.testing.assert_allclose(one.expected, other.expected, atol=2e-4)


@both
def test_a_price_that_stands_still_is_expected_to(name):
    forecaster = load_forecaster(spec_of(name), fitted(name, recentre_rows=0).files)
    raw = forecaster.raw(WindowTensor(np.zeros((N, 3), np.float32), np.arange(WINDOW, WINDOW + 3), WINDOW))
    assert np.isfinite(raw.logits).all()
    np.testing.assert_array_equal(raw.expected, 0.0)


def test_a_label_beyond_the_last_step_is_as_many_volatilities_away():
    assert json.loads(fitted("chronos", horizon=240).files["architecture.json"])["step"] == 64
    assert json.loads(fitted("chronos").files["architecture.json"])["step"] == 20


def test_the_columns_of_other_features_play_no_part():
    forecaster = load_forecaster(spec_of("chronos"), fitted("chronos").files)
    values = base()
    values[:, [0, 2]] = 7.0
    at = np.arange(WINDOW, WINDOW + 20)
    one, other = (forecaster.raw(WindowTensor(each, at, WINDOW)).logits for each in (base(), values))
    np.testing.assert_array_equal(one, other)


# ---- weights


@pytest.mark.parametrize("model_id", ["amazon/chronos-bolt-base", "./nowhere/at/all", "nothing"])
def test_weights_that_are_not_here_are_told_with_what_to_do(model_id, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(SetupError, match=r"hf download amazon/chronos-bolt-base |Give a folder, or a name on the hub"):
        find_weights("chronos", model_id)


def test_a_folder_without_weights_is_told_what_it_lacks(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(SetupError, match=r"lacks model\.safetensors"):
        find_weights("chronos", str(tmp_path))


@pytest.mark.parametrize(("name", "other"), [("chronos", "timesfm"), ("timesfm", "chronos")])
def test_weights_of_another_model_are_refused(name, other):
    with pytest.raises(SetupError, match=r"holds a|cannot be read"):
        fitted(name, model_id=TINY[other]())


def test_the_charters_name_of_the_weights_means_those_that_can_be_read():
    spec = spec_of("timesfm")
    params = spec.params.model_validate({"model_id": "google/timesfm-2.5-200m"})
    assert (params.model_id, params.weights_id) == ("google/timesfm-2.5-200m", "google/timesfm-2.5-200m-transformers")
    assert spec.notes(params) == (
        "model_id google/timesfm-2.5-200m is read as google/timesfm-2.5-200m-transformers: the same weights, in the form that "
        "transformers loads.",
    )
    assert spec.notes(spec.params()) == ()
    with pytest.raises(SetupError, match=r"hf download google/timesfm-2.5-200m-transformers "):
        require_ready(spec, params)


def test_a_window_is_called_context_length_too():
    assert spec_of("timesfm").params.model_validate({"context_length": 256}).seq_len == 256


# ---- the cache


def test_a_window_is_forecast_once(tmp_path, monkeypatch):
    forecaster = load_forecaster(spec_of("chronos"), fitted("chronos").files)
    plain = forecaster.raw(samples().view)
    kept = forecaster.keeping(tmp_path)
    np.testing.assert_array_equal(kept.raw(samples().view.take(slice(0, 200))).logits, plain.logits[:200])
    again = forecaster.keeping(tmp_path)
    asked = []
    monkeypatch.setattr(again, "_in_volatilities", lambda windows: asked.append(len(windows)) or np.zeros((len(windows), 9)))
    np.testing.assert_array_equal(again.raw(samples().view.take(slice(0, 200))).logits, plain.logits[:200])
    assert asked == []
    again.raw(samples().view)
    assert sum(asked) == len(samples()) - 200


def test_keys_tell_contents_apart_and_rows_come_back_in_order(tmp_path):
    windows = base()[:50]
    keys = content_keys(windows)
    assert np.unique(keys).size == 50
    rows = np.random.default_rng(2).standard_normal((50, 9))
    ForecastCache(tmp_path, "a").put(keys[:30], rows[:30])
    cache = ForecastCache(tmp_path, "a")
    there, found = cache.get(keys[::-1])
    np.testing.assert_array_equal(there, np.arange(50)[::-1] < 30)
    np.testing.assert_array_equal(found, rows[:30][::-1])
    ForecastCache(tmp_path, "a").put(keys[20:], rows[20:])
    there, found = cache.get(keys)
    assert there.all()
    np.testing.assert_array_equal(found, rows)
    assert not ForecastCache(tmp_path, "b").get(keys)[0].any()

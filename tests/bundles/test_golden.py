"""Golden samples hold the edge cases, come out to the bit, and give a bundle away that says something else."""

import numpy as np
import pytest
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from barmill.bundles import Bundle
from barmill.bundles.folder import read_version
from barmill.bundles.golden import replay
from barmill.errors import BundleCorruption, BundleError, ForecastError
from barmill.models import load_forecaster, spec_of
from barmill.views import ImageBars

MODELS = ("logistic", "lightgbm", "xgboost", "lstm", "entry", "risk", "reward", "entry_offset", "pattern_cnn")
GOLDEN = "golden.safetensors"


@pytest.mark.parametrize("model", MODELS)
def test_there_are_256_inputs_and_64_bars_and_all_come_out_to_the_bit(load_once, model: str) -> None:
    bundle = load_once(model)
    assert bundle.replay.exact
    assert bundle.replay.n_inputs >= 256
    assert bundle.replay.n_bars == 64


def test_the_inputs_hold_first_rows_extremes_clipped_rows_and_both_clips(making) -> None:
    contents = making.contents_of("lightgbm")
    golden = load_tensors(making.files_of("lightgbm")[GOLDEN])
    table = contents.plan.compute(contents.golden_bars)
    ready = contents.scaler.transform(table.values)[table.ready]
    inputs = golden["inputs"][golden["input_rows"]]
    real = inputs[:-3]
    np.testing.assert_array_equal(real.min(axis=0), ready.min(axis=0))
    np.testing.assert_array_equal(real.max(axis=0), ready.max(axis=0))
    np.testing.assert_array_equal(real[:8], ready[:8])
    clip = np.float32(contents.scaler.clip)
    assert (np.abs(ready) == clip).any() == (np.abs(real) == clip).any()
    assert [set(row.tolist()) for row in inputs[-3:]] == [{0.0}, {float(clip)}, {-float(clip)}]


def test_windows_of_a_network_are_the_consecutive_rows_before_their_end(making) -> None:
    contents = making.contents_of("lstm")
    golden = load_tensors(making.files_of("lstm")[GOLDEN])
    table = contents.plan.compute(contents.golden_bars)
    scaled = contents.scaler.transform(table.values)
    place = {row.tobytes(): position for position, row in enumerate(scaled)}
    for end in golden["input_rows"][:-3]:
        window = golden["inputs"][end - contents.window + 1 : end + 1]
        positions = [place[row.tobytes()] for row in window]
        assert positions == list(range(positions[0], positions[0] + contents.window))


def test_images_are_kept_as_the_bars_that_they_are_drawn_from(making) -> None:
    contents = making.contents_of("pattern_cnn")
    golden = load_tensors(making.files_of("pattern_cnn")[GOLDEN])
    bars, (prices, ends) = contents.golden_bars, (golden["inputs"], golden["input_rows"])
    assert prices.dtype == np.float64
    held = len(prices) - 3 * 64
    first = int(np.flatnonzero(bars.close == prices[0, 3])[0])
    np.testing.assert_array_equal(prices[:held], np.column_stack([bars.open, bars.high, bars.low, bars.close])[first : first + held])
    assert prices.nbytes < 64 * 1024  # where the images would be 12 MiB
    images = ImageBars.of_prices(prices).samples(ends).gather(slice(None))
    raw = load_forecaster(spec_of("pattern_cnn"), contents.model_files).raw(ImageBars.of_prices(prices).samples(ends))
    np.testing.assert_array_equal(golden["input_forecast"][:, 5], raw.values["quality"])
    still, up, down = images[-3:]
    assert (still[0, 32] == np.float32(0.8)).all()
    assert (still[0].sum(axis=0) == np.float32(0.8)).all()
    assert (up[1, :, -1] == 1.0).all()
    assert (up[2, :, -1] > 0.0).all()
    assert (down[1, :, -1] == 0.0).all()
    assert (down[2, :, -1] > 0.0).sum() < 8
    np.testing.assert_array_equal(golden["input_scale"], np.ones(len(ends)))


@pytest.mark.parametrize("model", ["entry", "risk", "pattern_cnn"])
def test_another_answers_weights_under_a_good_seal_are_given_away(making, forge, model: str) -> None:
    other = making.files_of(model, 2, 11)
    with pytest.raises(BundleError, match="the forecasts of its golden inputs come out differently"):
        Bundle.from_verified(read_version(forge({path: data for path, data in other.items() if path.startswith("weights/")}, model)))


@pytest.mark.parametrize("model", ["risk", "pattern_cnn"])
def test_a_millionth_of_a_unit_is_forgiven_and_a_hundred_thousandth_is_not(making, load_once, model: str) -> None:
    bundle = load_once(model)
    golden = load_tensors(making.files_of(model)[GOLDEN])
    column = bundle.outputs.index("sl_kATR" if model == "risk" else "pole_kATR")
    for tensor in ("input_forecast", "bar_forecast"):
        size = max(1.0, abs(golden[tensor][3, column]))
        for step, refused in ((5e-7, False), (1e-5, True)):
            changed = {name: values.copy() for name, values in golden.items()}
            changed[tensor][3, column] += step * size
            data = save_tensors(changed)
            if refused:
                with pytest.raises(BundleError, match="come out differently, by up to 1e-05"):
                    replay(data, bundle.pipeline, bundle.plan, bundle.instrument, "x")
            else:
                assert not replay(data, bundle.pipeline, bundle.plan, bundle.instrument, "x").exact


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda g: g.update(inputs=g["inputs"].astype(np.float32)), "of another type"),
        (lambda g: g.update(inputs=np.ascontiguousarray(g["inputs"][:, :3])), "do not fit together"),
        (lambda g: g.update(input_rows=np.minimum(g["input_rows"], 82)), "do not fit together"),
        (lambda g: g["inputs"].__setitem__((100, 3), np.nan), "model .pattern_cnn.: .*(is nan|not finite)"),
    ],
)
def test_altered_golden_bars_of_images_are_refused(making, load_once, change, said: str) -> None:
    bundle = load_once("pattern_cnn")
    golden = {name: values.copy() for name, values in load_tensors(making.files_of("pattern_cnn")[GOLDEN]).items()}
    change(golden)
    with pytest.raises((BundleError, ForecastError), match=said):
        replay(save_tensors(golden), bundle.pipeline, bundle.plan, bundle.instrument, "x")


def test_another_models_weights_under_a_good_seal_are_given_away(making, forge) -> None:
    other = making.files_of("lightgbm", 2, 11)
    version = forge({path: other[path] for path in ("weights/p_up.txt", "weights/E_r.txt")})
    with pytest.raises(BundleError, match="the forecasts of its golden inputs come out differently"):
        Bundle.from_verified(read_version(version))


def _altered(making, change) -> bytes:
    golden = load_tensors(making.files_of("lightgbm")[GOLDEN])
    change(golden)
    return save_tensors({name: np.ascontiguousarray(tensor) for name, tensor in golden.items()})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda g: g["bar_features"].__setitem__((0, 0), g["bar_features"][0, 0] + 1e-3),
            "the features of its golden bars come out differently",
        ),
        (lambda g: g["bar_features"].__setitem__((0, 0), np.nan), "come out differently, by up to inf"),
        (lambda g: g["bar_forecast"].__setitem__((0, 0), g["bar_forecast"][0, 0] + 1e-5), "the forecasts of its golden bars"),
        (lambda g: g["input_forecast"].__setitem__((0, 1), g["input_forecast"][0, 1] + 1e-5), "the forecasts of its golden inputs"),
        (lambda g: g.pop("inputs"), "lack a tensor"),
        (lambda g: g.update(inputs=g["inputs"].astype(np.float64)), "of another type"),
        (lambda g: g.update(input_rows=g["input_rows"] + 10**6), "do not fit together"),
        (lambda g: g.update(input_rows=g["input_rows"] - 10**6), "do not fit together"),
        (
            lambda g: g.update(bar_rows=g["bar_rows"][:0], bar_features=g["bar_features"][:0], bar_forecast=g["bar_forecast"][:0]),
            "do not fit",
        ),
    ],
)
def test_altered_golden_samples_are_refused(making, load_once, change, said: str) -> None:
    bundle = load_once("lightgbm")
    with pytest.raises(BundleError, match=said):
        replay(_altered(making, change), bundle.pipeline, bundle.plan, bundle.instrument, "x")


def test_bytes_that_are_no_safetensors_are_refused(load_once) -> None:
    bundle = load_once("lightgbm")
    with pytest.raises(BundleCorruption, match="golden samples do not load"):
        replay(b"\xff" * 64, bundle.pipeline, bundle.plan, bundle.instrument, "x")


def test_last_bits_of_another_machine_are_told_and_accepted(making, load_once) -> None:
    bundle = load_once("lightgbm")
    data = _altered(making, lambda g: g["input_forecast"].__setitem__((0, 0), np.nextafter(g["input_forecast"][0, 0], 1)))
    result = replay(data, bundle.pipeline, bundle.plan, bundle.instrument, "x")
    assert not result.exact
    assert 0 < result.forecasts < 1e-15


def test_the_verified_bytes_hold_every_golden_tensor(load_once) -> None:
    bundle = load_once("lightgbm")
    assert len(load_tensors(read_version(bundle.folder).files[GOLDEN])) == 10

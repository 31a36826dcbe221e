"""Every network that takes bars of several timeframes, on bars with a planted signal; and what it refuses."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from barmill.errors import DataError, SchemaError
from barmill.market import simulate
from barmill.models import MODELS, FitContext, ModelSpec, Samples, load_fit, load_forecaster, spec_of, view_of, window_of
from barmill.models.admission import check_view
from barmill.models.network_params import NetworkParams
from barmill.models.resolutions import base_bars, history_bars
from barmill.training import train_network
from barmill.training.batches import Batches, bases_on
from barmill.training.checkpoint import fit_key
from barmill.views import BAR_COLUMNS, MultiResolution, Resolution, WindowTensor

LENGTHS = {"1m": 16, "5m": 8, "15m": 4}
TRAIN, VALID, TEST = (80, 900), (900, 1100), (1100, 1500)
SMALL: dict[str, Any] = {"epochs": 2, "batch_size": 64, "learning_rate": 0.01}
takers = pytest.mark.parametrize("spec", [pytest.param(s, id=s.name) for s in MODELS.values() if "multi_resolution" in s.views])


@pytest.fixture(scope="module")
def whole() -> MultiResolution:
    """1,500 minutes of which bars before the 60th are not ready, without samples."""
    return MultiResolution.of(simulate(1500, seed=2).bars, LENGTHS, ends=())


def samples(whole: MultiResolution, part: tuple[int, int]) -> Samples:
    at = np.arange(*part)
    z = np.random.default_rng(part[0]).standard_normal(at.size)
    return Samples(whole.samples(at, np.full(at.size, 6e-4)), (z > 0).astype(np.int8), z, np.ones(at.size))


def context(spec: ModelSpec) -> FitContext:
    return FitContext(seed=7, n_classes=2, outputs=spec.outputs, feature_names=BAR_COLUMNS, train_network=train_network)


def small(spec: ModelSpec) -> NetworkParams:
    """The model with little to compute: its widths at the least that it takes would do, its defaults are made smaller by name."""
    narrow = {"hidden_size": 8, "num_layers": 1, "d_model": 16, "n_heads": 2, "n_layers": 1, "d_ff": 16, "patch_len": 2, "stride": 2}
    known = {name: value for name, value in narrow.items() if name in spec.params.model_fields}
    wanted = {**SMALL, "resolutions": LENGTHS}
    try:
        return spec.params(**known, **wanted)  # type: ignore[return-value]
    except ValidationError:
        return spec.params(**wanted)  # type: ignore[return-value]


@takers
def test_a_network_is_fitted_and_forecasts_through_its_export_alone(spec: ModelSpec, whole: MultiResolution) -> None:
    params = small(spec)
    assert (window_of(spec, params), params.window, params.lengths) == (LENGTHS, 28, (16, 8, 4))
    train, valid, test = (samples(whole, part) for part in (TRAIN, VALID, TEST))
    model = load_fit(spec)(params, train, valid, context(spec))
    forecaster = load_forecaster(spec, model.files)
    said = forecaster.raw(test.view)
    assert np.isfinite(said.logits).all()
    assert model.summary["export_parity"] < 1e-5
    gathered = MultiResolution.of_windows(test.view.gather(slice(None)), LENGTHS)  # type: ignore[union-attr]
    np.testing.assert_array_equal(forecaster.raw(gathered).logits, said.logits)
    scales = [one.base.copy() for one in whole.resolutions]
    for number in range(len(scales)):  # each timeframe has a say
        scales[number][:, :4] += np.random.default_rng(number).standard_normal((len(scales[number]), 4)) * 2e-3
        moved = [
            Resolution(one.timeframe, one.length, base if place == number else one.base, one.last, one.n_base)
            for place, (one, base) in enumerate(zip(whole.resolutions, scales, strict=True))
        ]
        other = MultiResolution(tuple(moved), whole.names, test.view.ends, whole.reference, test.view.unit)  # type: ignore[union-attr]
        assert not np.array_equal(forecaster.raw(other).logits, said.logits)


def test_a_model_refuses_other_timeframes_and_windows_of_features(whole: MultiResolution) -> None:
    view = samples(whole, VALID).view
    with pytest.raises(SchemaError, match="windows of 16 of 1m, 8 of 5m, 4 of 15m are offered; expected 16 of 1m, 8 of 5m"):
        check_view("model", view, "multi_resolution", 5, {"1m": 16, "5m": 8})
    features = WindowTensor(np.zeros((100, 5), dtype=np.float32), np.arange(40, 60), 28)
    with pytest.raises(SchemaError, match="a window_tensor is offered; expected a multi_resolution"):
        check_view("model", features, "multi_resolution", 5, LENGTHS)
    with pytest.raises(SchemaError, match="5 features are offered; expected 4"):
        check_view("model", view, "multi_resolution", 4, LENGTHS)
    spec = spec_of("lstm")
    with pytest.raises(SchemaError, match="a multi_resolution is offered; expected a window_tensor"):
        load_fit(spec)(spec.params(seq_len=28), samples(whole, TRAIN), samples(whole, VALID), context(spec))


def test_an_input_that_is_no_number_is_named_by_timeframe_bar_and_column() -> None:
    whole = MultiResolution.of(simulate(1500, seed=2).bars, LENGTHS, ends=())
    train, valid = samples(whole, TRAIN), samples(whole, VALID)
    five = whole.resolutions[1]
    five.base[20, 2] = np.nan  # after the view was made and checked
    spec = spec_of("lstm")
    with pytest.raises(DataError, match="train rows: 'low' of bar 20 of 5m is not finite, as seen from base bar 104"):
        load_fit(spec)(small(spec), train, valid, context(spec))


def test_batches_are_what_the_view_gathers_and_no_base_is_copied(whole: MultiResolution) -> None:
    import torch

    one, cpu = samples(whole, VALID), torch.device("cpu")
    (base,) = bases_on(cpu, one)
    picked = np.array([5, 0, 77])
    batch = Batches(one, base, cpu).gather(picked)
    assert base is None
    np.testing.assert_array_equal(batch.x.numpy(), one.view.gather(picked))  # type: ignore[union-attr]
    np.testing.assert_array_equal(batch.z.numpy(), one.z[picked].astype(np.float32))
    assert one.view.take([3]).resolutions[0].base is whole.resolutions[0].base  # type: ignore[union-attr]


def test_a_checkpoint_of_other_bars_or_other_volatilities_is_not_resumed(whole: MultiResolution) -> None:
    from dataclasses import replace

    from torch import nn

    spec = spec_of("lstm")
    train, valid = samples(whole, TRAIN), samples(whole, VALID)

    def key(train: Samples) -> str:
        return fit_key(nn.Linear(2, 2), train, valid, small(spec), context(spec), "cpu")

    calmer = replace(train, view=whole.samples(train.view.ends, np.full(len(train), 5e-4)))  # type: ignore[union-attr]
    later = replace(train, view=whole.samples(train.view.ends + 1, np.full(len(train), 6e-4)))  # type: ignore[union-attr]
    other = MultiResolution.of(simulate(1500, seed=3).bars, LENGTHS, ends=())
    assert len({key(one) for one in (train, calmer, later, samples(other, TRAIN))}) == 4
    assert key(train) == key(samples(whole, TRAIN))


def test_timeframes_are_put_in_order_and_counted_in_base_bars() -> None:
    params = NetworkParams(resolutions={"60m": 1, "1m": 60, "15m": 4, "5m": 12})
    assert list(params.resolutions or {}) == ["1m", "5m", "15m", "1h"]
    assert NetworkParams.model_validate(params.model_dump(mode="json")) == params
    minute = simulate(60, seed=1).bars.timeframe
    assert base_bars(params.resolutions or {}, minute) == 119  # the hour closes within 60 bars, and is whole within 119
    assert [history_bars(99, window, minute) for window in (None, 60, {"1m": 60}, {"1h": 2})] == [100, 159, 100, 179]
    assert (NetworkParams().lengths, NetworkParams(seq_len=7).window, view_of(None), view_of(7)) == (
        (),
        7,
        "feature_matrix",
        "window_tensor",
    )

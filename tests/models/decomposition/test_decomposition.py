"""The networks that continue a series: what their paths are made of, and how the head reads them."""

import importlib
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from barmill.errors import RecipeError
from barmill.models import FitContext, Samples, load_fit, spec_of
from barmill.models.decomposition.dlinear import DLinearCore
from barmill.models.decomposition.nbeats import NBeatsCore
from barmill.models.decomposition.nhits import NHitsCore
from barmill.models.decomposition.nlinear import NLinearCore
from barmill.models.decomposition.params import DLinearParams, NBeatsParams, NHitsParams
from barmill.models.decomposition.path_trunk import ChannelPathsTrunk
from barmill.models.heads import ForecastNetwork, HeadLayout, count_parameters
from barmill.pipeline.recipe_reading import recipe_from_text
from barmill.training import train_network
from barmill.views import WindowTensor

NAMES = ("nbeats", "nhits", "dlinear", "nlinear")


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def trunk_of(name: str, target: int = 0, n_features: int = 5, **changed: Any) -> tuple[Any, int]:
    build = importlib.import_module(f"barmill.models.decomposition.{name}").build_trunk
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(3)
        trunk, width = build(spec_of(name).params.model_validate({"seq_len": 20, "horizon": 6, **changed}), n_features, target)
    return trunk.eval(), width


CORES: dict[str, Any] = {
    "interpretable": lambda: NBeatsCore(20, 6, blocks=2, width=16, seasonal_width=16),
    "generic": lambda: NBeatsCore(20, 6, ("generic",), blocks=2, width=16),
    "nhits": lambda: NHitsCore(20, 6, width=16),
    "dlinear": lambda: DLinearCore(20, 6, 5),
    "nlinear": lambda: NLinearCore(20, 6),
}


@pytest.mark.parametrize("name", CORES)
def test_a_core_alone_turns_windows_into_paths_and_its_parts_add_up(name: str) -> None:
    core = CORES[name]().eval()
    x = noise(7, 20)
    said = core.decompose(x)
    assert core(x).shape == (7, 6)
    assert tuple(said.parts) == core.part_names
    assert (said.residual is not None) == core.has_residual
    if said.parts:
        torch.testing.assert_close(sum(said.parts.values()), said.path, rtol=0, atol=1e-6)


def test_only_the_readable_stacks_have_parts() -> None:
    assert CORES["interpretable"]().part_names == ("trend", "seasonal")
    assert CORES["generic"]().part_names == ()


@pytest.mark.parametrize("name", ["interpretable", "generic", "nhits"])
def test_blocks_take_away_what_they_explain_and_add_up_what_they_forecast(name: str) -> None:
    core = CORES[name]().eval()
    x = noise(3, 20)
    said = core.decompose(x)
    left, path = x.flip(1), x[:, -1:].repeat(1, 6)
    for _, at in core.order:
        backcast, forecast = core.blocks[at](left)
        left, path = left - backcast, path + forecast
    torch.testing.assert_close(said.residual, left)
    torch.testing.assert_close(said.path, path)


def test_a_trend_is_smooth_and_a_season_has_the_waves_of_its_path() -> None:
    parts = NBeatsCore(20, 12, blocks=1, width=16, seasonal_width=16, degree=1, level="zero").eval().decompose(noise(4, 20)).parts
    bends = parts["trend"].diff(n=2, dim=1)
    assert float(bends.detach().abs().max()) < 1e-5  # degree 1 is a line
    spectrum = np.abs(np.fft.rfft(parts["seasonal"].detach().numpy(), axis=1))
    assert (spectrum[:, 6] < 1e-4 * spectrum.max()).all()  # half a turn per bar is beyond the basis


def test_shared_weights_are_learned_and_kept_once() -> None:
    shared, own = (NBeatsCore(20, 6, blocks=3, width=16, seasonal_width=16, shared=share) for share in (True, False))
    assert count_parameters(own) == 3 * count_parameters(shared)
    assert len(shared.blocks) == 2
    assert len(shared.order) == len(own.order) == 6


def test_a_path_starts_from_the_newest_value_or_from_nothing() -> None:
    x = noise(3, 20)
    last, zero = (NHitsCore(20, 6, width=16, level=level) for level in ("last", "zero"))
    zero.load_state_dict(last.state_dict())
    torch.testing.assert_close(last.eval()(x) - zero.eval()(x), x[:, -1:].expand(-1, 6))


def test_the_oldest_bars_of_a_window_that_pooling_does_not_divide_are_seen() -> None:
    core = NHitsCore(21, 6, pooling=(8,), downsampling=(1,), width=16).eval()
    x = noise(1, 21)
    other = x.clone()
    other[:, 0] += 10.0  # the largest of the five oldest, which make a short pool of their own
    assert not torch.equal(core(x), core(other))


@pytest.mark.parametrize("horizon", [1, 2, 3])
def test_a_stack_has_at_least_one_knot(horizon: int) -> None:
    assert NHitsCore(20, horizon, pooling=(2,), downsampling=(4,), width=8)(noise(2, 20)).shape == (2, horizon)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("target", [0, 3])
def test_the_heads_first_column_is_the_sum_of_the_targets_path(name: str, target: int) -> None:
    trunk, width = trunk_of(name, target)
    x = noise(4, 20, 5)
    vector = trunk(x)
    assert vector.shape == (4, width)
    path = trunk.core(x[:, :, target])
    torch.testing.assert_close(vector[:, 0], path.sum(dim=1), rtol=0, atol=1e-5)
    network = ForecastNetwork(trunk, width, HeadLayout(2, returns=True))
    with torch.no_grad():
        network.head.weight[1], network.head.bias[1] = torch.eye(width)[0], 0.0
    torch.testing.assert_close(network(x)[:, 1], path.sum(dim=1), rtol=0, atol=1e-5)
    torch.testing.assert_close(trunk.explained(x)["path"], path, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_what_can_be_read_out_has_the_paths_length_and_health_is_finite(name: str) -> None:
    trunk, _ = trunk_of(name)
    x = noise(9, 20, 5)
    with torch.no_grad():
        parts = trunk.explained(x)
        health = trunk.health(x)
    expected = {"nbeats": ["trend", "seasonal", "path"], "dlinear": ["trend", "seasonal", "path"]}.get(name, ["path"])
    assert list(parts) == expected
    assert all(part.shape == (9, 6) for part in parts.values())
    assert all(np.isfinite(value) and value >= 0 for value in health.values())
    assert ("unexplained_share" in health) == (name in ("nbeats", "nhits"))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("window", [torch.zeros(2, 20, 5), torch.full((2, 20, 5), 3.0)], ids=["zero", "constant"])
def test_a_window_that_stands_still_has_finite_gradients(name: str, window: torch.Tensor) -> None:
    trunk, _ = trunk_of(name)
    x = window.clone().requires_grad_()
    vector = trunk(x)
    vector.sum().backward()
    assert torch.isfinite(vector).all()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


def test_features_beside_the_target_speak_linearly() -> None:
    trunk, width = trunk_of("nhits", target=1)
    x, other = noise(2, 20, 5), noise(2, 20, 5, seed=1)
    other[:, :, 1] = x[:, :, 1]
    mid = trunk((x + other) / 2)
    torch.testing.assert_close(mid, (trunk(x) + trunk(other)) / 2, rtol=0, atol=1e-5)
    assert width == 1 + 6 + 0 + 2 + 2 + 2 * 5


def test_sizes_of_published_networks() -> None:
    # ETTh1, 336 -> 96, and DLinear on 25 features of 60 bars with five outputs: 2,969 without the six columns that are not paths
    assert count_parameters(DLinearCore(336, 96)) == 64_704
    assert count_parameters(NLinearCore(336, 96)) == 32_352
    dlinear = ChannelPathsTrunk(DLinearCore(60, 12), 25, 0)
    assert count_parameters(ForecastNetwork(dlinear, dlinear.width - 5, HeadLayout(2, True, True))) == 2_969
    assert dlinear.width == 25 * 12 + 5
    # Interpretable, as for M4: two blocks, shared; a trend of 256 units, a season of 2048, four layers each
    window, horizon = 60, 12

    def block(width: int, coefficients: int) -> int:
        return (window + 1) * width + 3 * (width + 1) * width + (width + 1) * coefficients

    assert count_parameters(NBeatsCore(window, horizon)) == block(256, 2 * 3) + block(2048, 4 * 6)


def test_dropout_falls_in_training_alone() -> None:
    core = NHitsCore(20, 6, width=16, dropout=0.5)
    x = noise(3, 20)
    assert not torch.equal(core.train()(x), core(x))
    assert torch.equal(core.eval()(x), core(x))


@pytest.mark.parametrize(
    ("params", "given", "told"),
    [
        (NHitsParams, {"pooling": (2, 2), "downsampling": (4, 2, 1)}, "pooling names 2 stacks and downsampling 3; expected one of each"),
        (NHitsParams, {"pooling": (8, 2, 1), "seq_len": 7}, "pooling over 8 of 7 bars; expected at most the window"),
        (NHitsParams, {"pooling": (0, 2, 1)}, "greater than or equal to 1"),
        (DLinearParams, {"moving_average": 24}, "moving_average of 24 bars; expected an odd number. Take 25"),
        (NBeatsParams, {"stacks": "seasonal"}, "'interpretable' or 'generic'"),
    ],
)
def test_what_cannot_be_built_is_refused_when_it_is_read(params: Any, given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told.replace(".", r"\.")):
        params(**given)


def test_a_recipe_that_cannot_be_built_names_the_place() -> None:
    text = "base_models:\n  - name: nhits\n    config:\n      pooling: [2, 2]\n      downsampling: [4, 2, 1]\n"
    with pytest.raises(RecipeError, match=r"base_models\[0\]\.config.*pooling names 2 stacks"):
        recipe_from_text(text, "recipe.yaml")


@pytest.mark.parametrize("name", NAMES)
def test_a_target_that_is_no_feature_is_refused_by_the_fit(name: str) -> None:
    at = np.arange(20, 60)
    base = np.random.default_rng(0).standard_normal((80, 2)).astype(np.float32)
    samples = Samples(WindowTensor(base, at, 8), (base[at, 0] > 0).astype(np.int8), base[at, 0].astype(np.float64), np.ones(40))
    context = FitContext(seed=1, n_classes=2, outputs=("p_up",), feature_names=("rsi_14", "atr_14"), train_network=train_network)
    params = spec_of(name).params.model_validate({"seq_len": 8, "horizon": 4, "target": "log_return_1"})
    with pytest.raises(RecipeError, match=f"model '{name}', target: no feature named 'log_return_1'"):
        load_fit(spec_of(name))(params, samples, samples, context)


def test_nbeats_finds_a_planted_trend_and_a_planted_season_apart() -> None:
    """A line continued is a trend, a wave of the horizon's length is a season: the core learns both and keeps them apart."""
    window, horizon = 24, 12
    rng = np.random.default_rng(0)
    time = np.arange(-window + 1, horizon + 1)
    slope, phase = rng.uniform(-1, 1, (256, 1)), rng.uniform(0, 2 * np.pi, (256, 1))
    line, wave = slope * time / horizon, np.sin(2 * np.pi * time / horizon + phase)
    x = torch.tensor((line + wave)[:, :window], dtype=torch.float32)
    path, trend = (torch.tensor(part[:, window:], dtype=torch.float32) for part in (line + wave, line))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        core = NBeatsCore(window, horizon, blocks=1, layers=2, width=32, seasonal_width=32, degree=1, level="zero")
    optimizer = torch.optim.Adam(core.parameters(), lr=3e-3)
    for _ in range(300):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(core(x), path).backward()
        optimizer.step()
    said = core.decompose(x)
    slopes = (said.parts["trend"][:, -1] - said.parts["trend"][:, 0]).detach().numpy()
    assert torch.nn.functional.mse_loss(said.path, path) < 0.02
    assert np.corrcoef(slopes, (trend[:, -1] - trend[:, 0]).numpy())[0, 1] > 0.9

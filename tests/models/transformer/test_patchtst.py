"""PatchTST on the decision bar: its mask, its causality to the bit, and what would break it."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from barmill.errors import RecipeError
from barmill.models import spec_of, window_of
from barmill.models.heads import ForecastNetwork, HeadLayout, NamedOutputs, count_parameters
from barmill.models.onnx_export import export_onnx
from barmill.models.transformer.attention import TokenBatchNorm
from barmill.models.transformer.params import PatchTSTParams
from barmill.models.transformer.patches import Patching
from barmill.models.transformer.patchtst import PatchTSTTrunk, build_trunk, state_ends, visible_tokens
from barmill.pipeline.recipe_reading import recipe_from_text

FOUR_TIMEFRAMES = {"1m": 60, "5m": 12, "15m": 4, "1h": 1}


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def _trunk(n_features: int = 3, **changed: Any) -> PatchTSTTrunk:
    small = {"seq_len": 22, "patch_length": 6, "stride": 4, "d_model": 8, "n_heads": 2, "n_layers": 2, "d_ff": 12, "dropout": 0.0}
    trunk, _ = build_trunk(PatchTSTParams(**{**small, **changed}), n_features)
    assert isinstance(trunk, PatchTSTTrunk)
    return trunk


def _changed_from(x: Tensor, row: int) -> Tensor:
    return torch.cat([x[:, :row], 10 + torch.randn_like(x[:, row:])], dim=1)


def _ends_of_states_that_moved(trunk: PatchTSTTrunk, row: int) -> list[int]:
    """Which states differ once every bar from `row` on is another."""
    x = torch.randn(4, sum(trunk.lengths), 3)
    before, after = trunk.states(x), trunk.states(_changed_from(x, row))
    assert len(trunk.state_ends) == before.shape[1]
    return [position for position in range(before.shape[1]) if not torch.equal(before[:, position], after[:, position])]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("resolutions", [None, {"1m": 15, "5m": 9, "1h": 1}])
def test_a_state_moves_if_and_only_if_a_bar_that_it_has_read_does(training: bool, resolutions: dict[str, int] | None) -> None:
    trunk = _trunk(resolutions=resolutions).train(training)
    for row in range(1, sum(trunk.lengths)):
        moved = _ends_of_states_that_moved(trunk, row)
        # Rows of a later timeframe move no state of an earlier one but its last token's.
        assert all(trunk.state_ends[position] >= row for position in moved)
        if resolutions is None:
            assert moved == [position for position, end in enumerate(trunk.state_ends) if end >= row]


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_in_place_of_layer_norm_is_caught_in_training(training: bool) -> None:
    trunk = _trunk().train(training)
    for layer in trunk.encoder.layers:
        layer.norm_attention = TokenBatchNorm(8).train(training)
    assert (_ends_of_states_that_moved(trunk, 18)[0] == 0) is training


def test_normalising_by_the_window_is_caught() -> None:
    trunk = _trunk(causal=False, n_layers=1).eval()
    trunk.allowed_NN = visible_tokens((5,), causal=True)
    assert _ends_of_states_that_moved(trunk, 21)[0] == 0
    trunk.causal = True  # the same network on inputs as they are
    assert _ends_of_states_that_moved(trunk, 21) == [4]


def test_a_missing_mask_is_caught() -> None:
    trunk = _trunk().eval()
    trunk.allowed_NN = None
    assert _ends_of_states_that_moved(trunk, 21)[0] == 0


def test_the_mask_of_one_timeframe_is_a_triangle() -> None:
    mask = visible_tokens((4,), causal=True)
    assert mask is not None
    assert mask.int().tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]
    assert visible_tokens((4,), causal=False) is None


def test_the_mask_of_several_timeframes_by_hand() -> None:
    causal, both_ways = (visible_tokens((3, 2, 1), causal=way) for way in (True, False))
    assert causal is not None
    assert both_ways is not None
    assert causal.int().tolist() == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 1, 1, 1],  # the finest timeframe's last token sees all tokens
        [0, 0, 0, 1, 0, 0],
        [1, 1, 1, 1, 1, 1],  # as does the next one's
        [1, 1, 1, 1, 1, 1],
    ]
    assert both_ways.int().tolist()[:2] == [[1, 1, 1, 0, 0, 0]] * 2
    assert both_ways.int().tolist()[3] == [0, 0, 0, 1, 1, 0]


def test_what_each_state_has_read() -> None:
    assert state_ends((Patching.of(22, 6, 4),)) == (5, 9, 13, 17, 21)
    assert state_ends((Patching.of(23, 6, 4),)) == (6, 10, 14, 18, 22)  # the oldest bar is left out
    assert state_ends(tuple(Patching.of(length, 4, 2) for length in (8, 7, 1))) == (3, 5, 15, 12, 15, 15)


def test_the_answer_stands_on_the_newest_bar_of_every_feature_and_timeframe() -> None:
    trunk = _trunk(resolutions={"1m": 15, "5m": 9, "1h": 1}).eval()
    x = torch.randn(1, 25, 3)
    for row in (14, 23, 24):
        for feature in range(3):
            changed = x.clone()
            changed[0, row, feature] += 1
            assert (trunk(changed) - trunk(x))[:, :128].abs().max() > 1e-6


def test_bars_that_fill_no_stride_move_level_and_scale_alone() -> None:
    trunk = _trunk(seq_len=25).eval()
    x = torch.randn(2, 25, 3)
    changed = x.clone()
    changed[:, :3] += 1
    moved = (trunk(changed) != trunk(x)).any(dim=0)
    assert moved.tolist() == [False] * 128 + [True] * 6


def test_each_feature_brings_its_mean_and_log_deviation() -> None:
    trunk, x = _trunk(), torch.randn(4, 22, 3)
    found = trunk(x)[:, 128:].detach().numpy()
    values = x.double().numpy()
    expected = np.concatenate([values.mean(axis=1), np.log(np.sqrt(values.var(axis=1) + 1e-5))], axis=1)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("resolutions", [None, FOUR_TIMEFRAMES])
def test_windows_that_stand_still_have_finite_answers_and_gradients(causal: bool, resolutions: dict[str, int] | None) -> None:
    trunk = _trunk(causal=causal, resolutions=resolutions)
    x = torch.full((3, sum(trunk.lengths), 3), 4.0, requires_grad=True)
    answer = trunk(x)
    answer.sum().backward()
    assert torch.isfinite(answer).all()
    assert all(torch.isfinite(parameter.grad).all() for parameter in [x, *trunk.parameters()])  # type: ignore[union-attr]


def test_dropout_falls_in_training_only() -> None:
    trunk, x = _trunk(dropout=0.5), torch.randn(2, 22, 3)
    assert not torch.equal(trunk(x), trunk(x))
    trunk.eval()
    assert torch.equal(trunk(x), trunk(x))


def test_attention_of_the_last_position_is_a_distribution_over_the_patches() -> None:
    for resolutions, n_tokens in ((None, 5), (FOUR_TIMEFRAMES, 14 + 2 + 1 + 1)):
        trunk = _trunk(resolutions=resolutions).eval()
        x = torch.randn(4, sum(trunk.lengths), 3)
        with torch.no_grad():
            attention = trunk.explained(x)["attention"]
            health = trunk.health(x)
        assert attention.shape == (4, n_tokens)
        torch.testing.assert_close(attention.sum(dim=1), torch.ones(4))
        assert 0 < health["attention_entropy"] <= math.log(n_tokens)


def test_attention_entropy_is_that_of_looking_at_all_alike_where_scores_are_equal() -> None:
    trunk = _trunk().eval()
    for layer in trunk.encoder.layers:
        nn.init.zeros_(layer.attention.query.weight)
        nn.init.zeros_(layer.attention.query.bias)
    with torch.no_grad():
        assert trunk.health(torch.randn(4, 22, 3))["attention_entropy"] == pytest.approx(math.log(5), abs=1e-5)


@pytest.mark.parametrize(
    ("changed", "n_features", "expected"),
    [
        ({"seq_len": 512, "d_model": 128, "n_heads": 16, "n_layers": 3, "d_ff": 256}, 7, 523_211),
        ({"seq_len": 60, "patch_length": 12, "stride": 6, "d_model": 128, "n_heads": 16, "n_layers": 3, "d_ff": 256}, 25, 810_879),
    ],
)
def test_number_of_parameters_by_hand(changed: dict[str, Any], n_features: int, expected: int) -> None:
    params = PatchTSTParams(**changed)
    trunk, width = build_trunk(params, n_features)
    d, patches = params.d_model, Patching.of(params.seq_len, params.patch_length, params.stride).n_patches
    layer = 4 * (d * d + d) + (d * params.d_ff + params.d_ff) + (params.d_ff * d + d) + 4 * d
    embedding = params.patch_length * d + d + patches * d
    by_hand = embedding + params.n_layers * layer + (n_features * d * 128 + 128) + (128 + 2 * n_features) * 5 + 5
    network = ForecastNetwork(trunk, width, HeadLayout(2, returns=True, quantiles=True))
    assert count_parameters(network) == by_hand == expected


@pytest.mark.parametrize("causal", [True, False])
def test_several_timeframes_are_exported_as_they_are_for_any_batch(causal: bool) -> None:
    import onnxruntime as ort

    trunk = _trunk(5, resolutions=FOUR_TIMEFRAMES, causal=causal)
    trunk(torch.randn(64, 77, 5))  # moves the running statistics, where there are some
    network = NamedOutputs(ForecastNetwork(trunk, trunk.width, HeadLayout(2, returns=True, quantiles=True)), HeadLayout(2, True, True))
    session = ort.InferenceSession(export_onnx(network, 77, 5), providers=["CPUExecutionProvider"])
    for batch in (1, 2, 7, 64):
        x = torch.randn(batch, 77, 5)
        found: Any = session.run(network.names, {"window": x.numpy()})
        with torch.no_grad():
            expected = network(x)
        for one, other in zip(found, expected, strict=True):
            assert one.shape == other.shape
            np.testing.assert_allclose(one, other.numpy(), rtol=0, atol=1e-5)


def test_context_length_of_the_seed_and_seq_len_are_one_parameter() -> None:
    spec = spec_of("patchtst")
    seed = {"patch_length": 16, "stride": 8, "context_length": 512, "d_model": 256, "n_heads": 8, "causal": True}
    params = spec.params.model_validate(seed)
    assert window_of(spec, params) == 512
    assert params == spec.params.model_validate({**{key: seed[key] for key in seed if key != "context_length"}, "seq_len": 512})
    assert params.model_dump()["seq_len"] == 512
    with pytest.raises(ValidationError, match="context_length"):
        spec.params.model_validate({"seq_len": 64, "context_length": 64})


def _recipe(config: str) -> str:
    return f"base_models:\n  - name: patchtst\n    outputs: [p_up, E_r]\n    config: {config}\nensemble: {{enabled: false}}\n"


def test_a_recipe_with_the_seeds_configuration_is_read_as_it_stands() -> None:
    config = "{patch_length: 16, stride: 8, context_length: 512, d_model: 256, n_heads: 8, causal: true}"
    entry = recipe_from_text(_recipe(config), "recipe.yaml").base_models[0]
    assert dict(entry.config)["seq_len"] == 512


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("{seq_len: 12}", "patch_length 16 is longer than the window of 12 bars .seq_len.; expected at most 12"),
        ("{patch_length: 8, stride: 12}", "stride 12 is longer than patch_length 8, .*; expected at most 8"),
        ("{d_model: 30, n_heads: 4}", "d_model 30 does not divide into n_heads 4; expected a multiple. Set d_model: 32"),
    ],
)
def test_what_cannot_go_together_is_refused_when_the_recipe_is_read(config: str, told: str) -> None:
    with pytest.raises(RecipeError, match=rf"base_models\[0\]\.config \(line 4\): {told}"):
        recipe_from_text(_recipe(config), "recipe.yaml")


def test_a_timeframe_shorter_than_a_patch_is_one_patch() -> None:
    trunk, _ = build_trunk(PatchTSTParams(resolutions={"5m": 12, "15m": 4}), 5)
    assert isinstance(trunk, PatchTSTTrunk)
    assert [patching.patch for patching in trunk.patchings] == [12, 4]

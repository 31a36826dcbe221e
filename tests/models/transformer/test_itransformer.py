"""iTransformer: its size, torch's own layers with the same weights, and what it may know of its features."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from barmill.models import spec_of, window_of
from barmill.models.heads import ForecastNetwork, HeadLayout, NamedOutputs, count_parameters
from barmill.models.onnx_export import export_onnx
from barmill.models.transformer.itransformer import ITransformerTrunk, build_trunk
from barmill.models.transformer.itransformer_backbone import ITransformerBackbone
from barmill.models.transformer.params import ITransformerParams

FOUR_TIMEFRAMES = {"1m": 60, "5m": 12, "15m": 4, "1h": 1}


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def _small(**changed: Any) -> ITransformerBackbone:
    return ITransformerBackbone(20, 6, **{"d_model": 12, "n_heads": 3, "n_layers": 2, "d_ff": 16, "dropout": 0.1, **changed})


def _trunk(n_features: int = 4, target: int = 1, **changed: Any) -> ITransformerTrunk:
    small = {"seq_len": 20, "d_model": 12, "n_heads": 3, "n_layers": 2, "d_ff": 16, "dropout": 0.0}
    trunk, _ = build_trunk(ITransformerParams(**{**small, **changed}), n_features, target)
    assert isinstance(trunk, ITransformerTrunk)
    return trunk


def test_number_of_parameters_of_the_published_ett_configuration() -> None:
    assert count_parameters(ITransformerBackbone(96, 96, d_model=256, n_heads=8, n_layers=2, d_ff=256)) == 841_568


def test_number_of_parameters_with_the_shared_head() -> None:
    # 810,495 with a plain mean of the tokens; the learned shares of 25 features in 256 columns are ours.
    trunk, width = build_trunk(ITransformerParams(seq_len=60, d_model=256, n_heads=8, n_layers=2, d_ff=256), 25)
    network = ForecastNetwork(trunk, width, HeadLayout(2, returns=True, quantiles=True))
    assert count_parameters(network) == 810_495 + 25 * 256


def test_equals_the_same_network_of_torchs_own_layers() -> None:
    own = _small().eval()
    layer = nn.TransformerEncoderLayer(12, 3, 16, dropout=0.1, activation="gelu", batch_first=True)
    theirs = nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(12), enable_nested_tensor=False).eval()
    with torch.no_grad():
        for mine, other in zip(own.encoder.layers, theirs.layers, strict=True):
            for index, part in enumerate((mine.attention.query, mine.attention.key, mine.attention.value)):
                other.self_attn.in_proj_weight[12 * index : 12 * (index + 1)].copy_(part.weight)
                other.self_attn.in_proj_bias[12 * index : 12 * (index + 1)].copy_(part.bias)
            other.self_attn.out_proj.load_state_dict(mine.attention.out.state_dict())
            other.linear1.load_state_dict(mine.perceptron[0].state_dict())
            other.linear2.load_state_dict(mine.perceptron[3].state_dict())
        x, marks = 3 * torch.randn(5, 20, 7) + 2, torch.rand(5, 20, 4) - 0.5
        mean, deviation = x.mean(dim=1, keepdim=True), (x.var(dim=1, keepdim=True, unbiased=False) + 1e-5).sqrt()
        tokens = own.embedding(torch.cat([(x - mean) / deviation, marks], dim=2).transpose(1, 2))
        expected = own.head(theirs(tokens)).transpose(1, 2)[:, :, :7] * deviation + mean
        torch.testing.assert_close(own(x, marks), expected, rtol=0, atol=1e-5)


def test_a_forecast_follows_its_series_wherever_it_stands() -> None:
    own, x = _small().eval(), torch.randn(3, 20, 5)
    order = torch.tensor([3, 0, 4, 1, 2])
    with torch.no_grad():
        torch.testing.assert_close(own(x[:, :, order]), own(x)[:, :, order], rtol=0, atol=1e-6)


def test_marks_inform_and_are_not_forecast() -> None:
    own, x, marks = _small().eval(), torch.randn(3, 20, 5), torch.randn(3, 20, 4)
    with torch.no_grad():
        told, other, without = own(x, marks), own(x, marks + 1), own(x)
    assert told.shape == without.shape == (3, 6, 5)
    assert not torch.equal(told, other)
    assert not torch.equal(told, without)


@pytest.mark.parametrize("factor", [1.0, 250.0])
def test_a_forecast_moves_and_grows_with_its_window(factor: float) -> None:
    own, x = _small().eval().double(), torch.randn(4, 20, 3).double()
    with torch.no_grad():
        torch.testing.assert_close(own(factor * x + 40) / factor, own(x) + 40 / factor, rtol=0, atol=1e-4)


def test_windows_that_stand_still_have_finite_answers_and_gradients() -> None:
    for network in (_small(), _trunk(), _trunk(resolutions=FOUR_TIMEFRAMES)):
        length = 20 if isinstance(network, ITransformerBackbone) else sum(network.lengths)
        x = torch.full((3, length, 4), 4.0, requires_grad=True)
        answer = network(x)
        answer.sum().backward()
        assert torch.isfinite(answer).all()
        assert all(torch.isfinite(parameter.grad).all() for parameter in [x, *network.parameters()])  # type: ignore[union-attr]


def test_the_targets_token_is_read_out_by_itself() -> None:
    trunk, x = _trunk(target=2).eval(), torch.randn(3, 20, 4)
    with torch.no_grad():
        vector = trunk(x)
        swapped = trunk(x[:, :, [0, 1, 3, 2]])  # another feature stands where the target is read
    assert vector.shape == (3, 12 + 12 + 4 + 4)
    assert not torch.allclose(vector[:, :12], swapped[:, :12], atol=1e-3)
    torch.testing.assert_close(vector[:, 12:24], swapped[:, 12:24], rtol=0, atol=1e-6)  # at first a plain mean


def test_the_mean_of_tokens_can_learn_which_feature_is_which() -> None:
    trunk, x = _trunk(target=0).eval(), torch.randn(3, 20, 4)
    with torch.no_grad():
        trunk.shares_ND[2] += 1
        vector, swapped = trunk(x), trunk(x[:, :, [0, 1, 3, 2]])
    assert not torch.allclose(vector[:, 12:24], swapped[:, 12:24], atol=1e-3)


def test_level_and_scale_of_every_feature_are_handed_on() -> None:
    trunk, x = _trunk(), 5 * torch.randn(4, 20, 4) + 3
    values = x.double().numpy()
    expected = np.concatenate([values.mean(axis=1), np.log(np.sqrt(values.var(axis=1) + 1e-5))], axis=1)
    np.testing.assert_allclose(trunk(x)[:, 24:].detach().numpy(), expected, rtol=0, atol=1e-5)


def test_each_timeframe_brings_its_features_as_further_tokens() -> None:
    trunk = _trunk(5, target=3, resolutions=FOUR_TIMEFRAMES).eval()
    assert [embed.in_features for embed in trunk.embeddings] == [60, 12, 4, 1]
    assert trunk.shares_ND.shape[0] == 4 * 5
    x = torch.randn(2, 77, 5)
    with torch.no_grad():
        for row in (0, 59, 60, 71, 72, 76):  # oldest and newest bars of each timeframe, the single hour too
            changed = x.clone()
            changed[:, row, 1] += 1
            assert (trunk(changed) - trunk(x))[:, :12].abs().max() > 1e-6


def test_variables_are_a_distribution_over_the_features() -> None:
    for trunk, length in ((_trunk(), 20), (_trunk(resolutions=FOUR_TIMEFRAMES), 77)):
        x = torch.randn(6, length, 4)
        with torch.no_grad():
            variables, health = trunk.explained(x)["variables"], trunk.health(x)
        assert variables.shape == (6, 4)
        torch.testing.assert_close(variables.sum(dim=1), torch.ones(6))
        assert 0 < health["attention_entropy"] <= math.log(trunk.shares_ND.shape[0])


def test_the_variable_that_the_target_looks_at_is_named() -> None:
    trunk = _trunk(n_layers=1).eval()
    with torch.no_grad():
        for layer in (trunk.encoder.layers[0].attention.query, trunk.encoder.layers[0].attention.key):
            layer.weight.copy_(20 * torch.eye(12))
            layer.bias.zero_()
        x = torch.randn(5, 20, 4)
        x[:, :, 3] = x[:, :, 1]  # the target's twin
        variables = trunk.explained(x)["variables"]
    torch.testing.assert_close(variables[:, 1], variables[:, 3])
    assert (variables[:, [1, 3]].sum(dim=1) > variables[:, [0, 2]].sum(dim=1)).all()


def test_several_timeframes_are_exported_as_they_are_for_any_batch() -> None:
    import onnxruntime as ort

    trunk = _trunk(5, resolutions=FOUR_TIMEFRAMES)
    network = NamedOutputs(ForecastNetwork(trunk, trunk.width, HeadLayout(2, returns=True)), HeadLayout(2, returns=True))
    session = ort.InferenceSession(export_onnx(network, 77, 5), providers=["CPUExecutionProvider"])
    for batch in (1, 2, 7, 64):
        x = torch.randn(batch, 77, 5)
        found: Any = session.run(network.names, {"window": x.numpy()})
        with torch.no_grad():
            expected = network(x)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other.numpy(), rtol=0, atol=1e-5)


def test_the_window_of_the_recipe_is_the_tokens_length() -> None:
    spec = spec_of("itransformer")
    params = spec.params.model_validate({"seq_len": 96})
    assert window_of(spec, params) == 96
    assert build_trunk(params, 4)[0].embeddings[0].in_features == 96  # type: ignore[union-attr,index]

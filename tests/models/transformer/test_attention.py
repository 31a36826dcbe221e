"""Attention and its encoder against torch's own, what a mask hides, and what batch normalisation gives away."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from barmill.models.transformer.attention import Attention, Encoder, EncoderLayer, entropy, triangle

TORCH = {"weight": "in_proj_weight", "bias": "in_proj_bias"}


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def _copy_attention(own: Attention, torchs: nn.MultiheadAttention) -> None:
    with torch.no_grad():
        for index, layer in enumerate((own.query, own.key, own.value)):
            rows = slice(index * torchs.embed_dim, (index + 1) * torchs.embed_dim)
            layer.weight.copy_(torchs.in_proj_weight[rows])
            layer.bias.copy_(torchs.in_proj_bias[rows])
        own.out.load_state_dict(torchs.out_proj.state_dict())


@pytest.mark.parametrize("masked", [False, True])
def test_attention_equals_torchs_with_the_same_weights(masked: bool) -> None:
    own, torchs = Attention(12, 3), nn.MultiheadAttention(12, 3, batch_first=True)
    nn.init.normal_(torchs.in_proj_bias)  # zero at first, which would hide a bias in the wrong place
    _copy_attention(own, torchs)
    x, allowed = torch.randn(4, 7, 12), triangle(7) if masked else None
    values, weights, _ = own(x, allowed)
    expected, expected_weights = torchs(x, x, x, attn_mask=None if allowed is None else ~allowed, average_attn_weights=False)
    torch.testing.assert_close(values, expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(weights, expected_weights, rtol=0, atol=1e-6)


def test_a_layer_equals_torchs_encoder_layer_with_the_same_weights() -> None:
    own = EncoderLayer(12, 3, 20, 0.3).eval()
    torchs = nn.TransformerEncoderLayer(12, 3, 20, dropout=0.3, activation="gelu", batch_first=True).eval()
    _copy_attention(own.attention, torchs.self_attn)
    for mine, theirs in (
        (own.perceptron[0], torchs.linear1),
        (own.perceptron[3], torchs.linear2),
        (own.norm_attention, torchs.norm1),
        (own.norm_perceptron, torchs.norm2),
    ):
        nn.init.normal_(theirs.weight)
        mine.load_state_dict(theirs.state_dict())
    x = torch.randn(4, 7, 12)
    with torch.no_grad():
        expected = torchs(x, src_mask=~triangle(7))
    torch.testing.assert_close(own(x, triangle(7)).values_BND, expected, rtol=0, atol=1e-5)


def test_a_token_does_not_change_by_a_bit_with_what_it_may_not_see() -> None:
    encoder = Encoder([EncoderLayer(8, 2, 16, 0.0) for _ in range(3)], residual_scores=True)
    x = torch.randn(2, 9, 8)
    changed = torch.cat([x[:, :5], 1e6 * torch.randn(2, 4, 8)], dim=1)
    before, after = (encoder(window, triangle(9)).states_BND for window in (x, changed))
    assert torch.equal(before[:, :5], after[:, :5])
    assert not torch.equal(before[:, 5], after[:, 5])


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_lets_a_token_see_later_ones_in_training_alone(training: bool) -> None:
    layer = EncoderLayer(8, 2, 16, 0.0, norm="batch").train(training)
    x = torch.randn(2, 9, 8)
    changed = torch.cat([x[:, :5], torch.randn(2, 4, 8)], dim=1)
    before, after = (layer(window, triangle(9)).values_BND for window in (x, changed))
    assert torch.equal(before[:, :5], after[:, :5]) is not training


def test_residual_scores_are_those_of_all_layers_before_added_up() -> None:
    layers = [EncoderLayer(8, 2, 16, 0.0) for _ in range(3)]
    x = torch.randn(2, 5, 8)
    _, weights = Encoder(layers, residual_scores=True)(x)
    scores = torch.zeros(2, 2, 5, 5)
    for layer, found in zip(layers, weights, strict=True):
        query, key = (part(x).reshape(2, 5, 2, 4).transpose(1, 2) for part in (layer.attention.query, layer.attention.key))
        scores = scores + query @ key.transpose(2, 3) / 2
        torch.testing.assert_close(found, functional.softmax(scores, dim=-1))
        x = layer(x, None, scores - query @ key.transpose(2, 3) / 2).values_BND


def test_dropout_falls_in_training_only_and_on_each_of_its_places() -> None:
    x = torch.randn(2, 5, 8)
    for places in ({"dropout": 0.5}, {"dropout": 0.0, "weight_dropout": 0.5}, {"dropout": 0.0, "out_dropout": 0.5}):
        layer = EncoderLayer(8, 2, 16, **places)  # type: ignore[arg-type]
        assert not torch.equal(layer(x).values_BND, layer(x).values_BND)
        assert torch.equal(layer.eval()(x).values_BND, layer(x).values_BND)


def test_entropy_is_0_for_one_token_and_the_logarithm_for_all_alike() -> None:
    weights = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 0.0, 0.0]])
    torch.testing.assert_close(entropy(weights), torch.tensor([0.0, math.log(4), math.log(2)]))

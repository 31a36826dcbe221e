"""The published PatchTST: its size, the same network of another library, and the laws of its normalisation."""

from typing import Any

import pytest
import torch
from torch import nn

from barmill.models.heads import count_parameters
from barmill.models.transformer.patchtst_backbone import PatchTSTBackbone


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def _small(**changed: Any) -> PatchTSTBackbone:
    sizes = {"patch_length": 8, "stride": 4, "d_model": 16, "n_heads": 4, "n_layers": 2, "d_ff": 24, "dropout": 0.1}
    return PatchTSTBackbone(45, 12, **{**sizes, **changed})


def test_number_of_parameters_of_the_published_ett_configuration() -> None:
    assert count_parameters(PatchTSTBackbone(336, 96, d_model=16, n_heads=4, d_ff=128, dropout=0.3)) == 81_728


def test_42_patches_of_336_bars_and_64_of_512() -> None:
    assert PatchTSTBackbone(336, 96).patching.n_patches == 42
    assert PatchTSTBackbone(512, 96).patching.n_patches == 64


def _theirs() -> Any:
    transformers = pytest.importorskip("transformers")
    config = transformers.PatchTSTConfig(
        num_input_channels=3,
        context_length=45,
        prediction_length=12,
        patch_length=8,
        patch_stride=4,
        d_model=16,
        num_attention_heads=4,
        num_hidden_layers=2,
        ffn_dim=24,
        pre_norm=False,  # post-norm, as in the paper's code; the library's default is pre-norm
        norm_type="batchnorm",
        positional_encoding_type="random",
        use_cls_token=False,
        pooling_type=None,
        scaling="std",
        loss="mse",
        share_projection=True,
        channel_attention=False,
    )
    return transformers.PatchTSTForPrediction(config).eval()


def _copy(theirs: Any, own: PatchTSTBackbone) -> None:
    pairs = [(own.embedding, theirs.model.encoder.embedder.input_embedding), (own.head, theirs.head.projection)]
    for mine, layer in zip(own.encoder.layers, theirs.model.encoder.layers, strict=True):
        pairs += [
            (mine.attention.query, layer.self_attn.q_proj),
            (mine.attention.key, layer.self_attn.k_proj),
            (mine.attention.value, layer.self_attn.v_proj),
            (mine.attention.out, layer.self_attn.out_proj),
            (mine.norm_attention.norm, layer.norm_sublayer1.batchnorm),
            (mine.norm_perceptron.norm, layer.norm_sublayer3.batchnorm),
            (mine.perceptron[0], layer.ff[0]),
            (mine.perceptron[3], layer.ff[3]),
        ]
    with torch.no_grad():
        own.positions_PD.copy_(theirs.model.encoder.positional_encoder.position_enc)
        for mine, layer in pairs:
            for name, value in mine.state_dict().items():
                if value.is_floating_point():  # their first weights are too small to tell one attention from another, their biases 0
                    layer.state_dict()[name].copy_(2 * value if value.ndim > 1 else value + 0.2 * torch.rand_like(value))
            mine.load_state_dict(layer.state_dict())


def test_same_weights_give_the_same_forecast_as_transformers() -> None:
    # Their network has neither residual attention scores nor a padded end; in all else it is the published one.
    torch.manual_seed(3)
    theirs, own = _theirs(), _small(residual_scores=False, pad_end=False).eval()
    _copy(theirs, own)
    assert count_parameters(own) == sum(parameter.numel() for parameter in theirs.parameters())
    x = 3 * torch.randn(5, 45, 3).cumsum(dim=1) + 7
    with torch.no_grad():
        expected, found = theirs(past_values=x).prediction_outputs, own(x)
    assert found.abs().max() > 1
    torch.testing.assert_close(found / x.std(), expected / x.std(), rtol=0, atol=3e-5)


def test_residual_scores_make_another_network() -> None:
    theirs, own = _theirs(), _small(residual_scores=True, pad_end=False).eval()
    _copy(theirs, own)
    x = torch.randn(5, 45, 3)
    with torch.no_grad():
        assert (own(x) - theirs(past_values=x).prediction_outputs).abs().max() > 1e-3


def test_the_end_is_repeated_for_one_stride_before_it_is_cut() -> None:
    own = _small(residual_scores=False).eval()
    seen: list[torch.Tensor] = []
    own.embedding.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    own(torch.arange(45.0).reshape(1, 45, 1))
    patches = seen[0][0, 0]
    assert patches.shape == (11, 8)
    step = patches[0, 1] - patches[0, 0]
    torch.testing.assert_close(patches[9, -1], patches[0, 0] + 43 * step)  # 45 + 4 bars, cut from the oldest on: bar 43 ends patch 9
    torch.testing.assert_close(patches[10, 5:], patches[10, 4:5].expand(3))  # bars 45 to 47 repeat bar 44


@pytest.mark.parametrize("factor", [1.0, 250.0])
def test_a_forecast_moves_and_grows_with_its_window(factor: float) -> None:
    own, x = _small().eval(), torch.randn(4, 45, 3).double()
    own = own.double()
    with torch.no_grad():
        plain, other = own(x), own(factor * x + 40)
    torch.testing.assert_close(other / factor, plain + 40 / factor, rtol=0, atol=1e-4)  # the variance's floor of 1e-5 is not scaled along


def test_series_do_not_see_each_other() -> None:
    own, x = _small().eval(), torch.randn(4, 45, 3)
    changed = torch.cat([x[:, :, :1], torch.randn(4, 45, 2)], dim=2)
    with torch.no_grad():
        assert torch.equal(own(x)[:, :, 0], own(changed)[:, :, 0])


def test_a_window_that_stands_still_is_forecast_to_stay_near_its_level() -> None:
    own = _small().eval()
    x = torch.full((2, 45, 3), 5.0, requires_grad=True)
    forecast = own(x)
    forecast.sum().backward()
    assert torch.isfinite(forecast).all()
    assert (forecast - 5).abs().max() < 0.05
    assert torch.isfinite(x.grad).all()  # type: ignore[arg-type]


def test_dropout_falls_on_every_place_of_the_published_code() -> None:
    own = _small(dropout=0.37)
    shares = [module.p for module in own.modules() if isinstance(module, nn.Dropout)]
    assert shares.count(0.37) == 1 + 2 * 3  # the embedding; after attention twice (shared module once), inside the perceptron
    assert shares.count(0.0) == 2  # on the attention weights

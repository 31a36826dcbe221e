"""What of TFT, DeepAR and TCN is the same network in neuralforecast, with the same weights.

Not the same, and so not compared:

- TFT: theirs always has a decoder, which sees what is known ahead of as many steps as it forecasts; ours has at most one such
  step, the decision. From the embedded inputs to the last skip, with a horizon of 1, the two are one network. Embeddings are drawn
  otherwise, and their layer norms add 1e-3 to a variance where ours add torch's 1e-5, which is set equal here.
- DeepAR: their likelihood is of the next value and their forecast a mean over sampled paths; ours is of the whole return, in
  one step. The network below, from the inputs to the distribution's numbers, is one.
- TCN: theirs has one convolution a level, without weight norm, dropout or a way around it; ours is that of Bai et al., two
  with all three. One convolution with its activation is one.
"""

from typing import Any

import pytest
import torch
from torch import nn

from barmill.models.convolution.tcn import causal_convolution
from barmill.models.recurrent.trunk import RecurrentTrunk
from barmill.models.transformer.gating import GatedResidualNetwork, GatedSkip, PerVariableGRN, VariableSelection
from barmill.models.transformer.interpretable_attention import InterpretableAttention
from barmill.models.transformer.tft import InputRoles, TFTTrunk
from peers.copying import BATCH, HORIZON, LIMIT, WINDOW, as_peer_sees, copy_linear, unsettled, windows

WIDTH, HEADS, FEATURES = 16, 4, 5
EPSILON = 1e-5  # of torch's layer norm


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def with_our_epsilon(theirs: nn.Module) -> nn.Module:
    for module in theirs.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = EPSILON
    return theirs


def copy_norm(theirs: Any, ours: Any) -> None:
    ours.load_state_dict(theirs.state_dict())


def copy_skip(glu: Any, norm: Any, ours: GatedSkip) -> None:
    copy_linear(glu.lin, ours.gate)
    copy_norm(norm, ours.norm)


def copy_grn(theirs: Any, ours: GatedResidualNetwork) -> None:
    copy_linear(theirs.lin_a, ours.first)
    copy_linear(theirs.lin_i, ours.second)
    copy_skip(theirs.glu, theirs.layer_norm.ln, ours.out)
    if theirs.out_proj is not None and isinstance(ours.skip, nn.Linear):
        copy_linear(theirs.out_proj, ours.skip)
    if ours.context is not None:
        copy_linear(theirs.lin_c, ours.context)


def copy_variable_grns(theirs: Any, ours: PerVariableGRN) -> None:
    with torch.no_grad():
        for there, here in (("lin_a", ours.first), ("lin_i", ours.second)):
            here.weight.copy_(torch.stack([getattr(grn, there).weight.T for grn in theirs]))
            here.bias.copy_(torch.cat([getattr(grn, there).bias for grn in theirs]))
        ours.gate.weight.copy_(torch.stack([grn.glu.lin.weight.T for grn in theirs]))
        ours.gate.bias.copy_(torch.cat([grn.glu.lin.bias for grn in theirs]))
        ours.norm_weight.copy_(torch.cat([grn.layer_norm.ln.weight for grn in theirs]))
        ours.norm_bias.copy_(torch.cat([grn.layer_norm.ln.bias for grn in theirs]))


def copy_selection(theirs: Any, ours: VariableSelection) -> None:
    copy_grn(theirs.joint_grn, ours.weigh)
    copy_variable_grns(theirs.var_grns, ours.transform)


def copy_attention(theirs: Any, ours: InterpretableAttention) -> None:
    query, key, value = theirs.qkv_linears.weight.split([WIDTH, WIDTH, WIDTH // HEADS])
    with torch.no_grad():
        for there, here in ((query, ours.query), (key, ours.key), (value, ours.value)):
            here.weight.copy_(there)
    copy_linear(theirs.out_proj, ours.out)


@pytest.mark.parametrize("has_context", [True, False], ids=["context", "alone"])
@pytest.mark.parametrize("width", [WIDTH, 7], ids=["as wide", "narrower"])
def test_gated_residual_network(has_context: bool, width: int) -> None:
    from neuralforecast.models.tft import GRN  # pyright: ignore[reportMissingImports]

    theirs = with_our_epsilon(
        unsettled(GRN(WIDTH, WIDTH, output_size=None if width == WIDTH else width, context_hidden_size=WIDTH if has_context else None))
    )
    ours = GatedResidualNetwork(WIDTH, WIDTH, width, 0.0, has_context=has_context).eval()
    copy_grn(theirs, ours)
    x, context = noise(BATCH, 9, WIDTH), noise(BATCH, WIDTH)
    with torch.no_grad():
        expected = theirs(x, context) if has_context else theirs(x)
        found = ours(x, context[:, None]) if has_context else ours(x)
    torch.testing.assert_close(found, expected, rtol=0, atol=LIMIT)


def test_variable_selection() -> None:
    from neuralforecast.models.tft import VariableSelectionNetwork  # pyright: ignore[reportMissingImports]

    theirs = with_our_epsilon(unsettled(VariableSelectionNetwork(WIDTH, FEATURES, 0.0, "ELU")))
    ours = VariableSelection(FEATURES, WIDTH, 0.0, has_context=True).eval()
    copy_selection(theirs, ours)
    x, context = noise(BATCH, 9, FEATURES, WIDTH), noise(BATCH, WIDTH)
    with torch.no_grad():
        mixed, weights = theirs(x, context)
        found = ours(x, context[:, None])
    torch.testing.assert_close(found.mixed_BPD, mixed, rtol=0, atol=LIMIT)
    torch.testing.assert_close(found.weights_BPF, weights, rtol=0, atol=LIMIT)


@pytest.mark.parametrize("masked", [True, False])
def test_interpretable_attention(masked: bool) -> None:
    from neuralforecast.models.tft import InterpretableMultiHeadAttention  # pyright: ignore[reportMissingImports]

    theirs = unsettled(InterpretableMultiHeadAttention(HEADS, WIDTH, 11, 0.0, 0.0))
    ours = InterpretableAttention(WIDTH, HEADS, 0.0).eval()
    copy_attention(theirs, ours)
    x = noise(BATCH, 11, WIDTH)
    with torch.no_grad():
        expected, weights = theirs(x, mask_future_timesteps=masked)
        found = ours(x, x, torch.ones(11, 11, dtype=torch.bool).tril() if masked else None)
    torch.testing.assert_close(found.values_BND, expected, rtol=0, atol=LIMIT)
    torch.testing.assert_close(found.weights_BHNM, weights, rtol=0, atol=LIMIT)


def test_tft_from_embedded_inputs_to_its_vector() -> None:
    from neuralforecast.models.tft import TemporalCovariateEncoder, TemporalFusionDecoder  # pyright: ignore[reportMissingImports]

    known = (1, 3)
    encoder = with_our_epsilon(unsettled(TemporalCovariateEncoder(WIDTH, FEATURES, len(known), 0.0, "ELU"), seed=1))
    decoder = with_our_epsilon(unsettled(TemporalFusionDecoder(HEADS, WIDTH, 13, 12, 0.0, 0.0, "ELU"), seed=2))
    ours = TFTTrunk(FEATURES, WIDTH, HEADS, 0.0, InputRoles(known=known)).eval()
    their_encoder: Any = encoder
    their_decoder: Any = decoder
    assert ours.known_selection is not None
    assert ours.decision_lstm is not None
    copy_selection(their_encoder.history_vsn, ours.selection)
    copy_selection(their_encoder.future_vsn, ours.known_selection)
    ours.lstm.load_state_dict(their_encoder.history_encoder.state_dict())
    ours.decision_lstm.load_state_dict(their_encoder.future_encoder.state_dict())
    copy_skip(their_encoder.input_gate, their_encoder.input_gate_ln, ours.lstm_skip)
    copy_grn(their_decoder.enrichment_grn, ours.enrichment)
    copy_attention(their_decoder.attention, ours.attention)
    copy_skip(their_decoder.attention_gate, their_decoder.attention_ln, ours.attention_skip)
    copy_grn(their_decoder.positionwise_grn, ours.position_wise)
    copy_skip(their_decoder.decoder_gate, their_decoder.decoder_ln, ours.last_skip)
    x = noise(BATCH, 12, FEATURES)
    with torch.no_grad():
        embedded = ours.embedding(x)
        nothing = torch.zeros(BATCH, WIDTH)  # what theirs has for a context where there are no static inputs
        features, *_ = encoder(embedded, embedded[:, -1:, list(known)], nothing, nothing[None], nothing[None])
        expected, _ = decoder(features, nothing)
        found = ours(x)
    torch.testing.assert_close(found, expected[:, 0], rtol=0, atol=LIMIT)


@pytest.mark.parametrize("layers", [1, 3])
def test_deepar_from_the_window_to_the_distributions_numbers(layers: int) -> None:
    from neuralforecast.losses.pytorch import DistributionLoss  # pyright: ignore[reportMissingImports]
    from neuralforecast.models import DeepAR  # pyright: ignore[reportMissingImports]

    loss = DistributionLoss(distribution="Normal", level=[90], return_params=False)
    theirs: Any = unsettled(
        DeepAR(h=1, input_size=WINDOW, lstm_n_layers=layers, lstm_hidden_size=WIDTH, decoder_hidden_layers=0, loss=loss, valid_loss=loss)
    )
    ours = RecurrentTrunk("lstm", 1, WIDTH, layers, 0.0).eval()
    with torch.no_grad():
        for name, parameter in theirs.hist_encoder.named_parameters():
            kind, layer = name.rsplit("_l", 1)
            ours.layers[int(layer)].get_parameter(f"{kind}_l0").copy_(parameter)
        x = windows()
        expected = theirs(as_peer_sees(x))[:, -1]
        (linear,) = [module for module in theirs.decoder.modules() if isinstance(module, nn.Linear)]
        found = linear(ours(x[:, :, None]))
    assert expected.shape == (BATCH, 2)
    torch.testing.assert_close(found, expected, rtol=0, atol=LIMIT)


@pytest.mark.parametrize("dilation", [1, 2, 8])
def test_one_causal_convolution_of_tcn(dilation: int) -> None:
    from neuralforecast.common._modules import CausalConv1d  # pyright: ignore[reportMissingImports]

    theirs: Any = unsettled(CausalConv1d(3, HORIZON, kernel_size=3, padding=2 * dilation, dilation=dilation, activation="ReLU"))
    ours = causal_convolution(3, HORIZON, 3, dilation).eval()
    ours.conv.weight = theirs.conv.weight.detach().clone()  # weight norm splits it into length and direction
    with torch.no_grad():
        ours.conv.get_parameter("bias").copy_(theirs.conv.bias)
        x = noise(BATCH, 3, 40)
        torch.testing.assert_close(torch.relu(ours(x)), theirs(x), rtol=0, atol=LIMIT)

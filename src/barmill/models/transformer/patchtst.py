"""PatchTST as a model of the decision bar: patches of bars as tokens, each feature by itself, mixed at the end.

Axes: B batch, W window, F features, P patches, D width, S timeframes, N tokens of all timeframes.
Source: Nie, Nguyen, Sinthong and Kalagnanam (2023), A time series is worth 64 words, ICLR.
"""

import torch
from torch import Tensor, nn

from barmill.models.catalogue import spec_of
from barmill.models.contract import FitContext, FittedModel, Samples
from barmill.models.network_fit import fit_network
from barmill.models.transformer.attention import Encoded, entropy, triangle
from barmill.models.transformer.normalising import normalised
from barmill.models.transformer.params import PatchTSTParams
from barmill.models.transformer.patches import Patching
from barmill.models.transformer.patchtst_backbone import published_encoder

MIXED = 128  # width in which the features meet


class PatchTSTTrunk(nn.Module):
    """Patches attend to patches of their own feature; the last patch of every feature goes on, with the window's level and scale.

    What differs from the published network, and why:

    - The last patch's token goes on instead of all of them: it ends at the decision bar, and the head stays small.
    - The features are mixed by a linear layer, since the answer is one and not a forecast of every feature.
    - The mean and the log deviation of each feature's window are handed on: a probability cannot be given its level back.
    - Patches are aligned to the window's end, nothing is padded; the oldest (W - patch) % stride bars are not read.
    - `causal`: a patch sees only itself and older ones, by a triangular mask. Layer normalisation replaces batch normalisation,
      and the inputs are not normalised by the window: both would let an early patch see later bars. The inputs are scaled
      by the training rows already. Not `causal`: the published encoder, window normalised and both ways.

    Of several timeframes, concatenated with the finest first, each has its own patches and its own embedding. A token sees those
    of its own timeframe (the older ones, if causal); the last token of each timeframe sees all tokens of all of them. All
    these are known at the decision bar, whichever bar of a coarser timeframe it falls into, so the mask needs no clock.

    Parameters
    ----------
    n_features : int, features F
    lengths : tuple of int, bars of each timeframe, finest first; one number for one timeframe
    patch_length, stride : int, bars of a patch and between patches; a shorter timeframe is a single patch
    d_model, n_heads, n_layers, d_ff, dropout : sizes of the encoder
    causal : bool, see above

    Attributes
    ----------
    state_ends : tuple of int, the last bar of the window that each position of `states` has read
    """

    allowed_NN: Tensor | None

    def __init__(
        self,
        n_features: int,
        lengths: tuple[int, ...],
        *,
        patch_length: int,
        stride: int,
        d_model: int,
        n_heads: int,
        n_layers: int,
        d_ff: int,
        dropout: float,
        causal: bool,
    ) -> None:
        super().__init__()
        self.lengths, self.causal = lengths, causal
        self.patchings = tuple(Patching.of(length, patch_length, stride) for length in lengths)
        counts = tuple(patching.n_patches for patching in self.patchings)
        self.last_tokens = tuple(sum(counts[: index + 1]) - 1 for index in range(len(counts)))
        self.state_ends = state_ends(self.patchings)
        self.embeddings = nn.ModuleList(nn.Linear(patching.patch, d_model) for patching in self.patchings)
        self.positions_ND = nn.Parameter(torch.empty(sum(counts), d_model).uniform_(-0.02, 0.02))
        self.dropout = nn.Dropout(dropout)
        self.encoder = published_encoder(d_model, n_heads, n_layers, d_ff, dropout, causal=causal)
        self.mix = nn.Sequential(nn.Linear(n_features * len(lengths) * d_model, MIXED), nn.GELU())
        self.width = MIXED + 2 * n_features * len(lengths)
        self.register_buffer("allowed_NN", visible_tokens(counts, causal=causal), persistent=False)

    def forward(self, x_BWF: Tensor) -> Tensor:
        """The mixed last tokens and each feature's level and scale, shape (B, width)."""
        parts = self._timeframes(x_BWF)
        states_BFND = self._of_features(self._encoded(parts).states_BND, x_BWF)
        last_BX = torch.cat([states_BFND[:, :, token].flatten(1) for token in self.last_tokens], dim=1)
        return torch.cat([self.mix(last_BX), *(normalised(part_BFW).level_and_scale for part_BFW in parts)], dim=1)

    def states(self, x_BWF: Tensor) -> Tensor:
        """Every token of every feature, shape (B, N, F D), timeframe by timeframe; strictly causal if the trunk is."""
        states_BFND = self._of_features(self._encoded(self._timeframes(x_BWF)).states_BND, x_BWF)
        return states_BFND.transpose(1, 2).flatten(2)

    def explained(self, x_BWF: Tensor) -> dict[str, Tensor]:
        """`attention` (B, N): how much the finest timeframe's last token looks at each in the last layer, a mean of heads and features."""
        weights = self._encoded(self._timeframes(x_BWF)).weights
        return {"attention": self._of_features(weights[-1][:, :, self.last_tokens[0]].mean(dim=1), x_BWF).mean(dim=1)}

    def health(self, x_BWF: Tensor) -> dict[str, float]:
        """`attention_entropy`: of the last tokens, in nats, a mean over layers, heads and features; log(N) where all N are seen alike."""
        weights = self._encoded(self._timeframes(x_BWF)).weights
        return {"attention_entropy": float(torch.stack([entropy(layer[:, :, list(self.last_tokens)]).mean() for layer in weights]).mean())}

    def _timeframes(self, x_BWF: Tensor) -> tuple[Tensor, ...]:
        """The window of each timeframe, (B, F, W of it)."""
        return x_BWF.transpose(1, 2).split(self.lengths, dim=2)

    def _encoded(self, parts: tuple[Tensor, ...]) -> Encoded:
        """The tokens of each feature, encoded: B F sequences of N tokens."""
        inputs = parts if self.causal else [part if part.shape[2] == 1 else normalised(part).x_BFW for part in parts]
        cut = [patching.cut(part) for patching, part in zip(self.patchings, inputs, strict=True)]
        tokens_BFND = torch.cat([embed(patches) for embed, patches in zip(self.embeddings, cut, strict=True)], dim=2)
        return self.encoder(self.dropout(tokens_BFND + self.positions_ND).flatten(0, 1), self.allowed_NN)

    @staticmethod
    def _of_features(flat: Tensor, x_BWF: Tensor) -> Tensor:
        """From an axis B F to two."""
        return flat.unflatten(0, (-1, x_BWF.shape[2]))


def visible_tokens(counts: tuple[int, ...], *, causal: bool) -> Tensor | None:
    """The mask over the tokens of all timeframes, bool (N, N), or None where every token sees every other.

    counts : tokens of each timeframe, finest first
    """
    if len(counts) == 1 and not causal:
        return None
    own = torch.block_diag(*(triangle(count) if causal else torch.ones(count, count, dtype=torch.bool) for count in counts)).bool()
    last = torch.tensor(counts).cumsum(0) - 1
    own[last] = True
    return own


def state_ends(patchings: tuple[Patching, ...]) -> tuple[int, ...]:
    """The last row of the concatenated window that each token has read: its patch's own, or the very last for one that sees everything."""
    lengths = [patching.length for patching in patchings]
    if len(patchings) == 1:
        return patchings[0].ends
    starts = [sum(lengths[:index]) for index in range(len(lengths))]
    own = [[start + end for end in patching.ends] for start, patching in zip(starts, patchings, strict=True)]
    return tuple(end for ends in own for end in (*ends[:-1], sum(lengths) - 1))


def build_trunk(params: PatchTSTParams, n_features: int) -> tuple[nn.Module, int]:
    """The network below its head, and the width of the vector that it makes."""
    trunk = PatchTSTTrunk(
        n_features,
        params.lengths or (params.seq_len,),
        patch_length=params.patch_length,
        stride=params.stride,
        d_model=params.d_model,
        n_heads=params.n_heads,
        n_layers=params.n_layers,
        d_ff=params.d_ff,
        dropout=params.dropout,
        causal=params.causal,
    )
    return trunk, trunk.width


def fit_patchtst(params: PatchTSTParams, train: Samples, valid: Samples, context: FitContext) -> FittedModel:
    """Fit with the one training loop, which the context brings; the result is ONNX."""
    return fit_network(spec_of("patchtst"), params, lambda: build_trunk(params, len(context.feature_names)), train, valid, context)

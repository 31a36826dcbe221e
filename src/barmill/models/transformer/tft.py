"""The Temporal Fusion Transformer without a decoder, and its fit.

What the paper's decoder does for many future steps is done here for one: the decision. Every feature is seen in the past;
features known ahead (`known_inputs`) are selected once more, by a network of their own, and make one further step after the
window, as a decoder of one step does; it is that step which looks back over the window. A window ends at the decision bar,
so this step holds what the known inputs are at the decision bar, not what they will be at the label's end: naming a feature
as known gives it a way into the question and not only into the answer, and tells the network nothing new. Without known
inputs the decision bar itself looks back.

A static input is taken from the decision bar and sets the context of all bars: the bars' states then depend on it, which
leaks nothing, since the window ends there.

Axes: B batch, W window, P positions, F features, D width, H heads.
Source: Lim, Arik, Loeff and Pfister (2021), Temporal fusion transformers for interpretable multi-horizon time series forecasting,
International Journal of Forecasting 37(4), 1748-1764; figure 2, equations 2 to 23.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from barmill.errors import RecipeError, nearest
from barmill.models.catalogue import spec_of
from barmill.models.contract import FitContext, FittedModel, Samples
from barmill.models.network_fit import fit_network
from barmill.models.recurrent.gates import open_forget_gates
from barmill.models.recurrent.reading_order import coarse_to_fine
from barmill.models.transformer.attention import entropy, triangle
from barmill.models.transformer.gating import Embedding, GatedResidualNetwork, GatedSkip, VariableSelection
from barmill.models.transformer.interpretable_attention import InterpretableAttention
from barmill.models.transformer.params_tft import TFTParams


@dataclass(frozen=True, slots=True)
class InputRoles:
    """Columns that are static, columns known ahead; the rest is unknown until its bar closes."""

    static: tuple[int, ...] = ()
    known: tuple[int, ...] = ()

    @classmethod
    def named(cls, params: TFTParams, feature_names: Sequence[str]) -> Self:
        """The columns of the names in `params`.

        Raises RecipeError for a name that is no feature, with the nearest that is, or if every feature is static.
        """
        names = list(feature_names)
        columns: dict[str, tuple[int, ...]] = {}
        for parameter, asked in (("static_inputs", params.static_inputs), ("known_inputs", params.known_inputs)):
            missing = [name for name in asked if name not in names]
            if missing:
                raise RecipeError(f"model 'tft', {parameter}", f"no feature named '{missing[0]}'", mend=nearest(missing[0], names))
            columns[parameter] = tuple(names.index(name) for name in asked)
        if len(columns["static_inputs"]) == len(names):
            mend = "Leave out those that change from bar to bar."
            raise RecipeError("model 'tft', static_inputs", "every feature is static", expected="one at least that is not", mend=mend)
        return cls(columns["static_inputs"], columns["known_inputs"])


class _Contexts(NamedTuple):
    """What static inputs say to the rest of the network, each (B, 1, D): None without static inputs (section 4.3)."""

    selection: Tensor | None = None
    hidden: Tensor | None = None
    cell: Tensor | None = None
    enrichment: Tensor | None = None


class _Read(NamedTuple):
    """The steps after LSTM and enrichment, and how much each variable weighed: the bars as read, then the decision step if there is one."""

    local_BPD: Tensor
    enriched_BPD: Tensor
    weights_BWF: Tensor
    known_weights_B1F: Tensor | None
    static_weights_B1F: Tensor | None


class TFTTrunk(nn.Module):
    """From a window to the vector of its decision.

    Parameters
    ----------
    n_features : int
    hidden_size : int, width D, a multiple of `n_heads`
    n_heads : int
    dropout : float
    roles : which columns are static and known
    lengths : bars of each timeframe, finest first; () for one timeframe. Several are read from the longest bars to the
        shortest, and which timeframe a bar is of is one more input, known for every bar
    """

    static_columns: Tensor
    known_columns: Tensor
    seen_columns: Tensor
    order: Tensor  # in which the bars of several timeframes are read
    timeframe_of: Tensor  # of each bar in that order

    def __init__(
        self,
        n_features: int,
        hidden_size: int,
        n_heads: int,
        dropout: float,
        roles: InputRoles = InputRoles(),
        lengths: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        self.roles, self.n_features = roles, n_features
        self.has_timeframes = len(lengths) > 1
        is_static = bool(roles.static)
        seen = [column for column in range(n_features) if column not in roles.static]
        timeframe_of = [index for index, length in reversed([*enumerate(lengths)]) for _ in range(length)]
        columns = {"static_columns": roles.static, "known_columns": roles.known, "seen_columns": seen}
        positions = {"order": coarse_to_fine(lengths, sum(lengths)).tolist(), "timeframe_of": timeframe_of}
        for name, indices in (columns | positions).items():
            self.register_buffer(name, torch.tensor(indices, dtype=torch.int64), persistent=False)

        def network(*, has_context: bool = False) -> GatedResidualNetwork:
            return GatedResidualNetwork(hidden_size, hidden_size, hidden_size, dropout, has_context=has_context)

        self.embedding = Embedding(n_features, hidden_size)
        self.timeframe_TD = nn.Parameter(torch.empty(len(lengths), hidden_size).uniform_(-1.0, 1.0)) if self.has_timeframes else None
        self.static_selection = VariableSelection(len(roles.static), hidden_size, dropout) if is_static else None
        self.static_networks = nn.ModuleList(network() for _ in _Contexts._fields) if is_static else None
        self.selection = VariableSelection(len(seen) + int(self.has_timeframes), hidden_size, dropout, has_context=is_static)
        self.known_selection = VariableSelection(len(roles.known), hidden_size, dropout, has_context=is_static) if roles.known else None
        self.lstm = nn.LSTM(hidden_size, hidden_size, batch_first=True)
        self.decision_lstm = nn.LSTM(hidden_size, hidden_size, batch_first=True) if roles.known else None
        open_forget_gates(self, hidden_size)
        self.lstm_skip = GatedSkip(hidden_size, hidden_size, dropout)
        self.enrichment = network(has_context=is_static)
        self.attention = InterpretableAttention(hidden_size, n_heads, dropout)
        self.attention_skip = GatedSkip(hidden_size, hidden_size, dropout)
        self.position_wise = network()
        self.last_skip = GatedSkip(hidden_size, hidden_size)

    def forward(self, x_BWF: Tensor) -> Tensor:
        """The vector of the last step, shape (B, D): only that step looks back."""
        read = self._read(x_BWF)
        looked = self.attention(read.enriched_BPD[:, -1:], read.enriched_BPD)
        return self._after_attention(looked.values_BND, read.enriched_BPD[:, -1:], read.local_BPD[:, -1:])[:, 0]

    def states(self, x_BWF: Tensor) -> Tensor:
        """Every bar's vector as if it were the one that looks back, shape (B, W, D), in the order read; no decision step.

        A bar's vector depends on that bar and those read before it, and on static inputs where there are some.
        """
        read = self._read(x_BWF)
        n_bars = x_BWF.shape[1]
        local_BWD, enriched_BWD = read.local_BPD[:, :n_bars], read.enriched_BPD[:, :n_bars]
        looked = self.attention(enriched_BWD, enriched_BWD, triangle(n_bars).to(x_BWF.device))
        return self._after_attention(looked.values_BND, enriched_BWD, local_BWD)

    def explained(self, x_BWF: Tensor) -> dict[str, Tensor]:
        """What the network weighed.

        Returns
        -------
        dict with "variables" (B, F): selection weights, averaged over the steps; they sum to 1 over the static inputs, and to
        1 over all others (less what the timeframe weighs, where there are several); and "attention" (B, W): how much the
        last step looked at each bar of the window as it came, averaged over heads; the decision step counts as the decision bar.
        """
        read = self._read(x_BWF)
        steps_BPF = x_BWF.new_zeros(*read.local_BPD.shape[:2], self.n_features)
        n_bars = x_BWF.shape[1]
        steps_BPF[:, :n_bars, self.seen_columns] = read.weights_BWF[..., : len(self.seen_columns)]
        if read.known_weights_B1F is not None:
            steps_BPF[:, n_bars:, self.known_columns] = read.known_weights_B1F
        variables_BF = steps_BPF.mean(dim=1)
        if read.static_weights_B1F is not None:
            variables_BF[:, self.static_columns] = read.static_weights_B1F[:, 0]
        weights_BP = self._last_weights(read).mean(dim=1)
        weights_BP[:, n_bars - 1] += weights_BP[:, n_bars:].sum(dim=1)
        attention_BW = weights_BP[:, :n_bars]
        if self.has_timeframes:
            attention_BW = torch.zeros_like(attention_BW).index_copy(1, self.order, attention_BW)
        return {"variables": variables_BF, "attention": attention_BW}

    def health(self, x_BWF: Tensor) -> dict[str, float]:
        """Entropies in nats: of each head's attention at the last step (log(P) if it looks at all alike), and of the selection at a bar."""
        read = self._read(x_BWF)
        return {
            "attention_entropy": float(entropy(self._last_weights(read)).mean()),
            "selection_entropy": float(entropy(read.weights_BWF).mean()),
        }

    def _last_weights(self, read: _Read) -> Tensor:
        """How much each head of the last step looks at each step, shape (B, H, P)."""
        return self.attention(read.enriched_BPD[:, -1:], read.enriched_BPD).weights_BHNM[:, :, 0]

    def _after_attention(self, values_BPD: Tensor, enriched_BPD: Tensor, local_BPD: Tensor) -> Tensor:
        """Position-wise network and the last skip, which goes around attention to the LSTM's output (equations 19 to 22)."""
        attended_BPD = self.attention_skip(values_BPD, enriched_BPD)
        return self.last_skip(self.position_wise(attended_BPD), local_BPD)

    def _read(self, x_BWF: Tensor) -> _Read:
        """Select, run the LSTM over the bars and the decision step, and enrich (sections 4.2, 4.3 and 4.5.1, 4.5.2)."""
        if self.has_timeframes:
            x_BWF = x_BWF.index_select(1, self.order)
        embedded_BWFD = self.embedding(x_BWF)
        decision_B1FD = embedded_BWFD[:, -1:]
        contexts, static_weights_B1F = self._contexts(decision_B1FD)
        mixed_BPD, weights_BWF = self.selection(self._variables(embedded_BWFD), contexts.selection)
        start = None
        if contexts.hidden is not None and contexts.cell is not None:
            start = (contexts.hidden.transpose(0, 1).contiguous(), contexts.cell.transpose(0, 1).contiguous())
        ran_BPD, state = self.lstm(mixed_BPD, start)
        known_weights_B1F = None
        if self.known_selection is not None and self.decision_lstm is not None:
            step_B1D, known_weights_B1F = self.known_selection(decision_B1FD.index_select(2, self.known_columns), contexts.selection)
            mixed_BPD = torch.cat([mixed_BPD, step_B1D], dim=1)
            ran_BPD = torch.cat([ran_BPD, self.decision_lstm(step_B1D, state)[0]], dim=1)
        local_BPD = self.lstm_skip(ran_BPD, mixed_BPD)
        enriched_BPD = self.enrichment(local_BPD, contexts.enrichment)
        return _Read(local_BPD, enriched_BPD, weights_BWF, known_weights_B1F, static_weights_B1F)

    def _variables(self, embedded_BWFD: Tensor) -> Tensor:
        """Every variable that is not static, and the bar's timeframe where there are several, shape (B, W, F or F + 1, D)."""
        if self.roles.static:
            embedded_BWFD = embedded_BWFD.index_select(2, self.seen_columns)
        if self.timeframe_TD is None:
            return embedded_BWFD
        timeframe_W1D = self.timeframe_TD.index_select(0, self.timeframe_of).unsqueeze(1)
        return torch.cat([embedded_BWFD, timeframe_W1D.expand(embedded_BWFD.shape[0], -1, -1, -1)], dim=2)

    def _contexts(self, decision_B1FD: Tensor) -> tuple[_Contexts, Tensor | None]:
        """The static inputs' contexts, and how much each static input weighed."""
        if self.static_selection is None or self.static_networks is None:
            return _Contexts(), None
        static_B1D, weights_B1F = self.static_selection(decision_B1FD.index_select(2, self.static_columns))
        return _Contexts(*(network(static_B1D) for network in self.static_networks)), weights_B1F


def build_trunk(params: TFTParams, n_features: int, roles: InputRoles = InputRoles()) -> tuple[nn.Module, int]:
    """The network below its head, and the width of the vector that it makes."""
    trunk = TFTTrunk(n_features, params.hidden_size, params.n_heads, params.dropout, roles, params.lengths)
    return trunk, params.hidden_size


def fit_tft(params: TFTParams, train: Samples, valid: Samples, context: FitContext) -> FittedModel:
    """Fit with the one training loop, which the context brings; the result is ONNX.

    Raises RecipeError if a static or known input is no feature.
    """
    roles = InputRoles.named(params, context.feature_names)
    return fit_network(spec_of("tft"), params, lambda: build_trunk(params, len(context.feature_names), roles), train, valid, context)

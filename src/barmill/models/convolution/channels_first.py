"""Windows as convolutions read them: features as channels, the decision bar last."""

import torch
from torch import Tensor, nn

from barmill.models.recurrent.reading_order import coarse_to_fine


class ChannelsFirst(nn.Module):
    """From a window (B, W, F) to (B, F, W).

    Bars of several timeframes are read one timeframe after another, the longest bars first; a kernel at a seam sees the end of
    one and the start of the next.

    lengths : bars of each timeframe, finest first; () for one
    """

    order: Tensor

    def __init__(self, lengths: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.has_timeframes = len(lengths) > 1
        self.register_buffer("order", torch.from_numpy(coarse_to_fine(lengths, sum(lengths))), persistent=False)

    def forward(self, x_BWF: Tensor) -> Tensor:
        """Shape (B, F, W), the decision bar last."""
        return (x_BWF.index_select(1, self.order) if self.has_timeframes else x_BWF).transpose(1, 2)

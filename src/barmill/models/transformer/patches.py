"""Windows cut into patches: runs of bars that become one token each.

Source: Nie, Nguyen, Sinthong and Kalagnanam (2023), A time series is worth 64 words (PatchTST), ICLR, section 3.1.
"""

from dataclasses import dataclass
from typing import Self

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Patching:
    """How a window is cut; the last patch ends at the window's last bar, and the oldest bars that fill no stride are left out.

    length : int, bars of the window
    patch : int, bars of a patch, at most `length`
    stride : int, bars from one patch to the next
    """

    length: int
    patch: int
    stride: int

    @classmethod
    def of(cls, length: int, patch: int, stride: int) -> Self:
        """The patching of a window that may be shorter than a patch, which then is the whole window."""
        patch = min(patch, length)
        return cls(length, patch, min(stride, patch))

    @property
    def n_patches(self) -> int:
        return (self.length - self.patch) // self.stride + 1

    @property
    def first(self) -> int:
        """The oldest bar that a patch reads."""
        return self.length - self.patch - self.stride * (self.n_patches - 1)

    @property
    def ends(self) -> tuple[int, ...]:
        """The last bar of each patch, oldest patch first."""
        return tuple(range(self.first + self.patch - 1, self.length, self.stride))

    def cut(self, x_BFW: Tensor) -> Tensor:
        """The patches of each feature, shape (B, F, n_patches, patch)."""
        return x_BFW[:, :, self.first :].unfold(2, self.patch, self.stride)  # a negative axis is exported in the wrong order

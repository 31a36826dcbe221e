"""How many bars one position of a convolution's output has read."""

from collections.abc import Iterable
from typing import NamedTuple


class Layer(NamedTuple):
    """A convolution or a pooling: bars of its kernel, bars between the kernel's taps, bars from one output to the next."""

    kernel: int
    dilation: int = 1
    stride: int = 1


def receptive_field(layers: Iterable[Layer]) -> int:
    """Bars that one output of `layers`, stacked in this order, depends on.

    Every layer adds (kernel - 1) * dilation steps, each as long as the strides below it have made it.
    Source: Araujo, Norris and Sim (2019), Computing receptive fields of convolutional neural networks, equation 2.
    """
    field, step = 1, 1
    for layer in layers:
        field += (layer.kernel - 1) * layer.dilation * step
        step *= layer.stride
    return field


def tcn_field(levels: int, kernel_size: int) -> int:
    """Bars that the last position of a TCN sees: two convolutions a level, so 1 + 2 (k - 1) (2^levels - 1)."""
    return receptive_field(Layer(kernel_size, 2**level) for level in range(levels) for _ in range(2))


def tcn_levels(window: int, kernel_size: int) -> int:
    """The fewest levels with which a TCN sees a whole window."""
    levels = 1
    while tcn_field(levels, kernel_size) < window:
        levels += 1
    return levels


def inception_field(depth: int, longest: int) -> int:
    """Bars that a position of an Inception network sees through the longest kernel of each of its modules."""
    return receptive_field(Layer(longest) for _ in range(depth))


def inception_kernel(window: int, depth: int) -> int:
    """The shortest kernel with which an Inception network sees a whole window."""
    return 1 + -(-(window - 1) // depth)

"""Parameters of the convolutional networks, and what is to be told of them."""

from typing import Annotated, Literal

from pydantic import Field

from barmill.models.convolution.receptive_field import inception_field, inception_kernel, tcn_field, tcn_levels
from barmill.models.network_params import NetworkParams
from barmill.models.search import Search

Channels = Annotated[int, Field(ge=1, le=4096)]
Kernel = Annotated[int, Field(ge=2, le=4096)]
AUTHORS_KERNELS = (40, 20, 10)  # of InceptionTime


class TCNParams(NetworkParams):
    """Causal convolutions whose dilation doubles from level to level; the last position goes to the head."""

    num_channels: tuple[Channels, ...] | None = Field(
        None,
        min_length=1,
        max_length=16,
        description="channels of each level; none: `width` in as many levels as see the whole window (ours: the authors leave it open)",
    )
    width: Annotated[int, Search(choices=(32, 64, 128))] = Field(64, ge=1, le=4096, description="channels of a level without num_channels")
    kernel_size: int = Field(3, ge=2, le=64, description="taps of a convolution")
    dropout: Annotated[float, Search(0.0, 0.5)] = Field(0.2, ge=0, lt=1, description="share of units dropped after each convolution")

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of each level as they are built."""
        return self.num_channels or (self.width,) * tcn_levels(self.window, self.kernel_size)


def tcn_notes(params: TCNParams) -> tuple[str, ...]:
    """What a TCN does not see of its window: its forecasts then do not depend on the oldest bars."""
    levels, kernel_size = len(params.channels), params.kernel_size
    sees = tcn_field(levels, kernel_size)
    if sees >= params.window:
        return ()
    enough = tcn_levels(params.window, kernel_size)
    kernel = next(k for k in range(kernel_size, params.window + 2) if tcn_field(levels, k) >= params.window)
    return (
        f"{levels} levels of num_channels with kernel_size {kernel_size} see the last {sees} of the window's {params.window} bars, and no "
        f"bar before them. What sees all: {enough} levels ({tcn_field(enough, kernel_size)} bars), or kernel_size {kernel} "
        f"({tcn_field(levels, kernel)} bars). seq_len {sees} would show what is seen, and no more.",
    )


class PooledParams(NetworkParams):
    """What the networks share that average over the window."""

    readout: Literal["mean_and_last", "mean"] = Field(
        "mean_and_last", description="the head sees the mean over the window, and beside it the last bar, which a mean forgets (ours)"
    )
    dropout: Annotated[float, Search(0.0, 0.5)] = Field(0.0, ge=0, lt=1, description="share of units dropped before the head")


class InceptionTimeParams(PooledParams):
    """Inception modules, each with kernels of several lengths side by side; a residual around every third."""

    kernel_sizes: tuple[Kernel, ...] | None = Field(
        None,
        min_length=1,
        max_length=8,
        description="kernels of a module; none: the authors' 40, 20 and 10, in proportion longer where the window needs it",
    )
    depth: int = Field(6, ge=1, le=64, description="modules, one after the other")
    n_filters: Annotated[int, Search(choices=(16, 32, 64))] = Field(32, ge=1, le=1024, description="channels of each kernel")
    bottleneck: int = Field(32, ge=1, le=1024, description="channels to which a module's input is first brought down")
    n_networks: int = Field(
        1,
        ge=1,
        le=16,
        description="networks side by side, trained together at as many times the cost; the authors train 5 apart",
    )

    @property
    def kernels(self) -> tuple[int, ...]:
        """Kernels of a module as they are built."""
        if self.kernel_sizes is not None:
            return self.kernel_sizes
        longest = max(AUTHORS_KERNELS[0], inception_kernel(self.window, self.depth))
        return tuple(max(2, longest * kernel // AUTHORS_KERNELS[0]) for kernel in AUTHORS_KERNELS)


def inceptiontime_notes(params: InceptionTimeParams) -> tuple[str, ...]:
    """What no position of an Inception network sees at once: the mean over the window still hears of every bar."""
    longest = max(params.kernels)
    sees = inception_field(params.depth, longest)
    if sees >= params.window:
        return ()
    kernel = inception_kernel(params.window, params.depth)
    depth = -(-(params.window - 1) // (longest - 1))
    return (
        f"kernel_sizes of up to {longest} in {params.depth} modules see {sees} of the window's {params.window} bars at once: what lies "
        f"further apart meets in the mean over the window alone. What sees all: a kernel of {kernel} "
        f"({inception_field(params.depth, kernel)} bars), or depth {depth} ({inception_field(depth, longest)} bars).",
    )


class ResNet1DParams(PooledParams):
    """Residual blocks of three convolutions. A position sees 40 bars with the authors' sizes; the mean sees all."""

    channels: tuple[Channels, ...] = Field((64, 128, 128), min_length=1, max_length=16, description="channels of each block")
    kernel_sizes: tuple[Kernel, ...] = Field((8, 5, 3), min_length=1, max_length=8, description="kernels of a block, in order")


class CNN1DParams(PooledParams):
    """Convolution, batch normalisation and ReLU, again and again, with the window halved each time or with taps ever further apart."""

    variant: Literal["standard", "dilated"] = Field(
        "standard", description="standard pools by 2 after each; dilated sets taps 1, 2, 4 ... bars apart"
    )
    channels: tuple[Channels, ...] = Field((32, 64, 128), min_length=1, max_length=12, description="channels of each convolution")
    kernel_size: Annotated[int, Search(choices=(3, 5, 7))] = Field(3, ge=2, le=64, description="taps of a convolution")
    dropout: Annotated[float, Search(0.0, 0.5)] = Field(0.2, ge=0, lt=1, description="share of units dropped before the head")

"""What the catalogue's entries of networks have in common."""

from functools import partial

from barmill.models.contract import ModelSpec

SEVERAL_TIMEFRAMES = ("window_tensor", "multi_resolution")  # the views of a network that can read bars of several timeframes

network_spec = partial(
    ModelSpec,
    view="window_tensor",
    causal=True,
    zero_shot=False,
    forecaster="barmill.models.network_forecaster:NetworkForecaster",
    requires=("torch", "onnx", "onnxscript"),
    extra="torch",
)

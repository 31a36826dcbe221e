"""What the catalogue's entries of one kind have in common: models that see a row of features, and networks that see a window."""

from functools import partial

from barmill.models.contract import ModelSpec

SEVERAL_TIMEFRAMES = ("window_tensor", "multi_resolution")  # the views of a network that can read bars of several timeframes

row_spec = partial(ModelSpec, view="feature_matrix", causal=True, zero_shot=False)

network_spec = partial(
    ModelSpec,
    view="window_tensor",
    causal=True,
    zero_shot=False,
    forecaster="barmill.models.network_forecaster:NetworkForecaster",
    requires=("torch", "onnx", "onnxscript"),
    extra="torch",
)

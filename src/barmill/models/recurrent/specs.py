"""What the recurrent family can build."""

from barmill.models.contract import ModelSpec
from barmill.models.recurrent.params import LSTMParams

SPECS = (
    ModelSpec(
        name="lstm",
        family="recurrent",
        view="window_tensor",
        views=("window_tensor", "multi_resolution"),
        outputs=("p_up", "E_r"),
        causal=True,
        zero_shot=False,
        params=LSTMParams,
        fit="barmill.models.recurrent.lstm:fit_lstm",
        forecaster="barmill.models.network_forecaster:NetworkForecaster",
        requires=("torch", "onnx", "onnxscript"),
        extra="torch",
        reference="Hochreiter and Schmidhuber (1997), Long short-term memory, Neural Computation 9(8)",
        trunk="barmill.models.recurrent.lstm:build_trunk",
        summary="A forward LSTM over the last bars; its last hidden state forecasts.",
    ),
)

"""What the probabilistic family can build."""

from barmill.models.contract import ModelSpec
from barmill.models.probabilistic.params import DeepARParams, QuantileRNNParams

SPECS = (
    ModelSpec(
        name="deepar",
        family="probabilistic",
        view="window_tensor",
        views=("window_tensor", "multi_resolution"),
        outputs=("p_up", "E_r", "q05", "q50", "q95"),
        causal=True,
        zero_shot=False,
        params=DeepARParams,
        fit="barmill.models.probabilistic.deepar:fit_deepar",
        forecaster="barmill.models.network_forecaster:NetworkForecaster",
        requires=("torch", "onnx", "onnxscript"),
        extra="torch",
        reference="Salinas, Flunkert, Gasthaus and Januschowski (2020), DeepAR, International Journal of Forecasting 36(3)",
        trunk="barmill.models.probabilistic.deepar:build_trunk",
        summary="A forward LSTM that gives one distribution of the return; every output is read off it in closed form.",
    ),
    ModelSpec(
        name="quantile_rnn",
        family="probabilistic",
        view="window_tensor",
        views=("window_tensor", "multi_resolution"),
        outputs=("p_up", "q05", "q50", "q95"),
        causal=True,
        zero_shot=False,
        params=QuantileRNNParams,
        fit="barmill.models.probabilistic.quantile_rnn:fit_quantile_rnn",
        forecaster="barmill.models.network_forecaster:NetworkForecaster",
        requires=("torch", "onnx", "onnxscript"),
        extra="torch",
        reference="Wen, Torkkola, Narayanaswamy and Madeka (2017), A multi-horizon quantile recurrent forecaster, arXiv:1711.11053",
        trunk="barmill.models.probabilistic.quantile_rnn:build_trunk",
        summary="A forward GRU or LSTM that learns three quantiles of the return, which cannot cross, and p_up.",
    ),
)

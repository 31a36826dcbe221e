"""What the transformer family can build."""

from barmill.models.contract import ModelSpec
from barmill.models.transformer.params import ITransformerParams, PatchTSTParams
from barmill.models.transformer.params_tft import TFTParams

SPECS = (
    ModelSpec(
        name="patchtst",
        family="transformer",
        view="window_tensor",
        views=("window_tensor", "multi_resolution"),
        outputs=("p_up", "E_r", "q05", "q50", "q95"),
        causal=True,
        zero_shot=False,
        params=PatchTSTParams,
        fit="barmill.models.transformer.patchtst:fit_patchtst",
        forecaster="barmill.models.network_forecaster:NetworkForecaster",
        requires=("torch", "onnx", "onnxscript"),
        extra="torch",
        reference="Nie, Nguyen, Sinthong and Kalagnanam (2023), A time series is worth 64 words, ICLR",
        trunk="barmill.models.transformer.patchtst:build_trunk",
        summary="Patches of bars as tokens, masked to look back only; the last patch of every feature forecasts.",
    ),
    ModelSpec(
        name="itransformer",
        family="transformer",
        view="window_tensor",
        views=("window_tensor", "multi_resolution"),
        outputs=("p_up", "E_r"),
        causal=True,
        zero_shot=False,
        params=ITransformerParams,
        fit="barmill.models.transformer.itransformer:fit_itransformer",
        forecaster="barmill.models.network_forecaster:NetworkForecaster",
        requires=("torch", "onnx", "onnxscript"),
        extra="torch",
        reference="Liu et al. (2024), iTransformer: inverted transformers are effective for time series forecasting, ICLR",
        trunk="barmill.models.transformer.itransformer:build_trunk",
        summary="The window of each feature as a token; the features attend to each other, and the target's forecasts.",
    ),
    ModelSpec(
        name="tft",
        family="transformer",
        view="window_tensor",
        views=("window_tensor", "multi_resolution"),
        outputs=("p_up", "E_r", "q05", "q50", "q95"),
        causal=True,
        zero_shot=False,
        params=TFTParams,
        fit="barmill.models.transformer.tft:fit_tft",
        forecaster="barmill.models.network_forecaster:NetworkForecaster",
        requires=("torch", "onnx", "onnxscript"),
        extra="torch",
        reference="Lim, Arik, Loeff and Pfister (2021), Temporal fusion transformers, International Journal of Forecasting 37(4)",
        trunk="barmill.models.transformer.tft:build_trunk",
        summary="Selects variables at every bar, reads them with an LSTM, and looks back from the decision; what it weighed can be read.",
    ),
)

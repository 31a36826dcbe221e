"""What the foundation family can build."""

from barmill.models.contract import OUTPUTS, ModelSpec
from barmill.models.foundation.params import ChronosParams, TimesFMParams, foundation_notes

SPECS = (
    ModelSpec(
        name="chronos",
        family="foundation",
        view="window_tensor",
        outputs=OUTPUTS,
        causal=True,
        zero_shot=True,
        params=ChronosParams,
        fit="barmill.models.foundation.chronos:fit_chronos",
        forecaster="barmill.models.foundation.forecaster:FoundationForecaster",
        requires=("chronos", "transformers", "torch", "onnx", "onnxscript"),
        extra="foundation",
        ready="barmill.models.foundation.weights:require_weights",
        notes=foundation_notes,
        reference="Ansari et al. (2024), Chronos: learning the language of time series, TMLR; Chronos-Bolt, Amazon (2024)",
        summary="A forecaster of any series, trained by others: encoder and one decoder step, nine deciles.",
    ),
    ModelSpec(
        name="timesfm",
        family="foundation",
        view="window_tensor",
        outputs=OUTPUTS,
        causal=True,
        zero_shot=True,
        params=TimesFMParams,
        fit="barmill.models.foundation.timesfm:fit_timesfm",
        forecaster="barmill.models.foundation.forecaster:FoundationForecaster",
        requires=("transformers", "torch", "onnx", "onnxscript"),
        extra="foundation",
        ready="barmill.models.foundation.weights:require_weights",
        notes=foundation_notes,
        reference="Das et al. (2024), A decoder-only foundation model for time-series forecasting, ICML; TimesFM 2.5, Google (2025)",
        summary="A forecaster of any series, trained by others: a decoder alone, nine deciles.",
    ),
)

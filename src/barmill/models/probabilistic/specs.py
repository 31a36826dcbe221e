"""What the probabilistic family can build."""

from barmill.models.probabilistic.params import DeepARParams, QuantileRNNParams
from barmill.models.spec_kinds import SEVERAL_TIMEFRAMES, network_spec

SPECS = (
    network_spec(
        name="deepar",
        family="probabilistic",
        views=SEVERAL_TIMEFRAMES,
        outputs=("p_up", "E_r", "q05", "q50", "q95"),
        params=DeepARParams,
        fit="barmill.models.probabilistic.deepar:fit_deepar",
        reference="Salinas, Flunkert, Gasthaus and Januschowski (2020), DeepAR, International Journal of Forecasting 36(3)",
        trunk="barmill.models.probabilistic.deepar:build_trunk",
        summary="A forward LSTM that gives one distribution of the return; every output is read off it in closed form.",
    ),
    network_spec(
        name="quantile_rnn",
        family="probabilistic",
        views=SEVERAL_TIMEFRAMES,
        outputs=("p_up", "q05", "q50", "q95"),
        params=QuantileRNNParams,
        fit="barmill.models.probabilistic.quantile_rnn:fit_quantile_rnn",
        reference="Wen, Torkkola, Narayanaswamy and Madeka (2017), A multi-horizon quantile recurrent forecaster, arXiv:1711.11053",
        trunk="barmill.models.probabilistic.quantile_rnn:build_trunk",
        summary="A forward GRU or LSTM that learns three quantiles of the return, which cannot cross, and p_up.",
    ),
)

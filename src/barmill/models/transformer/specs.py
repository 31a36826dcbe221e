"""What the transformer family can build."""

from barmill.models.spec_kinds import SEVERAL_TIMEFRAMES, network_spec
from barmill.models.transformer.params import ITransformerParams, PatchTSTParams
from barmill.models.transformer.params_tft import TFTParams

SPECS = (
    network_spec(
        name="patchtst",
        family="transformer",
        views=SEVERAL_TIMEFRAMES,
        outputs=("p_up", "E_r", "q05", "q50", "q95"),
        params=PatchTSTParams,
        fit="barmill.models.transformer.patchtst:fit_patchtst",
        reference="Nie, Nguyen, Sinthong and Kalagnanam (2023), A time series is worth 64 words, ICLR",
        trunk="barmill.models.transformer.patchtst:build_trunk",
        summary="Patches of bars as tokens, masked to look back only; the last patch of every feature forecasts.",
    ),
    network_spec(
        name="itransformer",
        family="transformer",
        views=SEVERAL_TIMEFRAMES,
        outputs=("p_up", "E_r"),
        params=ITransformerParams,
        fit="barmill.models.transformer.itransformer:fit_itransformer",
        reference="Liu et al. (2024), iTransformer: inverted transformers are effective for time series forecasting, ICLR",
        trunk="barmill.models.transformer.itransformer:build_trunk",
        summary="The window of each feature as a token; the features attend to each other, and the target's forecasts.",
    ),
    network_spec(
        name="tft",
        family="transformer",
        views=SEVERAL_TIMEFRAMES,
        outputs=("p_up", "E_r", "q05", "q50", "q95"),
        params=TFTParams,
        fit="barmill.models.transformer.tft:fit_tft",
        reference="Lim, Arik, Loeff and Pfister (2021), Temporal fusion transformers, International Journal of Forecasting 37(4)",
        trunk="barmill.models.transformer.tft:build_trunk",
        summary="Selects variables at every bar, reads them with an LSTM, and looks back from the decision; what it weighed can be read.",
    ),
)

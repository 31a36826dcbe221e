"""What the recurrent family can build."""

from barmill.models.recurrent.params import LSTMParams
from barmill.models.spec_kinds import SEVERAL_TIMEFRAMES, network_spec

SPECS = (
    network_spec(
        name="lstm",
        family="recurrent",
        views=SEVERAL_TIMEFRAMES,
        outputs=("p_up", "E_r"),
        params=LSTMParams,
        fit="barmill.models.recurrent.lstm:fit_lstm",
        reference="Hochreiter and Schmidhuber (1997), Long short-term memory, Neural Computation 9(8)",
        trunk="barmill.models.recurrent.lstm:build_trunk",
        summary="A forward LSTM over the last bars; its last hidden state forecasts.",
    ),
)

"""A small planted set and a small network on it."""

from typing import Any

import numpy as np
import torch

from barmill.models import FitContext, Samples
from barmill.models.heads import ForecastNetwork, HeadLayout
from barmill.models.network_loss import ForecastLoss
from barmill.models.recurrent.lstm import LSTMTrunk
from barmill.models.recurrent.params import LSTMParams
from barmill.training import TrainedNetwork, train_network
from barmill.views import WindowTensor

LAYOUT = HeadLayout(n_classes=2, returns=True)


class Small:
    """Windows of 6 bars, of which the last bar's first feature says what comes; and an LSTM of 4 units."""

    names = ("first", "second", "third")

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.base = rng.standard_normal((600, 3)).astype(np.float32)
        self.z = 1.5 * self.base[:, 0].astype(np.float64) + rng.standard_normal(600)

    def samples(self, first: int = 10, last: int = 400, **changed: Any) -> Samples:
        at = np.arange(first, last)
        arrays: dict[str, Any] = {"y": (self.z[at] > 0).astype(np.int8), "z": self.z[at], "weight": np.ones(at.size)} | changed
        return Samples(WindowTensor(self.base, at, 6), **arrays)

    def params(self, **changed: Any) -> LSTMParams:
        small: dict[str, Any] = {"seq_len": 6, "hidden_size": 4, "epochs": 4, "batch_size": 32, "learning_rate": 0.01, "dropout": 0.3}
        return LSTMParams(**{**small, **changed})

    def network(self, params: LSTMParams) -> ForecastNetwork:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(3)
            return ForecastNetwork(LSTMTrunk(3, params.hidden_size, params.num_layers, params.dropout), params.hidden_size, LAYOUT)

    def context(self, **changed: Any) -> FitContext:
        told: dict[str, Any] = {"seed": 11, "n_classes": 2, "outputs": ("p_up", "E_r"), "feature_names": self.names}
        return FitContext(**told | changed)

    def train(
        self, rows: Samples | None = None, context: FitContext | None = None, checkpoint_every: int = 5, **changed: Any
    ) -> TrainedNetwork:
        """Train the network on `rows`; keywords go to the parameters."""
        params = self.params(**changed)
        loss = ForecastLoss(LAYOUT, torch.ones(2), params)
        train, valid = rows or self.samples(), self.samples(420, 600)
        network, told = self.network(params), context or self.context()
        return train_network(network, train, valid, loss, params, told, checkpoint_every=checkpoint_every)

    def weights(self, trained: TrainedNetwork) -> bytes:
        return b"".join(tensor.numpy().tobytes() for _, tensor in sorted(trained.network.state_dict().items()))

"""Training speed of every network, beside the same network of neuralforecast where it is installed.

    python -m benchmarks.networks [--windows 2048] [--rounds 2] [--only nbeats,tft]

Windows of 60 bars and 25 features, batches of 256, each model's default sizes, one thread, processor seconds. Ours is an epoch
of the one training loop: batches gathered, class and return learned, gradients clipped, AdamW, one small validation. The peer is
its network in the shortest loop there is: forward, mean absolute error, backward, Adam, on a batch that lies ready; none of
its data loading and none of Lightning. A network of one series gets the target alone, from both; one that treats each
feature as a series of its own gets 25 of them.
"""

import argparse
import contextlib
import importlib
import importlib.util
import logging
import warnings
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from barmill.models import MODELS, FitContext, ModelSpec, Samples
from barmill.models.heads import ForecastNetwork, HeadLayout, count_parameters
from barmill.models.network_loss import ForecastLoss
from barmill.models.network_params import NetworkParams
from barmill.training import train_network
from barmill.views import WindowTensor
from benchmarks.models import BATCH, WINDOW, Work, in_turns, told

FEATURES, HORIZON = 25, 12
Peer = tuple[nn.Module, dict[str, Any]]


def networks() -> list[ModelSpec]:
    """Every model of the catalogue that is trained as a network on windows."""
    return [spec for spec in MODELS.values() if spec.trunk and spec.view == "window_tensor" and not spec.zero_shot]


def defaults(spec: ModelSpec) -> Any:
    """The model's defaults, on windows of 60 bars, for one epoch."""
    return spec.params.model_validate({"seq_len": WINDOW, "epochs": 1, "batch_size": BATCH})


def ours(spec: ModelSpec, n_windows: int) -> tuple[Work, int]:
    """An epoch through the one loop, and the network's number of parameters."""
    rng = np.random.default_rng(0)
    base = rng.standard_normal((n_windows + WINDOW + 64, FEATURES)).astype(np.float32)
    train, valid = (_samples(base, at) for at in (np.arange(WINDOW, WINDOW + n_windows), np.arange(len(base) - 32, len(base))))
    params = cast(NetworkParams, defaults(spec))
    names = tuple(f"f{i}" for i in range(FEATURES))
    context = FitContext(seed=1, n_classes=2, outputs=("p_up", "E_r"), feature_names=names)
    layout = HeadLayout(2, returns=True)
    module, _, name = spec.trunk.partition(":")
    build = getattr(importlib.import_module(module), name)

    def network() -> ForecastNetwork:
        return ForecastNetwork(*build(params, FEATURES), layout)

    loss = ForecastLoss(layout, torch.ones(2), params)
    return lambda: train_network(network(), train, valid, loss, params, context), count_parameters(network())


def _samples(base: np.ndarray[Any, np.dtype[np.float32]], at: np.ndarray[Any, np.dtype[np.int64]]) -> Samples:
    z = base[at, 0].astype(np.float64)
    return Samples(WindowTensor(base, at, WINDOW), (z > 0).astype(np.int8), z, np.ones(at.size))


def peer(name: str) -> Peer:
    """neuralforecast's network of the same sizes and a batch for it. Raises KeyError where it has none that is the same."""
    models: Any = importlib.import_module("neuralforecast.models")
    losses: Any = importlib.import_module("neuralforecast.losses.pytorch")
    p: Any = defaults(MODELS[name])
    size = {"h": HORIZON, "input_size": WINDOW}
    others = [f"f{i}" for i in range(1, FEATURES)]

    def residual(width: int, layers: int) -> dict[str, Any]:
        return {"mlp_units": [[width, width]] * (layers - 1)}  # theirs has a layer more at the start

    made: dict[str, Callable[[], Peer]] = {
        "nbeats": lambda: (
            models.NBEATS(
                **size,
                **residual(p.width, p.layers),
                stack_types=["trend", "seasonality"],
                n_blocks=[p.blocks] * 2,
                n_harmonics=p.harmonics,
                n_basis=p.polynomial_degree,
                shared_weights=p.weights == "shared",
            ),
            batch(BATCH),
        ),
        "nhits": lambda: (
            models.NHITS(
                **size,
                **residual(p.width, p.layers),
                n_pool_kernel_size=list(p.pooling),
                n_freq_downsample=list(p.downsampling),
                dropout_prob_theta=p.dropout,
            ),
            batch(BATCH),
        ),
        "dlinear": lambda: (models.DLinear(**size, moving_avg_window=p.moving_average), batch(BATCH * FEATURES)),
        "nlinear": lambda: (models.NLinear(**size), batch(BATCH * FEATURES)),
        "deepar": lambda: (
            models.DeepAR(
                **{**size, "h": 1},
                lstm_n_layers=p.num_layers,
                lstm_hidden_size=p.hidden_size,
                lstm_dropout=p.dropout,
                hist_exog_list=others,
                loss=losses.DistributionLoss(distribution="Normal", level=[90], return_params=False),
            ),
            batch(BATCH, FEATURES - 1),
        ),
        "tft": lambda: (
            models.TFT(**{**size, "h": 1}, hidden_size=p.hidden_size, n_head=p.n_heads, dropout=p.dropout, hist_exog_list=others),
            batch(BATCH, FEATURES - 1),
        ),
        "itransformer": lambda: (
            models.iTransformer(
                **size, n_series=FEATURES, hidden_size=p.d_model, n_heads=p.n_heads, e_layers=p.n_layers, d_ff=p.d_ff, dropout=p.dropout
            ),
            {**batch(1), "insample_y": torch.randn(BATCH, WINDOW, FEATURES)},
        ),
        "patchtst": lambda: (
            models.PatchTST(
                **size,
                patch_len=p.patch_length,
                stride=p.stride,
                hidden_size=p.d_model,
                n_heads=p.n_heads,
                encoder_layers=p.n_layers,
                linear_hidden_size=p.d_ff,
                dropout=p.dropout,
            ),
            batch(BATCH * FEATURES),
        ),
    }
    return made[name]()


def batch(n: int, n_others: int = 0) -> dict[str, Any]:
    """A batch in neuralforecast's form: `n` windows of a series, with or without others that are seen in the past."""
    y = torch.randn(n, WINDOW, 1)
    seen = torch.randn(n, WINDOW, n_others) if n_others else None
    return {"insample_y": y, "insample_mask": torch.ones_like(y), "hist_exog": seen, "futr_exog": None, "stat_exog": None}


def theirs(network: nn.Module, inputs: dict[str, Any], n_windows: int) -> Work:
    """As many steps as an epoch of ours has, in the shortest loop."""

    def work() -> None:
        network.train()
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
        for _ in range(-(-n_windows // BATCH)):
            optimizer.zero_grad()
            said = network(inputs)
            error: Tensor = (said if isinstance(said, Tensor) else said[0]).abs().mean()
            error.backward()
            optimizer.step()

    return work


def measure(spec: ModelSpec, n_windows: int, rounds: int, with_peers: bool) -> None:
    """One table: ours, and the peer's where there is one."""
    work, n_parameters = ours(spec, n_windows)
    works: dict[str, Work] = {f"{spec.name}, {n_parameters:,} parameters": work}
    if with_peers:
        with contextlib.suppress(KeyError):
            network, inputs = peer(spec.name)
            works[f"neuralforecast, {count_parameters(network):,}"] = theirs(network, inputs, n_windows)
    told(f"{spec.name}: training, windows of {WINDOW} x {FEATURES}, batch {BATCH}", in_turns(rounds, works), n_windows, "windows")


def main() -> None:
    """Run all and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", default="", help="names of models; all if left out")
    asked = parser.parse_args()
    chosen = {name.strip() for name in asked.only.split(",") if name.strip()}
    unknown = chosen - {spec.name for spec in networks()}
    if unknown:
        parser.error(f"no network named {', '.join(sorted(unknown))}; there are {', '.join(spec.name for spec in networks())}")
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.getLogger("lightning").setLevel(logging.CRITICAL)
    with_peers = importlib.util.find_spec("neuralforecast") is not None
    if not with_peers:
        print("neuralforecast is not installed, so there are no peers; tests/peers/conftest.py has the line that installs it")
    for spec in networks():
        if not chosen or spec.name in chosen:
            measure(spec, asked.windows, asked.rounds, with_peers)


if __name__ == "__main__":
    main()

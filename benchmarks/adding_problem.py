"""The adding problem: can the TCN carry two numbers over 200 bars? `python -m benchmarks.adding_problem`.

Each window holds random numbers and two marks; the target is the sum of the two numbers marked, one in each half. A network that
says 1 whatever it sees has a squared error of 1/6; one that remembers gets below 0.001.
Source: Hochreiter and Schmidhuber (1997), Long short-term memory, section 5.4, in the form of Bai, Kolter and Koltun (2018),
arXiv 1803.01271, section 4.2.
"""

import argparse
import time

import numpy as np
import torch

from barmill.models.contract import FitContext, Samples
from barmill.models.convolution.params import TCNParams
from barmill.models.convolution.tcn import build_trunk
from barmill.models.heads import ForecastNetwork, HeadLayout
from barmill.models.network_loss import ForecastLoss
from barmill.training import train_network
from barmill.views import WindowTensor

LENGTH = 200
SAYS_ONE = 1 / 6  # the squared error of 'the sum is 1'
ENOUGH = 1e-3


def windows(n: int, length: int, seed: int) -> Samples:
    """`n` windows of the problem, `length` bars each: column 0 the numbers, column 1 the marks."""
    rng = np.random.default_rng(seed)
    base = np.zeros((n, length, 2), dtype=np.float32)
    base[:, :, 0] = rng.random((n, length))
    rows, half = np.arange(n), length // 2
    first, second = rng.integers(0, half, n), rng.integers(half, length, n)
    base[rows, first, 1] = base[rows, second, 1] = 1.0
    z = (base[rows, first, 0] + base[rows, second, 0]).astype(np.float64)
    view = WindowTensor(base.reshape(-1, 2), np.arange(n) * length + length - 1, length)
    return Samples(view, (z > 1).astype(np.int8), z, np.ones(n))


def squared_error(n_train: int, epochs: int, seed: int, length: int = LENGTH) -> float:
    """The mean squared error of E_r on windows that were not learned from, after a training by the one loop."""
    params = TCNParams(
        seq_len=length, width=24, kernel_size=6, dropout=0.0, epochs=epochs, batch_size=32, learning_rate=4e-3, weight_decay=0.0,
        return_loss_weight=10.0, huber_delta=100.0, patience=epochs,
    )  # fmt: skip
    layout = HeadLayout(2, returns=True)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        trunk, width = build_trunk(params, 2)
        network = ForecastNetwork(trunk, width, layout)
    context = FitContext(seed=seed, n_classes=2, outputs=("p_up", "E_r"), feature_names=("number", "mark"))
    valid, test = windows(1000, length, seed + 1), windows(1000, length, seed + 2)
    trained = train_network(network, windows(n_train, length, seed), valid, ForecastLoss(layout, torch.ones(2), params), params, context)
    assert isinstance(test.view, WindowTensor)
    with torch.no_grad():
        head = trained.network(torch.from_numpy(test.view.gather(np.arange(len(test)))))
    return float(np.mean((layout.expected(head).numpy() - test.z) ** 2))


def main() -> None:
    """Print the squared error beside that of saying 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=20_000, help="windows to learn from")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    started = time.perf_counter()
    error = squared_error(given.windows, given.epochs, given.seed)
    verdict = "remembers" if error < ENOUGH else "does not remember"
    print(f"squared error {error:.2g}, of 'the sum is 1' {SAYS_ONE:.4f}, in {time.perf_counter() - started:.0f} s: the TCN {verdict}")


if __name__ == "__main__":
    main()

"""Speed of fits and forecasts against the bare libraries, in turns, in one process, on the same rows.

    python benchmarks/models.py [--rows 100000] [--windows 8192] [--rounds 3]

The boosters' peer is the library called with the same settings on the same float32 matrix, early stopping included. The
LSTM's peers are a textbook torch loop over a DataLoader that cuts a window at a time, and the same loop over windows
that were all cut beforehand (`TensorDataset`). All on one thread, in seconds of this process's CPU time, which other work on
the machine moves less than the clock.
"""

import argparse
import gc
import time
from collections.abc import Callable, Iterable
from statistics import median
from typing import Any

import lightgbm as lgb
import numpy as np
import torch
import xgboost as xgb
from torch.utils.data import DataLoader, Dataset, TensorDataset

from barmill.models import FitContext, Samples, load_fit, load_forecaster, spec_of
from barmill.models.heads import ForecastNetwork, HeadLayout
from barmill.models.network_loss import ForecastLoss
from barmill.models.recurrent.lstm import LSTMTrunk
from barmill.models.recurrent.params import LSTMParams
from barmill.training import train_network
from barmill.views import FeatureMatrix, WindowTensor

TREES, FEATURES, WINDOW, LSTM_FEATURES, BATCH = 100, 50, 60, 25, 256
Work = Callable[[], object]


def in_turns(rounds: int, works: dict[str, Work]) -> dict[str, list[float]]:
    """Seconds of each piece of work in each round; the first, warming round is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(rounds + 1):
        for name, work in works.items():
            gc.collect()
            began = time.process_time()
            work()
            if turn:
                seconds[name].append(time.process_time() - began)
    return seconds


def told(title: str, seconds: dict[str, list[float]], per: int, unit: str) -> None:
    """Print a table; a ratio above 1 means that the first, Barmill, is faster than the peer. The ratio is of rounds."""
    first = next(iter(seconds))
    print(f"\n{title}")
    for name, taken in seconds.items():
        line = f"  {name:<32} {median(taken):9.3f} s  {per / median(taken):12,.0f} {unit}/s"
        if name != first:
            ratios = sorted(peer / ours for peer, ours in zip(taken, seconds[first], strict=True))
            line += f"   ratio {median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        print(line)


def boosters(n_rows: int, rounds: int) -> None:
    """Fit p_up with early stopping, through Barmill and bare."""
    rng = np.random.default_rng(0)
    base = rng.standard_normal((n_rows, FEATURES)).astype(np.float32)
    z = base[:, 0] * 0.2 + rng.standard_normal(n_rows)
    parts = np.split(np.arange(n_rows), [n_rows * 8 // 10])
    samples = [Samples(FeatureMatrix(base, at), (z[at] > 0).astype(np.int8), z[at], np.ones(at.size)) for at in parts]
    context = FitContext(seed=1, n_classes=2, outputs=("p_up",), feature_names=tuple(f"f{i}" for i in range(FEATURES)))

    def fit(name: str) -> Work:
        spec = spec_of(name)
        params = spec.params.model_validate({"n_estimators": TREES, "early_stopping_rounds": TREES})
        return lambda: load_fit(spec)(params, *samples, context)

    def bare_lightgbm() -> None:
        settings = {"objective": "binary", "learning_rate": 0.05, "num_leaves": 63, "verbosity": -1, "num_threads": 1, "seed": 1}
        settings |= {"deterministic": True, "force_row_wise": True}
        train = lgb.Dataset(base[parts[0]], samples[0].y, weight=samples[0].weight)
        valid = train.create_valid(base[parts[1]], samples[1].y, weight=samples[1].weight)
        lgb.train(settings, train, TREES, valid_sets=[valid], callbacks=[lgb.early_stopping(TREES, verbose=False)]).model_to_string()

    def bare_xgboost() -> None:
        settings = {"objective": "binary:logistic", "eta": 0.05, "max_depth": 6, "nthread": 1, "seed": 1}
        train = xgb.QuantileDMatrix(base[parts[0]], samples[0].y, weight=samples[0].weight, nthread=1)
        valid = xgb.QuantileDMatrix(base[parts[1]], samples[1].y, weight=samples[1].weight, nthread=1, ref=train)
        xgb.train(settings, train, TREES, evals=[(valid, "valid")], early_stopping_rounds=TREES, verbose_eval=False).save_raw("ubj")

    for name, bare in (("lightgbm", bare_lightgbm), ("xgboost", bare_xgboost)):
        seconds = in_turns(rounds, {f"{name} through Barmill": fit(name), f"{name} bare": bare})
        told(f"{name}: fit, {n_rows:,} rows x {FEATURES} features, {TREES} trees", seconds, n_rows * TREES, "row-trees")


class WindowByWindow(Dataset[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]):
    """What most code does: one window cut per item."""

    def __init__(self, base: torch.Tensor, ends: np.ndarray[Any, Any], y: torch.Tensor, z: torch.Tensor) -> None:
        self.base, self.ends, self.y, self.z = base, ends, y, z

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        end = int(self.ends[index])
        return self.base[end - WINDOW + 1 : end + 1], self.y[index], self.z[index]


def lstm(n_windows: int, rounds: int, hidden_size: int, title: str) -> None:
    """One epoch through Barmill and through two textbook loops."""
    rng = np.random.default_rng(0)
    base = rng.standard_normal((n_windows + WINDOW + 64, LSTM_FEATURES)).astype(np.float32)
    at = np.arange(WINDOW, WINDOW + n_windows)
    z = base[:, 0] + rng.standard_normal(len(base))
    train = Samples(WindowTensor(base, at, WINDOW), (z[at] > 0).astype(np.int8), z[at], np.ones(n_windows))
    last = np.arange(len(base) - 32, len(base))
    valid = Samples(WindowTensor(base, last, WINDOW), (z[last] > 0).astype(np.int8), z[last], np.ones(32))
    params = LSTMParams(epochs=1, hidden_size=hidden_size, batch_size=BATCH)  # pyright: ignore[reportCallIssue]
    names = tuple(f"f{i}" for i in range(LSTM_FEATURES))
    context = FitContext(seed=1, n_classes=2, outputs=("p_up", "E_r"), feature_names=names)
    layout = HeadLayout(2, returns=True)

    def network() -> ForecastNetwork:
        return ForecastNetwork(LSTMTrunk(LSTM_FEATURES, hidden_size, 2, 0.2), hidden_size, layout)

    def ours() -> None:
        train_network(network(), train, valid, ForecastLoss(layout, torch.ones(2), params), params, context)

    def textbook(rows: Dataset[Any]) -> None:
        model = network()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-4)
        up, huber = torch.nn.BCEWithLogitsLoss(), torch.nn.HuberLoss()
        for x, y, target in DataLoader(rows, batch_size=BATCH, shuffle=True):
            optimizer.zero_grad()
            head = model(x)
            loss = up(head[:, 0], y) + huber(head[:, 1], target)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            loss.item()

    y, returns = torch.tensor(train.y, dtype=torch.float32), torch.tensor(train.z, dtype=torch.float32)
    cut = torch.from_numpy(train.view.gather(np.arange(n_windows)))  # type: ignore[union-attr]
    works: dict[str, Work] = {
        "Barmill's loop": ours,
        "DataLoader, window by window": lambda: textbook(WindowByWindow(torch.from_numpy(base), at, y, returns)),
        "DataLoader, all windows cut": lambda: textbook(TensorDataset(cut, y, returns)),
    }
    told(f"{title}, {n_windows:,} windows of {WINDOW} x {LSTM_FEATURES}, batch {BATCH}", in_turns(rounds, works), n_windows, "windows")


def gathering(n_windows: int, rounds: int) -> None:
    """Batches alone, without a network: out of the one base table, a window at a time, and out of windows cut beforehand."""
    from barmill.training.batches import Batches, bases_on

    rng = np.random.default_rng(0)
    base = rng.standard_normal((n_windows + WINDOW, LSTM_FEATURES)).astype(np.float32)
    at = np.arange(WINDOW, WINDOW + n_windows)
    samples = Samples(WindowTensor(base, at, WINDOW), np.zeros(n_windows, dtype=np.int8), np.zeros(n_windows), np.ones(n_windows))
    cpu = torch.device("cpu")
    batches = Batches(samples, *bases_on(cpu, samples), cpu)
    order = rng.permutation(n_windows)
    positions = torch.from_numpy(order)
    zeros = torch.zeros(n_windows)
    loader = DataLoader(WindowByWindow(torch.from_numpy(base), at, zeros, zeros), batch_size=BATCH, shuffle=True)

    def cut() -> torch.Tensor:
        return torch.from_numpy(samples.view.gather(np.arange(n_windows)))  # type: ignore[union-attr]

    whole = cut()
    starts = range(0, n_windows, BATCH)
    works: dict[str, Work] = {
        "Barmill's batches": lambda: drop(batches.gather(order[start : start + BATCH]) for start in starts),
        "DataLoader, window by window": lambda: drop(loader),
        "windows cut before, picked": lambda: drop(whole.index_select(0, positions[start : start + BATCH]) for start in starts),
        "cutting the windows": cut,
    }
    told(f"batches, {n_windows:,} windows of {WINDOW} x {LSTM_FEATURES}", in_turns(rounds, works), n_windows, "windows")
    sizes = [table.nbytes / 2**20 for table in (base, whole)]
    print(f"  memory: base table {sizes[0]:.1f} MiB, windows cut {sizes[1]:.1f} MiB, {sizes[1] / sizes[0]:.0f} times")


def drop(batches: Iterable[object]) -> None:
    """Walk through batches without keeping them."""
    for _ in batches:
        pass


def forecasting(n_rows: int, rounds: int) -> None:
    """Forecast every row, then one row at a time, with each model's forecaster."""
    rng = np.random.default_rng(0)
    base = rng.standard_normal((n_rows, LSTM_FEATURES)).astype(np.float32)
    z = base[:, 0] + rng.standard_normal(n_rows)
    names = tuple(f"f{i}" for i in range(LSTM_FEATURES))
    print(f"\nforecasts, {LSTM_FEATURES} features (LSTM 2 x 128, window {WINDOW}; boosters of {TREES} trees)")
    for name, few in (
        ("logistic", {}),
        ("lightgbm", {"n_estimators": TREES, "early_stopping_rounds": TREES}),
        ("xgboost", {"n_estimators": TREES, "early_stopping_rounds": TREES}),
        ("lstm", {"epochs": 1}),
    ):
        spec = spec_of(name)
        context = FitContext(seed=1, n_classes=2, outputs=spec.outputs, feature_names=names, train_network=train_network)

        def samples(first: int, last: int, windows: bool = spec.view == "window_tensor") -> Samples:
            at = np.arange(first, last)
            view = WindowTensor(base, at, WINDOW) if windows else FeatureMatrix(base, at)
            return Samples(view, (z[at] > 0).astype(np.int8), z[at], np.ones(at.size))

        model = load_fit(spec)(spec.params.model_validate(few), samples(100, 1100), samples(1100, 1400), context)
        forecaster = load_forecaster(spec, model.files)
        every = samples(WINDOW, n_rows).view
        ones = [every.take(np.array([i])) for i in rng.permutation(len(every))[:200]]  # rotated: one repeated row looks faster
        seconds = in_turns(
            rounds, {"all": lambda f=forecaster, v=every: f.raw(v), "one": lambda f=forecaster, v=ones: [f.raw(row) for row in v]}
        )
        bulk, one_row = len(every) / median(seconds["all"]), median(seconds["one"]) / len(ones) * 1e6
        print(f"  {name:<10} {bulk:12,.0f} rows/s in bulk   {one_row:8.0f} us for one row")


def main() -> None:
    """Run all and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--windows", type=int, default=8192)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    boosters(asked.rows, asked.rounds)
    gathering(asked.windows * 8, asked.rounds)
    lstm(asked.windows, asked.rounds, 128, "LSTM 2 x 128")
    lstm(asked.windows, asked.rounds, 32, "LSTM 2 x 32")
    forecasting(20_000, asked.rounds)


if __name__ == "__main__":
    main()

"""Forecasts of ETTh1 beside the published figures: whether networks, training loop and harness are what they claim to be.

    python -m benchmarks.forecasting [--rows anchors,nlinear] [--seeds 1] [--long]

Horizon 96, the usual split (12, 4 and 4 months), scaled by mean and deviation of the training months, every test window
scored. Two rows need no training and prove the harness: the newest value repeated, and a ridge regression in closed form. The
others train the cores of the catalogue's models with a head of many steps in the one training loop.
Needs $BARMILL_DATA/series/ETTh1.parquet (zhouhaoyi/ETDataset, CC BY-ND 4.0).
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean

import torch

from benchmarks.forecasting_data import ETTh1, Float64Array, Score, last_value, load_etth1, ridge, score
from benchmarks.forecasting_rows import ROWS, Measured, TrainedRow, measure

ANCHORS: dict[str, tuple[Callable[[ETTh1], Float64Array], str, Score]] = {
    "newest value repeated": (last_value, "1.295 / .713", Score(1.2944, 0.7132)),
    "ridge, lookback 336": (lambda etth1: ridge(etth1, 336), "", Score(0.3702, 0.3915)),
}


def tell_anchors(etth1: ETTh1) -> None:
    """The two rows that are known before any training."""
    for name, (said, published, known) in ANCHORS.items():
        began = time.process_time()
        found = score(said(etth1), etth1)
        holds = abs(found.mse - known.mse) < 1e-4 and abs(found.mae - known.mae) < 1e-4
        verdict = f"{'as' if holds else 'NOT as'} it must be, {known.mse:.4f} / {known.mae:.4f}"
        print(f"{name:<24} {found.mse:.4f} / {found.mae:.4f}   published {published or 'nowhere':<12} {verdict}", end="")
        print(f"   {time.process_time() - began:.1f} s", flush=True)


def tell(row: TrainedRow, found: Measured) -> None:
    """A trained row beside what was published."""
    mse, mae = mean(one.mse for one in found.scores), mean(one.mae for one in found.scores)
    verdict = "within" if row.low <= mse <= row.high else "OUTSIDE"
    print(f"{f'{row.name}, lookback {row.lookback}':<24} {mse:.4f} / {mae:.4f}   published {row.published:<12} ", end="")
    print(f"{verdict} {row.low:.3f} to {row.high:.3f}   {found.seconds:.0f} s, {found.n_parameters:,} parameters", end="")
    seeds = ", ".join(f"{one.mse:.4f} (epoch {epoch})" for one, epoch in zip(found.scores, found.epochs, strict=True))
    print(f"; by seed {seeds}", flush=True)


def main() -> None:
    """Measure the rows that were asked for and print each as it comes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rows", default="", help="anchors, nlinear, dlinear, n-hits, itransformer, patchtst; all but the last if left out"
    )
    parser.add_argument("--seeds", type=int, default=0, help="seeds of each row, instead of the row's own number")
    parser.add_argument("--long", action="store_true", help="also rows that train for more than five minutes")
    asked = parser.parse_args()
    chosen = {name.strip().lower() for name in asked.rows.split(",") if name.strip()}
    unknown = chosen - {"anchors", *(row.name.lower() for row in ROWS)}
    if unknown:
        parser.error(f"no row named {', '.join(sorted(unknown))}")
    beside = Path(__file__).parents[1] / "../shared/data"
    data = Path(os.environ.get("BARMILL_DATA", beside)).resolve()
    if not (data / "series" / "ETTh1.parquet").is_file():
        print(f"skipped: no series/ETTh1.parquet under {data}; set BARMILL_DATA")
        return
    torch.set_num_threads(1)
    etth1 = load_etth1(data)
    print("ETTh1, horizon 96, MSE / MAE of every test window; seconds of one thread's processor time")
    if not chosen or "anchors" in chosen:
        tell_anchors(etth1)
    for row in ROWS:
        if row.name.lower() in chosen or (not chosen and (asked.long or not row.long)):
            tell(row, measure(row, etth1, asked.seeds or row.seeds))


if __name__ == "__main__":
    main()

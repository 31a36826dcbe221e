"""The features of a run, as its stages left them: the table, and the rows of train and test."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from barmill.artefacts import read_json
from barmill.errors import DataError

Int64Array = npt.NDArray[np.int64]

FEATURES_FILE = "features.html"  # beside report.html

_MEND = "Make the run again with barmill train RECIPE --resume."


@dataclass(frozen=True, slots=True, eq=False)
class RunFeatures:
    """The table of features of a run.

    values : float64 of shape (n_bars, n_features), memory-mapped
    open_time : int64 of shape (n_bars,), UTC milliseconds
    train, test : the bars at which the samples of the two blocks were decided
    feature_set : what the recipe asked for
    """

    names: tuple[str, ...]
    values: npt.NDArray[np.float64]
    open_time: Int64Array
    train: Int64Array
    test: Int64Array
    feature_set: str


def has_features(run_folder: Path) -> bool:
    """Whether the table is there: a finished run has one, unless its data was removed to save room."""
    place = run_folder / "fingerprints.json"
    return place.exists() and (run_folder / _places(place)["features"] / "values.npy").exists()


def _places(fingerprints: Path) -> dict[str, str]:
    try:
        return read_json(fingerprints)["files"]
    except (OSError, KeyError, ValueError) as error:
        raise DataError(str(fingerprints), f"it does not say where the stages are: {error}", mend=_MEND) from error


def read_features(run_folder: Path) -> RunFeatures:
    """Open the features of a finished run. Raises DataError if a file is not there or is not what it should be."""
    from barmill.pipeline.dataset import load_labels, load_positions

    places = _places(run_folder / "fingerprints.json")
    features = run_folder / places["features"]
    try:
        decided = load_labels(run_folder / places["labels"]).t0
        positions = load_positions(run_folder / places["splits"])
        return RunFeatures(
            names=tuple(read_json(features / "names.json")),
            values=np.load(features / "values.npy", mmap_mode="r", allow_pickle=False),
            open_time=_open_time(run_folder / places["bars"]),
            train=np.unique(decided[positions["train"]]),
            test=np.unique(decided[positions["test"]]),
            feature_set=_feature_set(read_json(run_folder / "recipe.json")),
        )
    except (OSError, KeyError, ValueError) as error:
        raise DataError(str(run_folder), f"the features of the run cannot be read: {error}", mend=_MEND) from error


def _open_time(bars: Path) -> Int64Array:
    import polars as pl

    return pl.read_parquet(bars, columns=["open_time"])["open_time"].to_numpy().astype(np.int64)


def _feature_set(recipe: dict[str, Any]) -> str:
    return str(recipe["features"]["set"])


__all__ = ["FEATURES_FILE", "RunFeatures", "has_features", "read_features"]

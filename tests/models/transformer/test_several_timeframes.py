"""Both transformers learn from whichever timeframe tells, a single bar of it included."""

import functools
from typing import Any

import numpy as np
import pytest

from barmill.models import FitContext, RawForecast, Samples, load_fit, load_forecaster, spec_of
from barmill.training import train_network
from barmill.views import MultiResolution

LENGTHS = {"1m": 10, "5m": 4, "1h": 1}
NAMES = ("open", "high", "low", "close", "volume")
CLOSE = 3
TRAIN, VALID, TEST = slice(0, 900), slice(900, 1100), slice(1100, 1600)
SMALL = {"d_model": 8, "n_heads": 2, "n_layers": 1, "d_ff": 16, "dropout": 0.0, "epochs": 6, "batch_size": 64, "learning_rate": 0.01}
CONTEXT = FitContext(seed=1, n_classes=2, outputs=("p_up", "E_r"), feature_names=NAMES, train_network=train_network)


@functools.cache
def _windows() -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(0).standard_normal((1600, sum(LENGTHS.values()), 5)).astype(np.float32)


def _samples(part: slice) -> Samples:
    """The close of the only hour and that of the newest 5m bar say what comes."""
    windows = _windows()[part]
    told = windows[:, 14, CLOSE].astype(np.float64) + windows[:, 13, CLOSE]
    z = told + np.random.default_rng(part.start + 1).standard_normal(len(windows))
    return Samples(MultiResolution.of_windows(windows, LENGTHS, NAMES), (z > 0).astype(np.int8), z, np.ones(z.size))


@pytest.mark.parametrize("name", ["patchtst", "itransformer"])
def test_a_coarse_timeframes_newest_bar_is_learned_from(name: str) -> None:
    spec = spec_of(name)
    params = spec.params.model_validate(
        {**SMALL, "resolutions": LENGTHS} | ({"patch_length": 4, "stride": 2} if name == "patchtst" else {})
    )
    model = load_fit(spec)(params, _samples(TRAIN), _samples(VALID), CONTEXT)
    test = _samples(TEST)
    raw: RawForecast = load_forecaster(spec, model.files).raw(test.view)
    assert raw.expected is not None
    assert np.corrcoef(raw.expected, test.z)[0, 1] > 0.7  # what is told correlates by 0.82

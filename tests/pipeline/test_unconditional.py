"""The prior of a bundle: shares and quantiles of the training labels, and of no other."""

from dataclasses import replace

import numpy as np
import pytest

from barmill.bundles import ForecastBand
from barmill.labels import Labels
from barmill.pipeline.unconditional import unconditional
from barmill.uncertainty.conformal.bands import fit_split_band


def labels(n: int = 400) -> Labels:
    rng = np.random.default_rng(5)
    whole, number = np.arange(n, dtype=np.int64), rng.normal(0.001, 0.01, n)
    label = rng.integers(-1, 2, n).astype(np.int8)
    ones = np.ones(n)
    returns = {"gross_return": number, "net_return": number, "weight": ones}
    return Labels(whole, whole + 1, label * 0 + np.int8(1), label, label * 0, ones, ones, ones, ones, **returns, n_bars=n + 2)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_shares_and_quantiles_are_those_of_the_training_labels(n_classes: int):
    known, train = labels(), np.arange(0, 300, 3)
    band = ForecastBand(fit_split_band(np.arange(100.0), np.zeros(100), 0.2), "q50")
    prior = unconditional(known, train, n_classes, band)
    said, returns = known.label[train], np.log1p(known.net_return[train])
    up = said == 1 if n_classes == 3 else (said == 1) | ((said == 0) & (known.net_return[train] > 0))
    assert prior["p_up"] == np.count_nonzero(up) / len(train)
    assert ("p_down" in prior) == (n_classes == 3)
    if n_classes == 3:
        assert prior["p_down"] == np.count_nonzero(said == -1) / len(train)
    assert prior["E_r"] == 0.0
    for name, level in (("q05", 0.05), ("q50", 0.5), ("q95", 0.95), ("lower", 0.1), ("upper", 0.9)):
        assert prior[name] == pytest.approx(np.quantile(returns, level), rel=1e-12)


def test_what_lies_outside_the_training_labels_moves_no_bit():
    known, train = labels(), np.arange(0, 300, 3)
    other = known.net_return.copy()
    other[np.setdiff1d(np.arange(len(other)), train)] = 0.5
    assert unconditional(replace(known, net_return=other), train, 2, None) == unconditional(known, train, 2, None)

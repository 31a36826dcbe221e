"""The band of a recipe's method on rows whose truth is known: it holds what it says, row by row, and tells when it cannot."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import betabinom

from barmill.bundles import ForecastBand
from barmill.ensembles.contract import Said
from barmill.ensembles.out_of_fold import Outcomes, Piece, put_together
from barmill.errors import BarmillError, ProvenanceError, RecipeError, SplitError
from barmill.labels import Labels
from barmill.market import simulate
from barmill.pipeline.bands.applying import apply_band
from barmill.pipeline.bands.checking import check_band_rows, check_regime
from barmill.pipeline.bands.config import UncertaintyConfig
from barmill.pipeline.bands.fitting import band_on, fit_band, fit_out_of_fold_band, rows_behind
from barmill.pipeline.bands.judging import BandJudge
from barmill.pipeline.bands.out_of_fold import band_of_combined
from barmill.pipeline.bands.regime import regime_at
from barmill.pipeline.dataset import ScaledData
from barmill.pipeline.ensemble_config import EnsembleConfig, OofConfig
from barmill.pipeline.ensembles.combining import cross_combined
from barmill.pipeline.ensembles.stages import cut_key, oof_stages, stages_of_band
from barmill.pipeline.inputs import gather_inputs
from barmill.pipeline.provenance import provenance_of
from barmill.pipeline.recipe_reading import recipe_from_text
from barmill.pipeline.training_run import plan_recipe
from barmill.splits import PurgedKFold
from barmill.uncertainty import NATIVE, Calibration
from planted_members import planted

REGIME, VOLATILITY = "volatility_regime_20_480", "realised_volatility_60"
EVERY, HORIZON = 4, 4
SLICED = {
    "split": {},
    "cqr": {},
    "adaptive": {"steps": [0.0], "window": 5_000},  # with a step of 0 it is cqr: what it learns online is no matter of exchangeable rows
    "mondrian": {"regime": REGIME},
}


def labels_of(net_log_return):
    """Labels that share no bar, with these outcomes."""
    n = len(net_log_return)
    t0, net = np.arange(n, dtype=np.int64) * EVERY, np.expm1(net_log_return)
    codes = {"side": np.ones(n, np.int8), "label": np.sign(net).astype(np.int8), "barrier": np.ones(n, np.int8)}
    prices = dict.fromkeys(("entry_price", "exit_price", "atr", "cost", "weight"), np.ones(n))
    return Labels(t0=t0, t1=t0 + HORIZON - 1, **codes, **prices, gross_return=net, net_return=net, n_bars=n * EVERY)


@pytest.fixture(scope="module")
def made():
    """Rows that could be shuffled: a forecast that is wrong about its spread, twice as wrong in one of three regimes."""
    rng = np.random.default_rng(3)
    n = 6_000
    t0 = np.arange(n) * EVERY
    regime = rng.integers(-1, 2, n).astype(float)
    expected, spread = rng.normal(0, 0.5, n), np.exp(rng.normal(0, 0.3, n))
    z = expected + rng.standard_t(4, n) * spread * (1 + (regime == 1))
    values = np.full((n * EVERY, 2), 0.01)
    values[t0] = np.column_stack((0.01 * np.exp(rng.normal(0, 0.5, n)), regime))
    labels = labels_of(z * values[t0, 0] * np.sqrt(HORIZON))
    data = ScaledData(labels, np.ones(n), (VOLATILITY, REGIME), values, values.astype(np.float32), VOLATILITY, 1e-9, HORIZON, 2, None)
    said = Said(np.full(n, 0.5), expected, expected[:, None] + spread[:, None] * np.array([-1.0, 0.0, 1.0]))
    return data, said, z


def of_rows(said, rows):
    return Said(said.p[rows], None if said.expected is None else said.expected[rows], said.quantiles[rows])


@pytest.mark.parametrize("method", SLICED)
def test_on_exchangeable_rows_the_band_holds_what_it_says(made, method):
    data, said, _ = made
    config = UncertaintyConfig(method=method, coverage=0.9, **SLICED[method])
    learned, judged = np.arange(3_000), np.arange(3_000, 6_000)
    band = band_on(config, of_rows(said, learned), data, learned)
    assert rows_behind(band) == 3_000
    ends = apply_band(band, config, of_rows(said, judged), data, judged)
    came = data.labels.net_log_return[judged]
    inside = (came >= ends[:, 0]) & (came <= ends[:, 1])
    by_regime = (regime_at(config, data, rows) for rows in (learned, judged)) if method == "mondrian" else (learned * 0, judged * 0)
    taught, groups = by_regime
    for group in np.unique(groups):  # a band by regime holds within each of them
        held, m, n = inside[groups == group].sum(), (groups == group).sum(), (taught == group).sum()
        k = int(np.ceil(0.9 * (n + 1)))
        low, high = betabinom.ppf([0.0005, 0.9995], m, k, n + 1 - k)  # exact: what is held of m rows by the k-th of n errors
        assert low <= held <= high, (method, group)


def test_a_band_over_all_regimes_fails_in_the_wild_one_where_a_band_by_regime_holds(made):
    data, said, _ = made
    learned, judged = np.arange(3_000), np.arange(3_000, 6_000)
    wild = regime_at(UncertaintyConfig(method="mondrian", regime=REGIME), data, judged) == 1
    held = {}
    for method in ("cqr", "mondrian"):
        config = UncertaintyConfig(method=method, **SLICED[method])
        ends = apply_band(band_on(config, of_rows(said, learned), data, learned), config, of_rows(said, judged), data, judged)
        came = data.labels.net_log_return[judged]
        held[method] = ((came >= ends[:, 0]) & (came <= ends[:, 1]))[wild].mean()
    assert held["cqr"] < 0.85 < 0.87 < held["mondrian"]


@pytest.mark.parametrize("method", [method for method in SLICED if method != "adaptive"])  # which hears of the outcomes of earlier rows
def test_the_band_of_a_row_does_not_depend_on_the_rows_beside_it(made, method):
    data, said, _ = made
    config = UncertaintyConfig(method=method, **SLICED[method])
    learned, rows = np.arange(500), np.arange(600, 640)
    band = band_on(config, of_rows(said, learned), data, learned)
    together = apply_band(band, config, of_rows(said, rows), data, rows)
    alone = np.vstack([apply_band(band, config, of_rows(said, rows[[i]]), data, rows[[i]]) for i in range(len(rows))])
    np.testing.assert_array_equal(together, alone)
    read = ForecastBand.from_json(band.to_json())
    np.testing.assert_array_equal(together, apply_band(read, config, of_rows(said, rows), data, rows))


def test_a_model_without_an_expected_return_has_its_band_around_the_median(made):
    _, said, z = made
    config = UncertaintyConfig(method="split")
    band = fit_band(config, said._replace(expected=None), z, None)
    assert (band.around, fit_band(config, said, z, None).around) == ("q50", "E_r")
    assert fit_out_of_fold_band(UncertaintyConfig(method="jackknife_plus"), said._replace(expected=None), z).around == "q50"


def test_the_paths_of_a_row_count_as_one_outcome(made):
    data, said, _ = made
    config = UncertaintyConfig(method="cqr")
    rows = np.arange(3_000, 5_000)
    bands = [band_on(config, of_rows(said, part), data, part) for part in (np.arange(1_000), np.arange(1_000, 3_000))]
    ends = [apply_band(band, config, of_rows(said, rows), data, rows) for band in bands]

    bars = SimpleNamespace(close_time=np.arange(data.labels.n_bars, dtype=np.int64) * 60_000)  # all that is asked of them
    one = BandJudge(config, data, bars, rows, EVERY).told(bands[:1], ends[:1])["report"]
    both = BandJudge(config, data, bars, rows, EVERY, 2).told(bands, ends)
    came = data.labels.net_log_return[rows]
    shares = [np.mean((came >= low) & (came <= high)) for low, high in (end.T for end in ends)]
    assert both["report"]["overall"]["coverage"] == pytest.approx(np.mean(shares))
    assert both["report"]["overall"]["n_rows"] == 2 * len(rows)
    assert both["report"]["overall"]["chance"] == one["overall"]["chance"]
    assert both["n_rows"] == 1_000  # the fewest behind any of them
    assert both["report"]["rolling"]["time_ms"][-1] == one["rolling"]["time_ms"][-1]


def test_an_ensemble_is_cross_fitted_so_that_a_row_moves_no_combiner_that_judges_it():
    """A vote whose weights are fitted: the outcomes of one fold are changed, and what is said of that fold stays as it was."""
    members, rows = planted(300, (1.0, 0.2))
    oof = OofConfig(n_folds=3, purge_bars=0, embargo_bars=0)
    ensemble = EnsembleConfig(enabled=True, method="voting", config={"weights": "fitted"}, oof=oof)
    labels = labels_of(rows.z * 0.02)
    folds = [fold.test.positions() for fold in PurgedKFold(3).folds(labels)]

    def told(y):
        pieces = {
            member.label: [Piece(fold, of_rows(said, fold), number) for number, fold in enumerate(folds)]
            for member, said in zip(members, rows.said, strict=True)
        }
        return put_together(members, pieces, Outcomes(np.arange(300), y, rows.z, np.ones(300)))

    moved = rows.y.copy()
    moved[folds[1]] = 1 - moved[folds[1]]
    first, second = (cross_combined(ensemble, members, told(y), labels, seed=1) for y in (rows.y, moved))
    np.testing.assert_array_equal(first.logits[folds[1]], second.logits[folds[1]])
    assert not np.array_equal(first.logits[folds[0]], second.logits[folds[0]])
    config = UncertaintyConfig(method="jackknife_plus")
    band = band_of_combined(config, ensemble, members, told(rows.y), labels, Calibration(2), NATIVE, None, 1)
    errors = np.sort(np.abs(rows.z - first.expected))
    assert band.band.q == errors[int(np.ceil(301 * 0.9)) - 1]


RECIPE = """
base_models:
  - {name: logistic}
  - {name: lightgbm, alias: trees}
  - {name: lightgbm, alias: alone}
ensemble: {enabled: ENABLED, method: voting, members: [logistic, trees], oof: {n_folds: 3}}
inference: {uncertainty: UNCERTAINTY}
"""


def recipe_with(uncertainty, *, ensemble=True):
    return recipe_from_text(RECIPE.replace("UNCERTAINTY", uncertainty).replace("ENABLED", "true" if ensemble else "false"), "r.yaml")


@pytest.mark.parametrize(
    ("uncertainty", "message"),
    [
        ("{method: cv_plus}", "asks the model of each fold at every forecast, and a bundle holds one model; take jackknife_plus"),
        ("{method: conformal}", "no 'conformal'"),
        ("{method: cqr, regime: volatility_regime}", "`regime` is of mondrian, the method is cqr"),
        ("{method: split, window: 300}", "`window` is of adaptive, the method is split"),
        ("{method: jackknife_plus, holdout_fraction: 0.2}", "is fitted on forecasts out of fold and holds no rows out"),
        ("{method: adaptive, coverage: 0.99, window: 50}", "`window` is 50; a band of 0.99 needs 99 outcomes at least"),
        ("{method: adaptive, steps: [0.1, 2]}", "`steps` are [0.1, 2.0]; they lie between 0 and 1"),
        ("{method: cqr, coverage: 1.0}", "1.0 is out of range"),
    ],
)
def test_bands_that_cannot_be_are_refused_when_the_recipe_is_read(uncertainty, message):
    with pytest.raises(RecipeError) as error:
        recipe_with(uncertainty)
    assert message in str(error.value)
    assert "(line 7)" in str(error.value)


def test_a_slice_is_cut_for_bands_that_are_fitted_on_one_alone():
    assert recipe_with("{method: cqr, holdout_fraction: 0.25}").validation_shares["conformal"] == pytest.approx(0.25)
    assert recipe_with("{method: mondrian}").validation_shares["conformal"] == pytest.approx(0.2)
    assert "conformal" not in recipe_with("{method: jackknife_plus}").validation_shares
    assert "conformal" not in recipe_with("null").validation_shares


@pytest.mark.parametrize("ensemble", [True, False])
def test_out_of_fold_bands_have_folds_for_every_model_those_of_the_ensemble_if_there_is_one(ensemble):
    recipe = recipe_with("{method: jackknife_plus}", ensemble=ensemble)
    stages = oof_stages(recipe, lambda label, fold: f"{label}{fold['fold']}", "oof", "out of fold")
    assert list(stages) == [cut_key(OofConfig(n_folds=3) if ensemble else OofConfig())]
    assert [len(stages_of_band(recipe, label, stages)) for label in ("logistic", "trees", "alone")] == [3 if ensemble else 5] * 3
    without = recipe_with("{method: cqr}", ensemble=ensemble)
    assert "alone" not in {label for cut in oof_stages(without, lambda *_: "", "", "").values() for fold in cut.folds for label in fold}
    assert stages_of_band(without, "trees", {}) == ()


def test_too_few_rows_for_the_coverage_are_told_before_anything_is_fitted(tmp_path):
    recipe = recipe_with("{method: cqr, coverage: 0.9}")
    check_band_rows(recipe, 9)
    with pytest.raises(SplitError, match=r"8 rows, too few for a band of 0\.9; expected at least 9"):
        check_band_rows(recipe, 8)
    check_band_rows(recipe_with("{method: jackknife_plus}"), 0)
    with pytest.raises(SplitError, match=r"too few for a band of 0\.999; expected at least 999"):
        plan_recipe(recipe_with("{method: cqr, coverage: 0.999}"), bars=simulate(9_000, seed=5).bars, out=tmp_path)


def test_the_regime_is_a_feature_of_the_plan_and_holds_whole_numbers(tmp_path):
    bars = simulate(6_000, seed=5).bars
    assert gather_inputs(recipe_with("{method: mondrian}"), bars, None, None).plan.column_of("volatility_regime_20_480")
    with pytest.raises(BarmillError, match="no_such_regime"):
        plan_recipe(recipe_with("{method: mondrian, regime: no_such_regime}"), bars=bars, out=tmp_path)


def test_a_feature_that_names_no_regimes_is_refused_before_anything_is_fitted(made):
    data, _, _ = made
    check_regime(recipe_with(f"{{method: mondrian, regime: {REGIME}}}"), data, np.arange(100))
    with pytest.raises(RecipeError, match=rf"{VOLATILITY} is 0\.0.*; expected whole numbers"):
        check_regime(recipe_with(f"{{method: mondrian, regime: {VOLATILITY}}}"), data, np.arange(100))


BLOCKS = ("train", "early_stopping", "calibration", "ensemble", "conformal", "selection", "test")


@pytest.fixture
def blocks():
    """What provenance looks at: labels, and blocks of a hundred of them."""
    return SimpleNamespace(labels=labels_of(np.zeros(700)), positions={name: np.arange(100) + 100 * k for k, name in enumerate(BLOCKS)})


def test_bands_state_where_they_were_fitted(blocks):
    assert next(record.fitted_on for record in provenance_of(blocks) if record.what == "conformal bands") == "conformal"
    del blocks.positions["conformal"]
    assert next(record.fitted_on for record in provenance_of(blocks, folded=True) if record.what == "conformal bands") == "train"


@pytest.mark.parametrize(
    ("leaks", "into"),
    [
        ("train", "conformal"),
        ("early_stopping", "conformal"),
        ("calibration", "conformal"),
        ("ensemble", "conformal"),
        ("conformal", "test"),
    ],
)
def test_a_band_on_rows_that_taught_something_else_is_caught(blocks, leaks, into):
    """Planted: one row of the block that judges finds its way into what was fitted."""
    provenance_of(blocks)
    blocks.positions[leaks] = np.sort(np.append(blocks.positions[leaks], blocks.positions[into][0]))
    with pytest.raises(ProvenanceError, match=f"1 of its 101 rows are in the {into} block"):
        provenance_of(blocks)


def test_a_slice_of_bands_that_is_taken_from_the_training_rows_is_caught(blocks):
    """Planted: the slice flipped to where the models were fitted."""
    blocks.positions["conformal"] = blocks.positions["train"][::-1][:50][::-1].copy()
    with pytest.raises(ProvenanceError, match="conformal block"):
        provenance_of(blocks)

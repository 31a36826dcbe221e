"""Whether an ensemble earns its cost, on members whose worth is known: planted skill gains, noise gains nothing, a copy is a copy."""

import json

import numpy as np
import polars as pl
import pytest

from barmill.artefacts import without_nan
from barmill.ensembles.contract import Member
from barmill.ensembles.out_of_fold import OutOfFold
from barmill.labels import Labels
from barmill.pipeline.ensemble_config import EnsembleConfig, OofConfig
from barmill.pipeline.ensembles.best_member import compared_with_best_member
from barmill.pipeline.ensembles.evidence import evidence_of, of_member
from barmill.pipeline.ensembles.judged_diversity import diversity_of
from barmill.pipeline.ensembles.leaving_out import MOST_FITS, folds_for, leave_each_out
from barmill.pipeline.ensembles.members_told import members_told
from barmill.pipeline.ensembles.overhead import overheads
from barmill.pipeline.ensembles.section import weights_section
from barmill.pipeline.ensembles.weights_through_time import POINTS, REGIME, WEIGHT, WEIGHTS_FILE, told_weights
from barmill.pipeline.recipe_reading import recipe_from_text
from planted_members import planted

N, EVERY, HORIZON = 1500, 5, 10
RECIPE = recipe_from_text(
    f"""
labels: {{horizon: {HORIZON}, every: {EVERY}}}
base_models:
  - {{name: logistic, alias: m0}}
  - {{name: logistic, alias: m1}}
  - {{name: logistic, alias: m2}}
ensemble: {{enabled: true, method: voting}}
""",
    "planted.yaml",
)


def labels_at(n=N):
    t0 = np.arange(n, dtype=np.int64) * EVERY
    flat, held = np.ones(n), np.zeros(n, np.int8)
    return Labels(t0, t0 + HORIZON, *[held] * 3, *[flat] * 7, n_bars=n * EVERY + HORIZON)


def told_by(skills, n=N, seed=1):
    """Members that say a planted signal by their skill, as if out of fold, in three folds."""
    members, rows = planted(n, skills, outputs=("p_up",), strength=2.0, seed=seed)
    return members, OutOfFold(rows._replace(regimes=None), np.arange(n), np.repeat(np.arange(3), n // 3), {}, 0)


def ensemble(method="voting", **changes):
    config = {"weights": "fitted"} if method == "voting" else {}
    return EnsembleConfig(enabled=True, method=method, config=config, oof=OofConfig(n_folds=3, purge_bars=5, embargo_bars=10), **changes)


@pytest.fixture(scope="module")
def labels():
    return labels_at()


def test_three_classes_are_judged_by_up_against_the_rest(labels):
    members, rows = planted(N, (0.9, 0.0), outputs=("p_up",), n_classes=3, seed=2)
    told = OutOfFold(rows._replace(regimes=None), np.arange(N), np.repeat(np.arange(3), N // 3), {}, 0)
    losses = leave_each_out(ensemble(), members, told, labels, seed=1).losses
    p, up = rows.said[1].p[:, 2], rows.y == 2
    np.testing.assert_allclose(losses.without["m0"], -np.log(np.where(up, p, 1 - p)), rtol=1e-9)
    assert losses.gains()["m0"].mean() > 0.05


@pytest.mark.parametrize("method", ["voting", "stacking"])
def test_a_skilled_member_gains_and_noise_gains_nothing(method, labels):
    members, told = told_by((0.9, 0.0, 0.0))
    found = evidence_of(ensemble(method), members, told, labels, RECIPE)
    gains = {one["member"]: one for one in found["diversity"]["gains"]}
    assert gains["m0"]["low"] > 0.05
    for noise in ("m1", "m2"):
        assert abs(gains[noise]["gain"]) < 0.01
        assert gains[noise]["low"] <= 0 or gains[noise]["gain"] < 0.005
    assert (found["diversity"]["n_folds"], found["diversity"]["n_fits"]) == (3, 3 * 4)
    assert found["rows"] == N
    json.dumps(without_nan(found), allow_nan=False)


def test_rows_are_judged_by_fits_that_did_not_see_them(labels):
    members, told = told_by((0.9, 0.5))
    losses = leave_each_out(ensemble(), members, told, labels, seed=1).losses
    changed = told.rows.y.copy()
    changed[:500] = 1 - changed[:500]  # the first fold: what came there must not reach the forecasts of it
    other = leave_each_out(ensemble(), members, OutOfFold(told.rows._replace(y=changed), *list_of(told)), labels, seed=1).losses
    p_before, p_after = (np.exp(-one.with_all[:500]) for one in (losses, other))
    np.testing.assert_allclose(p_before + p_after, 1.0, rtol=1e-12)  # the same probability, held against the other outcome


def list_of(told):
    return told.positions, told.fold, told.unreached, told.left_out


def test_without_one_of_two_members_the_other_is_alone(labels):
    members, told = told_by((0.8, 0.4))
    losses = leave_each_out(ensemble(), members, told, labels, seed=1).losses
    p = told.rows.said[1].p
    alone = -np.log(np.where(told.rows.y == 1, p, 1 - p))
    np.testing.assert_allclose(losses.without["m0"], alone, rtol=1e-9)


def test_weights_that_are_given_are_shared_by_those_that_are_left(labels):
    members, told = told_by((0.8, 0.4, 0.1))
    given = EnsembleConfig(
        enabled=True, method="voting", config={"weights": {"m0": 0.5, "m1": 0.25, "m2": 0.25}}, oof=OofConfig(n_folds=3, embargo_bars=0)
    )
    losses = leave_each_out(given, members, told, labels, seed=1).losses
    p = 0.5 * told.rows.said[1].p + 0.5 * told.rows.said[2].p
    np.testing.assert_allclose(losses.without["m0"], -np.log(np.where(told.rows.y == 1, p, 1 - p)), rtol=1e-9)


def test_what_cannot_be_left_out_is_said_and_not_hidden(labels):
    members, told = told_by((0.8, 0.4))
    only_m0 = EnsembleConfig(enabled=True, method="voting", config={"weights": {"m0": 1.0, "m1": 0.0}}, oof=OofConfig(n_folds=3))
    found = evidence_of(only_m0, members, told, labels, RECIPE)["diversity"]
    assert "all 0" in found["not_left_out"]
    assert "gains" not in found
    assert len(found["pairs"]) == 1


def test_many_members_are_judged_in_fewer_folds():
    assert [folds_for(n, 5) for n in (2, 3, 4, 9, 30)] == [5, 5, 4, 2, 2]
    assert all(folds_for(n, 10) * (n + 1) <= MOST_FITS for n in range(2, 10))


def test_two_copies_err_alike_and_each_is_told_by_its_pairs(labels):
    members, told = told_by((0.6, 0.2))
    copied = [*members, Member("copy", ("p_up",))]
    rows = told.rows._replace(said=[*told.rows.said, told.rows.said[0]])
    found = evidence_of(ensemble(), copied, OutOfFold(rows, *list_of(told)), labels, RECIPE)
    pair = next(one for one in found["diversity"]["pairs"] if (one["first"], one["second"]) == ("m0", "copy"))
    assert pair["error_correlation"] == pytest.approx(1.0)
    assert pair["q_statistic"] == 1.0
    shifted = {"outputs": {"m0.p_up": {"times": 3.0}, "m0.E_r": {"times": None}, "m01.p_up": {"times": 9.0}}}
    evidence = {**found, "shares": {"m0.p_up": 0.25, "m0.E_r": 0.25, "m01.p_up": 0.5}, "shift": shifted}
    figures = of_member(evidence, "m0")
    assert (figures["share"], figures["shift"]) == (0.5, 3.0)  # and nothing of m01
    others = [one["error_correlation"] for one in found["diversity"]["pairs"] if "m0" in (one["first"], one["second"])]
    assert figures["error_correlation"] == pytest.approx(np.mean(others))
    assert "| m0 | 0.500 |" in members_told(["m0"], evidence)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_diversity_of_rows_that_judge_is_that_of_the_members(n_classes):
    _, rows = planted(n_classes=n_classes)
    p = [one.p for one in rows.said[:2]]
    found = diversity_of(["a", "b"], p, rows.y)
    right = [(one > 0.5) == (rows.y == 1) if n_classes == 2 else one.argmax(axis=1) == rows.y for one in p]
    assert found["rows"] == rows.y.size
    assert found["pairs"][0]["disagreement"] == pytest.approx(np.mean(right[0] != right[1]))


def board(loss, net, p_loss, p_net, **changes):
    """A leaderboard of an ensemble and two members, of which `a` loses least."""
    figures = {"both": (0.69 + loss, 0.05 + net), "a": (0.69, 0.05), "b": (0.70, 0.2)}
    models = [{"name": name, "paired_log_loss": lost, "total_return": earned} for name, (lost, earned) in figures.items()]
    pairs = [
        {"a": "a", "b": "b", "loss": {"p_value": 0.0, "p_adjusted": 0.0}, "net": {"p_value": 0.0, "p_adjusted": 0.0}},
        {"a": "a", "b": "both", "loss": {"p_value": p_loss, "p_adjusted": p_loss}, "net": {"p_value": p_net, "p_adjusted": p_net}},
    ]
    told = {"block": "test", "n_labels": 1000, "n_bars": 5000, "alpha": 0.05}
    return {**told, "models": models, "pairs": pairs, **changes}


@pytest.mark.parametrize(
    ("loss", "net", "p_loss", "p_net", "standing", "chance"),
    [
        (-0.01, 0.02, 0.2, 0.9, "not better", "chance alone explains both."),
        (-0.01, 0.02, 0.0001, 0.9, "better", "chance alone explains the return and not the loss."),
        (-0.01, 0.02, 0.3, 0.01, "better", "chance alone explains the loss and not the return."),
        (-0.01, -0.02, 0.01, 0.01, "mixed", "chance explains neither."),
        (0.01, 0.02, 0.01, 0.5, "worse", "chance alone explains the return and not the loss."),
    ],
)
def test_better_means_beyond_chance(loss, net, p_loss, p_net, standing, chance):
    found = compared_with_best_member("both", ["a", "b"], board(loss, net, p_loss, p_net), None)
    assert (found["best_member"], found["standing"]) == ("a", standing)
    assert found["words"].endswith(chance)
    assert f"its log loss is {abs(loss):.5f} {'lower' if loss < 0 else 'higher'}" in found["words"]
    assert f"earns {100 * abs(net):.2f} percentage points {'more' if net > 0 else 'less'} after costs" in found["words"]


def test_an_ensemble_that_says_what_its_best_member_says_is_not_better():
    found = compared_with_best_member("both", ["a", "b"], board(0.0, 0.0, None, None), None)
    assert found["standing"] == "not better"
    assert "its log loss is the same, and it earns the same after costs" in found["words"]


def test_the_best_member_is_chosen_without_a_look_at_the_ensemble():
    better, worse = (compared_with_best_member("both", ["a", "b"], board(loss, 0.0, 0.5, 0.5), None) for loss in (-0.3, 0.3))
    assert better["best_member"] == worse["best_member"] == "a"
    assert compared_with_best_member("both", ["gone"], board(0.0, 0.0, None, None), None) is None
    alone = compared_with_best_member("both", ["b", "gone"], board(0.0, 0.0, None, None), None)
    assert (alone["best_member"], alone["of"]) == ("b", 1)


def test_paths_are_paired():
    paths = {"both": [(0.68, 0.1), (0.70, None)], "a": [(0.69, 0.05), (0.69, 0.2)]}
    told = {
        "models": [
            {"name": name, "paths": [{"path": k, "log_loss": lost, "total_return": earned} for k, (lost, earned) in enumerate(each)]}
            for name, each in paths.items()
        ]
    }
    found = compared_with_best_member("both", ["a"], board(0.0, 0.0, None, None, block="cross_validation"), told)["paths"]
    assert [one["path"] for one in found] == [0, 1]
    assert [one["log_loss"] for one in found] == [pytest.approx(-0.01), pytest.approx(0.01)]
    assert [one["net_return"] for one in found] == [pytest.approx(0.05), None]


def test_weights_are_thinned_to_means_that_still_sum_to_one(tmp_path):
    n, rng = 5003, np.random.default_rng(0)
    weights, regime = rng.dirichlet([1, 1, 1], n), rng.normal(size=n)
    columns = {f"{WEIGHT}m{k}": weights[:, k] for k in range(3)}
    times = np.arange(n, dtype=np.int64) * 60_000
    pl.DataFrame({"open_time": times, **columns, f"{REGIME}trend": regime}).write_parquet(tmp_path / WEIGHTS_FILE)
    told = told_weights(tmp_path)
    moving = told["through_time"]
    assert told["shares"]["m1"] == pytest.approx(weights[:, 1].mean())
    assert len(moving["open_time"]) == POINTS
    assert moving["open_time"] == sorted(set(moving["open_time"]))
    np.testing.assert_allclose(np.sum(list(moving["members"].values()), axis=0), 1.0, atol=3e-4)
    assert moving["regimes"]["trend"][0] == pytest.approx(regime[: n // POINTS].mean(), abs=1e-4)


def test_weights_that_never_move_have_no_chart_and_an_ensemble_without_any_has_none(tmp_path):
    assert told_weights(tmp_path) is None
    frame = pl.DataFrame({"open_time": [0, 1], f"{WEIGHT}m0": [0.25, 0.25], f"{WEIGHT}m1": [0.75, 0.75]})
    frame.write_parquet(tmp_path / WEIGHTS_FILE)
    assert told_weights(tmp_path) == {"shares": {"m0": 0.25, "m1": 0.75}, "n_bars": 2, "through_time": None}


def test_the_overhead_is_the_ensembles_own_seconds_beside_its_members():
    seconds = {f"{step} m{k}": 10.0 for step in ("fit", "calibrate") for k in range(3)}
    seconds |= {"fit soft_voting": 0.5, "calibrate soft_voting": 0.1, "evidence soft_voting": 2.0}
    found = overheads(RECIPE, seconds)["soft_voting"]
    assert found == {"own_s": 0.6, "members_s": 60.0, "share": pytest.approx(0.01), "evidence_s": 2.0}
    assert overheads(RECIPE, {})["soft_voting"] == dict.fromkeys(found)


def test_what_a_stacking_goes_by_stays_beside_what_its_gate_weighs():
    told = {"shares": {"a": 0.4, "b": 0.6}, "n_bars": 10, "through_time": {"open_time": [1]}}
    importances = {"a.p_up": 0.7, "gate.p_up": 0.3}
    assert weights_section("gating", importances, told) == {"kind": "weights", **told}
    assert weights_section("stacking", importances, told) == {**told, "kind": "importance", "shares": importances}
    assert weights_section("fusion", importances, None) == {"kind": "importance", "shares": importances}

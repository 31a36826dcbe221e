import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, nnls
from sklearn.ensemble import VotingClassifier
from sklearn.metrics import log_loss, mean_pinball_loss

from barmill.ensembles.contract import FitRows, Member, Said
from barmill.ensembles.params import VotingParams
from barmill.ensembles.reading import read_combiner
from barmill.ensembles.vote_weights import fitted_weights, inverse_loss_weights, log_loss_of, pinball_loss_of, squared_loss_of
from barmill.ensembles.voting import Voting, counted, fit_voting, votes_of
from barmill.errors import BundleError, EnsembleError, ShapeError, TrainingError
from barmill.models.contract import LEVELS
from barmill.uncertainty.links import probabilities_of
from planted_members import ALL, planted, some

NOISE = (1.0, 0.0, 0.0, 0.0, 0.0)  # one good member among four of noise


def vote(members, rows, **params) -> Voting:
    return fit_voting(VotingParams.model_validate(params), members, rows)


def weights_of(voting) -> dict[str, float]:
    return dict(zip(voting.members, voting.member_weights, strict=True))


class Frozen:
    """A scikit-learn classifier that says what it is told to."""

    def __init__(self, p):
        self.p = p

    def predict_proba(self, X):
        return self.p[X[:, 0]]

    def predict(self, X):
        return self.predict_proba(X).argmax(axis=1)


def of_sklearn(said, weights, how, n_classes):
    """The same vote by scikit-learn, whose members are put in as if they had been fitted."""
    model = VotingClassifier([(str(i), None) for i in range(len(said))], voting=how, weights=weights)
    model.estimators_ = [Frozen(np.column_stack((1 - one.p, one.p)) if one.p.ndim == 1 else one.p) for one in said]
    model.classes_ = np.arange(n_classes)
    model.le_ = type("Labels", (), {"inverse_transform": staticmethod(lambda y: y)})()
    return model


@pytest.mark.parametrize("n_classes", [2, 3])
def test_soft_votes_are_those_of_scikit_learn(n_classes):
    members, rows = planted(n_classes=n_classes)
    weights = [0.1, 0.2, 0.3, 0.4]
    raw = vote(members, rows, weights=dict(zip(["m0", "m1", "m2", "m3"], weights, strict=True))).combine(rows.said)
    theirs = of_sklearn(rows.said, weights, "soft", n_classes).predict_proba(np.arange(400)[:, None])
    ours = probabilities_of(raw.logits)
    np.testing.assert_allclose(ours if n_classes == 3 else np.column_stack((1 - ours, ours)), theirs, atol=1e-12)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_hard_votes_are_those_of_scikit_learn(n_classes):
    members, rows = planted(n_classes=n_classes)
    weights = [0.1, 0.2, 0.3, 0.4]
    voting = vote(members, rows, voting_type="hard", weights=dict(zip(["m0", "m1", "m2", "m3"], weights, strict=True)))
    p = probabilities_of(voting.combine(rows.said).logits)
    by_class = np.column_stack((1 - p, p)) if n_classes == 2 else p
    top = np.sort(by_class, axis=1)
    clear = top[:, -1] - top[:, -2] > 1e-9  # of classes that tie scikit-learn takes the first, and we say that they tie
    theirs = of_sklearn(rows.said, weights, "hard", n_classes).predict(np.arange(400)[:, None])
    np.testing.assert_array_equal(by_class.argmax(axis=1)[clear], theirs[clear])
    assert voting.summary["ties"]["vote"] == pytest.approx(1 - clear.mean())


def test_hard_votes_by_hand():
    # four members and one vote more for each of two classes: 3 of 4 say up, so (3 + 1) / (4 + 2); all say down, so 1/6
    p = np.array([[0.9, 0.2], [0.6, 0.1], [0.3, 0.4], [0.51, 0.49]])
    voting = Voting(tuple("abcd"), (0.25,) * 4, ("p_up",), "hard")
    said = [Said(row, None, np.zeros((2, 3))) for row in p]
    np.testing.assert_allclose(probabilities_of(voting.combine(said).logits), [4 / 6, 1 / 6], atol=1e-15)


def test_what_ties_is_shared_and_told():
    np.testing.assert_array_equal(votes_of(np.array([0.5, 0.9, 0.1])), [0.5, 1.0, 0.0])
    # two members, three classes: the two that tie have half a vote each: (2 * 0.5 + 1) / 5, and the other 1 / 5
    votes = votes_of(np.array([[0.4, 0.2, 0.4]]))
    np.testing.assert_array_equal(votes, [[0.5, 0.0, 0.5]])
    np.testing.assert_allclose(counted(votes, 2), [[0.4, 0.2, 0.4]])
    said = [Said(np.array([0.5, 0.9, 0.9, 0.1]), None, np.zeros((4, 3))), Said(np.array([0.9, 0.9, 0.1, 0.1]), None, np.zeros((4, 3)))]
    rows = FitRows(said, np.array([0, 1, 1, 0]), np.zeros(4), None, np.ones(4))
    summary = vote([Member("a", ("p_up",)), Member("b", ("p_up",))], rows, voting_type="hard").summary
    assert summary["ties"] == {"members": {"a": 0.25, "b": 0.0}, "vote": 0.25}


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_unanimous_vote_is_not_certainty(n_classes):
    sure = np.array([1.0, 0.0]) if n_classes == 2 else np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    said = [Said(sure, None, np.zeros((2, 3)))] * 3
    p = probabilities_of(Voting(("a", "b", "c"), (0.2, 0.3, 0.5), ("p_up",), "hard").combine(said).logits)
    np.testing.assert_allclose(p[0] if n_classes == 2 else p[0, 2], 4 / (3 + n_classes))


def test_only_what_all_members_declare_is_combined():
    outputs = [("p_up",), ("p_up", "E_r"), ("p_up", *ALL[2:])]
    members, rows = planted(skills=(1, 1, 1), outputs=outputs)
    voting = vote(members, rows)
    assert voting.outputs == ("p_up",)
    raw = voting.combine(rows.said)
    assert (raw.expected, raw.quantiles) == (None, None)
    members, rows = planted(skills=(1, 1), outputs=[("E_r", "p_up"), ("p_up", "E_r")])
    raw = vote(members, rows).combine(rows.said)
    np.testing.assert_allclose(raw.expected, (rows.said[0].expected + rows.said[1].expected) / 2)
    assert raw.quantiles is None


def test_members_that_share_quantiles_alone_say_a_probability_too():
    members, rows = planted(outputs=ALL[2:])
    raw = vote(members, rows).combine(rows.said)
    np.testing.assert_allclose(raw.quantiles, np.mean([one.quantiles for one in rows.said], axis=0))
    np.testing.assert_allclose(probabilities_of(raw.logits), np.mean([one.p for one in rows.said], axis=0))
    assert raw.expected is None


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("how", ["fitted", "inverse_loss"])
def test_one_good_member_among_four_of_noise_gets_most_of_the_weight(how, n_classes, seed):
    members, rows = planted(4000, NOISE, n_classes=n_classes, strength=12.0, seed=seed)
    good, *noise = vote(members, rows, weights=how).member_weights
    assert good > 0.5
    assert good > 0.95 or how == "inverse_loss"
    assert max(noise) < 0.2


@pytest.mark.parametrize("voting_type", ["soft", "hard"])
def test_in_a_faint_market_fitted_weights_find_the_good_member_where_inverse_losses_hardly_differ(voting_type):
    members, rows = planted(20_000, NOISE, strength=0.3, seed=1)
    fitted = vote(members, rows, weights="fitted", voting_type=voting_type).member_weights[0]
    inverse = vote(members, rows, weights="inverse_loss", voting_type=voting_type).member_weights[0]
    assert fitted > 0.9
    assert 0.2 < inverse < 0.25


def test_members_that_share_quantiles_alone_are_weighed_by_them():
    members, rows = planted(4000, NOISE, outputs=ALL[2:], seed=2)
    voting = vote(members, rows, weights="fitted")
    assert voting.summary["loss"]["name"] == "pinball loss"
    assert voting.member_weights[0] > 0.6
    upside_down = [one._replace(p=1 - one.p) for one in rows.said]  # what is not declared is not looked at
    assert vote(members, rows._replace(said=upside_down), weights="fitted").member_weights == voting.member_weights


def test_members_that_share_E_r_alone_are_weighed_by_it():
    members, rows = planted(4000, NOISE, outputs=("E_r",), seed=2)
    voting = vote(members, rows, weights="fitted")
    assert voting.summary["loss"]["name"] == "squared error"
    assert voting.member_weights[0] > 0.7


def test_fitted_weights_lose_no_more_than_any_others():
    members, rows = planted(500, (0.7, 0.5, 0.5, 0.2), seed=5)
    for voting_type in ("soft", "hard"):
        loss = vote(members, rows, weights="fitted", voting_type=voting_type).summary["loss"]
        assert loss["ensemble"] <= min(loss["equal"], *loss["members"].values()) + 1e-9


def by_expectation_maximisation(p_of_what_came, share):
    """The slow and certain way to the weights of least log loss: each round gives a member the share of the rows that it explains."""
    weights = np.full(p_of_what_came.shape[1], 1 / p_of_what_came.shape[1])
    for _ in range(5000):
        weights = share @ (p_of_what_came * weights / (p_of_what_came @ weights)[:, None])
    return weights


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1), m=st.integers(2, 5))
def test_weights_of_least_log_loss_are_those_of_expectation_maximisation(seed, m):
    _, rows = planted(100, np.random.default_rng(seed).uniform(0, 1, m), seed=seed)
    loss = log_loss_of([one.p for one in rows.said], rows.y, rows.weight)
    came = np.column_stack([np.where(rows.y == 1, one.p, 1 - one.p) for one in rows.said])
    theirs = by_expectation_maximisation(came, rows.weight / rows.weight.sum())
    assert loss.value(fitted_weights(loss, m)) <= loss.value(theirs) + 1e-9


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1), m=st.integers(2, 5))
def test_weights_of_least_squared_error_are_those_of_non_negative_least_squares(seed, m):
    _, rows = planted(100, np.random.default_rng(seed).uniform(0, 1, m), seed=seed)
    loss = squared_loss_of([one.expected for one in rows.said], rows.z, rows.weight)
    design, root = np.column_stack([one.expected for one in rows.said]), np.sqrt(rows.weight)
    theirs, _ = nnls(np.vstack([design * root[:, None], np.full(m, 1e5)]), np.r_[rows.z * root, 1e5])  # the last row: they sum to 1
    np.testing.assert_allclose(fitted_weights(loss, m), theirs, atol=1e-4)


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1), m=st.integers(2, 4))
def test_weights_of_least_pinball_loss_are_those_of_the_linear_program(seed, m):
    _, rows = planted(60, np.random.default_rng(seed).uniform(0, 1, m), outputs=ALL[2:], seed=seed)
    q, levels = np.stack([one.quantiles for one in rows.said], axis=2), np.tile(LEVELS, 60)
    share = np.repeat(rows.weight / rows.weight.sum() / 3, 3)
    # least sum of share * (level * over + (1 - level) * under), where z = q . weights + over - under
    program = linprog(
        np.r_[np.zeros(m), share * levels, share * (1 - levels)],
        A_eq=np.vstack([np.c_[q.reshape(180, m), np.eye(180), -np.eye(180)], np.r_[np.ones(m), np.zeros(360)][None, :]]),
        b_eq=np.r_[np.repeat(rows.z, 3), 1.0],
    )
    blend = q @ fitted_weights(pinball_loss_of([one.quantiles for one in rows.said], rows.z, rows.weight), m)
    ours = np.mean([mean_pinball_loss(rows.z, blend[:, i], alpha=level, sample_weight=rows.weight) for i, level in enumerate(LEVELS)])
    assert program.fun - 1e-12 <= ours <= program.fun + 1e-4


@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(["log", "pinball", "squared"]))
@settings(max_examples=30)
def test_slopes_are_those_of_small_steps(seed, kind):
    _, rows = planted(40, (0.9, 0.4, 0.1), seed=seed, n_classes=3 if seed % 2 else 2)
    loss = {
        "log": lambda: log_loss_of([one.p for one in rows.said], rows.y, rows.weight),
        "pinball": lambda: pinball_loss_of([one.quantiles for one in rows.said], rows.z, rows.weight),
        "squared": lambda: squared_loss_of([one.expected for one in rows.said], rows.z, rows.weight),
    }[kind]()
    at = np.random.default_rng(seed).dirichlet(np.ones(3))
    steps = [(loss.value(at + 1e-6 * e) - loss.value(at - 1e-6 * e)) / 2e-6 for e in np.eye(3)]
    np.testing.assert_allclose(loss.slope(at), steps, atol=1e-5)


def test_the_log_loss_is_scikit_learns_by_the_rows_weights():
    members, rows = planted(n_classes=3)
    loss = vote(members, rows).summary["loss"]["members"]["m1"]
    assert loss == pytest.approx(log_loss(rows.y, rows.said[1].p, sample_weight=rows.weight))


def test_inverse_loss_by_hand():
    np.testing.assert_allclose(inverse_loss_weights(np.array([0.5, 1.0, 2.0])), [4 / 7, 2 / 7, 1 / 7])
    np.testing.assert_array_equal(inverse_loss_weights(np.array([0.0, 1.0, 0.0])), [0.5, 0.0, 0.5])


def test_the_order_of_the_members_changes_no_bit_of_a_weight():
    members, rows = planted(300, (0.8, 0.5, 0.3, 0.1))
    for how in ("fitted", "inverse_loss"):
        there = weights_of(vote(members, rows, weights=how))
        back = weights_of(vote(members[::-1], rows._replace(said=rows.said[::-1]), weights=how))
        assert there == back


def test_given_weights_that_were_rounded_sum_to_one():
    members, rows = planted(skills=(1, 1, 1))
    voting = vote(members, rows, weights={"m0": 0.3333333, "m1": 0.3333333, "m2": 0.3333333})
    assert sum(voting.member_weights) == pytest.approx(1, abs=1e-15)


def test_what_is_left_of_an_ensemble_may_be_one_member():
    members, rows = planted(skills=(1,))
    for how in ("equal", "inverse_loss", "fitted"):
        voting = vote(members, rows, weights=how)
        assert voting.member_weights == (1.0,)
        np.testing.assert_array_equal(voting.combine(rows.said).quantiles, rows.said[0].quantiles)


def test_the_summary_is_plain_json_and_stands_in_no_file():
    members, rows = planted()
    for voting_type in ("soft", "hard"):
        voting = vote(members, rows, weights="fitted", voting_type=voting_type)
        summary = json.loads(json.dumps(voting.summary, allow_nan=False))
        assert summary["weights"] == pytest.approx(weights_of(voting))
        assert sum(summary["weights"].values()) == pytest.approx(1)
        assert read_combiner(voting.files()) == voting
        assert not read_combiner(voting.files()).summary


def test_what_cannot_vote_is_refused():
    members, rows = planted(outputs=[("p_up",), ("p_up",), ("p_up",), ("E_r",)])
    with pytest.raises(EnsembleError, match=r"share no output \(m0: p_up; m1: p_up; m2: p_up; m3: E_r\)"):
        vote(members, rows)
    members, rows = planted()
    with pytest.raises(EnsembleError, match="no member named 'm9'"):
        vote(members, rows, weights={"m0": 0.5, "m9": 0.5})
    spoilt = [rows.said[0]._replace(expected=np.full(400, np.nan)), *rows.said[1:]]
    with pytest.raises(TrainingError, match="member 'm0': E_r is nan in row 0"):
        vote(members, rows._replace(said=spoilt))
    voting = vote(members, rows)
    with pytest.raises(ShapeError, match="said: holds 3 forecasts; expected one for each of 4 members"):
        voting.combine(rows.said[:3])
    with pytest.raises(ShapeError, match="member 'm2': says no E_r"):
        voting.combine([one if i != 2 else one._replace(expected=None) for i, one in enumerate(rows.said)])


@pytest.mark.parametrize(
    "change",
    [
        {"weights": [0.5, 0.5]},
        {"weights": [0.5, 0.6, -0.1, 0.0]},
        {"weights": [0.5, 0.6, 0.1, 0.1]},
        {"weights": [None, 1, 0, 0]},
        {"members": ["a", "a", "b", "c"]},
        {"voting_type": "loud"},
        {"quantiles": "x"},
        {"outputs": ["price"]},
        {"format": 2},
    ],
)
def test_a_file_that_is_no_vote_is_a_bundle_error(change):
    content = json.loads(vote(*planted()).files()["ensemble.json"])
    with pytest.raises(BundleError, match="holds no voting"):
        read_combiner({"ensemble.json": json.dumps({**content, **change}).encode()})


def test_voting_is_applied_by_numpy_alone():
    code = "import sys, barmill.ensembles.voting; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"scipy", "sklearn", "lightgbm", "polars", "pandas", "torch", "numba"} & set(loaded)


def test_few_rows_of_many_say_the_same():
    members, rows = planted(5000)
    for quantiles in ("level", "mixture"):
        voting = vote(members, rows, quantiles=quantiles)
        at = np.array([4999, 0, 4096, 4095])
        for ours, theirs in zip(voting.combine(some(rows.said, at)), voting.combine(rows.said), strict=True):
            if theirs is not None:
                np.testing.assert_array_equal(ours, theirs[at])

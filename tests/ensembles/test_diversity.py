import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barmill.ensembles.contract import Member, Said
from barmill.ensembles.diversity import LeaveOneOut, diversity_report, leave_one_out, pairwise_diversity
from barmill.ensembles.params import VotingParams
from barmill.ensembles.voting import fit_voting
from barmill.errors import ShapeError
from barmill.evaluation.overfitting import bootstrap_interval
from barmill.uncertainty.links import mean_log_loss
from planted_members import planted


def speaking(*p):
    """Members a, b ... that say p."""
    said = [Said(np.array(row, dtype=float), None, np.zeros((len(row), 3))) for row in p]
    return [Member(label, ("p_up",)) for label in "abcd"[: len(said)]], said


def test_a_pair_by_hand():
    # ten rows in which up came: both right in 5, only a in 2, only b in 1, neither in 2
    members, said = speaking([0.9] * 7 + [0.1] * 3, [0.8] * 5 + [0.3] * 2 + [0.8] + [0.3] * 2)
    pair = pairwise_diversity(members, said, np.ones(10))[0]
    assert (pair.first, pair.second) == ("a", "b")
    assert pair.q_statistic == pytest.approx((5 * 2 - 2 * 1) / (5 * 2 + 2 * 1))
    assert pair.disagreement == pytest.approx(0.3)
    assert pair.error_correlation == pytest.approx(np.corrcoef(1 - said[0].p, 1 - said[1].p)[0, 1])


def test_one_half_is_not_up():
    members, said = speaking([0.5, 0.9, 0.9, 0.1], [0.4, 0.9, 0.1, 0.9])
    assert pairwise_diversity(members, said, [0, 1, 1, 1])[0].disagreement == 0.5  # both are right of the first row


def test_members_that_are_the_same_err_together_and_opposites_apart():
    members, rows = planted(skills=(0.5,))
    p = rows.said[0].p
    same = pairwise_diversity([members[0], Member("copy", ("p_up",))], [rows.said[0]] * 2, rows.y)[0]
    assert same[2:] == (pytest.approx(1.0), 1.0, 0.0)
    opposite = pairwise_diversity([members[0], Member("mirror", ("p_up",))], [rows.said[0], rows.said[0]._replace(p=1 - p)], rows.y)[0]
    assert opposite.q_statistic == -1.0
    assert opposite.disagreement == 1.0


def test_members_that_err_independently_have_figures_near_zero():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 20_000)
    members, said = speaking(rng.random(20_000), rng.random(20_000))
    pair = pairwise_diversity(members, said, y)[0]
    assert pair.q_statistic == pytest.approx(0, abs=0.05)
    assert pair.disagreement == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_being_right_is_the_likeliest_class_and_errors_are_those_of_up(n_classes):
    members, rows = planted(n_classes=n_classes)
    pairs = pairwise_diversity(members, rows.said, rows.y)
    assert [(pair.first, pair.second) for pair in pairs][:4] == [("m0", "m1"), ("m0", "m2"), ("m0", "m3"), ("m1", "m2")]
    by_class = [np.column_stack((1 - one.p, one.p)) if n_classes == 2 else one.p for one in rows.said[:2]]
    right = [p.argmax(axis=1) == rows.y for p in by_class]
    errors = [(rows.y == n_classes - 1) - p[:, -1] for p in by_class]
    assert pairs[0].disagreement == pytest.approx(np.mean(right[0] != right[1]))
    assert pairs[0].error_correlation == pytest.approx(np.corrcoef(*errors)[0, 1])


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(0, 1)), min_size=1, max_size=30))
def test_figures_stay_in_their_ranges_and_do_not_know_who_is_first(rows):
    a, b, y = (np.array(column) for column in zip(*rows, strict=True))
    members, said = speaking(a, b)
    there, back = pairwise_diversity(members, said, y)[0], pairwise_diversity(members[::-1], said[::-1], y)[0]
    np.testing.assert_allclose(there[2:], back[2:], rtol=1e-12)
    correlation, q, disagreement = (0.0 if np.isnan(figure) else figure for figure in there[2:])
    assert -1 <= correlation <= 1
    assert -1 <= q <= 1
    assert 0 <= disagreement <= 1
    json.dumps(diversity_report([there]), allow_nan=False)


def test_what_is_not_defined_is_nan_and_null_in_the_report():
    members, said = speaking([0.9, 0.9], [0.2, 0.8])
    pairs = pairwise_diversity(members, said, [1, 1])
    assert np.isnan(pairs[0].error_correlation)  # a errs by 0.1 everywhere
    assert np.isnan(pairs[0].q_statistic)  # a is never wrong
    report = diversity_report(pairs)
    assert report["pairs"] == [{"first": "a", "second": "b", "error_correlation": None, "q_statistic": None, "disagreement": 0.5}]
    assert report["mean"] == {"error_correlation": None, "q_statistic": None, "disagreement": 0.5}


def losses_of_votes(rows, half):
    """Loss of each row of the second half, of a vote fitted on the first."""

    def losses_of(members):
        said = [rows.said[int(member.label[1:])] for member in members]
        cut = lambda part: [Said(one.p[part], None, one.quantiles[part]) for one in said]  # noqa: E731
        first, second = slice(None, half), slice(half, None)
        fit = rows._replace(said=cut(first), y=rows.y[first], z=rows.z[first], weight=rows.weight[first])
        logits = fit_voting(VotingParams(weights="fitted"), members, fit).combine(cut(second)).logits
        return np.array([mean_log_loss(logit[None], y[None]) for logit, y in zip(logits, rows.y[second], strict=True)])

    return losses_of


def block_bootstrap(series):
    return bootstrap_interval(series, np.mean, level=0.95, n_boot=300, seed=0)


def test_the_member_that_the_ensemble_stands_on_is_told_from_the_noise():
    members, rows = planted(3000, (0.9, 0.0, 0.0), outputs=("p_up",), strength=2.0, seed=4)
    losses = leave_one_out(members, losses_of_votes(rows, 1500))
    report = json.loads(
        json.dumps(diversity_report(pairwise_diversity(members, rows.said, rows.y), losses, block_bootstrap), allow_nan=False)
    )
    good, *noise = report["gains"]
    assert good["member"] == "m0"
    assert 0 < good["low"] <= good["gain"] <= good["high"]
    assert good["says"] == "the ensemble is better for 'm0'"
    assert all(gain["low"] <= 0 <= gain["high"] and "chance" in gain["says"] for gain in noise)
    assert report["loss"] == pytest.approx(losses.with_all.mean())
    np.testing.assert_array_equal(losses.gains()["m0"], losses.without["m0"] - losses.with_all)


def test_a_member_that_harms_is_told():
    losses = LeaveOneOut(np.full(50, 0.7), {"bad": np.full(50, 0.6), "good": np.full(50, 0.8)})
    gains = diversity_report([], losses, lambda series: (series.min(), series.max()))["gains"]
    assert [gain["says"] for gain in gains] == ["the ensemble is worse for 'bad'", "the ensemble is better for 'good'"]
    assert diversity_report([], losses)["gains"][0] == {"member": "bad", "gain": pytest.approx(-0.1)}


def test_leave_one_out_takes_each_member_out_once_and_keeps_their_order():
    members, _ = planted()
    seen = []
    leave_one_out(members, lambda taken: seen.append([member.label for member in taken]) or np.zeros(2))
    assert seen == [["m0", "m1", "m2", "m3"], ["m1", "m2", "m3"], ["m0", "m2", "m3"], ["m0", "m1", "m3"], ["m0", "m1", "m2"]]


def test_what_cannot_be_compared_is_refused():
    members, rows = planted(skills=(1, 1))
    with pytest.raises(ShapeError, match="at least two"):
        leave_one_out(members[:1], lambda _: np.zeros(2))
    with pytest.raises(ShapeError, match="losses without 'm1'"):
        leave_one_out(members, lambda taken: np.zeros(3 if taken == members[:1] else 2))
    with pytest.raises(ShapeError, match="losses with all members"):
        leave_one_out(members, lambda _: np.array([np.nan]))
    with pytest.raises(ShapeError, match="diversity"):
        pairwise_diversity(members, rows.said, rows.y[:-1])
    with pytest.raises(ShapeError, match="diversity"):
        pairwise_diversity(members, rows.said[:1], rows.y)

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barmill.ensembles.contract import Member, Said
from barmill.ensembles.out_of_fold import Outcomes, Piece, put_together
from barmill.errors import ForecastError, ProvenanceError, ShapeError
from planted_members import some

MEMBERS = [Member("tree", ("p_up",)), Member("net", ("p_up", "E_r"))]


def told(labels, base=0.0):
    """A member that says of each label its own number: what stands where can be read off."""
    z = base + np.asarray(labels, dtype=float)
    return Said(1 / (2 + z), z, z[:, None] + np.array([-1.0, 0.0, 1.0]))


def outcomes(due):
    due = np.asarray(due)
    return Outcomes(due, due % 2, due / 10, 1.0 + due % 3, np.column_stack([due, -due]).astype(float))


def pieces(due, n_folds=4, base=0.0, skip=()):
    due = np.setdiff1d(due, skip)
    return [Piece(part, told(part, base), fold) for fold, part in enumerate(np.array_split(due, n_folds))]


@given(st.integers(0, 2**32 - 1), st.integers(8, 60), st.integers(1, 6))
def test_pieces_in_any_order_give_each_label_its_own_forecast(seed, n, n_folds):
    rng = np.random.default_rng(seed)
    due = np.sort(rng.choice(3 * n, n, replace=False))
    given_pieces = {member.label: pieces(due, n_folds, base) for member, base in zip(MEMBERS, (0.0, 1000.0), strict=True)}
    for some_pieces in given_pieces.values():
        rng.shuffle(some_pieces)
    out = put_together(MEMBERS, given_pieces, outcomes(due))
    np.testing.assert_array_equal(out.positions, due)
    np.testing.assert_array_equal(out.rows.said[0].expected, due)
    np.testing.assert_array_equal(out.rows.said[1].quantiles[:, 2], due + 1001.0)
    np.testing.assert_array_equal(out.rows.y, due % 2)
    np.testing.assert_array_equal(out.rows.regimes[:, 1], -due)
    np.testing.assert_array_equal(out.fold, np.repeat(np.arange(n_folds), [part.size for part in np.array_split(due, n_folds)]))
    assert (out.left_out, dict(out.unreached)) == (0, {"tree": 0, "net": 0})


def test_rows_that_a_window_does_not_reach_are_left_out_for_all_and_counted():
    due = np.arange(40, 80)
    late = np.arange(40, 50)
    folds = [due[:10], due[10:20], due[20:30], due[30:]]
    tree = [Piece(part, told(part), fold) for fold, part in enumerate(folds)]
    out = put_together(MEMBERS, {"tree": tree, "net": tree[1:]}, outcomes(due), {"net": np.arange(50)})
    np.testing.assert_array_equal(out.positions, due[10:])
    np.testing.assert_array_equal(out.rows.z, due[10:] / 10)
    assert out.to_json() == {"rows": 30, "folds": 3, "unreached": {"tree": 0, "net": 10}, "left_out": 10}
    with pytest.raises(ProvenanceError, match="'net': 10 labels are not forecast, first label 40"):
        put_together(MEMBERS, {"tree": tree, "net": tree[1:]}, outcomes(due))
    with pytest.raises(ProvenanceError, match="'net': 10 labels are forecast, and not due or out of reach, first label 40"):
        put_together(MEMBERS, {"tree": tree, "net": tree}, outcomes(due), {"net": late})
    with pytest.raises(ShapeError, match="no label is reached by all members"):
        put_together(MEMBERS, {"tree": tree[:1], "net": tree[1:]}, outcomes(due), {"net": late, "tree": np.arange(50, 80)})


def test_gaps_and_doubles_of_all_members_are_told_at_once():
    due = np.arange(20)
    twice = [*pieces(due), Piece(np.array([7]), told([7]), 9)]
    with pytest.raises(ProvenanceError) as error:
        put_together(MEMBERS, {"tree": pieces(due, skip=[3, 4]), "net": twice}, outcomes(due))
    assert str(error.value).splitlines() == [
        "member 'tree': 2 labels are not forecast, first label 3; expected each of 20 labels forecast once.",
        "member 'net': 1 labels are forecast more than once, first label 7; expected each of 20 labels forecast once.",
    ]
    with pytest.raises(ProvenanceError, match="not due or out of reach, first label 20"):
        put_together(MEMBERS[:1], {"tree": pieces(np.arange(21))}, outcomes(due))


def test_what_is_no_forecast_is_refused_by_member_fold_and_label():
    due = np.arange(20, 40)

    def broken(**change):
        good = pieces(due)
        return {"tree": pieces(due), "net": [*good[:2], good[2]._replace(**change), good[3]]}

    said = told(np.arange(30, 35))
    nan = np.array([0, 1, np.nan, 3, np.inf])
    with pytest.raises(ForecastError, match="'net', fold 2: E_r of 2 rows is not finite, first that of label 32"):
        put_together(MEMBERS, broken(said=said._replace(expected=nan)), outcomes(due))
    with pytest.raises(ForecastError, match="'net', fold 2: quantiles of 2 rows is not finite, first that of label 32"):
        put_together(MEMBERS, broken(said=said._replace(quantiles=said.quantiles + nan[:, None])), outcomes(due))
    with pytest.raises(ShapeError, match="'net', fold 2: says p_up of 4 rows; expected 5"):
        put_together(MEMBERS, broken(said=some([said], slice(4))[0]), outcomes(due))
    with pytest.raises(ShapeError, match="'net', fold 2: does not say E_r"):
        put_together(MEMBERS, broken(said=said._replace(expected=None)), outcomes(due))
    with pytest.raises(ShapeError, match="fold 2: positions of shape"):
        put_together(MEMBERS, broken(positions=np.zeros(0, np.int64)), outcomes(due))
    with pytest.raises(ShapeError, match="'net': has no out-of-fold forecasts"):
        put_together(MEMBERS, {"tree": pieces(due)}, outcomes(due))
    with pytest.raises(ShapeError, match="each once, in ascending order"):
        put_together(MEMBERS[:1], {"tree": pieces(due)}, outcomes(due[::-1]))


def test_outcomes_of_another_length_are_refused():
    due = np.arange(20)
    with pytest.raises(ShapeError, match=r"out-of-fold labels, z: has shape \(19,\); expected \(20,\)"):
        put_together(MEMBERS[:1], {"tree": pieces(due)}, outcomes(due)._replace(z=np.zeros(19)))


def test_members_must_have_the_same_folds():
    due = np.arange(20)
    with pytest.raises(ProvenanceError, match="'net': 15 labels are of another fold than 'tree' has them, first label 5"):
        put_together(MEMBERS, {"tree": pieces(due, 4), "net": pieces(due, 2)}, outcomes(due))

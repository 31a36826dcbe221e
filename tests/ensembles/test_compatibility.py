import numpy as np
import pytest

from barmill.ensembles.compatibility import Degradation, check_members, check_rows, renormalised, shared_outputs, surviving
from barmill.ensembles.contract import Member
from barmill.ensembles.params import VotingParams
from barmill.ensembles.voting import fit_voting
from barmill.errors import EnsembleError, RecipeError, ShapeError, TrainingError
from planted_members import planted

UP, RETURN, BOTH = Member("tree", ("p_up",)), Member("tcn", ("E_r",)), Member("patch", ("E_r", "p_up"))


def test_shared_outputs_are_those_of_all():
    assert shared_outputs([BOTH, UP]) == ("p_up",)
    assert shared_outputs([BOTH, Member("other", ("p_up", "E_r"))]) == ("E_r", "p_up")
    assert shared_outputs([UP, RETURN]) == ()


@pytest.mark.parametrize(
    ("members", "method", "how", "told"),
    [
        ([UP, RETURN], "voting", {}, "the members share no output (tree: p_up; tcn: E_r); expected one that all of them have"),
        ([UP], "stacking", {}, "ensemble: 1 members (tree); expected at least 2"),
        ([], "voting", {"at_least": 1}, "ensemble: no members"),
        ([UP, UP], "stacking", {}, "two members are named 'tree'. Give one of them an alias."),
        ([UP, RETURN], "fusion", {}, "member 'tcn': has E_r; expected p_up, which fusion asks of every member"),
        ([UP, BOTH], "gating", {"asked": ("E_r",)}, "member 'tree': has p_up; expected E_r, which gating asks of every member"),
        ([UP, Member("mute", ())], "voting", {}, "mute: no outputs"),
        ([UP, BOTH], "voting", {"weights": {"tree": 0.5, "patsch": 0.5}}, "no member named 'patsch'. Did you mean 'patch'?"),
        ([UP, BOTH], "voting", {"weights": {"tree": 1.0}}, "the member 'patch' has no weight. Give it one; 0 leaves it out."),
        ([UP, BOTH], "voting", {"weights": {"tree": 1.5, "patch": -0.5}}, "ensemble.weights.patch: is -0.5; expected a number from 0 to 1"),
        ([UP, BOTH], "voting", {"weights": {"tree": 0.5, "patch": 0.6}}, "ensemble.weights: the weights sum to 1.1; expected 1"),
        ([UP, BOTH], "voting", {"weights": {"tree": float("nan"), "patch": 1}}, "ensemble.weights.tree: is nan"),
    ],
)
def test_members_that_cannot_be_combined_are_named(members, method, how, told):
    with pytest.raises(EnsembleError) as error:
        check_members(members, method, **how)
    assert told in str(error.value)
    assert isinstance(error.value, RecipeError)


@pytest.mark.parametrize("method", ["stacking", "gating"])
def test_what_takes_every_output_takes_members_that_share_none(method):
    check_members([UP, RETURN], method)


def test_sound_members_and_weights_pass():
    check_members([UP, BOTH], "voting", weights={"patch": 1 / 3, "tree": 2 / 3})
    check_members([UP], "voting", at_least=1)
    check_members([UP, BOTH], "fusion")


def test_all_that_is_wrong_is_told_at_once():
    with pytest.raises(EnsembleError) as error:
        check_members([UP, RETURN], "voting", weights={"tree": -1.0, "x": 0.5})
    assert len(error.value.problems) == 4  # no shared output, x unknown, tcn without a weight, a negative weight


def failing(said):
    """What members may come with that cannot be used, and how that is told."""
    last = said.quantiles.copy()
    last[7] = [1.0, 0.0, 2.0]
    return {
        "made no forecast": None,
        "made no forecast: member 'm1': out of memory.": TrainingError("member 'm1'", "out of memory"),
        "p_up is nan in row 3, and not finite in 1 of 400": said._replace(p=np.where(np.arange(400) == 3, np.nan, said.p)),
        "E_r is inf in row 0, and not finite in 400 of 400": said._replace(expected=np.full(400, np.inf)),
        "quantiles is [-inf, -inf, -inf] in row 0, and not finite in 400 of 400": said._replace(quantiles=np.full((400, 3), -np.inf)),
        "quantiles cross in row 7, and in 1 of 400": said._replace(quantiles=last),
        "says no E_r, which is asked of it": said._replace(expected=None),
        "p_up goes from 1.5 to 1.5, beyond 0 and 1": said._replace(p=np.full(400, 1.5)),
    }


@pytest.mark.parametrize("reason", failing(planted()[1].said[0]))
def test_a_member_that_failed_is_an_error_that_names_it_or_a_recorded_degradation(reason):
    members, rows = planted()
    said = [rows.said[0], failing(rows.said[1])[reason], *rows.said[2:]]
    with pytest.raises(TrainingError) as error:
        surviving(said, members, "error")
    assert str(error.value).startswith(f"member 'm1': {reason}")
    assert "on_failure: drop" in str(error.value)
    kept, left, degradations = surviving(said, members, "drop")
    assert [member.label for member in kept] == ["m0", "m2", "m3"]
    assert [one is other for one, other in zip(left, [rows.said[0], *rows.said[2:]], strict=True)] == [True] * 3
    assert degradations == [Degradation("m1", reason)]
    assert degradations[0].to_json() == {"member": "m1", "reason": reason}


def test_three_classes_that_are_not_finite_are_told_by_row():
    members, rows = planted(n_classes=3)
    p = rows.said[0].p.copy()
    p[5] = np.nan
    with pytest.raises(TrainingError, match=r"member 'm0': p_up is \[nan, nan, nan\] in row 5"):
        surviving([rows.said[0]._replace(p=p), *rows.said[1:]], members, "error")


@pytest.mark.parametrize("on_failure", ["error", "drop"])
def test_all_members_failed_is_always_an_error(on_failure):
    members, rows = planted(skills=(1, 1))
    with pytest.raises(TrainingError) as error:
        surviving([None, rows.said[1]._replace(p=rows.said[1].p + np.nan)], members, on_failure)
    assert "member 'm0': made no forecast" in str(error.value)
    assert "member 'm1': p_up is nan" in str(error.value)


def test_nobody_failed_changes_nothing():
    members, rows = planted()
    assert surviving(rows.said, members, "drop") == (members, list(rows.said), [])


def test_weights_of_those_that_are_left_sum_to_one():
    members, rows = planted()
    given = {"m0": 0.4, "m1": 0.2, "m2": 0.2, "m3": 0.2}
    kept, said, _ = surviving([None, *rows.said[1:]], members, "drop")
    left = renormalised(given, kept)
    assert left == pytest.approx({"m1": 1 / 3, "m2": 1 / 3, "m3": 1 / 3})
    assert fit_voting(VotingParams(weights=left), kept, rows._replace(said=said)).member_weights == pytest.approx([1 / 3] * 3)
    with pytest.raises(EnsembleError, match=r"those of the members that are left \(m1\) are all 0"):
        renormalised({"m0": 1.0, "m1": 0.0}, [members[1]])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda rows: {"said": rows.said[:3]}, "rows.said: holds 3 forecasts"),
        (lambda rows: {"y": rows.y[:0]}, "rows: are none"),
        (lambda rows: {"y": rows.y[:-1]}, r"member 'm0': says p and quantiles of shape \(400,\)"),
        (lambda rows: {"y": rows.y + 1}, "rows.y: goes from 1 to 2"),
        (lambda rows: {"z": rows.z * np.nan}, "rows.z"),
        (lambda rows: {"weight": -rows.weight}, "rows.weight: is below 0"),
        (lambda rows: {"weight": rows.weight * 0}, "sums to 0"),
        (lambda rows: {"said": [*rows.said[:3], planted(n_classes=3)[1].said[0]]}, "member 'm3': says p"),
    ],
)
def test_rows_that_do_not_fit_are_refused(change, told):
    members, rows = planted()
    check_rows(members, rows)
    with pytest.raises(ShapeError, match=told):
        check_rows(members, rows._replace(**change(rows)))

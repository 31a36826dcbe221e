"""Laws that every fitted ensemble keeps, whatever it does. A new kind, or a new way to fit one, is one more line in CASES."""

import contextlib
import json
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barmill.ensembles.contract import Combiner, FitRows, Member
from barmill.ensembles.fusion import fit_fusion
from barmill.ensembles.gating import fit_gating
from barmill.ensembles.params import (
    ElasticNetParams,
    FusionParams,
    LightGbmMetaParams,
    LogisticParams,
    RegimeGatingParams,
    RidgeParams,
    SoftmaxGatingParams,
    StaticGatingParams,
    VotingParams,
)
from barmill.ensembles.reading import KINDS, read_combiner
from barmill.ensembles.stacking import fit_stacking
from barmill.ensembles.voting import fit_voting
from barmill.errors import BarmillError, BundleError
from barmill.uncertainty.links import probabilities_of
from planted_members import OneRow, planted, some

N = 300
HALVES = [(np.arange(N // 2, N), np.arange(N // 2)), (np.arange(N // 2), np.arange(N // 2, N))]

Fit = Callable[[list[Member], FitRows], Combiner]


class Case(NamedTuple):
    kind: str
    fit: Fit
    order_matters: str = ""  # why another order of the members changes a forecast by more than rounding; empty where it does not


def voting(**params: object) -> Case:
    return Case("voting", lambda members, rows: fit_voting(VotingParams.model_validate(params), members, rows))


def stacking(meta_learner: str, params, **how: str) -> Case:
    return Case("stacking", lambda members, rows: fit_stacking(meta_learner, params, members, rows, seed=0), **how)


def gating(method: str, params) -> Case:
    return Case("gating", lambda members, rows: fit_gating(method, params, members, rows, seed=0))


CASES = {
    "soft voting": voting(weights="fitted"),
    "hard voting": voting(voting_type="hard", weights="inverse_loss"),
    "mixture": voting(quantiles="mixture", weights={"m0": 0.2, "m1": 0.5, "m2": 0.0, "m3": 0.3}),
    "ridge": stacking("ridge", RidgeParams()),
    "elastic net": stacking("elastic_net", ElasticNetParams()),
    "logistic": stacking("logistic", LogisticParams()),
    "trees": stacking("lightgbm_meta", LightGbmMetaParams(), order_matters="of two splits that gain the same, the first column's is taken"),
    "fusion": Case("fusion", lambda members, rows: fit_fusion(FusionParams(), members, rows, HALVES)),
    "hmm gate": gating("hmm_regime", RegimeGatingParams()),
    "softmax gate": gating("softmax", SoftmaxGatingParams()),
    "static gate": gating("static", StaticGatingParams()),
}

every_case = pytest.mark.parametrize("case", CASES)
both_classes = pytest.mark.parametrize("n_classes", [2, 3])


@lru_cache
def fitted(case: str, n_classes: int) -> tuple[list[Member], FitRows, Combiner]:
    members, rows = planted(N, n_classes=n_classes, seed=3)
    return members, rows, CASES[case].fit(members, rows)


def numbers(combiner: Combiner, said, regimes) -> np.ndarray:
    """All that an ensemble says, side by side: float64 of shape (n, columns)."""
    raw = combiner.combine(said, regimes)
    outputs = (raw.logits, raw.expected, raw.quantiles)
    return np.column_stack([values for values in outputs if values is not None])


def test_every_kind_stands_under_these_laws():
    assert {case.kind for case in CASES.values()} == set(KINDS)


@every_case
@both_classes
def test_its_files_give_the_same_ensemble_to_the_bit(case, n_classes):
    _, rows, combiner = fitted(case, n_classes)
    files = combiner.files()
    again = read_combiner(files)
    assert json.loads(files["ensemble.json"])["kind"] == CASES[case].kind
    assert again.files() == files
    np.testing.assert_array_equal(numbers(again, rows.said, rows.regimes), numbers(combiner, rows.said, rows.regimes))


@every_case
@both_classes
@settings(max_examples=8)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 9))
def test_a_row_alone_gives_the_same_bits_as_among_others(case, n_classes, seed, n):
    combiner = fitted(case, n_classes)[2]
    _, new = planted(n, n_classes=n_classes, strength=5.0, seed=seed)
    together = numbers(combiner, new.said, new.regimes)
    alone = [numbers(combiner, some(new.said, slice(i, i + 1)), new.regimes[i : i + 1]) for i in range(n)]
    np.testing.assert_array_equal(together, np.concatenate(alone))
    weights = combiner.weights(new.regimes, n)
    if weights is not None:
        np.testing.assert_array_equal(weights, np.concatenate([combiner.weights(new.regimes[i : i + 1], 1) for i in range(n)]))


@every_case
@both_classes
def test_one_row_in_memory_that_is_there_gives_the_bits_of_a_row_alone(case, n_classes):
    combiner = fitted(case, n_classes)[2]
    _, new = planted(40, n_classes=n_classes, strength=5.0, seed=7)
    said, regimes = [OneRow(one) for one in new.said], [0.0] * new.regimes.shape[1]
    row = combiner.one_row(said, regimes)
    first = row.raw()
    for i in range(40):
        for one in said:
            one.at(i)
        regimes[:] = new.regimes[i].tolist()
        found, expected = row.raw(), combiner.combine(some(new.said, slice(i, i + 1)), new.regimes[i : i + 1])
        assert found is first, "memory that is there"
        assert {name: None if value is None else value.tobytes() for name, value in found._asdict().items()} == {
            name: None if value is None else value.tobytes() for name, value in expected._asdict().items()
        }
    assert ("mixture" in row.allocates) == (case == "mixture")


@every_case
def test_what_a_member_leaves_unsaid_is_left_to_the_arrays_to_refuse(case):
    _, rows, combiner = fitted(case, 2)
    said = [OneRow(one) for one in rows.said]
    row = combiner.one_row(said, rows.regimes[0].tolist())
    assert row.raw() is not None
    said[1].expected = None
    alone = some(rows.said, slice(0, 1))
    alone[1] = alone[1]._replace(expected=None)
    if case == "fusion":  # which hears no returns
        assert row.raw() is not None
        return
    assert row.raw() is None
    with pytest.raises(BarmillError, match="E_r"):
        combiner.combine(alone, rows.regimes[:1])


@every_case
@both_classes
def test_what_it_says_is_finite_and_in_order(case, n_classes):
    _, _, combiner = fitted(case, n_classes)
    _, new = planted(2000, n_classes=n_classes, strength=8.0, seed=11)
    raw = combiner.combine(new.said, new.regimes)
    p = probabilities_of(raw.logits)
    assert np.isfinite(numbers(combiner, new.said, new.regimes)).all()
    assert raw.logits.shape == ((2000,) if n_classes == 2 else (2000, 3))
    assert ((p > 0) & (p < 1)).all()
    assert raw.expected is None or raw.expected.shape == (2000,)
    assert raw.quantiles is None or (np.diff(raw.quantiles, axis=1) >= 0).all()


@every_case
@both_classes
def test_its_weights_are_shares(case, n_classes):
    members, rows, combiner = fitted(case, n_classes)
    weights = combiner.weights(rows.regimes, N)
    if weights is not None:
        assert weights.shape == (N, len(members))
        assert (weights >= 0).all()
        np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-12)


@pytest.mark.parametrize("case", [name for name, case in CASES.items() if not case.order_matters])
@both_classes
def test_the_order_of_the_members_changes_nothing(case, n_classes):
    members, rows, combiner = fitted(case, n_classes)
    order = [2, 0, 3, 1]
    turned = [rows.said[i] for i in order]
    other = CASES[case].fit([members[i] for i in order], rows._replace(said=turned))
    np.testing.assert_allclose(
        numbers(other, turned, rows.regimes), numbers(combiner, rows.said, rows.regimes), rtol=1e-9, atol=1e-9, err_msg=case
    )


@every_case
def test_the_same_rows_give_the_same_bytes(case):
    members, rows, combiner = fitted(case, 2)
    assert CASES[case].fit(members, rows).files() == combiner.files()


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, "ensemble.json: is missing"),
        ({"ensemble.json": b"\x80\x04K*."}, "ensemble.json: cannot be read"),
        ({"ensemble.json": b"[1]"}, "ensemble.json: holds no object"),
        ({"ensemble.json": b"{}"}, "ensemble.json kind: no ensemble of the kind None"),
        ({"ensemble.json": b'{"kind": ["voting"]}'}, "no ensemble of the kind"),
        ({"ensemble.json": b'{"kind": "stakcing"}'}, "no ensemble of the kind 'stakcing'. Did you mean 'stacking'?"),
    ],
)
def test_other_bytes_are_a_bundle_error(files, told):
    with pytest.raises(BundleError) as error:
        read_combiner(files)
    assert told in str(error.value)


@every_case
@settings(max_examples=30)
@given(data=st.data())
def test_an_ensemble_whose_file_was_altered_is_a_bundle_error_or_another_ensemble(case, data):
    files = dict(fitted(case, 2)[2].files())
    content = json.loads(files["ensemble.json"])
    key = data.draw(st.sampled_from(sorted(content)))
    content[key] = data.draw(st.sampled_from([None, "x", -1, [], {}, [None], ["a", "a"], [float("nan")], True]))
    if data.draw(st.booleans()):
        del content[key]
    with contextlib.suppress(BundleError):
        read_combiner({**files, "ensemble.json": json.dumps(content).encode()})

import json
import os
import subprocess
import sys
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score

import planted_members
from barmill.ensembles.contract import FitRows, Member, Said
from barmill.ensembles.gating import cross_fitted, fit_gating
from barmill.ensembles.linear_meta import fit_linear_meta
from barmill.ensembles.meta_features import meta_features
from barmill.ensembles.params import ElasticNetParams, LightGbmMetaParams, LogisticParams, RidgeParams, SoftmaxGatingParams
from barmill.ensembles.reading import read_combiner
from barmill.ensembles.stacking import META_LEARNERS, Extra, Stacking, fit_stacking
from barmill.errors import BundleError, EnsembleError, ForecastError, LabelError, RecipeError, ShapeError, SplitError
from barmill.splits import PurgedKFold
from barmill.uncertainty.links import logits_of, probabilities_of, sigmoid, softmax
from planted_members import OneRow

PARAMS = {"ridge": RidgeParams(), "elastic_net": ElasticNetParams(), "logistic": LogisticParams(), "lightgbm_meta": LightGbmMetaParams()}
KINDS = list(PARAMS)
LINEAR = ["ridge", "elastic_net", "logistic"]
MIXED = [
    Member("lightgbm", ("p_up",)),
    Member("tcn", ("E_r",)),
    Member("patchtst", ("p_up", "E_r")),
    Member("deepar", ("q05", "q50", "q95")),
    Member("quantile_rnn", ("E_r", "q05", "q50", "q95")),
]


def says(signal, rng, *, noise=1.0, n_classes=2):
    """A member that hears `signal` through noise, and says it in every output."""
    heard = signal + rng.normal(0, noise, signal.size)
    p = sigmoid(heard) if n_classes == 2 else softmax(np.column_stack([-heard, np.zeros(signal.size), heard]))
    location = 0.3 * heard
    return Said(p, location, location[:, None] + np.array([-1.6, 0.0, 1.6]))


def market(n=3000, seed=0, n_classes=2):
    """(signal, y, z): what is to be known, the class that comes and the outcome in z."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(0, 1, n)
    z = 0.3 * signal + rng.normal(size=n)
    y = (z > 0).astype(np.int64) if n_classes == 2 else 1 + (z > 0.4).astype(np.int64) - (z < -0.4)
    return signal, y, z


def mixed(n=3000, seed=0, n_classes=2, members=MIXED, regimes=None):
    signal, y, z = market(n, seed, n_classes)
    rng = np.random.default_rng(seed + 100)
    said = [says(signal, rng, n_classes=n_classes) for _ in members]
    return FitRows(said, y, z, regimes, rng.uniform(0.5, 1.5, n))


def at(said, rows):
    return [Said(one.p[rows], None if one.expected is None else one.expected[rows], one.quantiles[rows]) for one in said]


def fitted(kind, members=MIXED, rows=None, **more):
    return fit_stacking(kind, PARAMS[kind], members, mixed() if rows is None else rows, seed=0, **more)


def importance(stack, output="p_up"):
    return stack.summary["importance"][output]


# what it learns


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_one_good_member_among_four_of_noise_gets_the_weight(kind, n_classes):
    signal, y, z = market(12_000, 1, n_classes)
    rng = np.random.default_rng(5)
    noise = [says(rng.normal(size=signal.size), rng, n_classes=n_classes) for _ in range(4)]
    members = [Member(f"noise_{i}", ("p_up",)) for i in range(4)]
    said = [*noise[:2], says(signal, rng, noise=0.3, n_classes=n_classes), *noise[2:]]
    stack = fitted(kind, [*members[:2], Member("good", ("p_up",)), *members[2:]], FitRows(said, y, z, None, np.ones(y.size)))
    found = {label: abs(value) for label, value in importance(stack).items()}
    good = sum(value for name, value in found.items() if name.startswith("good."))
    assert good > (0.6 if kind == "lightgbm_meta" else 0.8) * sum(found.values())  # of a share of gain, noise has more


def memoriser(features, signal, positions):
    """A nearest neighbour: it knows the class of each row that it has seen, and of others that of the row most like it."""
    seen, came = features[positions], signal[positions]
    order = np.argsort(seen, kind="stable")
    nearest = np.clip(np.searchsorted(seen[order], features), 1, seen.size - 1)
    left, right = order[nearest - 1], order[nearest]
    chosen = np.where(np.abs(seen[left] - features) <= np.abs(seen[right] - features), left, right)
    return np.where(came[chosen] == 1, 0.95, 0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_a_member_that_memorises_is_caught_out_of_fold_and_would_have_been_chosen_in_fold(kind):
    n = 3000
    signal, y, z = market(n, 2)
    rng = np.random.default_rng(3)
    features = rng.normal(size=n)  # which say nothing of y
    honest = says(signal, rng, noise=0.5)
    in_fold = memoriser(features, y, np.arange(n))
    out_of_fold = np.empty(n)
    for train, test in PurgedKFold(n_splits=5, purge=0, embargo=0).split(y):
        out_of_fold[test] = memoriser(features, y, train)[test]
    assert roc_auc_score(y, in_fold) > 0.99
    assert abs(roc_auc_score(y, out_of_fold) - 0.5) < 0.05
    members = [Member("honest", ("p_up",)), Member("memoriser", ("p_up",))]
    weight = {}
    for name, p in (("in fold", in_fold), ("out of fold", out_of_fold)):
        rows = FitRows([honest, honest._replace(p=p)], y, z, None, np.ones(n))
        found = {label: abs(value) for label, value in importance(fitted(kind, members, rows)).items()}
        weight[name] = found["memoriser.p_up"] / sum(found.values())
    assert weight["in fold"] > 0.6
    assert weight["out of fold"] < 0.2
    fresh = market(n, 22)
    said = [says(fresh[0], rng, noise=0.5), Said(memoriser(rng.normal(size=n), y, np.arange(n)), None, honest.quantiles)]
    auc = roc_auc_score(
        fresh[1], fitted(kind, members, FitRows([honest, honest._replace(p=out_of_fold)], y, z, None, np.ones(n))).combine(said).logits
    )
    wrong = roc_auc_score(
        fresh[1], fitted(kind, members, FitRows([honest, honest._replace(p=in_fold)], y, z, None, np.ones(n))).combine(said).logits
    )
    assert auc > wrong + 0.05


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_members_of_different_outputs_stack(kind, n_classes):
    stack, new = fitted(kind, rows=mixed(n_classes=n_classes)), mixed(2000, 9, n_classes)
    raw = stack.combine(new.said)
    p = probabilities_of(raw.logits)
    assert raw.logits.shape == ((2000,) if n_classes == 2 else (2000, 3))
    assert ((p > 0) & (p < 1)).all()
    assert (np.diff(raw.quantiles, axis=1) >= 0).all()
    p_up = p if n_classes == 2 else p[:, 2]
    alone = max(roc_auc_score(new.y == n_classes - 1, one.p if n_classes == 2 else one.p[:, 2]) for one in new.said)
    assert roc_auc_score(new.y == n_classes - 1, p_up) > alone
    assert np.corrcoef(raw.expected, new.z)[0, 1] > max(np.corrcoef(one.expected, new.z)[0, 1] for one in new.said)
    assert stack.weights(None, 3) is None


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_that_no_member_declares_are_not_said(kind):
    members = [Member("a", ("p_up",)), Member("b", ("p_up",))]
    raw = fitted(kind, members, mixed(members=members)).combine(mixed(10, members=members).said)
    assert raw.expected is None
    assert raw.quantiles is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_regime_column_lets_trees_trust_a_member_where_it_is_right(kind):
    rng = np.random.default_rng(4)
    signal, y, z = market(4000, 6)
    calm = rng.integers(0, 2, signal.size).astype(float)
    member = says(np.where(calm == 1, signal, -signal), rng, noise=0.2)
    rows = FitRows([member], y, z, np.column_stack([rng.normal(size=signal.size), calm]), np.ones(y.size))
    stack = fitted(kind, [Member("m", ("p_up",))], rows, regime_columns={"calm": 1})
    assert stack.features.names == ("m.p_up", "regime.calm")
    auc = roc_auc_score(y, stack.combine([member], rows.regimes).logits)
    assert auc > 0.6 if kind == "lightgbm_meta" else auc < 0.6  # a sum of columns cannot turn a member round


def test_quantile_weights_go_to_the_member_whose_quantiles_are_right():
    rng = np.random.default_rng(0)
    z = rng.normal(size=4000)
    band = np.array([norm.ppf(0.05), 0.0, norm.ppf(0.95)])
    right, wide = (Said(np.full(z.size, 0.5), None, np.tile(scale * band, (z.size, 1))) for scale in (1.0, 4.0))
    members = [Member("right", ("q05", "q50", "q95")), Member("wide", ("q05", "q50", "q95")), Member("p", ("p_up",))]
    stack = fitted("ridge", members, FitRows([right, wide, wide], (z > 0).astype(np.int64), z, None, np.ones(z.size)))
    weights = stack.summary["quantile_weights"]
    assert list(weights) == ["right", "wide"]
    assert weights["right"] > 0.95
    assert sum(weights.values()) == pytest.approx(1)


# the arithmetic, against other hands


@pytest.mark.parametrize("alpha", [0.1, 1.0, 30.0])
def test_ridge_is_scikit_learns_with_alpha_times_the_weights(alpha):
    rows = mixed()
    stack = fit_stacking("ridge", RidgeParams(alpha=alpha), MIXED, rows, seed=0)
    x = stack.features.of(rows.said, None).T
    for score, target in enumerate((rows.y == 1, rows.z)):
        model = Ridge(alpha=alpha * rows.weight.sum()).fit(x, target, sample_weight=rows.weight)
        np.testing.assert_allclose(stack.learner.coefficients[score], model.coef_, rtol=1e-8, atol=1e-12)
        assert stack.learner.intercepts[score] == pytest.approx(model.intercept_, rel=1e-8)
    linear = Ridge(alpha=alpha * rows.weight.sum()).fit(x, rows.y, sample_weight=rows.weight).predict(x)
    np.testing.assert_allclose(sigmoid(stack.combine(rows.said).logits), np.clip(linear, 0.001, 0.999), atol=1e-9)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_logistic_is_scikit_learns_with_4_c_over_the_weights(n_classes):
    rows = mixed(n_classes=n_classes)
    stack = fit_stacking("logistic", LogisticParams(C=2.0), MIXED, rows, seed=0)
    x = stack.features.of(rows.said, None).T
    model = LogisticRegression(C=8 / rows.weight.sum(), solver="newton-cg", tol=1e-10).fit(x, rows.y, sample_weight=rows.weight)
    np.testing.assert_allclose(stack.learner.coefficients[:-1], model.coef_, atol=2e-5)
    np.testing.assert_allclose(
        probabilities_of(stack.combine(rows.said).logits),
        model.predict_proba(x)[:, 1:].squeeze() if n_classes == 2 else model.predict_proba(x),
        atol=2e-5,
    )
    returns = Ridge(alpha=0.5 * rows.weight.sum()).fit(x, rows.z, sample_weight=rows.weight)
    np.testing.assert_allclose(stack.learner.coefficients[-1], returns.coef_, rtol=1e-8)


def test_elastic_net_meets_its_own_conditions_of_a_minimum_and_without_absolute_values_is_ridge():
    rows = mixed()
    params = ElasticNetParams(alpha=2.0, l1_ratio=0.7)
    stack = fit_stacking("elastic_net", params, MIXED, rows, seed=0)
    x, share = stack.features.of(rows.said, None), rows.weight / rows.weight.sum()
    target = (rows.y == 1).astype(float)
    w = stack.learner.coefficients[0]
    slope = x @ (share * (target - w @ x - stack.learner.intercepts[0]))
    most = np.abs((x - (x @ share)[:, None]) @ (share * (target - share @ target))).max()
    l1, l2 = 1.4 / 2.4 * most, 2.0 * 0.3
    assert 0 < np.count_nonzero(w) < w.size
    np.testing.assert_allclose((slope - l2 * w)[w != 0], l1 * np.sign(w[w != 0]), atol=1e-6)
    assert (np.abs(slope[w == 0]) <= l1 + 1e-6).all()
    plain = fit_stacking("elastic_net", ElasticNetParams(alpha=2.0, l1_ratio=0.0), MIXED, rows, seed=0)
    ridge = fit_stacking("ridge", RidgeParams(alpha=2.0), MIXED, rows, seed=0)
    np.testing.assert_allclose(plain.learner.coefficients, ridge.learner.coefficients, rtol=1e-12)


@pytest.mark.parametrize("kind", LINEAR)
def test_a_penalty_means_the_same_for_ten_times_as_many_rows(kind):
    rows = mixed(500)
    often = FitRows(at(rows.said, np.tile(np.arange(500), 10)), *(np.tile(x, 10) for x in (rows.y, rows.z)), None, np.tile(rows.weight, 10))
    once, ten = fitted(kind, rows=rows), fitted(kind, rows=often)
    np.testing.assert_allclose(once.features.scale, ten.features.scale, rtol=0.02)  # quartiles of repeated rows are not quite the same
    same = Stacking(kind, ten.features, ten.learner, ten.quantile_weights)
    np.testing.assert_allclose(
        probabilities_of(once.combine(rows.said).logits), probabilities_of(same.combine(rows.said).logits), atol=0.005
    )


@pytest.mark.parametrize("kind", LINEAR)
def test_weights_of_two_are_the_row_twice(kind):
    rows = mixed(400)
    twice = np.sort(np.concatenate([np.arange(400), np.arange(0, 400, 2)]))
    doubled = rows._replace(weight=np.where(np.arange(400) % 2 == 0, 2.0, 1.0))
    repeated = FitRows(at(rows.said, twice), rows.y[twice], rows.z[twice], None, np.ones(twice.size))
    features = meta_features(MIXED, 2)
    x = features.scaled_by(features.raw(rows.said, None)).of(rows.said, None)
    a = fit_linear_meta(PARAMS[kind], x, doubled.y, doubled.z, doubled.weight, 2)
    b = fit_linear_meta(PARAMS[kind], x[:, twice], repeated.y, repeated.z, repeated.weight, 2)
    np.testing.assert_allclose(a.coefficients, b.coefficients, atol=1e-6)


# limits


@pytest.mark.parametrize(
    ("params", "bad", "limit"),
    [
        (RidgeParams, {"alpha": 0.09}, "0.1"),
        (ElasticNetParams, {"alpha": 0.0}, "0.1"),
        (ElasticNetParams, {"l1_ratio": 1.1}, "1"),
        (LogisticParams, {"C": 11}, "10"),
        (LightGbmMetaParams, {"max_depth": 4}, "3"),
        (LightGbmMetaParams, {"n_estimators": 101}, "100"),
    ],
)
def test_a_meta_learner_that_is_not_stiff_enough_is_refused(params, bad, limit):
    with pytest.raises(ValidationError, match=limit):
        params(**bad)


def test_trees_are_as_few_and_as_shallow_as_asked():
    stack = fit_stacking("lightgbm_meta", LightGbmMetaParams(max_depth=2, n_estimators=7), MIXED, mixed(), seed=0)
    for text in stack.learner.texts.values():
        trees = lgb.Booster(model_str=text.decode()).dump_model()["tree_info"]
        assert len(trees) == 7
        assert max(tree["num_leaves"] for tree in trees) <= 4


def test_what_cannot_be_stacked_is_refused():
    rows = mixed(50)
    with pytest.raises(RecipeError, match=r"no meta-learner named 'rigde'. Did you mean 'ridge'"):
        fit_stacking("rigde", RidgeParams(), MIXED, rows, seed=0)
    with pytest.raises(RecipeError, match="LogisticParams for 'ridge'; expected RidgeParams"):
        fit_stacking("ridge", LogisticParams(), MIXED, rows, seed=0)
    with pytest.raises(EnsembleError, match="two members are named 'lightgbm'"):
        fitted("ridge", [MIXED[0], *MIXED[:4]], rows)
    with pytest.raises(LabelError, match="no row of class 1 among 50"):
        fitted("ridge", rows=rows._replace(y=np.zeros(50, np.int64)))
    with pytest.raises(ShapeError, match="meta-features: there are none"):
        fitted("ridge", [Member("silent", ())], rows._replace(said=rows.said[:1]))
    with pytest.raises(ShapeError, match=r"regimes: not given; expected the columns volatility"):
        fitted("ridge", rows=rows, regime_columns={"volatility": 0})
    with pytest.raises(SplitError, match="fold 0: row 3 learns and judges"):
        fitted("ridge", rows=rows, folds=[(np.arange(10), np.array([3, 20]))])
    with pytest.raises(SplitError, match="fold 0: is empty or holds rows that do not exist"):
        fitted("ridge", rows=rows, folds=[(np.arange(10), np.array([50]))])
    with pytest.raises(SplitError, match="there are none"):
        fitted("ridge", rows=rows, folds=[])


def test_a_member_that_does_not_say_what_it_declares_is_named_when_the_stack_speaks():
    stack, said = fitted("ridge"), mixed(5).said
    with pytest.raises(ShapeError, match="member 'tcn': does not say E_r"):
        stack.combine([said[0], said[1]._replace(expected=None), *said[2:]])
    with pytest.raises(ShapeError, match="2 members speak; expected 5: lightgbm, tcn"):
        stack.combine(said[:2])
    with pytest.raises(ForecastError, match=r"meta-feature 'tcn.E_r' row 2: is nan"):
        stack.combine([said[0], said[1]._replace(expected=np.array([0, 0, np.nan, 0, 0])), *said[2:]])
    with pytest.raises(ShapeError, match="the same rows from each"):
        stack.combine([*at(said[:1], np.arange(4)), *said[1:]])


# what a server needs


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_files_give_the_same_forecast_to_the_bit(kind, n_classes):
    rng = np.random.default_rng(0)
    rows = mixed(800, n_classes=n_classes, regimes=rng.normal(size=(800, 2)))
    stack = fitted(kind, rows=rows, regime_columns={"trend": 1})
    files = stack.files()
    again = read_combiner(dict(files))
    a, b = stack.combine(rows.said, rows.regimes), again.combine(rows.said, rows.regimes)
    for one, other in zip(a[:3], b[:3], strict=True):
        np.testing.assert_array_equal(one, other)
    assert again.files() == files
    assert set(files) == {"ensemble.json"} | ({"p_up.txt", "E_r.txt"} if kind == "lightgbm_meta" else set())


def stacked_with_a_gate():
    """A stack of two members and a gate between them, which knows in which regime each is right."""
    rng = np.random.default_rng(1)
    signal, y, z = market(4000, 6)
    calm = rng.integers(0, 2, signal.size).astype(float)
    said = [says(np.where(calm == right, signal, rng.normal(size=y.size)), rng, noise=0.3) for right in (0, 1)]
    members = [Member("restless", ("p_up",)), Member("calm", ("p_up", "E_r"))]
    rows = FitRows(said, y, z, np.column_stack([rng.normal(size=y.size), calm]), np.ones(y.size))
    only_calm = rows._replace(regimes=calm[:, None])
    gate = fit_gating("softmax", SoftmaxGatingParams(), members, only_calm, seed=0)
    unseen = cross_fitted("softmax", SoftmaxGatingParams(), members, only_calm, seed=0)
    return members, rows, fitted("ridge", members, rows, extra=Extra("gate", gate, unseen, (1,))), fitted("ridge", members, rows)


def test_a_gate_speaks_as_one_more_member_reads_its_own_columns_and_travels_in_the_files():
    members, rows, stack, without = stacked_with_a_gate()
    assert stack.features.names == ("restless.p_up", "calm.p_up", "gate.p_up", "calm.E_r", "gate.E_r")
    assert importance(stack)["gate.p_up"] > 0
    assert stack.summary["log_loss"]["out_of_fold"] < without.summary["log_loss"]["out_of_fold"]
    assert set(stack.files()) == {"ensemble.json", "extra_ensemble.json"}
    again = read_combiner(dict(stack.files()))
    np.testing.assert_array_equal(again.combine(rows.said, rows.regimes).logits, stack.combine(rows.said, rows.regimes).logits)
    for row in range(20):
        alone = stack.combine(at(rows.said, slice(row, row + 1)), rows.regimes[row : row + 1])
        assert alone.logits[0] == stack.combine(rows.said, rows.regimes).logits[row]
    in_memory, regimes = [OneRow(one) for one in rows.said], [0.0, 0.0]
    of_row = stack.one_row(in_memory, regimes)
    for row in range(20):
        for one in in_memory:
            one.at(row)
        regimes[:] = rows.regimes[row].tolist()
        alone = stack.combine(at(rows.said, slice(row, row + 1)), rows.regimes[row : row + 1])
        assert (of_row.raw().logits[0], of_row.raw().expected[0]) == (alone.logits[0], alone.expected[0])
    with pytest.raises(ShapeError, match=r"regimes: not given; expected the columns \[1\]"):
        stack.combine(rows.said)
    weights = stack.weights(rows.regimes, len(rows.y))
    np.testing.assert_array_equal(weights, stack.extra[0].weights(rows.regimes[:, 1:], len(rows.y)))
    calm = rows.regimes[:, 1] == 1
    assert weights[calm, 1].min() > 0.5 > weights[~calm, 1].max()
    extra = Extra("calm", stack.extra[0], rows.said[0], (1,))
    with pytest.raises(EnsembleError, match="two members are named 'calm'"):
        fitted("ridge", members, rows, extra=extra)


STACKS = {(kind, n_classes): fitted(kind, rows=mixed(600, n_classes=n_classes)) for kind in KINDS for n_classes in (2, 3)}


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_row_forecasts_the_same_alone_as_among_others_to_the_bit(data):
    (_, n_classes), stack = data.draw(st.sampled_from(sorted(STACKS.items(), key=lambda item: item[0])))
    n = data.draw(st.integers(1, 40))
    said = mixed(n, data.draw(st.integers(0, 1000)), n_classes).said
    whole = stack.combine(said)
    for row in range(n):
        alone = stack.combine(at(said, slice(row, row + 1)))
        for one, all_of_them in zip(alone[:3], whole[:3], strict=True):
            np.testing.assert_array_equal(one[0], all_of_them[row])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_members_say_the_forecast_is_finite_inside_and_in_order(data):
    (_, n_classes), stack = data.draw(st.sampled_from(sorted(STACKS.items(), key=lambda item: item[0])))
    extreme = st.sampled_from([0.0, 1.0, 1e-300, 0.5, 1 - 1e-16])
    number = st.sampled_from([-1e300, -1e6, -1.0, 0.0, 3.0, 1e12, 1e300])
    said = []
    for _ in MIXED:
        p = np.array([data.draw(extreme)])
        shares = p if n_classes == 2 else np.column_stack([p, (1 - p) * 0.5, (1 - p) * 0.5])
        said.append(Said(shares, np.array([data.draw(number)]), np.sort([[data.draw(number) / 8 for _ in range(3)]], axis=1)))
    raw = stack.combine(said)
    p = probabilities_of(raw.logits)
    assert np.isfinite(raw.logits).all()
    assert ((p > 0) & (p < 1)).all()
    assert np.isfinite(raw.expected).all()
    assert (np.diff(raw.quantiles, axis=1) >= 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_order_of_members_does_not_matter(kind):
    rows, order = mixed(1000), [3, 0, 4, 2, 1]
    turned = rows._replace(said=[rows.said[i] for i in order])
    a, b = fitted(kind, rows=rows), fitted(kind, [MIXED[i] for i in order], turned)
    if kind == "lightgbm_meta":  # of two splits that gain the same, trees take the first
        assert np.corrcoef(a.combine(rows.said).logits, b.combine(turned.said).logits)[0, 1] > 0.999
    else:
        np.testing.assert_allclose(a.combine(rows.said).logits, b.combine(turned.said).logits, atol=1e-6)


@pytest.mark.parametrize("kind", LINEAR)
def test_applying_a_stack_of_sums_needs_numpy_alone(kind, tmp_path):
    (tmp_path / "ensemble.json").write_bytes(fitted(kind).files()["ensemble.json"])
    code = """
import sys
from pathlib import Path
import numpy as np
from barmill.ensembles.contract import Said
from barmill.ensembles.reading import read_combiner
stack = read_combiner({"ensemble.json": Path(sys.argv[1]).read_bytes()})
one = Said(np.array([0.6]), np.array([0.1]), np.array([[-1.0, 0.0, 1.0]]))
assert np.isfinite(stack.combine([one] * 5).logits).all()
heavy = [name for name in ("scipy", "sklearn", "lightgbm", "torch", "pandas", "polars", "statsmodels") if name in sys.modules]
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "ensemble.json")], check=True)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_rows_and_seed_give_the_same_bytes(kind):
    assert fitted(kind).files() == fitted(kind).files()


def test_the_number_of_threads_changes_no_byte(tmp_path):
    code = """
import sys
from pathlib import Path
from barmill.ensembles.params import RidgeParams
from barmill.ensembles.stacking import fit_stacking
sys.path.append(sys.argv[2])
from planted_members import planted
members, rows = planted(60_000, [1.0, 0.8, 0.6, 0.4, 0.2], seed=1)  # enough rows that BLAS shares them out
Path(sys.argv[1]).write_bytes(fit_stacking("ridge", RidgeParams(), members, rows, seed=0).files()["ensemble.json"])
"""
    tests = str(Path(planted_members.__file__).parent)
    for threads in ("1", "4"):
        settings = {f"{library}_NUM_THREADS": threads for library in ("OMP", "OPENBLAS", "MKL")}
        subprocess.run([sys.executable, "-c", code, str(tmp_path / threads), tests], check=True, env={**os.environ, **settings})
    assert (tmp_path / "1").read_bytes() == (tmp_path / "4").read_bytes()


def test_other_files_are_a_bundle_error():
    content = json.loads(fitted("ridge").files()["ensemble.json"])
    broken = [
        {**content, "format": 2},
        {**content, "meta_learner": "ridgee"},
        {**content, "linear": {**content["linear"], "coefficients": [[1.0, 2.0], [1.0, 2.0]]}},
        {**content, "linear": {**content["linear"], "intercepts": [1.0]}},
        {**content, "linear": None},
        {**content, "quantile_weights": [1.0]},
        {**content, "quantile_weights": [-1.0, 2.0]},
        {**content, "features": {**content["features"], "scale": [0.0] * 12}},
        {**content, "features": {**content["features"], "members": 3}},
        {key: value for key, value in content.items() if key != "extra"},
    ]
    for value in broken:
        with pytest.raises(BundleError):
            Stacking.from_files({"ensemble.json": json.dumps(value).encode()})
    trees = dict(fitted("lightgbm_meta").files()) | {"p_up.txt": b"not a tree"}
    with pytest.raises(BundleError, match="trees cannot be read"):
        Stacking.from_files(trees)
    assert set(META_LEARNERS) == set(KINDS)


# the summary


@pytest.mark.parametrize("kind", KINDS)
def test_the_gap_between_own_rows_and_unseen_folds_is_small_and_told(kind):
    summary = fitted(kind).summary
    json.dumps(summary, allow_nan=False)
    loss = summary["log_loss"]
    assert loss["gap"] == pytest.approx(loss["out_of_fold"] - loss["train"])
    assert 0 < loss["gap"] < (0.05 if kind == "lightgbm_meta" else 0.01)
    assert loss["out_of_fold"] < loss["base"]
    assert summary["squared_error"]["out_of_fold"] < summary["squared_error"]["base"]
    assert summary["n_folds"] == 5
    assert not summary["purged"]
    assert f"{loss['gap']:+.5f}" in summary["words"]


def test_the_score_out_of_fold_is_that_of_stacks_fitted_on_the_other_folds():
    rows = mixed(1000)
    folds = [(np.arange(500, 1000), np.arange(0, 400)), (np.arange(0, 500), np.arange(600, 1000))]
    summary = fitted("logistic", rows=rows, folds=folds).summary
    losses = []
    for train, test in folds:
        part = FitRows(at(rows.said, train), rows.y[train], rows.z[train], None, rows.weight[train])
        logits = fitted("logistic", rows=part).combine(at(rows.said, test)).logits
        losses.append(np.mean(np.logaddexp(0, np.where(rows.y[test] == 1, -logits, logits))))
    assert summary["by_fold"] == pytest.approx(losses, rel=1e-9)
    assert summary["log_loss"]["out_of_fold"] == pytest.approx(np.mean(losses), rel=1e-9)
    assert summary["purged"]


def test_folds_without_a_class_are_skipped_and_told():
    rows = mixed(100)
    rows = rows._replace(y=(np.arange(100) >= 90).astype(np.int64))
    summary = fitted("logistic", rows=rows, folds=[(np.arange(50), np.arange(50, 100)), (np.arange(50, 100), np.arange(50))]).summary
    assert (summary["n_folds"], summary["skipped"]) == (1, 1)
    alone = fitted("logistic", rows=rows, folds=[(np.arange(50), np.arange(50, 100))]).summary
    assert alone["log_loss"]["gap"] is None
    assert "not judged out of fold" in alone["words"]


def test_logits_of_a_linear_score_are_those_of_its_clipped_probability():
    stack = fitted("ridge", MIXED[:1], mixed(members=MIXED[:1]))
    coefficient, intercept = stack.learner.coefficients[0, 0], stack.learner.intercepts[0]
    p = np.array([0.2, 0.5, 0.9])
    x = (np.log(p / (1 - p)) - stack.features.centre[0]) / stack.features.scale[0]
    said = [Said(p, None, np.zeros((3, 3)))]
    np.testing.assert_allclose(stack.combine(said).logits, logits_of(np.clip(intercept + coefficient * x, 0.001, 0.999)), rtol=1e-9)

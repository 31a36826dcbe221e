import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from barmill.ensembles.contract import FitRows, Member, Said
from barmill.ensembles.fusion import Fusion, fit_fusion
from barmill.ensembles.params import FusionParams
from barmill.ensembles.reading import read_combiner
from barmill.errors import BundleError, EnsembleError, SplitError
from barmill.splits import PurgedKFold
from barmill.uncertainty.links import mean_log_loss, probabilities_of, sigmoid
from planted_members import planted, some

HORIZON = 5


def purged(n, n_splits=5):
    t0 = np.arange(n)
    return PurgedKFold(n_splits=n_splits, purge=0, embargo=2, t0=t0, t1=t0 + HORIZON)


def test_the_penalty_is_the_one_that_judges_best_on_purged_folds():
    members, rows = planted(1500, seed=1)
    folds = [(train, test) for train, test in purged(1500).split(rows.y)]
    fusion = fit_fusion(FusionParams(candidates=(10.0, 0.001, 0.1)), members, rows, folds)
    cv = fusion.summary["cv"]
    assert [one["C"] for one in cv] == [0.001, 0.1, 10.0]
    assert fusion.summary["C"] == min(cv, key=lambda one: one["log_loss"])["C"]
    for one in cv:
        losses = []
        for train, test in folds:
            part = FitRows(some(rows.said, train), rows.y[train], rows.z[train], None, rows.weight[train])
            alone = fit_fusion(FusionParams(candidates=(one["C"],)), members, part, purged(train.size, 2))
            losses.append(mean_log_loss(alone.combine(some(rows.said, test)).logits, rows.y[test]))
        assert one["folds"] == pytest.approx(losses, rel=1e-9)
        assert one["log_loss"] == pytest.approx(np.mean(losses), rel=1e-9)  # folds of one size


def test_a_splitter_and_its_positions_choose_alike():
    members, rows = planted(600, seed=2)
    splitter = purged(600)
    a = fit_fusion(FusionParams(), members, rows, splitter)
    b = fit_fusion(FusionParams(), members, rows, list(splitter.split(rows.y)))
    assert a.files() == b.files()
    assert dict(a.summary) == dict(b.summary)
    json.dumps(a.summary, allow_nan=False)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_head_is_scikit_learns_logistic_regression(n_classes):
    members, rows = planted(800, n_classes=n_classes, seed=3)
    fusion = fit_fusion(FusionParams(candidates=(1.0,)), members, rows, purged(800))
    x = fusion.features.of(rows.said, None).T
    model = LogisticRegression(C=4 / rows.weight.sum(), solver="newton-cg", tol=1e-10).fit(x, rows.y, sample_weight=rows.weight)
    p = probabilities_of(fusion.combine(rows.said).logits)
    np.testing.assert_allclose(p if n_classes == 3 else np.column_stack([1 - p, p]), model.predict_proba(x), atol=2e-5)


def test_noise_chooses_the_stiffest_head_and_a_signal_a_softer_one():
    rng = np.random.default_rng(0)
    n = 600
    noise = [Said(sigmoid(rng.normal(size=n)), None, np.zeros((n, 3))) for _ in range(6)]
    members = [Member(f"m{i}", ("p_up",)) for i in range(6)]
    y = rng.integers(0, 2, n)
    rows = FitRows(noise, y, rng.normal(size=n), None, np.ones(n))
    assert fit_fusion(FusionParams(), members, rows, purged(n)).summary["C"] <= 0.1
    clear = [*noise[:-1], noise[0]._replace(p=sigmoid(2.0 * (y - 0.5) + rng.normal(size=n)))]
    assert fit_fusion(FusionParams(), members, rows._replace(said=clear), purged(n)).summary["C"] >= 1.0


def test_it_hears_p_up_alone_and_says_it_alone():
    members, rows = planted(400, seed=4)
    fusion = fit_fusion(FusionParams(), members, rows, purged(400))
    assert fusion.features.names == tuple(f"{member.label}.p_up" for member in members)
    raw = fusion.combine(rows.said, rows.regimes)
    assert raw.expected is None
    assert raw.quantiles is None
    assert fusion.weights(None, 4) is None
    deaf = fusion.combine([one._replace(expected=None, quantiles=np.full_like(one.quantiles, np.nan)) for one in rows.said])
    np.testing.assert_array_equal(deaf.logits, raw.logits)


def test_files_give_the_same_forecast_to_the_bit_and_other_files_are_a_bundle_error():
    members, rows = planted(400, seed=5)
    fusion = fit_fusion(FusionParams(), members, rows, purged(400))
    again = read_combiner(fusion.files())
    assert isinstance(again, Fusion)
    np.testing.assert_array_equal(again.combine(rows.said).logits, fusion.combine(rows.said).logits)
    content = json.loads(fusion.files()["ensemble.json"])
    for change in (
        {"format": 2},
        {"head": {**content["head"], "logistic": False}},
        {"features": None},
        {"head": None},
        {"kind": "stacking"},
    ):
        with pytest.raises(BundleError, match=r"ensemble|meta"):
            Fusion.from_files({"ensemble.json": json.dumps({**content, **change}).encode()})


def test_what_cannot_be_fused_is_refused():
    members, rows = planted(100, seed=6)
    with pytest.raises(EnsembleError, match="p_up, which fusion asks of every member"):
        fit_fusion(FusionParams(), [Member("m0", ("E_r",)), *members[1:]], rows, purged(100))
    with pytest.raises(SplitError, match="row 5 learns and judges"):
        fit_fusion(FusionParams(), members, rows, [(np.arange(6), np.arange(5, 10))])
    ordered = rows._replace(y=np.sort(rows.y))
    first = int(np.argmax(ordered.y == 1))
    with pytest.raises(SplitError, match="none has every class to learn from"):
        fit_fusion(FusionParams(), members, ordered, [(np.arange(first), np.arange(first, 100))])

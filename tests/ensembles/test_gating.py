"""A gate finds the regime in which each of two models is right, and is the static blend where there is none to find."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from barmill.ensembles.contract import FitRows, Member, Said
from barmill.ensembles.gating import Gating, cross_fitted, fit_gating
from barmill.ensembles.meta_scores import contiguous_folds
from barmill.ensembles.params import RegimeGatingParams, RidgeParams, SoftmaxGatingParams, StaticGatingParams
from barmill.ensembles.reading import read_combiner
from barmill.ensembles.static_weights import StaticWeights
from barmill.errors import BundleError, EnsembleError, RecipeError, ShapeError, SplitError, TrainingError
from barmill.uncertainty.links import mean_log_loss, probabilities_of
from planted_members import planted, some

TWO = RegimeGatingParams(n_regimes=2)
METHODS = {
    "hmm_regime": RegimeGatingParams(),
    "markov_switching": RegimeGatingParams(),
    "softmax": SoftmaxGatingParams(),
    "static": StaticGatingParams(),
}
every_method = pytest.mark.parametrize("method", METHODS)
MEMBERS = [Member("calm", ("p_up",)), Member("wild", ("p_up",))]


def two_regimes(n: int, seed: int, *, seen: bool = True) -> tuple[FitRows, np.ndarray]:
    """One member is right in each regime and says noise in the other; the belief in regime 0, which knows nothing unless `seen`."""
    rng = np.random.default_rng(seed)
    regime = (np.cumsum(rng.random(n) < 0.01) % 2).astype(np.int64)
    signal, noise = rng.normal(size=(2, n))
    y = (rng.random(n) < probabilities_of(signal)).astype(np.int64)
    said = []
    for own in (0, 1):
        p = probabilities_of(np.where(regime == own, signal, noise))
        said.append(Said(p, None, np.zeros((n, 3))))
    belief = np.where(regime == 0, 0.9, 0.1) + rng.uniform(-0.1, 0.1, n) if seen else rng.random(n)
    return FitRows(said, y, signal, belief[:, None], np.ones(n)), regime


def loss_of(combiner: Gating, rows: FitRows) -> float:
    return mean_log_loss(combiner.combine(rows.said, rows.regimes).logits, rows.y)


def equal_blend(rows: FitRows) -> float:
    p = np.mean([one.p for one in rows.said], axis=0)
    return mean_log_loss(np.log(p / (1 - p)), rows.y)


@pytest.mark.parametrize(("method", "params"), [("hmm_regime", TWO), ("markov_switching", TWO), ("softmax", SoftmaxGatingParams())])
def test_it_finds_the_regime_in_which_each_of_two_members_is_right(method, params):
    """On new rows, over twelve markets: better than both members and than equal weights by more than chance, and its weights follow."""
    gains: dict[str, list[float]] = {"calm": [], "wild": [], "equal": []}
    for seed in range(12):
        gate = fit_gating(method, params, MEMBERS, two_regimes(2_000, seed)[0], seed=0)
        new, regime = two_regimes(2_000, seed + 100)
        lost = loss_of(gate, new)
        weights = gate.weights(new.regimes, 2_000)
        assert weights[regime == 0, 0].mean() > 0.6
        assert weights[regime == 1, 1].mean() > 0.6
        for member, one in zip(MEMBERS, new.said, strict=True):
            gains[member.label].append(mean_log_loss(np.log(one.p / (1 - one.p)), new.y) - lost)
        gains["equal"].append(equal_blend(new) - lost)
    for rival, gained in gains.items():
        assert min(gained) > 0.0, rival
        assert ttest_1samp(gained, 0.0, alternative="greater").pvalue < 1e-6, rival


@pytest.mark.parametrize(("method", "params"), [("hmm_regime", TWO), ("softmax", SoftmaxGatingParams())])
def test_where_the_columns_tell_nothing_it_is_the_static_blend(method, params):
    apart: list[float] = []
    lost: list[float] = []
    for seed in range(6):
        rows, _ = two_regimes(3_000, seed, seen=False)
        new, _ = two_regimes(3_000, seed + 100, seen=False)
        gate = fit_gating(method, params, MEMBERS, rows, seed=0)
        static = fit_gating("static", StaticGatingParams(), MEMBERS, rows, seed=0)
        apart.append(float(np.abs(gate.weights(new.regimes, 3_000) - static.weights(None, 3_000)).mean()))
        lost.append(loss_of(gate, new) - loss_of(static, new))
    assert np.mean(apart) < 0.06
    assert np.mean(lost) < 1e-3


@every_method
def test_among_members_of_noise_the_good_one_gets_most_of_the_weight(method):
    members, rows = planted(4_000, skills=(1.0, 0.0, 0.0, 0.0, 0.0), outputs=("p_up",), seed=4)
    gate = fit_gating(method, METHODS[method], members, rows, seed=0)
    assert gate.summary["weights"]["m0"] > 0.7
    assert gate.summary["out_of_fold"]["blend"] < gate.summary["out_of_fold"]["equal"]


@every_method
@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_blend_is_the_weighted_mean_of_what_the_members_say(method, n_classes):
    members, rows = planted(400, n_classes=n_classes)
    gate = fit_gating(method, METHODS[method], members, rows, seed=0)
    w = gate.weights(rows.regimes, 400)
    raw = gate.combine(rows.said, rows.regimes)
    each = np.stack([one.p for one in rows.said], axis=1)
    mean = np.einsum("nm,nm->n", w, each) if n_classes == 2 else np.einsum("nm,nmk->nk", w, each)
    np.testing.assert_allclose(probabilities_of(raw.logits), mean, rtol=1e-9)
    np.testing.assert_allclose(raw.expected, np.einsum("nm,nm->n", w, np.stack([one.expected for one in rows.said], axis=1)), atol=1e-12)
    quantiles = np.einsum("nm,nmq->nq", w, np.stack([one.quantiles for one in rows.said], axis=1))
    np.testing.assert_allclose(raw.quantiles, quantiles, atol=1e-12)


def test_outputs_are_blended_over_the_members_that_declare_them():
    """As in the full stack: p_up; E_r and quantiles; p_up. And two of three: their weights are made to sum to 1."""
    quantiles = ("q05", "q50", "q95")
    members, rows = planted(300, skills=(1.0, 0.5, 0.2), outputs=[("p_up",), ("E_r", *quantiles), ("p_up",)])
    rows = rows._replace(said=[rows.said[0]._replace(expected=None), rows.said[1], rows.said[2]._replace(expected=None)])
    raw = fit_gating("hmm_regime", METHODS["hmm_regime"], members, rows, seed=0).combine(rows.said, rows.regimes)
    np.testing.assert_array_equal(raw.expected, rows.said[1].expected)
    np.testing.assert_array_equal(raw.quantiles, rows.said[1].quantiles)
    members, rows = planted(300, skills=(1.0, 0.5, 0.2), outputs=[("p_up",), ("E_r",), ("p_up", "E_r")])
    gate = fit_gating("hmm_regime", METHODS["hmm_regime"], members, rows, seed=0)
    w = gate.weights(rows.regimes, 300)
    raw = gate.combine(rows.said, rows.regimes)
    mean = (w[:, 1] * rows.said[1].expected + w[:, 2] * rows.said[2].expected) / (w[:, 1] + w[:, 2])
    np.testing.assert_allclose(raw.expected, mean, atol=1e-12)
    assert raw.quantiles is None
    members, rows = planted(300, outputs=("p_up",))
    raw = fit_gating("static", StaticGatingParams(), members, rows, seed=0).combine(rows.said)
    assert raw.expected is None
    assert raw.quantiles is None


def test_members_that_share_quantiles_alone_are_weighed_by_pinball_loss():
    members, rows = planted(2_000, skills=(0.0, 1.0, 0.0), outputs=("q05", "q50", "q95"))
    rows = rows._replace(y=np.random.default_rng(0).integers(0, 2, 2_000))  # so that p alone would tell nothing
    gate = fit_gating("static", StaticGatingParams(), members, rows, seed=0)
    assert gate.summary["loss"] == "pinball loss"
    assert gate.summary["weights"]["m1"] > 0.5
    members, rows = planted(100, outputs=[("p_up",), ("E_r",), ("p_up",), ("E_r",)])
    assert fit_gating("static", StaticGatingParams(), members, rows, seed=0).summary["loss"] == "log loss"


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), spread=st.floats(0.0, 100.0))
def test_quantiles_that_do_not_cross_do_not_cross_in_the_blend(seed, spread):
    rng = np.random.default_rng(seed)
    w = rng.dirichlet(np.ones(3))
    members = tuple(Member(f"m{i}", ("q05", "q50", "q95") if i else ("p_up",)) for i in range(3))
    q = np.sort(rng.choice([0.0, 1e-17, 0.1, 1 / 3, spread], (3, 40, 3)), axis=2)
    said = [Said(np.full(40, 0.5), None, one) for one in q]
    raw = Gating("static", members, StaticWeights(w / w.sum())).combine(said)
    assert (np.diff(raw.quantiles, axis=1) >= 0.0).all()


@every_method
def test_a_fit_does_not_change_where_rows_that_count_for_nothing_do(method):
    members, rows = planted(600)
    silent = np.arange(600) % 5 == 2
    rows = rows._replace(weight=np.where(silent, 0.0, rows.weight))
    other = rows._replace(y=np.where(silent, 1 - rows.y, rows.y))
    gates = [fit_gating(method, METHODS[method], members, given, seed=0) for given in (rows, other)]
    np.testing.assert_allclose(gates[0].weights(rows.regimes, 600), gates[1].weights(rows.regimes, 600), atol=1e-9)


@every_method
def test_what_is_cross_fitted_was_said_by_a_gate_that_did_not_see_the_row(method):
    """It is the gate fitted on the other folds; what came in a fold changes nothing that is said there, and something elsewhere."""
    members, rows = planted(500, n_classes=3)
    said = cross_fitted(method, METHODS[method], members, rows, seed=0)
    for train, test in contiguous_folds(500)[1:3]:
        part = FitRows(some(rows.said, train), rows.y[train], rows.z[train], rows.regimes[train], rows.weight[train])
        raw = fit_gating(method, METHODS[method], members, part, seed=0).combine(some(rows.said, test), rows.regimes[test])
        np.testing.assert_allclose(said.p[test], probabilities_of(raw.logits), rtol=0.01)  # what rows are worth is counted in each part
    turned = rows.y.copy()
    turned[100:200] = 2 - turned[100:200]
    other = cross_fitted(method, METHODS[method], members, rows._replace(y=turned), seed=0)
    np.testing.assert_array_equal(other.p[100:200], said.p[100:200])
    assert np.abs(other.p - said.p).max() > 1e-6


def test_cross_fitted_forecasts_fit_where_nothing_else_is_declared():
    members, rows = planted(200, outputs=("p_up",))
    said = cross_fitted("static", StaticGatingParams(), members, rows, seed=0)
    assert said.expected is None
    assert said.quantiles.shape == (200, 0)


def test_folds_must_forecast_every_row_once():
    members, rows = planted(200)
    twice = [(np.arange(100), np.arange(100, 200)), (np.arange(101, 200), np.arange(101))]
    with pytest.raises(SplitError, match="row 100 is forecast 2 times"):
        cross_fitted("static", StaticGatingParams(), members, rows, seed=0, folds=twice)
    with pytest.raises(SplitError, match="row 0 is forecast 0 times"):
        cross_fitted("static", StaticGatingParams(), members, rows, seed=0, folds=twice[:1])


@every_method
def test_its_summary_is_plain_json_and_names_every_member(method):
    members, rows = planted(300)
    summary = fit_gating(method, METHODS[method], members, rows, seed=0).summary
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert summary["members"] == [member.label for member in members]
    assert set(summary["weights"]) == set(summary["out_of_fold"]["members"]) == set(summary["members"])
    assert sum(summary["weights"].values()) == pytest.approx(1.0, abs=1e-12)
    assert "On folds that it did not see" in summary["words"]


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"method": "hmm_regmie"}, RecipeError, r"no gate named 'hmm_regmie'\. Did you mean 'hmm_regime'"),
        ({"params": RidgeParams()}, RecipeError, "parameters of RidgeParams for 'hmm_regime'; expected RegimeGatingParams"),
        ({"members": [MEMBERS[0]] * 2}, EnsembleError, "two members are named 'calm'"),
        ({"regimes": None}, ShapeError, "ensemble regimes: are not given"),
        ({"regimes": np.full((100, 1), np.nan)}, ShapeError, "ensemble regimes row 0: is .nan."),
        ({"regimes": np.full((99, 1), 0.5)}, ShapeError, r"have shape \(99, 1\); expected \(100, 1 or more\)"),
        ({"n": 49}, SplitError, "49 rows to fit on; expected 50 or more"),
        ({"p": np.full(100, np.nan)}, TrainingError, "member 'calm'"),
    ],
)
def test_what_cannot_be_fitted_is_refused(change, kind, message):
    rows, _ = two_regimes(change.get("n", 100), 0)
    rows = rows._replace(regimes=change.get("regimes", rows.regimes))
    if "p" in change:
        rows = rows._replace(said=[rows.said[0]._replace(p=change["p"]), rows.said[1]])
    with pytest.raises(kind, match=message):
        fit_gating(change.get("method", "hmm_regime"), change.get("params", TWO), change.get("members", MEMBERS), rows, seed=0)


def test_other_members_or_columns_than_those_of_the_fit_are_refused():
    rows, _ = two_regimes(100, 0)
    gate = fit_gating("hmm_regime", TWO, MEMBERS, rows, seed=0)
    with pytest.raises(ShapeError, match="1 members speak; expected 2: calm, wild"):
        gate.combine(rows.said[:1], rows.regimes)
    with pytest.raises(ShapeError, match="are not given"):
        gate.combine(rows.said)
    with pytest.raises(ShapeError, match=r"have shape \(100, 2\); expected \(100, 1\)"):
        gate.combine(rows.said, np.tile(rows.regimes, 2))
    speaking = Gating(gate.method, (MEMBERS[0], Member("wild", ("p_up", "E_r"))), gate.rule)
    with pytest.raises(ShapeError, match="member 'wild': does not say E_r"):
        speaking.combine(rows.said, rows.regimes)


@pytest.mark.parametrize(
    "altered",
    [
        {"method": "magic"},
        {"format": 2},
        {"members": [{"label": "calm", "outputs": []}]},
        {"rule": {"weights": [0.5, 0.5]}},
        {"rule": None},
    ],
)
def test_a_file_of_something_else_is_a_bundle_error(altered):
    gate = fit_gating("hmm_regime", TWO, MEMBERS, two_regimes(100, 0)[0], seed=0)
    content = json.loads(gate.files()["ensemble.json"]) | altered
    with pytest.raises(BundleError, match=r"ensemble\.json"):
        read_combiner({"ensemble.json": json.dumps(content).encode()})


SERVER = """
import sys
for name in ("scipy", "sklearn", "lightgbm", "statsmodels", "hmmlearn", "torch", "numba", "pandas"):
    sys.modules[name] = None  # an import of it fails
import json
import numpy as np
from barmill.ensembles.contract import Said
from barmill.ensembles.reading import read_combiner
kept = json.loads(sys.argv[1])
said = [Said(np.array(p), None, np.zeros((2, 3))) for p in kept["p"]]
print(json.dumps(read_combiner({"ensemble.json": kept["file"].encode()}).combine(said, np.array(kept["regimes"])).logits.tolist()))
"""


@pytest.mark.parametrize(("method", "params"), [("hmm_regime", TWO), ("softmax", SoftmaxGatingParams())])
def test_weighing_needs_numpy_alone(method, params):
    rows, _ = two_regimes(100, 0)
    gate = fit_gating(method, params, MEMBERS, rows, seed=0)
    kept = {"file": gate.files()["ensemble.json"].decode(), "p": [one.p[:2].tolist() for one in rows.said]}
    kept["regimes"] = rows.regimes[:2].tolist()
    said = subprocess.run([sys.executable, "-c", SERVER, json.dumps(kept)], capture_output=True, text=True, check=True).stdout
    assert json.loads(said) == gate.combine(some(rows.said, slice(0, 2)), rows.regimes[:2]).logits.tolist()


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), n_classes=st.sampled_from([2, 3]))
def test_a_row_alone_gives_the_same_bits_where_only_some_members_declare_an_output(seed, n_classes):
    outputs = [("p_up",), ("E_r", "q05", "q50", "q95"), ("p_up", "E_r"), ("q05", "q50", "q95")]
    members, rows = planted(7, n_classes=n_classes, outputs=outputs, seed=seed)
    gate = Gating("static", tuple(members), StaticWeights(np.array([0.1, 0.2, 0.3, 0.4])))
    together = gate.combine(rows.said)
    alone = [gate.combine(some(rows.said, slice(i, i + 1))) for i in range(7)]
    for name in ("logits", "expected", "quantiles"):
        np.testing.assert_array_equal(np.concatenate([getattr(one, name) for one in alone]), getattr(together, name))

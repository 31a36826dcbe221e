"""Every ensemble of the catalogue as a graph says what it says with NumPy."""

from collections.abc import Callable
from functools import cache

import numpy as np
import onnxruntime as ort
import pytest

from barmill.ensembles import ENSEMBLES
from barmill.ensembles.contract import Combiner, FitRows, Member, Said
from barmill.ensembles.fusion import fit_fusion
from barmill.ensembles.gate_rules import RULES as GATE_RULES
from barmill.ensembles.gating import cross_fitted, fit_gating
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
from barmill.ensembles.stacking import Extra, fit_stacking
from barmill.ensembles.voting import Voting, fit_voting
from barmill.errors import ShapeError
from barmill.export.combiners import COMBINERS, add_combiner
from barmill.export.gates import RULES
from barmill.export.graph import GraphBuilder
from barmill.export.values import SaidValues
from planted_members import ALL, planted, some

N = 300
EVERY, NO_RETURNS, MIXED = ALL, ("p_up", "q05", "q50", "q95"), (ALL, ("p_up",), ("p_up", "E_r"), ALL)

Fit = Callable[[list[Member], FitRows], Combiner]


def voting(**params: object) -> Fit:
    return lambda members, rows: fit_voting(VotingParams.model_validate(params), members, rows)


def stacking(meta_learner: str, params: object) -> Fit:
    return lambda members, rows: fit_stacking(meta_learner, params, members, rows, seed=0, regime_columns={"r": 1})


def gating(method: str, params: object) -> Fit:
    return lambda members, rows: fit_gating(method, params, members, rows, seed=0)


def gated_stacking(members: list[Member], rows: FitRows) -> Combiner:
    """Trees that hear a gate, which reads one column of the regimes."""
    params, told = SoftmaxGatingParams(), rows._replace(regimes=np.ascontiguousarray(rows.regimes[:, 1:]))
    gate, said = fit_gating("softmax", params, members, told, seed=0), cross_fitted("softmax", params, members, told, seed=0)
    extra = Extra("gate", gate, said, (1,))
    return fit_stacking("lightgbm_meta", LightGbmMetaParams(), members, rows, seed=0, extra=extra)


HALVES = [(np.arange(N // 2, N), np.arange(N // 2)), (np.arange(N // 2), np.arange(N // 2, N))]
CATALOGUE: dict[str, Fit] = {
    "soft_voting": voting(weights="fitted"),
    "hard_voting": voting(voting_type="hard", weights="inverse_loss"),
    "ridge_stacking": stacking("ridge", RidgeParams()),
    "elastic_net_stacking": stacking("elastic_net", ElasticNetParams()),
    "logistic_stacking": stacking("logistic", LogisticParams()),
    "lightgbm_stacking": stacking("lightgbm_meta", LightGbmMetaParams()),
    "hmm_gating": gating("hmm_regime", RegimeGatingParams()),
    "softmax_gating": gating("softmax", SoftmaxGatingParams()),
    "markov_switching_gating": gating("markov_switching", RegimeGatingParams(n_regimes=2)),
    "static_gating": gating("static", StaticGatingParams()),
    "fusion": lambda members, rows: fit_fusion(FusionParams(), members, rows, HALVES),
}
FURTHER: dict[str, Fit] = {
    "mixture": voting(quantiles="mixture", weights={"m0": 0.2, "m1": 0.5, "m2": 0.0, "m3": 0.3}),
    "gated stacking": gated_stacking,
}
CASES = CATALOGUE | FURTHER

every_case = pytest.mark.parametrize("case", CASES)
both_classes = pytest.mark.parametrize("n_classes", [2, 3])


@cache
def fitted(case: str, n_classes: int, outputs: tuple = EVERY) -> Combiner:
    members, rows = planted(N, n_classes=n_classes, outputs=outputs, seed=3)
    if case == "markov_switching_gating":
        rows = rows._replace(regimes=rows.regimes[:, :1])
    return CASES[case](members, rows)


def speaking(case: str, n: int, n_classes: int, outputs: tuple = EVERY, seed: int = 5) -> tuple[list[Said], np.ndarray | None]:
    """What members say of new rows, far ones among them, and the regimes; a member that declares no E_r says none."""
    members, rows = planted(n, n_classes=n_classes, outputs=outputs, strength=6.0, seed=seed)
    said = [one if "E_r" in member.outputs else one._replace(expected=None) for member, one in zip(members, rows.said, strict=True)]
    if case in ("static_gating", "fusion", "soft_voting", "hard_voting", "mixture"):
        return said, None
    return said, rows.regimes[:, :1] if case == "markov_switching_gating" else rows.regimes


def session_of(combiner: Combiner, said: list[Said], regimes: np.ndarray | None, n_classes: int) -> ort.InferenceSession:
    graph = GraphBuilder()
    shape = ("batch",) if n_classes == 2 else ("batch", 3)
    heard = [
        SaidValues(
            graph.input(f"p{i}", np.float64, shape),
            None if one.expected is None else graph.input(f"expected{i}", np.float64, ("batch",)),
            graph.input(f"quantiles{i}", np.float64, ("batch", 3)),
        )
        for i, one in enumerate(said)
    ]
    told = None if regimes is None else graph.input("regimes", np.float64, ("batch", regimes.shape[1]))
    raw = add_combiner(graph, combiner, heard, told, n_classes)
    for name, value, of_name in (
        ("logits", raw.logits, shape),
        ("expected", raw.expected, ("batch",)),
        ("quantiles", raw.quantiles, ("batch", 3)),
    ):
        if value is not None:
            graph.output(value, name, np.float64, of_name)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(graph.model("ensemble", {}).SerializeToString(), options, providers=["CPUExecutionProvider"])


def run(session: ort.InferenceSession, said: list[Said], regimes: np.ndarray | None) -> dict[str, np.ndarray]:
    feeds = {"regimes": regimes}
    for i, one in enumerate(said):
        feeds |= {f"p{i}": one.p, f"expected{i}": one.expected, f"quantiles{i}": one.quantiles}
    wanted = {one.name for one in session.get_inputs()}
    names = [one.name for one in session.get_outputs()]
    return dict(zip(names, session.run(None, {name: array for name, array in feeds.items() if name in wanted}), strict=True))


def check(case: str, n_classes: int, outputs: tuple = EVERY) -> None:
    combiner = fitted(case, n_classes, outputs)
    said, regimes = speaking(case, 2000, n_classes, outputs)
    raw = combiner.combine(said, regimes)
    expected = {name: values for name, values in zip(raw._fields, raw, strict=True) if values is not None}
    found = run(session_of(combiner, said, regimes, n_classes), said, regimes)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=0, atol=1e-9, err_msg=f"{case} {name}")


def test_every_ensemble_of_the_catalogue_is_here_and_every_kind_has_its_graph():
    assert set(CATALOGUE) == set(ENSEMBLES)
    assert {f"{kind.__module__}:{kind.__name__}" for kind in COMBINERS} == set(KINDS.values())
    assert set(RULES) == set(GATE_RULES.values())


@every_case
@both_classes
def test_the_graph_says_what_the_ensemble_says(case, n_classes):
    check(case, n_classes)


@every_case
@both_classes
def test_the_graph_says_what_an_ensemble_without_returns_says(case, n_classes):
    check(case, n_classes, NO_RETURNS)


@pytest.mark.parametrize("case", [name for name, spec in ENSEMBLES.items() if spec.supports_heterogeneous])
def test_members_that_declare_other_outputs_are_heard_alike(case):
    check(case, 2, MIXED)


@every_case
@both_classes
def test_a_row_alone_comes_out_as_among_others(case, n_classes):
    combiner = fitted(case, n_classes)
    said, regimes = speaking(case, 65, n_classes)
    session = session_of(combiner, said, regimes, n_classes)
    together = run(session, said, regimes)
    for start, stop in ((0, 1), (7, 8), (8, 15), (1, 65)):
        rows = slice(start, stop)
        alone = run(session, some(said, rows), None if regimes is None else regimes[rows])
        for name, values in alone.items():
            # not to the bit: ONNX Runtime takes exponentials of four numbers at once by another way than those of one
            np.testing.assert_allclose(values, together[name][rows], rtol=0, atol=1e-14, err_msg=f"{case} {name}")


@both_classes
def test_votes_that_tie_are_shared_and_certainty_stays_finite(n_classes):
    voters = Voting(("a", "b"), (0.25, 0.75), ("p_up",), "hard")
    p = np.array([0.5, 0.0, 1.0, np.nextafter(0.5, 1)])
    if n_classes == 3:
        p = np.array([[1 / 3, 1 / 3, 1 / 3], [0.4, 0.2, 0.4], [0.0, 0.0, 1.0], [0.5, 0.5, 0.0]])
    said = [Said(p, None, np.zeros((4, 3))), Said(p[::-1].copy(), None, np.zeros((4, 3)))]
    for combiner in (voters, Voting(("a", "b"), (0.0, 1.0), ("p_up",))):
        found = run(session_of(combiner, said, None, n_classes), said, None)["logits"]
        np.testing.assert_allclose(found, combiner.combine(said).logits, rtol=0, atol=1e-9)


def test_quantiles_that_coincide_or_leave_a_gap_are_mixed_alike():
    mixed = Voting(("a", "b"), (0.5, 0.5), ("q05", "q50", "q95"), quantiles="mixture")
    said = [
        Said(np.full(4, 0.5), None, np.array([[0.0, 0, 0], [-1, 0, 1], [-1, -1, 2], [5, 6, 7]])),
        Said(np.full(4, 0.5), None, np.array([[0.0, 0, 0], [-1, 0, 1], [-1, 2, 2], [-7, -6, -5]])),
    ]
    found = run(session_of(mixed, said, None, 2), said, None)["quantiles"]
    np.testing.assert_allclose(found, mixed.combine(said).quantiles, rtol=0, atol=1e-9)


def test_an_ensemble_read_from_its_files_gives_the_same_graph():
    combiner = fitted("gated stacking", 3)
    assert graph_bytes(combiner, 4) == graph_bytes(read_combiner(combiner.files()), 4)


def graph_bytes(combiner: Combiner, n_members: int) -> bytes:
    graph = GraphBuilder()
    heard = [SaidValues(f"p{i}", f"e{i}", f"q{i}") for i in range(n_members)]
    add_combiner(graph, combiner, heard, "regimes", 3)
    return b"".join(part.SerializeToString() for part in (*graph.nodes, *graph.initializers))


def test_regimes_and_members_that_are_missing_are_refused():
    heard = [SaidValues(f"p{i}", f"e{i}", f"q{i}") for i in range(4)]
    for case in ("softmax_gating", "hmm_gating", "ridge_stacking", "gated stacking"):
        with pytest.raises(ShapeError, match="ensemble regimes"):
            add_combiner(GraphBuilder(), fitted(case, 2), heard, None, 2)
    for case in CASES:
        with pytest.raises(ShapeError, match=r"(3|4) members speak"):
            add_combiner(GraphBuilder(), fitted(case, 2), heard[:3], "regimes", 2)

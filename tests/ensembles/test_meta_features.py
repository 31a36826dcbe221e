import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barmill.ensembles.contract import Member, Said
from barmill.ensembles.meta_features import FARTHEST, MetaFeatures, classes_of, meta_features
from barmill.errors import BundleError, ForecastError, ShapeError
from planted_members import planted

MEMBERS = [Member("lightgbm", ("p_up",)), Member("tcn", ("E_r",)), Member("both", ("E_r", "p_up")), Member("band", ("q05", "q50", "q95"))]


def rows(n=400, n_classes=2, seed=0):
    rng = np.random.default_rng(seed)
    said = []
    for _ in MEMBERS:
        p = rng.uniform(0.2, 0.8, n) if n_classes == 2 else rng.dirichlet([3, 3, 3], n)
        said.append(Said(p, rng.normal(0.1, 0.3, n), np.sort(rng.normal(size=(n, 3)), axis=1)))
    return said, np.column_stack([rng.integers(0, 3, n).astype(float), rng.normal(50, 10, n)])


def log_odds(p):
    return np.log(p / (1 - p))


def test_every_declared_output_is_a_column_under_its_name_and_no_other():
    features = meta_features(MEMBERS, 2, {"trend": 1})
    assert features.names == (
        *("lightgbm.p_up", "both.p_up"),
        *("tcn.E_r", "both.E_r", "band.q05", "band.q50", "band.q95"),
        "regime.trend",
    )
    said, regimes = rows()
    x = features.raw(said, regimes)
    np.testing.assert_allclose(x[0], log_odds(said[0].p), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(x[1], log_odds(said[2].p), rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(x[2], said[1].expected)
    np.testing.assert_array_equal(x[4:7], said[3].quantiles.T)
    np.testing.assert_array_equal(x[7], regimes[:, 1])


def test_of_three_classes_up_and_down_are_seen():
    features = meta_features(MEMBERS[:1], 3)
    assert features.names == ("lightgbm.p_up", "lightgbm.p_down")
    said, _ = rows(n_classes=3)
    np.testing.assert_allclose(features.raw(said[:1], None), log_odds(said[0].p[:, [2, 0]]).T, rtol=1e-12, atol=1e-12)


def test_a_member_that_is_certain_is_heard_as_999_in_a_thousand():
    said = [Said(np.array([0.0, 1.0, 1e-12]), None, np.zeros((3, 3)))]
    np.testing.assert_allclose(meta_features(MEMBERS[:1], 2).raw(said, None)[0], np.log([1 / 999, 999, 1 / 999]))


def test_the_scale_is_that_of_the_quartiles_and_deaf_to_a_wild_row():
    said, regimes = rows(4001)
    plain = meta_features(MEMBERS, 2, {"trend": 1})
    features = plain.scaled_by(plain.raw(said, regimes))
    assert features.centre[-1] == pytest.approx(50, abs=0.6)
    assert features.scale[-1] == pytest.approx(10, rel=0.05)
    x = features.of(said, regimes)
    np.testing.assert_allclose(np.median(x, axis=1), 0, atol=1e-12)
    regimes[0, 1] = 1e15
    wild = plain.scaled_by(plain.raw(said, regimes))
    np.testing.assert_allclose(wild.scale, features.scale, rtol=0.01)
    assert wild.of(said, regimes)[-1, 0] == FARTHEST


def test_a_column_that_mostly_or_never_varies_has_a_scale_too():
    plain = meta_features([Member("m", ("E_r",))], 2)

    def scaled(values):
        return plain.scaled_by(plain.raw([Said(np.full(len(values), 0.5), np.array(values, float), np.zeros((len(values), 3)))], None))

    mostly = scaled([0] * 99 + [10])
    assert mostly.scale[0] == pytest.approx(np.std([0] * 99 + [10]))
    assert (scaled([3.0] * 7).centre[0], scaled([3.0] * 7).scale[0]) == (3.0, 1.0)
    assert scaled([0.1] * 7).scale[0] == 1.0  # whose standard deviation is rounding error


def test_other_rows_do_not_change_the_scale():
    said, regimes = rows()
    plain = meta_features(MEMBERS, 2)
    raw = plain.raw(said, regimes)
    a = plain.scaled_by(raw[:, :200])
    raw[:, 200:] += 100
    b = plain.scaled_by(raw[:, :200])
    np.testing.assert_array_equal(a.scale, b.scale)
    np.testing.assert_array_equal(a.standardised(raw), b.standardised(raw))


@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.sampled_from([2, 3]))
def test_a_row_is_the_same_alone_as_among_others(seed, n, n_classes):
    said, regimes = rows(n, n_classes, seed)
    plain = meta_features(MEMBERS, n_classes, {"volatility": 0, "trend": 1})
    train = rows(50, n_classes, 1)
    features = plain.scaled_by(plain.raw(*train))
    whole = features.of(said, regimes)
    for i in range(n):
        at = slice(i, i + 1)
        one = [Said(m.p[at], m.expected[at], m.quantiles[at]) for m in said]
        np.testing.assert_array_equal(features.of(one, regimes[at])[:, 0], whole[:, i])


def test_json_gives_the_same_value_to_the_bit():
    said, regimes = rows()
    plain = meta_features(MEMBERS, 2, {"trend": 1})
    features = plain.scaled_by(plain.raw(said, regimes))
    again = MetaFeatures.from_json(json.loads(json.dumps(features.to_json())))
    np.testing.assert_array_equal(again.of(said, regimes), features.of(said, regimes))
    assert again.names == features.names


@pytest.mark.parametrize(
    "change",
    [
        {"scale": [1.0]},
        {"scale": [0.0, 1.0]},
        {"centre": [None, 1.0]},
        {"members": []},
        {"members": None},
        {"regimes": [["a", -1]]},
        {"n_classes": 4},
    ],
)
def test_json_of_something_else_is_a_bundle_error(change):
    value = meta_features(MEMBERS[:2], 2).to_json()
    with pytest.raises(BundleError, match="meta-features"):
        MetaFeatures.from_json({**value, **change})


def test_what_does_not_fit_is_refused_by_name():
    said, regimes = rows(5)
    features = meta_features(MEMBERS, 2, {"trend": 1})
    with pytest.raises(ShapeError, match="there are none"):
        meta_features([Member("silent", ())], 2)
    with pytest.raises(ShapeError, match="4: lightgbm, tcn, both, band"):
        features.of(said[:3], regimes)
    with pytest.raises(ShapeError, match="'tcn': does not say E_r"):
        features.of([said[0], said[1]._replace(expected=None), *said[2:]], regimes)
    with pytest.raises(ShapeError, match=r"'lightgbm': probabilities of shape \(5, 3\); expected 2 classes"):
        features.of([rows(5, 3)[0][0], *said[1:]], regimes)
    with pytest.raises(ShapeError, match="regimes: not given; expected the columns trend"):
        features.of(said, None)
    with pytest.raises(ShapeError, match=r"regimes: of shape \(5, 1\)"):
        features.of(said, regimes[:, :1])
    with pytest.raises(ShapeError, match="the same rows"):
        features.of(said, regimes[:4])
    with pytest.raises(ForecastError, match=r"'regime.trend' row 2: is inf"):
        features.of(said, np.where(np.arange(5)[:, None] == 2, np.inf, regimes))
    with pytest.raises(ShapeError, match="no rows"):
        features.scaled_by(np.zeros((8, 0)))


def test_classes_are_read_off_the_probabilities():
    assert [classes_of(planted(100, n_classes=n)[1]) for n in (2, 3)] == [2, 3]

"""Features that came from outside: each fault has a code of its own and names the field."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from barmill.artefacts import canonical_json
from barmill.bundles import Bundle
from barmill.bundles.manifest import MANIFEST, PARTS, parse_manifest
from barmill.bundles.parts import read_pipeline
from barmill.models.contract import RawForecast
from barmill.serving.refusals import Refusal
from barmill.serving.schema import FeatureSchema, feature_rows, needed_features, sees_bars


@pytest.fixture(scope="module")
def schema(bundle_of) -> FeatureSchema:
    return FeatureSchema.of(bundle_of("lightgbm"), 3.0)


def rows_of(schema: FeatureSchema, n_rows: int = 2) -> np.ndarray:
    return np.arange(n_rows * len(schema.names), dtype=np.float64).reshape(n_rows, len(schema.names))


def refused(schema: FeatureSchema, features: Any, names: Any = None) -> Refusal:
    with pytest.raises(Refusal) as found:
        schema.checked(features, names, 100)
    return found.value


def test_no_feature_that_is_left_out_is_ever_read(bundle_of, making):
    """A model of some of the plan's features reads these, and its unit, and nothing else."""
    bundle: Bundle = bundle_of("lightgbm")
    kept = bundle.plan.names[2:5]
    scaler = bundle.pipeline.scaler
    narrow = replace(bundle.pipeline, input_names=kept, forecaster=_Sum(), scaler=scaler)
    bundle = replace(bundle, pipeline=narrow)
    names = needed_features(bundle)
    assert names == tuple(name for name in bundle.plan.names if name in (*kept, narrow.volatility.feature))
    schema = FeatureSchema.of(bundle, 3.0)
    table = bundle.plan.compute(making.walk(400, seed=3))
    values = table.values[-4:]
    spread = schema.spread(np.ascontiguousarray(values[:, schema.positions]))
    assert np.isnan(spread).sum() == 4 * (len(bundle.plan.names) - len(names))
    rows = np.arange(4)
    for name, column in narrow.run(values, rows).items():
        np.testing.assert_array_equal(narrow.run(spread, rows)[name], column)


class _Sum:
    """A forecaster that reads every input that it is given."""

    def raw(self, view: Any) -> Any:
        total = view.base[view.rows].sum(axis=1).astype(np.float64)
        return RawForecast(total, total * 0.01)


def test_an_ensemble_asks_for_what_a_member_its_gate_or_its_unit_reads(making, making_ensembles):
    files = making_ensembles.files_of(making, "lightgbm_stacking")
    place = "lightgbm_stacking"
    manifest = parse_manifest(files[MANIFEST], place)
    plan = making_ensembles.contents_of(making, place).plan
    whole = read_pipeline(files, manifest.model, plan, place)
    members = tuple(
        member._replace(pipeline=replace(member.pipeline, input_names=plan.names[start : start + 2], forecaster=_Sum()))
        for start, member in enumerate(whole.members)
    )
    bundle = SimpleNamespace(plan=plan, pipeline=replace(whole, members=members))
    read = {*plan.names[:3], *making_ensembles.REGIMES, "realised_volatility_60"}
    assert needed_features(bundle) == tuple(name for name in plan.names if name in read)
    assert feature_rows(bundle) == 1
    assert not sees_bars(bundle)


def test_a_model_that_sees_bars_is_not_asked_by_features(schema: FeatureSchema):
    assert refused(replace(schema, needs_bars=True), rows_of(schema)).code == "needs_bars"


def test_names_may_come_in_any_order_and_more_of_the_plan_may_come(schema: FeatureSchema):
    rows = rows_of(schema)
    mixed = np.random.default_rng(2).permutation(len(schema.names))
    values, note, _ = schema.checked(rows[:, mixed].copy(), [schema.names[i] for i in mixed], 100)
    np.testing.assert_array_equal(values, rows)
    assert note == ""
    ranges = {name: getattr(schema, name)[1:] for name in ("positions", "low", "high", "iqr", "below", "above")}
    narrow = replace(schema, names=schema.names[1:], _selections={}, **ranges)
    values, note, _ = narrow.checked(rows, list(schema.names), 100)
    np.testing.assert_array_equal(values, rows[:, 1:])
    assert note == f"not read by the model: {schema.names[0]}"


@pytest.mark.parametrize(
    ("change", "code", "place", "words"),
    [
        (lambda names: names[:-1], "missing_feature", "features.{last}", "{last} is missing"),
        (lambda names: [*names, "moon"], "unknown_feature", "features.names[{n}]", "no feature is called 'moon'"),
        (lambda names: [*names, names[0]], "feature_twice", "features.names[{n}]", "'{first}' is given twice"),
        (
            lambda names: [f"{names[0]}x", *names[1:]],
            "renamed_feature",
            "features.names[0]",
            "'{first}' is missing. Did you mean '{first}'?",
        ),
    ],
)
def test_a_wrong_list_of_names_is_refused_naming_the_column(schema: FeatureSchema, change: Any, code: str, place: str, words: str):
    names = change(list(schema.names))
    told = {"first": schema.names[0], "last": schema.names[-1], "n": len(schema.names)}
    found = refused(schema, np.zeros((2, len(names))), names)
    assert (found.kind, found.code, found.place) == ("invalid", code, place.format(**told))
    assert words.format(**told) in str(found)
    if code == "missing_feature":
        assert "none has a default" in str(found)


@pytest.mark.parametrize(
    ("make", "code", "place"),
    [
        (lambda rows: rows.astype(np.float32), "wrong_dtype", "features"),
        (lambda rows: rows.astype(object), "wrong_dtype", "features"),
        (lambda rows: rows.astype(bool), "wrong_dtype", "features"),
        (lambda rows: rows.tolist(), "wrong_dtype", "features"),
        (lambda rows: rows[:, :-1], "wrong_shape", "features.shape"),
        (lambda rows: np.hstack([rows, rows]), "wrong_shape", "features.shape"),
        (lambda rows: rows[0], "wrong_shape", "features.shape"),
        (lambda rows: rows[None], "wrong_shape", "features.shape"),
        (lambda rows: rows[:0], "no_rows", "features"),
        (lambda rows: np.repeat(rows, 51, axis=0), "too_many_rows", "features"),
    ],
)
def test_an_array_of_another_kind_is_refused(schema: FeatureSchema, make: Any, code: str, place: str):
    found = refused(schema, make(rows_of(schema)))
    assert (found.code, found.place) == (code, place)
    assert found.kind == ("too_large" if code == "too_many_rows" else "invalid")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_the_first_value_that_is_not_finite_is_named(schema: FeatureSchema, value: float):
    rows = rows_of(schema, 3)
    rows[1, 2] = rows[2, 0] = value
    found = refused(schema, rows)
    assert (found.code, found.place) == ("not_finite", f"features[1].{schema.names[2]}")


def test_an_infinity_is_refused_however_wide_the_range_of_training_was(bundle_of):
    bundle = bundle_of("lightgbm")
    names = needed_features(bundle)
    told = {name: {"mean": 0.0, "std": 1.0, "quantiles": [-1e308, -1e308, 1e308, 1e308]} for name in names}
    profile = {"n_rows": 9, "levels": [0.0, 0.25, 0.75, 1.0], "features": told}
    schema = FeatureSchema.of(replace(bundle, _files={**bundle._files, PARTS["reference_profile"]: canonical_json(profile)}), 3.0)
    for value in (np.inf, -np.inf, np.nan):
        rows = np.zeros((2, len(names)))
        rows[1, 3] = value
        with pytest.raises(Refusal) as caught:
            schema.checked(rows, None, 100)
        assert (caught.value.code, caught.value.place) == ("not_finite", f"features[1].{names[3]}")


def test_a_feature_beyond_the_range_of_training_is_told_and_not_refused(bundle_of):
    bundle = bundle_of("lightgbm")
    names = needed_features(bundle)
    told = {name: {"mean": 0.0, "std": 1.0, "quantiles": [-2.0, -1.0, 1.0, 2.0]} for name in names}
    profile = {"n_rows": 9, "levels": [0.0, 0.25, 0.75, 1.0], "features": told}
    files = {**bundle._files, PARTS["reference_profile"]: canonical_json(profile)}
    schema = FeatureSchema.of(replace(bundle, _files=files), 3.0)
    rows = np.zeros((2, len(names)))
    rows[1, 3] = 8.0  # the largest of training, and three interquartile ranges more
    assert schema.checked(rows, None, 100)[1] == ""
    assert schema.out_of_range(rows) == ""
    rows[1, 3] = np.nextafter(8.0, 9.0)
    rows[0, 1] = -8.1
    assert schema.out_of_range(rows) == f"outside the range of training: {names[1]}, {names[3]}"

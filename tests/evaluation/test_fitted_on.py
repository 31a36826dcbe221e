import json
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barmill.errors import ProvenanceError, ShapeError
from barmill.evaluation import Provenance, check_provenance, provenance


class Spans(NamedTuple):
    t0: np.ndarray
    t1: np.ndarray


# ten labels, one at each bar, of five bars each
LABELS = Spans(np.arange(10), np.arange(10) + 4)
TEST = [8, 9]


def test_what_is_well_fitted_passes():
    check_provenance([provenance("scaler", "train", [0, 1, 2, 3], LABELS)], TEST, LABELS)
    check_provenance([], TEST, LABELS)


def test_a_calibrator_fitted_on_test_rows_is_named():
    with pytest.raises(ProvenanceError) as error:
        check_provenance([provenance("calibration", "test", [2, 8, 9], LABELS)], TEST, LABELS)
    assert str(error.value) == (
        "calibration (fitted on test): 2 of its 3 rows are in the test block that judges it, first the label at bars 8 to 12. "
        "Fit it on rows whose labels end before the block or start after it: purge them."
    )


def test_a_scaler_fitted_on_validation_rows_is_named_when_validation_judges():
    scaler = provenance("scaler", "train and validation", [0, 1, 6], LABELS)
    with pytest.raises(ProvenanceError, match=r"scaler \(fitted on train and validation\): 1 of its 3 rows are in the validation block"):
        check_provenance([scaler], [6], LABELS, judged_by="validation")


def test_a_label_that_ends_where_the_test_block_begins_overlaps():
    with pytest.raises(ProvenanceError) as error:
        check_provenance([provenance("model", "train", [2, 3, 4], LABELS)], TEST, LABELS)
    assert "1 of its 3 labels overlap those of the test block that judges it, first the label at bars 4 to 8" in str(error.value)


def test_all_faults_are_told_at_once():
    items = [
        provenance("scaler", "train", [0], LABELS),
        provenance("model", "train", [5], LABELS),
        provenance("quantiles", "test", [9], LABELS),
    ]
    with pytest.raises(ProvenanceError) as error:
        check_provenance(items, TEST, LABELS)
    assert [problem.place for problem in error.value.problems] == ["model (fitted on train)", "quantiles (fitted on test)"]


def test_an_early_judging_label_that_ends_late_is_not_forgotten():
    labels = Spans(np.array([0, 1, 5]), np.array([10, 2, 6]))
    with pytest.raises(ProvenanceError, match="1 of its 1 labels overlap"):
        check_provenance([provenance("model", "train", [2], labels)], [0, 1], labels)


def test_rows_after_the_test_block_may_be_fitted_on_too():
    check_provenance([provenance("model", "train", [9], LABELS)], [0, 1, 2, 3], LABELS)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12)), min_size=2, max_size=25), st.data())
def test_it_finds_what_the_comparison_of_all_pairs_finds(spans, data):
    spans.sort()
    t0, length = np.array(spans).T
    labels = Spans(t0, t0 + length)
    numbers = st.sets(st.integers(0, len(spans) - 1), min_size=1)
    fitted, judged = sorted(data.draw(numbers)), sorted(data.draw(numbers))
    at_fault = any(labels.t0[i] <= labels.t1[j] and labels.t1[i] >= labels.t0[j] for i in fitted for j in judged)
    item = provenance("model", "train", fitted, labels)
    if at_fault:
        with pytest.raises(ProvenanceError):
            check_provenance([item], judged, labels)
    else:
        check_provenance([item], judged, labels)


def test_a_record_is_frozen_and_cannot_be_given_other_rows():
    record = provenance("scaler", "train", [3, 1], LABELS)
    assert (record.first_bar, record.last_bar, record.rows) == (1, 7, 2)
    with pytest.raises(AttributeError):
        record.rows = 3  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        record.positions[0] = 9
    forged = Provenance(record.what, record.fitted_on, 1, 7, 2, record.digest, np.array([1, 2]))
    with pytest.raises(ProvenanceError, match="not those that it was made from"):
        check_provenance([forged], TEST, LABELS)


def test_json_says_everything_but_the_positions():
    record = provenance("scaler", "train", [1, 3], LABELS).to_json()
    assert json.loads(json.dumps(record)) == record
    assert set(record) == {"what", "fitted_on", "first_bar", "last_bar", "rows", "digest"}


@pytest.mark.parametrize("positions", [[], [10], [-1], [1, 1], [0.5], [[1]]])
def test_positions_that_are_not_there_are_refused(positions):
    with pytest.raises(ShapeError, match="scaler fitted on train"):
        provenance("scaler", "train", positions, LABELS)

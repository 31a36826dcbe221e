"""Out-of-fold forecasts: what passes, and each planted fault."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from barmill.errors import ProvenanceError, SplitError
from barmill.splits import CombinatorialPurgedCV, OofPiece, PurgedKFold, Ranges, check_out_of_fold, out_of_window

N = 200


@dataclass(frozen=True)
class Spans:
    t0: np.ndarray
    t1: np.ndarray


@pytest.fixture
def labels() -> Spans:
    rng = np.random.default_rng(5)
    t0 = np.cumsum(rng.integers(1, 3, N))
    return Spans(t0, t0 + rng.integers(0, 9, N))


@pytest.fixture
def pieces(labels: Spans) -> list[OofPiece]:
    return [OofPiece(0, fold.test, fold.train, f"split {number}") for number, fold in enumerate(PurgedKFold(n_splits=4).folds(labels))]


def everything() -> Ranges:
    return Ranges.between(0, N)


def test_forecasts_of_purged_folds_pass(labels: Spans, pieces: list[OofPiece]):
    report = check_out_of_fold(labels, everything(), pieces)
    assert report.to_json() == {"n_paths": 1, "n_pieces": 4, "n_samples": N, "complete": True, "out_of_reach": 0}


def test_every_path_of_a_combinatorial_split_passes(labels: Spans):
    cv = CombinatorialPurgedCV(n_groups=6, n_test_groups=2, purge=4, embargo=6)
    groups = cv.group_ranges(N)
    pieces = [
        OofPiece(int(path), groups[group], fold.train)
        for fold, paths in zip(cv.folds(labels), cv.path_ids, strict=True)
        for group, path in zip(fold.test_groups, paths, strict=True)
    ]
    report = check_out_of_fold(labels, everything(), pieces, purge_bars=4, embargo_bars=6)
    assert (report.n_paths, report.n_pieces, report.n_samples) == (5, 30, N)
    with pytest.raises(ProvenanceError, match="fitted on"):
        check_out_of_fold(labels, everything(), pieces, purge_bars=4, embargo_bars=7)


def test_the_first_rows_of_a_window_are_counted_apart(labels: Spans, pieces: list[OofPiece]):
    early = out_of_window(labels, np.arange(N), window=16)
    assert early.tolist() == np.flatnonzero(labels.t0 < 15).tolist()
    with pytest.raises(ProvenanceError, match=f"{early.size} labels are forecast, and outside the block or out of reach"):
        check_out_of_fold(labels, everything(), pieces, out_of_reach=early)
    shorter = [replace(piece, forecast=piece.forecast.without(Ranges.of(early))) for piece in pieces]
    report = check_out_of_fold(labels, everything(), shorter, out_of_reach=early)
    assert (report.n_samples, report.out_of_reach) == (N - early.size, early.size)
    with pytest.raises(ProvenanceError, match=f"{early.size} labels are not forecast, first label 0 at bar {labels.t0[0]}"):
        check_out_of_fold(labels, everything(), shorter)


def test_a_model_that_saw_one_row_of_its_fold_is_found(labels: Spans, pieces: list[OofPiece]):
    seen = Ranges.of(np.union1d(pieces[1].fitted_on.positions(), [60]))
    with pytest.raises(ProvenanceError, match=r"out-of-fold path 0, split 1: fitted on 1 labels .* first label 60 at bars"):
        check_out_of_fold(labels, everything(), [pieces[0], replace(pieces[1], fitted_on=seen), *pieces[2:]])


def test_a_model_that_saw_one_label_that_reaches_its_fold_is_found(labels: Spans, pieces: list[OofPiece]):
    first = int(pieces[1].forecast.bounds[0, 0])
    before = np.flatnonzero((np.arange(N) < first) & (labels.t1 >= labels.t0[first]))
    assert before.size  # the data have such a label
    seen = Ranges.of(np.union1d(pieces[1].fitted_on.positions(), before[:1]))
    with pytest.raises(ProvenanceError, match=f"first label {before[0]} "):
        check_out_of_fold(labels, everything(), [pieces[0], replace(pieces[1], fitted_on=seen), *pieces[2:]])


def test_missing_and_repeated_forecasts_are_told_together(labels: Spans, pieces: list[OofPiece]):
    with pytest.raises(ProvenanceError) as caught:
        check_out_of_fold(labels, everything(), [*pieces[:3], pieces[0]])
    assert "out-of-fold path 0: 50 labels are not forecast, first label 150" in str(caught.value)
    assert "50 labels are forecast more than once, first label 0" in str(caught.value)


def test_a_forecast_outside_the_block_is_found(labels: Spans, pieces: list[OofPiece]):
    with pytest.raises(ProvenanceError, match="20 labels are forecast, and outside the block"):
        check_out_of_fold(labels, np.arange(N - 20), pieces)


def test_a_path_that_lacks_a_piece_is_named(labels: Spans, pieces: list[OofPiece]):
    with pytest.raises(ProvenanceError, match="out-of-fold path 1: 150 labels are not forecast"):
        check_out_of_fold(labels, everything(), [*pieces, replace(pieces[0], path=1)])


def test_no_forecasts_at_all_are_refused(labels: Spans):
    with pytest.raises(SplitError, match="none; expected a piece for each fold and path"):
        check_out_of_fold(labels, everything(), [])

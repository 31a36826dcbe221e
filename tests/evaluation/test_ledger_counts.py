"""What a ledger knows beyond its lines: which bars it is of, how its trials came out, and which other ledgers share its time."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from barmill.artefacts import canonical_json
from barmill.errors import LedgerError, ShapeError
from barmill.evaluation import DataSpan, Ledger, ledgers_in
from barmill.evaluation.ledger_entries import entry_of

DAY = 86_400_000


def _ledger(folder, name, first, last, symbol="FILUSDT", timeframe="1m", trials=()):
    book = Ledger(folder, name)
    book.describe(symbol, timeframe, first * DAY, last * DAY, 1440 * (last - first) + 1)
    for trial in trials:
        book.append("fit", {"fit": trial})
    return book


def _outcome(trial_id, sharpe, block="test", n_obs=1000, **more):
    return {"trial": trial_id, "block": block, "sharpe": sharpe, "n_obs": n_obs, **more}


def test_a_ledger_is_described_once(tmp_path):
    book = Ledger(tmp_path, "ab")
    first = book.describe("FILUSDT", "1m", 0, DAY, 1441)
    assert book.describe("FILUSDT", "1m", 0, DAY, 1441) == first
    assert book.verify() == 1
    assert book.data == DataSpan("FILUSDT", "1m", 0, DAY, 1441)
    assert book.summary() == {"trials": 0, "fits": 0, "test_openings": 0}


def test_a_description_that_contradicts_the_first_is_refused(tmp_path):
    book = _ledger(tmp_path, "ab", 0, 1)
    with pytest.raises(ShapeError, match=r"line 1: says .*1441.* expected .*1442"):
        book.describe("FILUSDT", "1m", 0, DAY, 1442)
    assert book.verify() == 1


def test_an_older_ledger_is_described_by_the_next_run(tmp_path):
    book = Ledger(tmp_path, "ab")
    book.append("fit", {"fit": "x"})
    assert book.data is None
    assert book.overlapping() == ()
    book.describe("FILUSDT", "1m", 0, DAY, 1441)
    assert book.data is not None
    assert book.count == 1


WRITTEN_BEFORE = (
    '{"hash":"095737c9ed8baf29aef093f64afdb846b3d83be9e0b3077c4d52d142b4da3020","kind":"fit","note":{"run":"first"},'
    '"previous":"e2619fdcb90081d12712b19b0e24b7cbcc90707a4fc4c74fed3d7cf53dfa7504","sequence":1,"trial":{"fit":"a"},"trial_id":"c6bc88ee2a51ad74a1a3cc85e9ba444ae5569d0be2168ef86c4a74637cd8578f"}\n'
    '{"hash":"d0dde14dfd6d68533b5ade06db5091f8749519a15c4d6ca211b25f0e4048e14b","kind":"test_opened","note":{},'
    '"previous":"095737c9ed8baf29aef093f64afdb846b3d83be9e0b3077c4d52d142b4da3020","sequence":2,"trial":{"bundles":{"a":"b"}},"trial_id":"bc38f9231b755eefdaba7529ddde3d2f3fb242011f270508f4696fbc1db0941e"}\n'
)
HEAD_BEFORE = '{"hash":"d0dde14dfd6d68533b5ade06db5091f8749519a15c4d6ca211b25f0e4048e14b","sequence":2,"size":607}\n'


def test_a_ledger_written_before_ledgers_described_their_bars_still_verifies_and_goes_on(tmp_path):
    (tmp_path / "ab12.jsonl").write_text(WRITTEN_BEFORE)
    (tmp_path / "ab12.head").write_text(HEAD_BEFORE)
    book = Ledger(tmp_path, "ab12")
    assert book.verify() == 2
    assert book.summary() == {"trials": 1, "fits": 1, "test_openings": 1}
    assert book.data is None
    book.describe("FILUSDT", "1m", 0, DAY, 1441)
    book.append("outcome", _outcome(book.trials[0].trial_id, 0.02))
    assert book.verify() == 4
    np.testing.assert_array_equal(book.trial_sharpes("test"), [0.02])


@pytest.mark.parametrize(
    "wrong",
    [
        {"symbol": ""},
        {"symbol": 5},
        {"first": 1.5},
        {"first": 2 * DAY},
        {"rows": 0},
        {"rows": True},
    ],
)
def test_what_describes_no_bars_is_refused(tmp_path, wrong):
    right = {"symbol": "FILUSDT", "timeframe": "1m", "first": 0, "last": DAY, "rows": 1441}
    with pytest.raises(ShapeError, match="data: is "):
        Ledger(tmp_path, "ab").describe(**{**right, **wrong})


def test_the_latest_outcome_of_each_different_trial_counts_once(tmp_path):
    book = Ledger(tmp_path, "ab")
    one, two, three = (book.append("fit", {"fit": name}).trial_id for name in "abc")
    assert book.append("fit", {"fit": "a"}).trial_id == one
    for trial, sharpe, block in [
        (one, 0.01, "test"),
        (two, 0.02, "test"),
        (one, 0.03, "test"),
        (one, 0.9, "selection"),
        (three, None, "test"),
    ]:
        book.append("outcome", _outcome(trial, sharpe, block))
    np.testing.assert_array_equal(book.trial_sharpes("test"), [0.03, 0.02])
    np.testing.assert_array_equal(book.trial_sharpes("selection"), [0.9])
    assert book.trial_sharpes("tuning").shape == (0,)
    assert book.count == 3  # the trial whose Sharpe ratio is undefined is a trial all the same
    assert {block: entry.trial["sharpe"] for block, entry in book.outcomes()[one].items()} == {"test": 0.03, "selection": 0.9}


@pytest.mark.parametrize(
    "wrong",
    [{"block": "train"}, {"sharpe": "0.1"}, {"sharpe": True}, {"sharpe": math.nan}, {"n_obs": -1}, {"n_obs": 1.5}, {"trial": None}],
)
def test_what_is_no_outcome_is_refused(tmp_path, wrong):
    book = Ledger(tmp_path, "ab")
    trial = book.append("fit", {}).trial_id
    with pytest.raises(ShapeError):
        book.append("outcome", {**_outcome(trial, 0.1), **wrong})
    assert book.verify() == 1


def test_an_outcome_of_a_trial_that_was_never_entered_is_refused(tmp_path):
    book = Ledger(tmp_path, "ab")
    opening = book.append("test_opened", {"bundles": []})
    fit = book.append("fit", {"says": f'"trial_id":"{"0" * 64}"'})
    for unknown in ("0" * 64, opening.trial_id, fit.hash):
        with pytest.raises(ShapeError, match="is not in"):
            book.append("outcome", _outcome(unknown, 0.1))
    with pytest.raises(ShapeError, match="block: is 'train'"):
        book.trial_sharpes("train")


def test_two_recipes_on_overlapping_bars_know_of_each_other(tmp_path):
    january_june = _ledger(tmp_path, "aa", 0, 180, trials="abc")
    april_july = _ledger(tmp_path, "bb", 90, 210, trials="cd")
    _ledger(tmp_path, "cc", 0, 180, symbol="ES", trials="xyz")
    _ledger(tmp_path, "dd", 181, 300, trials="e")
    april_july.append("test_opened", {"bundles": []})
    (overlap,) = january_june.overlapping()
    assert (overlap.fingerprint, overlap.trials, overlap.test_openings, overlap.share) == ("bb", 2, 1, 0.5)
    assert [(other.fingerprint, other.share) for other in april_july.overlapping()] == [("aa", 0.75), ("dd", 29 / 120)]
    counts = january_june.counts()
    assert (counts.trials, counts.overlapping_trials, counts.overlapping_test_openings) == (3, 2, 1)
    assert counts.total == 4  # trial c stands in both
    assert overlap.to_json()["first"] == 90 * DAY


def test_five_minute_bars_overlap_one_minute_bars(tmp_path):
    minute = _ledger(tmp_path, "aa", 0, 10, trials="a")
    _ledger(tmp_path, "bb", 5, 20, timeframe="5m", symbol="filusdt", trials="b")
    assert minute.counts().total == 2


SPANS = st.tuples(st.integers(0, 20), st.integers(0, 20)).map(sorted)


@given(SPANS, SPANS)
def test_overlap_is_mutual_and_shares_are_of_the_common_time(one, other):
    a, b = (DataSpan("X", "1m", *span, 1) for span in (one, other))
    common = set(range(one[0], one[1] + 1)) & set(range(other[0], other[1] + 1))
    assert a.touches(b) == b.touches(a) == bool(common)
    share = a.share_covered_by(b)
    assert 0 <= share <= 1
    if common and one[0] < one[1]:
        assert share == (max(common) - min(common)) / (one[1] - one[0])


def test_who_overlaps_is_not_told_from_a_folder_with_an_altered_ledger(tmp_path):
    own = _ledger(tmp_path, "aa", 0, 10)
    other = _ledger(tmp_path, "bb", 0, 10, trials="b")
    other.path.write_bytes(other.path.read_bytes().replace(b"FILUSDT", b"XILUSDT"))
    with pytest.raises(LedgerError, match=r"bb\.jsonl line 1: was altered"):
        own.overlapping()
    other.path.unlink()
    with pytest.raises(LedgerError, match=r"bb\.jsonl: is missing"):
        own.counts()
    assert [book.data_fingerprint for book in ledgers_in(tmp_path)] == ["aa", "bb"]


@pytest.fixture
def judged(tmp_path):
    """data, fit, outcome, fit, outcome, opening"""
    book = _ledger(tmp_path, "ab", 0, 1)
    for name, sharpe in (("a", 0.01), ("b", -0.02)):
        trial = book.append("fit", {"fit": name}).trial_id
        book.append("outcome", _outcome(trial, sharpe, "tuning"))
    book.append("test_opened", {"bundles": []})
    return book


@pytest.mark.parametrize(
    ("tamper", "line"),
    [
        (lambda lines: [lines[0].replace(b"FILUSDT", b"FILUSDX"), *lines[1:]], 1),
        (lambda lines: [*lines[:2], lines[2].replace(b"0.01", b"0.09"), *lines[3:]], 3),
        (lambda lines: [*lines[:4], lines[4].replace(b'"tuning"', b'"test"'), *lines[5:]], 5),
        (lambda lines: lines[1:], 1),
        (lambda lines: [*lines[:2], *lines[3:]], 3),
        (lambda lines: [*lines[:2], lines[4], lines[3], lines[2], lines[5]], 3),
        (lambda lines: [*lines[:3], lines[2], *lines[3:]], 4),
        (lambda lines: [lines[0], lines[0], *lines[1:]], 2),
        (lambda lines: [*lines[1:], lines[0]], 1),
    ],
)
def test_a_data_line_or_an_outcome_edited_deleted_inserted_or_moved_is_named(judged, tamper, line):
    judged.path.write_bytes(b"\n".join([*tamper(judged.path.read_bytes().splitlines()), b""]))
    with pytest.raises(LedgerError, match=rf"ab\.jsonl line {line}: "):
        judged.verify()


@pytest.mark.parametrize(("line", "told"), [(3, r"line 4: is entry 4, which does not follow"), (6, "but 6 were acknowledged, or others")])
def test_a_line_that_was_altered_and_sealed_anew_no_longer_fits_what_follows(judged, line, told):
    lines = judged.path.read_bytes().splitlines()
    old = judged.entries[line - 1]
    forged = entry_of(old.sequence, old.kind, {**old.trial, "sharpe": 0.09}, old.note, old.previous)
    lines[line - 1] = canonical_json(forged.to_json())
    judged.path.write_bytes(b"\n".join([*lines, b""]))
    with pytest.raises(LedgerError, match=told):
        judged.verify()


@pytest.mark.parametrize("kept", range(6))
def test_a_ledger_cut_short_at_a_data_line_or_an_outcome_is_missed(judged, kept):
    lines = judged.path.read_bytes().splitlines(keepends=True)
    judged.path.write_bytes(b"".join(lines[:kept]))
    with pytest.raises(LedgerError, match=f"holds {kept} whole lines"):
        judged.verify()
    with pytest.raises(LedgerError, match="6 entries were acknowledged"):
        judged.append("outcome", _outcome("0" * 64, 0.1))


def test_a_removed_head_is_missed(judged):
    judged.head_path.unlink()
    with pytest.raises(LedgerError, match=r"ab\.head: is missing"):
        judged.counts()
    with pytest.raises(LedgerError, match=r"ab\.head: is missing"):
        judged.describe("FILUSDT", "1m", 0, DAY, 1441)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.data())
def test_any_flipped_bit_of_any_kind_of_line_is_detected(judged, data):
    written = judged.path.read_bytes()
    place, bit = data.draw(st.integers(0, len(written) - 1)), data.draw(st.integers(0, 7))
    try:
        judged.path.write_bytes(written[:place] + bytes([written[place] ^ (1 << bit)]) + written[place + 1 :])
        with pytest.raises(LedgerError):
            judged.trial_sharpes("tuning")
    finally:
        judged.path.write_bytes(written)


CHILD = """
import sys
from pathlib import Path
from barmill.evaluation.ledger import Ledger
book = Ledger(Path(sys.argv[1]), "ab")
print("ready", flush=True)
sys.stdin.readline()
for i in range(15):
    book.describe("FILUSDT", "1m", 0, 86_400_000, 1441)
    trial = book.append("fit", {"fit": i}, {"who": sys.argv[2]})
    book.append("outcome", {"trial": trial.trial_id, "block": "tuning", "sharpe": i / 100, "n_obs": 100})
"""


def test_processes_that_tune_on_the_same_bars_describe_them_once_and_share_their_trials(tmp_path):
    children = [
        subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path), str(who)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for who in range(2)
    ]
    for child in children:
        assert child.stdout.readline() == "ready\n"
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        child.communicate(timeout=120)
        assert child.returncode == 0
    book = Ledger(tmp_path, "ab")
    assert book.verify() == 1 + 2 * 15 * 2
    assert book.summary() == {"trials": 15, "fits": 30, "test_openings": 0}
    np.testing.assert_array_equal(book.trial_sharpes("tuning"), np.arange(15) / 100)

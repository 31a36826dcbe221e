import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from barmill.artefacts import canonical_json
from barmill.errors import LedgerError, ShapeError, StorageError
from barmill.evaluation import Ledger, ledger_folder

FINGERPRINT = "ab12"


@pytest.fixture
def book(tmp_path):
    """Three entries: two trials, one of them twice."""
    book = Ledger(tmp_path / "ledger", FINGERPRINT)
    book.append("fit", {"model": "logistic", "C": 1.0})
    book.append("fit", {"model": "lightgbm"}, note={"run": "first"})
    book.append("fit", {"C": 1.0, "model": "logistic"}, note={"run": "second"})
    return book


def test_a_trial_repeated_is_one_trial_whatever_its_note_or_the_order_of_its_keys(book):
    assert book.count == 2
    assert [entry.trial["model"] for entry in book.trials] == ["logistic", "lightgbm"]
    assert book.summary() == {"trials": 2, "fits": 3, "test_openings": 0}


def test_every_opening_of_a_test_block_counts(book):
    for _ in range(2):
        book.append("test_opened", {"bundle": "a"})
    assert book.summary() == {"trials": 2, "fits": 3, "test_openings": 2}
    assert book.count == 2


def test_entries_survive_and_follow_one_another(book, tmp_path):
    entries = Ledger(tmp_path / "ledger", FINGERPRINT).entries
    assert [entry.sequence for entry in entries] == [1, 2, 3]
    assert [entry.previous for entry in entries[1:]] == [entry.hash for entry in entries[:-1]]
    assert entries[2].note == {"run": "second"}
    assert book.verify() == 3


def test_nothing_in_a_line_depends_on_when_or_where_it_was_written(book, tmp_path):
    other = Ledger(tmp_path / "elsewhere", FINGERPRINT)
    for entry in book.entries:
        other.append(entry.kind, entry.trial, entry.note)
    assert other.path.read_bytes() == book.path.read_bytes()


def test_another_fingerprint_is_another_ledger_and_cannot_be_passed_off_as_it(book):
    other = Ledger(book.folder, "cd34")
    assert other.entries == ()
    assert other.summary() == {"trials": 0, "fits": 0, "test_openings": 0}
    other.path.write_bytes(book.path.read_bytes())
    other.head_path.write_bytes(book.head_path.read_bytes())
    with pytest.raises(LedgerError, match=r"cd34\.jsonl line 1: "):
        other.verify()


@pytest.mark.parametrize(
    ("tamper", "line"),
    [
        (lambda lines: [lines[0].replace(b'"C":1.0', b'"C":2.0'), *lines[1:]], 1),
        (lambda lines: [lines[0].replace(b'"C":1.0', b'"C": 1.0'), *lines[1:]], 1),
        (lambda lines: [lines[0], lines[1].replace(b"first", b"other"), lines[2]], 2),
        (lambda lines: lines[1:], 1),
        (lambda lines: [lines[0], lines[2]], 2),
        (lambda lines: [lines[0], lines[2], lines[1]], 2),
        (lambda lines: [lines[0], lines[1], lines[1], lines[2]], 3),
        (lambda lines: [lines[0], b"", *lines[1:]], 2),
        (lambda lines: [lines[0], b"{}", *lines[1:]], 2),
        (lambda lines: [*lines, b"[]"], 4),
    ],
)
def test_an_edited_deleted_inserted_or_moved_line_is_named(book, tamper, line):
    book.path.write_bytes(b"\n".join([*tamper(book.path.read_bytes().splitlines()), b""]))
    with pytest.raises(LedgerError, match=rf"ab12\.jsonl line {line}: "):
        book.verify()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.data())
def test_any_flipped_bit_is_detected(book, data):
    written = book.path.read_bytes()
    place, bit = data.draw(st.integers(0, len(written) - 1)), data.draw(st.integers(0, 7))
    try:
        book.path.write_bytes(written[:place] + bytes([written[place] ^ (1 << bit)]) + written[place + 1 :])
        with pytest.raises(LedgerError):
            book.verify()
    finally:
        book.path.write_bytes(written)


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_lines_cut_off_the_end_are_missed(book, kept):
    lines = book.path.read_bytes().splitlines(keepends=True)
    book.path.write_bytes(b"".join(lines[:kept]))
    with pytest.raises(LedgerError, match=f"holds {kept} whole lines that fit together, but 3 were acknowledged"):
        book.verify()
    with pytest.raises(LedgerError, match="3 entries were acknowledged"):
        book.append("fit", {})


def test_a_missing_file_or_head_is_missed(book):
    head = book.head_path.read_bytes()
    book.head_path.unlink()
    with pytest.raises(LedgerError, match=r"ab12\.head: is missing"):
        book.verify()
    book.head_path.write_bytes(b"{")
    with pytest.raises(LedgerError, match=r"ab12\.head: cannot be read"):
        book.verify()
    book.head_path.write_bytes(head)
    book.path.unlink()
    with pytest.raises(LedgerError, match=r"ab12\.jsonl: is missing"):
        book.verify()


def test_a_head_of_another_moment_is_detected(book, tmp_path):
    head = json.loads(book.head_path.read_bytes())
    book.head_path.write_bytes(canonical_json({**head, "hash": "0" * 64}))
    with pytest.raises(LedgerError, match="holds 3 whole lines that fit together, but 3 were acknowledged, or others"):
        book.verify()


def test_an_append_cut_short_at_any_byte_is_passed_over_and_then_cut_off(book):
    before, head = book.path.read_bytes(), book.head_path.read_bytes()
    book.append("fit", {"model": "lstm"})
    after = book.path.read_bytes()
    for cut in (*range(len(before) + 1, len(after) - 1, 23), len(after) - 1):
        book.path.write_bytes(after[:cut])
        book.head_path.write_bytes(head)
        assert book.count == 2
        book.append("fit", {"model": "lstm"})
        assert book.path.read_bytes() == after


def test_an_unfinished_line_longer_than_the_next_leaves_nothing_behind(book):
    with book.path.open("ab") as file:
        file.write(b'{"kind":"fit","trial":"' + b"x" * 5000)
    assert book.count == 2
    book.append("fit", {})
    assert book.verify() == 4
    assert book.path.read_bytes().count(b"x") == 0


def test_an_entry_flushed_but_not_yet_acknowledged_is_kept(book):
    head = book.head_path.read_bytes()
    book.append("fit", {"model": "lstm"})
    book.head_path.write_bytes(head)  # the process died before it wrote the head
    assert book.count == 3
    assert book.append("fit", {"model": "xgboost"}).sequence == 5
    assert book.verify() == 5


def test_a_first_append_that_died_before_its_head_is_kept(tmp_path):
    book = Ledger(tmp_path, FINGERPRINT)
    book.append("fit", {"model": "lstm"})
    book.head_path.unlink()
    assert book.count == 1
    assert book.append("fit", {"model": "xgboost"}).sequence == 2
    assert book.verify() == 2


def test_a_last_line_that_lost_its_newline_afterwards_is_no_crash(book):
    book.path.write_bytes(book.path.read_bytes()[:-1])
    with pytest.raises(LedgerError, match="acknowledged"):
        book.append("fit", {})


def test_a_full_disk_leaves_a_ledger_that_can_go_on(book, monkeypatch):
    whole = os.pwrite

    def half(descriptor, data, offset):
        if len(data) < 20:
            raise OSError(28, "No space left on device")
        return whole(descriptor, data[: len(data) // 2], offset)

    monkeypatch.setattr(os, "pwrite", half)
    with pytest.raises(StorageError, match="no space left"):
        book.append("fit", {"model": "lstm"})
    monkeypatch.undo()
    assert book.verify() == 3
    assert book.append("fit", {"model": "lstm"}).sequence == 4


def test_threads_take_turns(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: Ledger(tmp_path, FINGERPRINT).append("fit", {"i": i}), range(40)))
    book = Ledger(tmp_path, FINGERPRINT)
    assert book.verify() == 40
    assert sorted(entry.trial["i"] for entry in book.entries) == list(range(40))


CHILD = """
import sys
from pathlib import Path
from barmill.evaluation.ledger import Ledger
book = Ledger(Path(sys.argv[1]), "ab12")
print("ready", flush=True)
sys.stdin.readline()
for i in range(20):
    book.append("fit", {"who": sys.argv[2], "i": i})
    book.count
"""


def test_processes_take_turns(tmp_path):
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
    book = Ledger(tmp_path, FINGERPRINT)
    assert book.verify() == 40
    assert book.count == 40
    for who in "01":
        assert [entry.trial["i"] for entry in book.entries if entry.trial["who"] == who] == list(range(20))


def test_a_killed_process_leaves_a_ledger_that_verifies(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path), "0"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "ready\n"
    child.stdin.write("go\n")
    child.stdin.flush()
    book = Ledger(tmp_path, FINGERPRINT)
    while not (book.path.exists() and book.path.read_bytes().count(b"\n") >= 3) and child.poll() is None:
        pass
    child.kill()
    child.communicate()
    n = book.verify()
    assert n >= 3
    assert book.append("fit", {"who": "1"}).sequence == n + 1


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"BARMILL_LEDGER": "/data/ledger", "XDG_DATA_HOME": "/xdg"}, "/data/ledger"),
        ({"XDG_DATA_HOME": "/xdg"}, "/xdg/barmill/ledger"),
        ({"XDG_DATA_HOME": "relative"}, "/home/quant/.local/share/barmill/ledger"),
        ({}, "/home/quant/.local/share/barmill/ledger"),
        ({"BARMILL_LEDGER": "~/ledger"}, "/home/quant/ledger"),
    ],
)
def test_the_default_folder_comes_from_the_environment(monkeypatch, environment, expected):
    for name in ("BARMILL_LEDGER", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**environment, "HOME": "/home/quant"}.items():
        monkeypatch.setenv(name, value)
    assert str(ledger_folder()) == expected
    assert str(Ledger.of(FINGERPRINT).folder) == expected


@pytest.mark.parametrize("fingerprint", ["", "../x", "a/b", ".hidden", "a b"])
def test_a_fingerprint_that_would_leave_the_folder_is_refused(tmp_path, fingerprint):
    with pytest.raises(ShapeError, match="data_fingerprint"):
        Ledger(tmp_path, fingerprint)


def test_a_ledger_that_cannot_be_read_or_written_says_so(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot be written"):
        Ledger(tmp_path / "file", FINGERPRINT).append("fit", {})
    book = Ledger(tmp_path, FINGERPRINT)
    book.path.symlink_to(book.path.with_suffix(".nowhere"))
    book.path.with_suffix(".nowhere").symlink_to(book.path)
    with pytest.raises(StorageError, match="cannot be written"):
        book.append("fit", {})


def test_what_is_no_entry_is_refused_before_anything_is_written(book):
    written = book.path.read_bytes()
    with pytest.raises(ShapeError, match="kind: is 'tune'"):
        book.append("tune", {})
    with pytest.raises(ShapeError, match="trial: is not plain JSON"):
        book.append("fit", {"loss": float("nan")})
    assert book.path.read_bytes() == written

"""`barmill ledger`: every ledger, one of them, and whether they are whole."""

import json

import pytest
from typer.testing import CliRunner

from barmill.artefacts import write_json
from barmill.cli.exit_codes import exit_code
from barmill.cli.ledger import app
from barmill.errors import InputError
from barmill.evaluation import Ledger
from barmill.market import simulate

DAY = 86_400_000
ONE, TWO = "aa11" * 16, "ab22" * 16


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "ledgers"
    first = Ledger(folder, ONE)
    first.describe("FILUSDT", "1m", 0, 10 * DAY, 14_401)
    for model, sharpe in (("logistic", 0.001), ("lightgbm", None)):
        trial = first.append("fit", {"fit": model * 8}, {"model": model})
        first.append("outcome", {"trial": trial.trial_id, "block": "test", "sharpe": sharpe, "n_obs": 4000})
    first.append("test_opened", {"bundles": {"logistic": "ab" * 32}}, {"run": "crypto"})
    second = Ledger(folder, TWO)
    second.describe("FILUSDT", "5m", 5 * DAY, 15 * DAY, 2881)
    second.append("fit", {"fit": "z"})
    return folder


def _run(*arguments, code=0):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.stdout


def test_all_ledgers_in_a_table(folder):
    lines = _run("show", "--folder", folder).splitlines()
    assert lines[0].split()[:5] == ["ledger", "symbol", "bars", "from", "to"]
    assert lines[2].split()[:5] == ["aa11aa11aa11", "FILUSDT", "14,401", "of", "1m"]
    assert lines[2].split()[5:] == ["1970-01-01", "00:00", "1970-01-11", "00:00", "2", "1", "1", "3"]
    assert lines[3].split()[-4:] == ["1", "0", "2", "3"]
    assert lines[-1] == f"2 ledgers in {folder}"


def test_one_ledger_with_its_entries_newest_last(folder):
    text = _run("show", "aa11", "--folder", folder)
    assert "bars      FILUSDT, 14,401 of 1m, 1970-01-01 00:00 to 1970-01-11 00:00\n" in text
    assert "trials    2 on these bars (2 fits), 3 with those on overlapping bars\n" in text
    assert "openings  1 of a test block, 0 on overlapping bars\n" in text
    assert "overlap   50%: ab22ab22ab22, 2,881 of 5m, 1970-01-06 00:00 to 1970-01-16 00:00; 1 trial, 0 openings\n" in text
    lines = text.splitlines()[-6:]
    assert [line.split()[1] for line in lines] == ["data", "fit", "outcome", "fit", "outcome", "test_opened"]
    assert "test: Sharpe 0.00100 a bar over 4,000" in lines[2]
    assert "test: Sharpe undefined a bar" in lines[4]
    assert lines[5].split()[-4:] == ["bundles", "logistic", "run", "crypto"]


def test_json_tells_the_same(folder):
    every = json.loads(_run("show", "--json", "--folder", folder))["ledgers"]
    assert [(one["fingerprint"], one["trials"], one["total"]) for one in every] == [(ONE, 2, 3), (TWO, 1, 3)]
    assert every[0]["overlaps"][0]["share"] == 0.5
    one = json.loads(_run("show", ONE, "--json", "--folder", folder))
    assert one["counts"]["overlapping_trials"] == 1
    assert one["data"]["rows"] == 14_401
    assert [entry["sequence"] for entry in one["entries"]] == [1, 2, 3, 4, 5, 6]


def test_a_run_or_a_file_of_bars_names_its_ledger(folder, tmp_path):
    write_json(tmp_path / "run" / "fingerprints.json", {"data": TWO})
    assert json.loads(_run("show", tmp_path / "run", "--json", "--folder", folder))["fingerprint"] == TWO
    bars = simulate(300, seed=1).bars
    bars.write(tmp_path / "bars.parquet")
    shown = json.loads(_run("show", "--bars", tmp_path / "bars.parquet", "--json", "--folder", folder))
    assert (shown["fingerprint"], shown["entries"], shown["data"]) == (bars.fingerprint, [], None)
    assert "bars      not described" in _run("show", "--bars", tmp_path / "bars.parquet", "--folder", folder)


def test_an_empty_folder_says_so(tmp_path):
    assert _run("show", "--folder", tmp_path) == f"no ledger in {tmp_path}: nothing was judged yet\n"
    assert _run("verify", "--folder", tmp_path) == f"0 ledgers in {tmp_path}: all whole\n"


def test_the_folder_is_the_users_unless_another_is_named(folder, monkeypatch):
    monkeypatch.setenv("BARMILL_LEDGER", str(folder))
    assert _run("show") == _run("show", "--folder", folder)


@pytest.mark.parametrize("target", ["a", "aa1", "zzzz", "nowhere/run"])
def test_a_target_that_names_no_ledger_or_too_vaguely_is_bad_input(folder, target):
    with pytest.raises(InputError, match="4 digits or more") as refused:
        _run("show", target, "--folder", folder)
    assert exit_code(refused.value) == 2
    with pytest.raises(InputError, match="expected one of them"):
        _run("show", "aa11", "--bars", "x.parquet", "--folder", folder)


def test_whole_ledgers_verify(folder):
    assert _run("verify", "--folder", folder).splitlines() == [
        "aa11aa11aa11  6 entries, whole",
        "ab22ab22ab22  2 entries, whole",
        f"2 ledgers in {folder}: all whole",
    ]
    assert json.loads(_run("verify", "aa11", "--json", "--folder", folder))["ok"] is True


def test_an_altered_ledger_ends_with_1_and_names_file_and_line(folder):
    book = Ledger(folder, ONE)
    book.path.write_bytes(book.path.read_bytes().replace(b'"sharpe":0.001', b'"sharpe":0.009'))
    lines = _run("verify", "--folder", folder, code=1).splitlines()
    assert lines[0].startswith(f"aa11aa11aa11  {book.path} line 3: was altered")
    assert lines[1:] == ["ab22ab22ab22  2 entries, whole", f"2 ledgers in {folder}: ALTERED"]
    told = json.loads(_run("verify", "--json", "--folder", folder, code=1))
    assert told["ok"] is False
    assert told["ledgers"][0]["entries"] is None
    assert _run("verify", "ab22", "--folder", folder).endswith("all whole\n")


def test_a_ledger_whose_file_is_gone_is_missed(folder):
    (folder / f"{TWO}.jsonl").unlink()
    assert "is missing, though its .head file is there" in _run("verify", "--folder", folder, code=1)

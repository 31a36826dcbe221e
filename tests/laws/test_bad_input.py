"""Law 7 from the outside: whatever is wrong with what was given, one message says where, what and what to do; never a traceback."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from barmill.bundles import publish
from barmill.cli.__main__ import main

SMALL = """
name: small
bars: {simulate: {n_bars: 6000, seed: 3, strength: 2.0}}
features: {timeframes: [1m, 5m]}
labels: {horizon: 30, atr_window: 30, every: 2}
splits: {embargo: 60}
base_models:
  - {name: logistic}
random_signals: 20
"""


@pytest.fixture
def barmill(monkeypatch, capsys):
    """The program in this process: arguments to (exit code, output, errors)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["barmill", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture(scope="module")
def good() -> pl.DataFrame:
    n = 4000
    draw = np.random.default_rng(0)
    close = 100 * np.exp(np.cumsum(draw.normal(0, 1e-3, n)))
    open_ = np.concatenate((close[:1], close[:-1]))
    return pl.DataFrame(
        {
            "open_time": 1_700_000_040_000 + 60_000 * np.arange(n),
            "open": open_,
            "high": np.maximum(open_, close) * 1.0002,
            "low": np.minimum(open_, close) * 0.9998,
            "close": close,
            "volume": np.ones(n),
        }
    )


def at(row: int, column: str, value: float | None):
    return lambda frame: frame.with_columns(pl.when(pl.int_range(pl.len()) == row).then(value).otherwise(pl.col(column)).alias(column))


BAD_BARS = {
    "no rows": (lambda frame: frame.head(0), "bars.csv: there are no rows. Give a file with bars."),
    "one bar": (lambda frame: frame.head(1), "bars.csv (2023-11-14 22:14 UTC): there is one bar only. Give at least two bars."),
    "unsorted": (
        lambda frame: frame.head(10).reverse(),
        "bars.csv row 1 (2023-11-14 22:22 UTC): the bar lies before the one above it (2023-11-14 22:23 UTC) (and 8 more rows). "
        "Sort the file, or import it with --repair sort.",
    ),
    "duplicated": (
        lambda frame: pl.concat([frame.head(5), frame.slice(4, 5)]),
        "bars.csv row 5 (2023-11-14 22:18 UTC): the same open time as an earlier bar. "
        "Correct the file, or import it with --repair drop-duplicates, which keeps the first of each time.",
    ),
    "NaN": (
        at(3, "close", None),
        "bars.csv row 3 (2023-11-14 22:17 UTC): close is missing. Correct the file, or import it with --repair drop-nan.",
    ),
    "high below low": (
        at(3, "high", 1.0),
        "bars.csv row 3 (2023-11-14 22:17 UTC): high 1 is below low 100.0434122. "
        "Correct the file, or let the import set the row aside (--repair drop-invalid-ohlc).",
    ),
    "negative volume": (
        at(3, "volume", -1.0),
        "bars.csv row 3 (2023-11-14 22:17 UTC): volume -1 is negative. "
        "Correct the file, or import it with --repair clip-negative-volume or drop-negative-volume.",
    ),
    "mixed timeframes": (
        lambda frame: pl.concat([frame.head(500), frame.slice(500, 2500).gather_every(5)]),
        "bars.csv row 500 (2023-11-15 06:34 UTC): from here 499 bars are 5m apart, in a file of 1m bars. "
        "Give one timeframe a file, or resample the finer bars first.",
    ),
    "missing column": (
        lambda frame: frame.drop("close"),
        "bars.csv: no column close (the columns are open_time, open, high, low, volume). "
        "Name the columns of your source, such as open=OpenPrice.",
    ),
    "too few": (
        lambda frame: frame.head(800),
        "SIM: 800 bars; expected at least 3769: 509 to warm up the features, 3000 for purge and embargo between the blocks, "
        "and some hundreds to learn from. Give more bars, or lower splits.embargo, the longest feature window or the model's window.",
    ),
}


@pytest.mark.parametrize("fault", BAD_BARS)
def test_bad_bars_are_refused_before_any_work(barmill, good, tmp_path, fault):
    spoil, message = BAD_BARS[fault]
    spoil(good).write_csv(tmp_path / "bars.csv")
    (tmp_path / "r.yaml").write_text("base_models: [{name: logistic}]\n")
    code, out, errors = barmill("train", tmp_path / "r.yaml", "--bars", tmp_path / "bars.csv", "--symbol", "SIM", "--out", tmp_path / "run")
    # the file is called as the user called it
    assert (code, out, errors.replace(f"{tmp_path}/", "")) == (2, "", f"error: {message}\n")
    assert not (tmp_path / "run").exists()


def test_an_empty_file_is_refused(barmill, tmp_path):
    (tmp_path / "bars.csv").touch()
    code, _, errors = barmill("data", "check", tmp_path / "bars.csv", "--symbol", "SIM")
    assert code == 2
    assert "the file is empty (0 bytes). Give a file with bars." in errors


def test_times_in_no_known_unit_are_refused(barmill, good, tmp_path):
    good.with_columns(pl.col("open_time") * 37).write_csv(tmp_path / "bars.csv")
    code, _, errors = barmill(
        "train", "recipes/config-1.yaml", "--bars", tmp_path / "bars.csv", "--symbol", "SIM", "--out", tmp_path / "run"
    )
    assert code == 2
    assert errors.startswith("error: ")
    assert "row 0 (3963-03-23 06:38 UTC): the time lies outside 1970 to 2100: is the unit right?" in errors
    assert "Say the unit of the times: --time-unit s, ms, us or ns." in errors


def test_labels_of_one_class_are_refused_by_name(barmill, tmp_path):
    (tmp_path / "r.yaml").write_text(SMALL.replace("every: 2", "every: 2, k_up: 100, k_down: 100, classes: 3"))
    code, _, errors = barmill("train", tmp_path / "r.yaml", "--out", tmp_path / "run")
    assert code == 2
    assert errors.splitlines()[-1].startswith("error: the train block: ")
    assert "expected at least one of each class (down, neither, up)" in errors


def test_a_recipe_that_names_a_missing_file_is_refused(barmill, tmp_path, monkeypatch):
    monkeypatch.setenv("BARMILL_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.yaml").write_text("bars: gone.parquet\nbase_models: [{name: logistic}]\n")
    code, _, errors = barmill("train", "r.yaml", "--out", "run")
    assert code == 2
    assert errors == (
        f"error: gone.parquet: there is no such file (looked in ., ., {tmp_path}/data). "
        "Give the file with --bars, or set BARMILL_DATA to the folder that holds it.\n"
    )


def test_bars_of_something_else_than_the_bundle_was_trained_on_are_refused(barmill, good, bundle, tmp_path):
    good.write_csv(tmp_path / "bars.csv")
    code, _, errors = barmill("predict", bundle, "--bars", tmp_path / "bars.csv", "--symbol", "BTCUSDT")
    assert code == 2
    assert "bars of BTCUSDT; expected SIM, which bundle 'logistic' was trained on. Give bars of SIM." in errors


@pytest.fixture(scope="module")
def bundle(making, tmp_path_factory) -> Path:
    """A bundle with the files of one that a run publishes."""
    return publish(making.files_of("logistic"), tmp_path_factory.mktemp("bundle"), "logistic")


def test_a_flipped_or_missing_byte_in_any_file_of_a_bundle_is_refused_by_name(barmill, bundle, tmp_path):
    names = sorted(path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file())
    assert len(names) > 10
    for name in names:
        for damage in ("flip", "truncate"):
            copy = tmp_path / damage / name.replace("/", "_")
            shutil.copytree(bundle, copy)
            data = bytearray((copy / name).read_bytes())
            (copy / name).chmod(0o644)
            if damage == "flip":
                data[len(data) // 2] ^= 1
            (copy / name).write_bytes(data if damage == "flip" else data[:-1])
            code, out, errors = barmill("bundle", "verify", copy)
            assert code == 2, (name, damage)
            assert name in out + errors
            assert "Traceback" not in out + errors


@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare is not installed")
@pytest.mark.parametrize(
    ("mount", "message"),
    [
        ("size=300k", "cannot be written: "),
        ("ro", "cannot be written: read-only file system. Choose a folder on a disk that is not read-only."),
    ],
)
def test_a_full_or_read_only_disk_is_told_and_nothing_half_written_stays(tmp_path, mount, message):
    (tmp_path / "small.yaml").write_text(SMALL)
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["unshare", "-Urm", "mount", "-t", "tmpfs", "tmpfs", str(place)], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let a user mount a file system of its own")
    script = f"""
mount -t tmpfs -o {mount} tmpfs {place}
{sys.executable} -m barmill.cli train {tmp_path / "small.yaml"} --out {place / "run"}
echo "exit code $?"
find {place} -name '*.partial' -o -name 'values.npy'
"""
    done = subprocess.run(["unshare", "-Urm", "sh", "-c", script], capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.stdout == "exit code 1\n", done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"error: {place}")
    assert message in last
    assert "Traceback" not in done.stderr

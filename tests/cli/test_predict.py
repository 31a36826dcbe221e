"""`barmill predict`: last bar, all bars, followed bars; exact exit codes, and nothing but results on standard output."""

import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from barmill.bundles import BandOutcomes, Bundle, ForecastBand, assemble, publish
from barmill.cli.predict import predict
from barmill.errors import BundleError, DataError, InputError
from barmill.labels import LabelConfig
from barmill.market import Bars, Instrument
from barmill.uncertainty.conformal import AdaptiveConformal

_PROGRAM = "import sys, typer; from barmill.cli.predict import predict; app = typer.Typer(); app.command()(predict); app()"


@pytest.fixture(scope="session")
def making():
    """The module tests/bundles/making.py, shared with the tests there."""
    name = "barmill_making"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / "bundles" / "making.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture
def app() -> typer.Typer:
    one = typer.Typer(pretty_exceptions_enable=False)
    one.command()(predict)
    return one


@pytest.fixture
def version(making, tmp_path: Path) -> Path:
    return publish(making.files_of("lightgbm"), tmp_path / "r", "lightgbm")


@pytest.fixture
def bars(making):
    return making.walk(260, 3)


@pytest.fixture
def file(bars, tmp_path: Path) -> Path:
    bars.write(tmp_path / "bars.parquet")
    return tmp_path / "bars.parquet"


@pytest.fixture
def batch(version: Path, bars) -> pl.DataFrame:
    return Bundle.load(version).forecast(bars).frame


def run(app: typer.Typer, *arguments: object, **named: object):
    return CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False, **named)


def test_the_last_bar_is_forecast_for_people(app, version: Path, file: Path, batch) -> None:
    result = run(app, version, "--bars", file)
    row = batch.row(-1, named=True)
    lines = result.stdout.splitlines()
    assert lines[0].startswith("bundle    lightgbm 1.2.3 (")
    assert lines[1] == "bar       2023-11-15 02:33 UTC, known at 2023-11-15 02:34 UTC"
    assert lines[2] == f"p_up      {row['p_up']:.4f}"
    assert lines[3] == f"E_r       {row['E_r'] * 1e4:+.2f} bps"
    assert result.exit_code == 0


@pytest.mark.parametrize("model", ["entry", "risk", "pattern_cnn"])
def test_answers_to_other_questions_come_in_their_own_units(app, making, file: Path, tmp_path: Path, model: str) -> None:
    folder = publish(making.files_of(model), tmp_path / "r", model)
    row = Bundle.load(folder).forecast(Bars.read(file, instrument=Instrument.builtin("SIM"))).frame.row(-1, named=True)
    lines = run(app, folder, "--bars", file).stdout.splitlines()[2:]
    told = [name for name in row if name not in ("open_time", "known_at") and not name.startswith("embedding_")]
    assert [line.split() for line in lines[: len(told)]] == [[name, f"{row[name]:.4f}"] for name in told]
    assert lines[len(told) :] == (["embedding         64 numbers, told with --json"] if model == "pattern_cnn" else [])
    (as_json,) = run(app, folder, "--bars", file, "--json").stdout.splitlines()
    assert json.loads(as_json) == row


def test_the_last_bar_as_json_is_the_batchs_last(app, version: Path, file: Path, batch) -> None:
    result = run(app, version.parent, "--bars", file, "--json")
    assert [json.loads(line) for line in result.stdout.splitlines()] == [batch.row(-1, named=True)]


def test_all_bars_come_as_csv_or_json_lines(app, version: Path, file: Path, batch) -> None:
    result = run(app, version, "--bars", file, "--all")
    assert pl.read_csv(io.StringIO(result.stdout)).equals(batch)
    assert f"{len(batch)} bars forecast, {260 - len(batch)} not ready" in result.stderr
    result = run(app, version, "--bars", file, "--all", "--json")
    assert [json.loads(line) for line in result.stdout.splitlines()] == batch.to_dicts()


def test_too_short_a_history_says_how_much_is_needed(app, version: Path, bars, tmp_path: Path) -> None:
    bars.slice(0, 50).write(tmp_path / "short.parquet")
    with pytest.raises(
        DataError,
        match=r"SIM, 50 bars: the last bar is not ready\. Give more history: \d+ bars without gaps give a forecast, \d+ the settled one\.",
    ):
        run(app, version, "--bars", tmp_path / "short.parquet")


def test_bars_of_another_symbol_are_refused(app, version: Path, bars, tmp_path: Path) -> None:
    bars.frame.write_csv(tmp_path / "EURUSD_1m.csv")
    with pytest.raises(DataError, match="bars of EURUSD; expected SIM"):
        run(app, version, "--bars", tmp_path / "EURUSD_1m.csv")
    assert run(app, version, "--bars", tmp_path / "EURUSD_1m.csv", "--symbol", "SIM").exit_code == 0
    with pytest.raises(DataError, match="bars of GC; expected SIM"):
        run(app, version, "--bars", tmp_path / "EURUSD_1m.csv", "--symbol", "GC")


def test_a_followed_pipe_gives_the_batch_line_by_line(app, version: Path, bars, batch) -> None:
    lines = "".join(json.dumps(bars.bar(row)._asdict()) + "\n" for row in range(len(bars)))
    for more in ([], ["--follow"]):
        result = run(app, version, "--bars", "-", *more, input=lines)
        assert result.exit_code == 0
        assert [json.loads(line) for line in result.stdout.splitlines()] == batch.to_dicts()


def test_a_followed_file_ends_when_it_is_idle(app, version: Path, file: Path, batch) -> None:
    result = run(app, version, "--bars", file, "--follow", "--all", "--until-idle", 0)
    assert [json.loads(line) for line in result.stdout.splitlines()] == batch.to_dicts()
    assert run(app, version, "--bars", file, "--follow", "--until-idle", 0).stdout == ""


def test_a_restarted_server_goes_on_with_the_band_that_it_kept(app, making, bars, tmp_path: Path) -> None:
    z = np.random.default_rng(3).standard_normal(200)
    state = AdaptiveConformal(0.1, (0.05,), 100).start(z, 0 * z - 1, 0 * z + 1)
    labels = LabelConfig(horizon=5, atr_window=5, k_up=1.0, k_down=1.0)
    band = ForecastBand(state, "q05_q95", outcomes=BandOutcomes(labels, int(bars.open_time[100])))
    version = publish(assemble(replace(making.contents_of("lightgbm"), band=band)), tmp_path / "r", "lightgbm")
    expected = Bundle.load(version).forecast(bars).frame.to_dicts()
    lines = [json.dumps(bars.bar(row)._asdict()) + "\n" for row in range(len(bars))]
    kept = tmp_path / "band.json"

    def told(n_bars: int, *more: object) -> list[dict]:
        return [json.loads(line) for line in run(app, version, "--bars", "-", *more, input="".join(lines[:n_bars])).stdout.splitlines()]

    first = told(245, "--band-state", kept)
    assert first == expected[: len(first)]
    again = told(260, "--band-state", kept)  # the history warms up, the rest is new
    assert again[len(first) :] == expected[len(first) :]
    assert [row["lower"] for row in expected[len(first) :]] != [row["lower"] for row in told(260, "--band-state", kept)][len(first) :]
    with pytest.raises(InputError, match="--band-state: is given without --follow"):
        run(app, version, "--bars", tmp_path / "none.csv", "--band-state", kept)
    kept.write_bytes(b"{}")
    with pytest.raises(BundleError, match="band state: cannot be gone on from: 'format'"):
        run(app, version, "--bars", "-", "--band-state", kept, input="")
    plain = publish(making.files_of("lightgbm"), tmp_path / "plain", "lightgbm")
    with pytest.raises(BundleError, match=r"has no band that moves\. Leave --band-state out"):
        run(app, plain, "--bars", "-", "--band-state", kept, input="")


def test_an_interrupt_ends_a_followed_file_with_0(version: Path, bars, batch, tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    bars.slice(0, 259).frame.write_csv(path)
    command = [sys.executable, "-c", _PROGRAM, str(version), "--bars", str(path), "--follow", "--all"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ) as program:
        assert program.stdout is not None
        told = [json.loads(program.stdout.readline()) for _ in range(len(batch) - 1)]
        with path.open("a") as file:
            file.write(bars.frame.tail(1).write_csv(include_header=False))
        told.append(json.loads(program.stdout.readline()))
        program.send_signal(signal.SIGINT)
        rest, errors = program.communicate(timeout=30)
    assert (program.returncode, rest, errors) == (0, "", "stopped\n")
    assert told == batch.to_dicts()


def test_a_reader_that_goes_away_ends_a_pipe_quietly(version: Path, bars) -> None:
    command = [sys.executable, "-c", _PROGRAM, str(version), "--bars", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        lines = [json.dumps(bars.bar(row)._asdict()).encode() + b"\n" for row in range(len(bars))]
        program.stdin.writelines(lines[:-1])
        program.stdin.flush()
        program.stdout.readline()
        program.stdout.close()
        program.stdin.write(lines[-1])
        program.stdin.close()
        assert program.stderr is not None
        errors = program.stderr.read()
        assert (program.wait(timeout=30), errors) == (0, b"")


def test_a_bad_line_is_an_error_that_names_it(app, version: Path, bars) -> None:
    lines = "".join(json.dumps(bars.bar(row)._asdict()) + "\n" for row in range(3)) + "oops\n"
    with pytest.raises(DataError, match="standard input line 4: is no bar"):
        run(app, version, "--bars", "-", input=lines)


def test_the_help_is_quick_and_has_an_example(app) -> None:
    began = time.monotonic()
    result = run(app, "--help")
    assert "Example: barmill predict" in result.stdout
    assert time.monotonic() - began < 5

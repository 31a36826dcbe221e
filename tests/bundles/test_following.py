"""Bars are forecast as they are written: by lines, by whole lines only, from files that grow or are replaced."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from barmill.bundles.following import POLL_SECONDS, follow_file, follow_lines
from barmill.errors import DataError

COLUMNS = ("open_time", "open", "high", "low", "close", "volume")


class Script:
    """A clock whose every wait does the next step of a script, and then lets time pass."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self.steps, self.time, self.waits = list(steps), 0.0, 0

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float) -> None:
        assert seconds == POLL_SECONDS
        self.time += seconds
        self.waits += 1
        if self.steps:
            self.steps.pop(0)()


@pytest.fixture
def bars(making):
    return making.walk(260, 3)


@pytest.mark.parametrize("model", ["entry", "risk", "pattern_cnn"])
def test_answers_are_told_as_bars_are_written(load_once, bars, tmp_path: Path, model: str) -> None:
    bundle = load_once(model)
    batch = bundle.forecast(bars).frame
    piped: list[dict] = []
    follow_lines(bundle.stream(), io.BytesIO(json_lines(bars, 0, 260)), piped.append)
    path = tmp_path / "bars.csv"
    path.write_bytes(csv(bars, 0, 240))
    told: list[dict] = []
    follow_file(bundle.stream(), path, told.append, with_history=True, until_idle=1.0, clock=Script(append(path, csv(bars, 240, 260))))
    for rows in (piped, told):
        found = pl.DataFrame(rows)
        assert found.columns == batch.columns
        atol = 1e-6 if model == "pattern_cnn" else 0.0
        np.testing.assert_allclose(found.to_numpy(), batch.to_numpy(), rtol=0, atol=atol)


@pytest.fixture
def expected(load_once, bars) -> list[dict]:
    return load_once("logistic").forecast(bars).frame.to_dicts()


def json_lines(bars, start: int, stop: int) -> bytes:
    return b"".join(json.dumps(bars.bar(row)._asdict()).encode() + b"\n" for row in range(start, stop))


def csv(bars, start: int, stop: int) -> bytes:
    return bars.frame.slice(start, stop - start).select(COLUMNS).write_csv(include_header=start == 0).encode()


def append(path: Path, data: bytes) -> Callable[[], object]:
    def step() -> None:
        with path.open("ab") as file:
            file.write(data)

    return step


@pytest.mark.parametrize(("name", "write"), [("bars.csv", csv), ("bars.jsonl", json_lines)])
def test_appended_lines_are_forecast_as_in_a_batch(load_once, bars, expected, tmp_path: Path, name: str, write) -> None:
    path = tmp_path / name
    path.write_bytes(write(bars, 0, 220))
    told: list[dict] = []
    clock = Script(
        append(path, write(bars, 220, 221)), append(path, write(bars, 221, 250)), lambda: None, append(path, write(bars, 250, 260))
    )
    follow_file(load_once("logistic").stream(), path, told.append, until_idle=2.0, clock=clock)
    assert told == expected[-40:]
    assert clock.steps == []


def test_history_is_forecast_when_it_is_asked_for(load_once, bars, expected, tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_bytes(csv(bars, 0, 240))
    told: list[dict] = []
    clock = Script(append(path, csv(bars, 240, 260)))
    follow_file(load_once("logistic").stream(), path, told.append, with_history=True, until_idle=1.0, clock=clock)
    assert told == expected


def test_a_line_counts_once_it_is_whole(load_once, bars, expected, tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_bytes(csv(bars, 0, 258))
    line = csv(bars, 258, 259)
    told: list[dict] = []
    seen: list[int] = []
    pieces = [line[:5], line[5:20], line[20:-1], line[-1:] + csv(bars, 259, 260)[:-1]]
    steps = [step for piece in pieces for step in (append(path, piece), lambda: seen.append(len(told)))]
    follow_file(load_once("logistic").stream(), path, told.append, until_idle=5.0, clock=Script(*steps))
    assert seen == [0, 0, 0, 1]
    assert told == expected[-2:-1]  # the very last line was never ended


def test_a_file_that_begins_with_its_header_alone_is_followed(load_once, bars, expected, tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_bytes(b"Time;Open;High;Low;Close;Volume\n")
    body = b"".join(line.replace(b",", b";") + b"\n" for line in csv(bars, 0, 260).splitlines()[1:])
    told: list[dict] = []
    follow_file(
        load_once("logistic").stream(), path, told.append, until_idle=1.0, clock=Script(append(path, body[:90]), append(path, body[90:]))
    )
    assert told == expected


def test_a_csv_without_names_is_refused(load_once, bars, tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_bytes(csv(bars, 10, 20))
    with pytest.raises(DataError, match=r"bars\.csv line 1: holds no names of columns; expected open_time,open,high,low,close,volume"):
        follow_file(load_once("logistic").stream(), path, print, until_idle=1.0, clock=Script())


def test_a_parquet_file_is_followed_by_replacement(load_once, bars, expected, tmp_path: Path) -> None:
    path = tmp_path / "bars.parquet"
    bars.slice(0, 250).write(path)
    told: list[dict] = []

    def half_written() -> None:
        path.write_bytes(path.read_bytes()[:-20])

    steps = [lambda: bars.slice(0, 252).write(path), half_written, lambda: bars.write(path), lambda: bars.write(path)]
    follow_file(load_once("logistic").stream(), path, told.append, until_idle=2.0, clock=Script(*steps))
    assert told == expected[-10:]


def test_a_parquet_file_that_stays_broken_is_refused(load_once, bars, tmp_path: Path) -> None:
    path = tmp_path / "bars.parquet"
    bars.write(path)
    with pytest.raises(DataError, match="not a readable parquet file"):
        follow_file(load_once("logistic").stream(), path, print, until_idle=5.0, clock=Script(lambda: path.write_bytes(b"PAR1")))


def test_lines_on_a_pipe_are_forecast_until_it_ends(load_once, bars, expected) -> None:
    told: list[dict] = []
    follow_lines(load_once("logistic").stream(), io.BytesIO(json_lines(bars, 0, 260)), told.append)
    assert told == expected


def test_the_last_line_of_a_pipe_needs_no_newline(load_once, bars, expected) -> None:
    told: list[dict] = []
    follow_lines(load_once("logistic").stream(), io.BytesIO(json_lines(bars, 0, 260)[:-1]), told.append)
    assert told == expected


def test_blank_lines_and_spare_keys_are_left_alone_and_times_may_be_text(load_once, bars, expected) -> None:
    rows = [bars.bar(row)._asdict() | {"trades": 7} for row in range(260)]
    for row in rows:
        row["open_time"] = pl.Series([row["open_time"]]).cast(pl.Datetime("ms")).dt.strftime("%Y-%m-%dT%H:%M:%SZ")[0]
    told: list[dict] = []
    follow_lines(load_once("logistic").stream(), io.BytesIO(b"\n\n".join(json.dumps(row).encode() for row in rows)), told.append)
    assert told == expected


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{not json", "standard input line 259: is no bar: "),
        (b"[1, 2]", "standard input line 259: is no bar: it is not an object"),
        (b'{"open_time": 1, "open": 1}', "standard input line 259: is no bar: it has no high, low, close"),
        (b'{"open_time": "soon", "open": 1, "high": 1, "low": 1, "close": 1}', "standard input line 259: is no bar: "),
        (b"\xff\xfe", "standard input line 259: is not UTF-8."),
        (b"[" * 100_000, "standard input line 259: is no bar: "),
        (b'{"open_time": 1, "open": {}, "high": 1, "low": 1, "close": 1}', "standard input line 259: "),
        (b'{"open_time": 1, "open": null, "high": 1, "low": 1, "close": 1}', "standard input line 259: "),
    ],
)
def test_a_bad_line_is_named_after_the_good_ones_were_forecast(load_once, bars, expected, line: bytes, said: str) -> None:
    told: list[dict] = []
    data = json_lines(bars, 0, 258) + line + b"\n" + json_lines(bars, 258, 260)
    with pytest.raises(DataError) as caught:
        follow_lines(load_once("logistic").stream(), io.BytesIO(data), told.append)
    assert said in str(caught.value)
    assert told == expected[: len(told)]


def test_a_bar_that_cannot_follow_is_named_by_its_line(load_once, bars, tmp_path: Path) -> None:
    data = json_lines(bars, 0, 230) + json_lines(bars, 229, 230)
    with pytest.raises(DataError, match=r"standard input line 231: bar \d+ was sent before\. Send each closed bar once, in time order\."):
        follow_lines(load_once("logistic").stream(), io.BytesIO(data), lambda row: None)
    path = tmp_path / "bars.csv"
    path.write_bytes(csv(bars, 0, 230))
    with pytest.raises(DataError, match=rf"{path} line 232: bar \d+ was sent before"):
        follow_file(load_once("logistic").stream(), path, print, until_idle=1.0, clock=Script(append(path, csv(bars, 229, 230))))


def test_a_bad_history_is_refused_as_a_file_is(load_once, bars, tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    lines = csv(bars, 0, 230).splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:100], lines[101], lines[100], *lines[102:]]))
    with pytest.raises(DataError, match=rf"{path}.*the bar lies before the one above it"):
        follow_file(load_once("logistic").stream(), path, print, until_idle=1.0, clock=Script())


def test_a_file_that_shrinks_or_goes_away_is_told(load_once, bars, tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_bytes(csv(bars, 0, 230))
    with pytest.raises(DataError, match=r"became shorter, from \d+ to 5 bytes"):
        follow_file(load_once("logistic").stream(), path, print, until_idle=1.0, clock=Script(lambda: path.write_bytes(b"short")))
    path.unlink()
    with pytest.raises(DataError, match="there is no such file"):
        follow_file(load_once("logistic").stream(), path, print, until_idle=1.0, clock=Script())


def test_a_file_of_another_symbol_is_refused_unless_it_is_said_to_be_ours(load_once, bars, tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT_1m.csv"
    path.write_bytes(csv(bars, 0, 260))
    with pytest.raises(
        DataError, match=r"bars of BTCUSDT; expected SIM, which bundle 'logistic' was trained on.*--symbol SIM if these are"
    ):
        follow_file(load_once("logistic").stream(), path, print, until_idle=1.0, clock=Script())
    follow_file(load_once("logistic").stream(), path, print, symbol="SIM", until_idle=1.0, clock=Script())

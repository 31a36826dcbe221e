"""The laws of a bundle, for a model of each family: one flipped bit is refused, the same input gives the same bytes, live equals batch."""

from pathlib import Path

import numpy as np
import pytest

from barmill.bundles import Bundle, assemble, publish
from barmill.bundles.folder import inspect
from barmill.bundles.manifest import MANIFEST, SEAL

MODELS = ("logistic", "lightgbm", "xgboost", "lstm", "entry", "risk", "pattern_cnn")
NETWORKS = ("lstm", "pattern_cnn")
FLIPS = 2000


@pytest.mark.parametrize("model", MODELS)
def test_any_flipped_bit_of_any_file_is_refused_by_name_before_a_parser_sees_it(making, tmp_path: Path, model: str) -> None:
    files = making.files_of(model)
    version = publish(files, tmp_path, "m")
    bits = np.random.default_rng(5)
    others = {path: bytearray(data) for path, data in files.items() if path not in (MANIFEST, SEAL)}
    places = {path: bits.integers(len(data) * 8, size=FLIPS) for path, data in others.items()}
    opened = {path: (version / path).open("r+b", buffering=0) for path in files}

    def flip(path: str, data: bytearray, place: int) -> None:
        data[place // 8] ^= 1 << (place % 8)
        opened[path].seek(place // 8)
        opened[path].write(data[place // 8 : place // 8 + 1])

    for turn in range(FLIPS):  # in all files at once: each must be named, so each alone would be refused
        for path, data in others.items():
            flip(path, data, int(places[path][turn]))
        found = inspect(version)
        assert not found.files
        assert [problem.place for problem in found.problems] == [str(version / path) for path in sorted(others)]
        for path, data in others.items():
            flip(path, data, int(places[path][turn]))
    manifest = bytearray(files[MANIFEST])
    for position in range(len(manifest)):
        place = position * 8 + int(bits.integers(8))
        flip(MANIFEST, manifest, place)
        found = inspect(version)
        assert not found.files
        assert [problem.place for problem in found.problems] == [str(version / MANIFEST)]
        flip(MANIFEST, manifest, place)
    for file in opened.values():
        file.close()
    assert not inspect(version).problems


@pytest.mark.parametrize("model", MODELS)
def test_save_load_save_gives_the_same_digest_and_the_same_forecasts(making, tmp_path: Path, model: str) -> None:
    contents = making.contents_of(model)
    first = Bundle.load(publish(making.files_of(model), tmp_path, "m"))
    again = publish(assemble(contents), tmp_path, "m")
    assert again == first.folder
    assert first.replay.exact
    bars = making.walk(400, 9)
    assert first.forecast(bars).frame.equals(Bundle.load(again).forecast(bars).frame)


@pytest.mark.parametrize("model", MODELS)
def test_live_equals_batch_on_simulated_bars_with_gaps(making, tmp_path: Path, model: str) -> None:
    from barmill.market import Bars, simulate

    bundle = Bundle.load(publish(making.files_of(model), tmp_path, "m"))
    whole = simulate(700, 11).bars
    kept = np.ones(len(whole), dtype=bool)
    kept[[300, 301, 302, 450, 451, 600]] = False
    rows = np.flatnonzero(kept)
    columns = (whole.open, whole.high, whole.low, whole.close, whole.volume)
    bars = Bars.from_columns(bundle.instrument, whole.timeframe, whole.open_time[rows], *(column[rows] for column in columns))
    batch, stream = bundle.forecast(bars).frame, bundle.stream()
    live = [row for at in range(len(bars)) if (row := stream.push(bars.bar(at))) is not None]
    assert [row["open_time"] for row in live] == batch["open_time"].to_list()
    for name in bundle.outputs:
        tolerance = 1e-6 if model in NETWORKS else 0.0
        np.testing.assert_allclose([row[name] for row in live], batch[name].to_numpy(), rtol=0, atol=tolerance)

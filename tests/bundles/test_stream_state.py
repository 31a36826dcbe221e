"""A stream that is written down and read back says the same bits as one that never stopped; bytes that are not whole say nothing."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load as load_tensors

from barmill.bundles import BandOutcomes, Bundle, ForecastBand
from barmill.bundles.stream import BundleStream
from barmill.bundles.stream_state import FORMAT, SavedStream, carry, restore_stream, save_stream
from barmill.errors import BundleCorruption, BundleError, BundleVersionError
from barmill.features import FeaturePlan, FeatureStream
from barmill.labels import LabelConfig
from barmill.market import Bars
from barmill.uncertainty.conformal import AdaptiveConformal

N_BARS = 300
KINDS = ("lightgbm", "lstm", "pattern_cnn", "scales", "banded", "of_scales")


@pytest.fixture(scope="module")
def bars(making) -> Bars:
    return making.walk(N_BARS, 3, gaps=(230,))


@pytest.fixture(scope="module")
def bundle_of(making, ensembles, load_ensemble, load_once, bars: Bars):
    """One bundle of each kind: a row, a window, images, several timeframes, an adaptive band, an ensemble of all that."""

    def make(kind: str) -> Bundle:
        if kind == "of_scales":
            return load_ensemble("softmax_gating", ensembles.WIDE)
        if kind == "scales":
            ensemble = load_ensemble("softmax_gating", ensembles.WIDE)
            return replace(ensemble, pipeline=ensemble.pipeline.members[-1].pipeline)
        if kind == "banded":
            return _banded(load_ensemble("softmax_gating", ensembles.SMALL), bars)
        return load_once(kind)

    return make


def _banded(plain: Bundle, bars: Bars) -> Bundle:
    z = np.random.default_rng(2).standard_normal(150)
    outcomes = BandOutcomes(LabelConfig(horizon=8, atr_window=10, every=2), int(bars.open_time[60]))
    band = ForecastBand(AdaptiveConformal(0.1, (0.05,), 100).start(z, 0 * z - 1, 0 * z + 1), "q05_q95", outcomes=outcomes)
    return replace(plain, pipeline=replace(plain.pipeline, band=band))


def pushed(stream: BundleStream, bars: Bars, start: int, stop: int) -> list[dict | None]:
    return [stream.push(bars.bar(row)) for row in range(start, stop)]


@pytest.mark.parametrize("kind", KINDS)
def test_any_cut_goes_on_to_the_bit(bundle_of, bars: Bars, kind: str) -> None:
    bundle = bundle_of(kind)
    whole = pushed(bundle.stream(), bars, 0, N_BARS)
    assert sum(row is not None for row in whole) > 20

    @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.integers(0, N_BARS), min_size=1, max_size=3, unique=True).map(sorted), st.booleans())
    def check(cuts: list[int], at_once: bool) -> None:
        stream = bundle.stream()
        for start, stop in zip([0, *cuts], [*cuts, min(cuts[-1] + 12, N_BARS)], strict=True):
            data = save_stream(stream)
            assert data == save_stream(stream)
            stream = restore_stream(bundle, data)
            assert save_stream(stream) == data
            assert stream.last_open_time == (int(bars.open_time[start - 1]) if start else None)
            if at_once and stop != min(cuts[-1] + 12, N_BARS):
                stream.extend(bars.slice(start, stop))
            else:
                assert pushed(stream, bars, start, stop) == whole[start:stop]

    check()


def test_the_bytes_are_safetensors_that_tell_of_whom_they_are(bundle_of, bars: Bars) -> None:
    bundle = bundle_of("lstm")
    stream = bundle.stream()
    stream.extend(bars.slice(0, 250))
    data = save_stream(stream)
    assert load_tensors(data)["recent"].shape == (bundle.pipeline.depth, len(bundle.plan.names)) == (8, 47)
    told = SavedStream.from_bytes(data).told
    assert told["bundle"] == "lstm"
    assert (told["format"], told["digest"], told["schema_hash"]) == (FORMAT, bundle.digest, bundle.plan.schema_hash)
    assert (told["depth"], told["bars_seen"], told["last_open_time"]) == (8, 250, int(bars.open_time[249]))


def test_a_state_is_of_one_size_however_many_bars_went_in(bundle_of, bars: Bars) -> None:
    for kind in ("lightgbm", "of_scales"):
        bundle = bundle_of(kind)
        stream = bundle.stream()
        shapes = {name: array.shape for name, array in stream.state().items()}
        stream.extend(bars)
        assert {name: array.shape for name, array in stream.state().items()} == shapes


def test_a_history_leaves_no_room_behind(bundle_of, making) -> None:
    """The sheet of a long block is some hundred times what one bar needs; ten thousand streams would fill the memory with it."""
    stream = FeatureStream(bundle_of("lightgbm").plan)
    stream.extend(making.walk(3000, 5))
    assert stream._scan._blocks is None


@pytest.fixture(scope="module")
def small(bundle_of) -> tuple[Bundle, bytes]:
    """A bundle with a plan so small that every byte can be tried."""
    bundle = bundle_of("lightgbm")
    plan = FeaturePlan.build(base="1m", timeframes=("1m",), set="core").only(["rsi_14"])
    small = replace(bundle, plan=plan, pipeline=replace(bundle.pipeline, band=None))
    return small, save_stream(small.stream())


class TestBytesThatAreNotWhole:
    def test_a_flipped_bit_at_any_place_is_refused_before_anything_is_parsed(self, small, monkeypatch) -> None:
        bundle, data = small
        restore_stream(bundle, data)
        monkeypatch.setattr("barmill.bundles.stream_state.load_tensors", _never)
        monkeypatch.setattr("barmill.bundles.stream_state.parse_canonical", _never)
        monkeypatch.setattr("barmill.bundles.stream_state.json.loads", _never)
        for place in range(len(data)):
            wrong = bytearray(data)
            wrong[place] ^= 1 << place % 8
            with pytest.raises(BundleCorruption, match="streams/a: "):
                restore_stream(bundle, bytes(wrong), "streams/a")

    def test_a_piece_more_and_what_others_wrote_are_refused(self, small, monkeypatch) -> None:
        bundle, data = small
        monkeypatch.setattr("barmill.bundles.stream_state.load_tensors", _never)
        for length in (*range(0, len(data), 7), len(data) - 1):
            with pytest.raises(BundleCorruption):
                restore_stream(bundle, data[:length])
        foreign = bundle._files["golden.safetensors"]
        for wrong in (data + b"\0", b"\0" + data, pickle.dumps({"a": 1}), b"{}", b"", foreign, data.replace(b"rsi", b"rsj")):
            with pytest.raises(BundleCorruption):
                restore_stream(bundle, wrong)

    def test_what_a_forger_signs_is_refused_where_it_does_not_fit(self, small) -> None:
        bundle, data = small
        saved = SavedStream.from_bytes(data)
        arrays = dict(saved.arrays)
        wrong = {
            "one is missing": {name: array for name, array in arrays.items() if name != "recent"},
            "one too many": arrays | {"seen/0/prices": np.zeros(3)},
            "another shape": arrays | {"recent": np.zeros((2, 1))},
            "another type": arrays | {"recent": arrays["recent"].astype(np.float32)},
            "of features": arrays | {"features/more": np.zeros(3)},
            "with a band": arrays | {"band": np.frombuffer(b"{}", dtype=np.uint8)},
            "with bytes": arrays | {"band": np.frombuffer(pickle.dumps({}), dtype=np.uint8)},
        }
        for forged in wrong.values():
            with pytest.raises(BundleError):
                restore_stream(bundle, SavedStream(saved.told, forged).to_bytes())
        with pytest.raises(BundleVersionError, match="format 2"):
            restore_stream(bundle, SavedStream({**saved.told, "format": 2}, arrays).to_bytes())
        with pytest.raises(BundleCorruption, match="cannot be read"):
            restore_stream(bundle, SavedStream({}, arrays).to_bytes())


def test_the_state_of_another_bundle_is_refused(bundle_of, bars: Bars) -> None:
    stream = bundle_of("lightgbm").stream()
    with pytest.raises(BundleError, match=r"a/b: is of bundle lightgbm 1\.2\.3, .*; expected lstm 1\.2\.3"):
        restore_stream(bundle_of("lstm"), save_stream(stream), "a/b")


def test_a_stream_with_a_band_that_lost_it_is_refused(bundle_of) -> None:
    bundle = bundle_of("banded")
    saved = SavedStream.of(bundle.stream())
    without = SavedStream(saved.told, {name: array for name, array in saved.arrays.items() if name != "band"})
    with pytest.raises(BundleCorruption, match="has no band"):
        without.restored(bundle)


class TestCarry:
    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("lightgbm", "entry"),
            ("lstm", "lightgbm"),
            ("lstm", "lstm"),
            ("of_scales", "scales"),
            ("of_scales", "lstm"),
            ("pattern_cnn", "risk"),
        ],
    )
    def test_another_version_goes_on_with_the_bars_that_are_remembered(self, bundle_of, bars: Bars, old: str, new: str) -> None:
        stream, bundle = bundle_of(old).stream(), replace(bundle_of(new), digest="f" * 64)
        stream.extend(bars.slice(0, 240))
        before = save_stream(stream)
        carried, fresh = carry(stream, bundle), bundle.stream()
        assert save_stream(stream) == before
        fresh.extend(bars.slice(0, 240))
        assert carried is not None
        assert save_stream(carried) == save_stream(fresh)
        assert pushed(carried, bars, 240, 260) == pushed(fresh, bars, 240, 260)

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("lightgbm", "lstm"),
            ("lightgbm", "scales"),
            ("lightgbm", "pattern_cnn"),
            ("scales", "pattern_cnn"),
            ("pattern_cnn", "of_scales"),
        ],
    )
    def test_one_that_needs_more_than_is_remembered_warms_up_again(self, bundle_of, bars: Bars, old: str, new: str) -> None:
        stream = bundle_of(old).stream()
        stream.extend(bars)
        assert carry(stream, bundle_of(new)) is None

    def test_features_that_mean_something_else_are_not_carried(self, bundle_of, bars: Bars) -> None:
        bundle = bundle_of("lightgbm")
        stream = bundle.stream()
        for plan in (
            replace(bundle.plan, calendar="forex"),
            replace(bundle.plan, fitted={"x": (1.0,)}),
            bundle.plan.only(bundle.plan.names[1:]),
        ):
            other = replace(bundle, digest="f" * 64)
            object.__setattr__(other, "plan", plan)
            assert carry(stream, other) is None

    def test_an_adaptive_band_begins_as_it_stands_in_the_new_bundle(self, bundle_of, bars: Bars) -> None:
        bundle = bundle_of("banded")
        stream, other = bundle.stream(), replace(bundle, digest="f" * 64)
        stream.extend(bars.slice(0, 280))
        carried = carry(stream, other)
        assert carried is not None
        row, own = carried.push(bars.bar(280)), stream.push(bars.bar(280))
        assert row is not None
        assert own is not None
        assert {name for name in row if row[name] != own[name]} == {"lower", "upper"}
        still = replace(bundle.pipeline, band=replace(bundle.pipeline.band, outcomes=None))
        frame = replace(bundle, pipeline=still).forecast(bars).frame
        assert (row["lower"], row["upper"]) == frame.filter(frame["open_time"] == row["open_time"]).select("lower", "upper").row(0)


def _never(*_: object) -> None:
    raise AssertionError("what is not whole was parsed")

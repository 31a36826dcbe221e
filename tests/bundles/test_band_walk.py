"""An adaptive band that is served: it walks through time, the same way in any pieces, on nothing that is not known yet."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from barmill.bundles import BandOutcomes, Bundle, ForecastBand, assemble, publish, read_bundle
from barmill.errors import BundleError
from barmill.labels import LabelConfig, make_labels
from barmill.market import Bars
from barmill.uncertainty.conformal import AdaptiveConformal, adaptive_bands

RNG = np.random.default_rng(3)
Z = RNG.standard_normal(300)
STATE = AdaptiveConformal(0.1, gammas=(0.02,), window=200).start(Z, 0 * Z - 1, 0 * Z + 1)
EVERY, HORIZON = 3, 30


@pytest.fixture(scope="module")
def bars(making) -> Bars:
    return making.walk(520, 3, gaps=(300,))


def band_of(bars: Bars, since: int = 150, labels: LabelConfig | None = None) -> ForecastBand:
    labels = labels or LabelConfig(horizon=HORIZON, atr_window=20, every=EVERY)
    return ForecastBand(STATE, "q05_q95", outcomes=BandOutcomes(labels, int(bars.open_time[since])))


@pytest.fixture(scope="module")
def publish_with(making, tmp_path_factory: pytest.TempPathFactory):
    """Publishes and loads the LightGBM bundle with a band."""

    def make(band: ForecastBand) -> Bundle:
        folder: Path = tmp_path_factory.mktemp("banded")
        return Bundle.from_verified(read_bundle(publish(assemble(replace(making.contents_of("lightgbm"), band=band)), folder, "m")))

    return make


@pytest.fixture(scope="module")
def bundle(publish_with, bars: Bars) -> Bundle:
    return publish_with(band_of(bars))


def rows_of(frame) -> list[tuple]:
    return frame.select("open_time", "lower", "upper").rows()


def test_the_walk_takes_the_steps_of_the_library(bundle: Bundle, bars: Bars) -> None:
    """Decision by decision what `adaptive_bands` says of the run's own labels, from the bar after calibration."""
    frame, labels = bundle.forecast(bars).frame, make_labels(bars, bundle.pipeline.band.outcomes.labels)
    table = bundle.plan.compute(bars)
    ready = np.flatnonzero(table.ready)
    said, unit = bundle.pipeline.said(table.values, ready), bundle.pipeline.scale(table.values, ready)
    decided = (bars.open_time[ready] // 60_000 % EVERY == 0) & (ready > 150)
    t0 = ready[decided]
    outcome = dict(zip(labels.t0.tolist(), zip(labels.t1.tolist(), labels.net_log_return.tolist(), strict=True), strict=True))
    known_at = np.array([outcome.get(at, (10**6, 0))[0] for at in t0.tolist()])
    z = np.array([outcome.get(at, (0, np.nan))[1] for at in t0.tolist()]) / unit[decided]
    lo, hi = said.quantiles[decided, 0], said.quantiles[decided, 2]
    expected = adaptive_bands(STATE, t0, known_at, lo, hi, z)
    assert np.unique(expected.level).size > 30
    at_rows = frame.filter(frame["open_time"].is_in(bars.open_time[t0].tolist()))
    np.testing.assert_array_equal(at_rows["lower"].to_numpy(), expected.lower * unit[decided])
    np.testing.assert_array_equal(at_rows["upper"].to_numpy(), expected.upper * unit[decided])
    before = frame.filter(frame["open_time"] <= int(bars.open_time[150]))
    still = replace(bundle.pipeline, band=replace(bundle.pipeline.band, outcomes=None)).run(table.values, ready)
    np.testing.assert_array_equal(before["lower"].to_numpy(), still["lower"][: len(before)])
    others = [name for name in bundle.outputs if name not in ("lower", "upper")]
    for name in others:
        np.testing.assert_array_equal(frame[name].to_numpy(), still[name])


def test_any_pieces_any_first_wanted_bar_and_any_restart_say_the_same_bits(bundle: Bundle, bars: Bars) -> None:
    whole = bundle.forecast(bars).frame

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.integers(0, len(bars)), max_size=6).map(sorted), st.integers(0, len(bars) - 1))
    def check(cuts: list[int], first: int) -> None:
        stream, rows = bundle.stream(), []
        for turn, (start, stop) in enumerate(zip([0, *cuts], [*cuts, len(bars)], strict=True)):
            if turn % 2 and stop - start < 60:
                rows += [row for at in range(start, stop) if (row := stream.push(bars.bar(at))) is not None]
            else:
                rows += stream.extend(bars.slice(start, stop)).frame.to_dicts()
        assert [(row["open_time"], row["lower"], row["upper"]) for row in rows] == rows_of(whole)
        since = int(bars.open_time[first])
        wanted = bundle.forecast(bars, since=since).frame
        assert wanted.equals(whole.filter(whole["open_time"] >= since))

        resumed = bundle.stream(json.loads(json.dumps(interrupted(first + 1))))
        resumed.extend(bars.slice(0, first + 1))  # history, which warms up the features and moves nothing
        later = [row for at in range(first + 1, len(bars)) if (row := resumed.push(bars.bar(at))) is not None]
        assert [(row["open_time"], row["lower"], row["upper"]) for row in later] == rows_of(whole.filter(whole["open_time"] > since))

    def interrupted(n_bars: int) -> dict:
        stream = bundle.stream()
        stream.extend(bars.slice(0, n_bars))
        return stream.band_state()

    check()


def test_a_restart_with_less_history_catches_up_on_what_was_missed(bundle: Bundle, bars: Bars) -> None:
    """The history given to a restarted server reaches beyond the saved state, and begins long after the bundle."""
    stream, unbroken = bundle.stream(), bundle.stream()
    stream.extend(bars.slice(0, 400))
    unbroken.extend(bars.slice(0, 460))
    restarted = bundle.stream(stream.band_state())
    assert restarted.band_state() == stream.band_state()
    restarted.extend(bars.slice(100, 460))
    assert restarted.band_state()["until"] == unbroken.band_state()["until"]
    same = ("alphas", "weights")
    state, expected = restarted.band_state(), unbroken.band_state()
    assert {name: state["state"][name] for name in same} == {name: expected["state"][name] for name in same}
    assert state["outcomes"] == expected["outcomes"]


def test_nothing_at_a_bar_stands_on_what_is_known_later(bundle: Bundle, bars: Bars) -> None:
    """The price jumps at bar 420: up to the bar before, no bit of any band changes; afterwards the band hears of it."""
    price = np.where(np.arange(len(bars)) >= 420, 3.0, 1.0)
    planted = Bars.from_columns(
        bars.instrument,
        "1m",
        bars.open_time,
        *(np.where(np.arange(len(bars)) == 420, bars.open, getattr(bars, name) * price) if name == "open" else getattr(bars, name) * price
          for name in ("open", "high", "low", "close")),
        bars.volume,
    )  # fmt: skip
    calm, wild = bundle.forecast(bars).frame, bundle.forecast(planted).frame
    break_at = int(bars.open_time[420])
    assert rows_of(calm.filter(calm["open_time"] < break_at)) == rows_of(wild.filter(wild["open_time"] < break_at))
    walked, shaken = bundle.walk(bars), bundle.walk(planted)
    for frame, walk in ((calm, walked), (wild, shaken)):
        assert walk is not None
        at = frame["open_time"].to_numpy()
        walk.bounds(at, np.full(at.size, -1.0), np.full(at.size, 1.0), np.full(at.size, 1e-3))
    assert shaken.state.level < walked.state.level  # outcomes outside: the band goes wider


def test_an_outcome_moves_the_band_at_the_bar_at_which_it_is_known(bundle: Bundle, bars: Bars) -> None:
    config = bundle.pipeline.band.outcomes.labels
    labels, stream = make_labels(bars, config), bundle.stream()
    known = set(bars.open_time[labels.t1[labels.t0 > 150]].tolist())
    ready_from, scores = None, STATE.to_json()["scores"]
    for at in range(len(bars)):
        row = stream.push(bars.bar(at))
        ready_from = at if ready_from is None and row is not None else ready_from
        now = stream.band_state()["state"]["scores"]
        if now != scores:
            assert int(bars.open_time[at]) in known
        scores = now
    assert ready_from is not None
    assert ready_from > 150
    assert now != STATE.to_json()["scores"]


def test_a_decision_without_an_outcome_to_come_is_let_go(publish_with, bars: Bars) -> None:
    tight = LabelConfig(horizon=HORIZON, atr_window=20, every=1, k_up=0.1, k_down=0.1)  # costs leave no room for most stops
    bundle = publish_with(band_of(bars, labels=tight))
    stream = bundle.stream()
    stream.extend(bars)
    state = stream.band_state()
    pending = [at for at, *_ in state["state"]["pending"]]
    assert pending == [at for at, _ in state["units"]]
    assert len(pending) <= HORIZON
    assert min(pending) >= int(bars.open_time[-HORIZON - 1])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda value: value.update(format=2), "format 2 of bundle"),
        (lambda value: value.update(bundle="0" * 64), "of bundle 000000000000, not 1 of"),
        (lambda value: value.pop("outcomes"), "outcomes"),
        (lambda value: value["units"].pop(), "its parts do not fit together"),
        (lambda value: value["state"].update(gammas=[0.5]), "its parts do not fit together"),
        (lambda value: value["outcomes"].update(atr=[]), "atr: state"),
    ],
)
def test_a_state_of_something_else_is_refused(bundle: Bundle, bars: Bars, change, said: str) -> None:
    stream = bundle.stream()
    stream.extend(bars)
    value = stream.band_state()
    change(value)
    with pytest.raises(BundleError, match=f"band state: cannot be gone on from: .*{said}"):
        bundle.stream(value)


def test_what_moves_a_band_goes_with_an_adaptive_one_alone(publish_with, bars: Bars, load_once) -> None:
    with pytest.raises(BundleError, match=r"conformal.outcomes: are given for a band that does not adapt"):
        replace(band_of(bars), band=replace_by_cqr(), around="q05_q95")
    band = band_of(bars)
    assert ForecastBand.from_json(json.loads(json.dumps(band.to_json()))).to_json() == band.to_json()
    broken = band.to_json()
    broken["outcomes"]["labels"]["horizon"] = 0
    with pytest.raises(BundleError, match="conformal: cannot be read"):
        ForecastBand.from_json(broken)
    still = load_once("lightgbm")
    assert still.walk(bars) is None
    assert still.stream().band_state() is None
    with pytest.raises(BundleError, match="has no band that moves"):
        still.stream({"format": 1})


def replace_by_cqr():
    from barmill.uncertainty.conformal import fit_cqr_band

    return fit_cqr_band(Z, 0 * Z - 1, 0 * Z + 1, 0.1)


def test_a_decision_that_is_asked_for_again_is_the_same_one(bundle: Bundle, bars: Bars) -> None:
    """As where a stream's row is refused after its band was made, and goes the ordinary way."""
    once, twice = bundle.walk(), bundle.walk()
    for row in range(len(bars)):
        at = int(bars.open_time[row])
        for walk in (once, twice):
            walk.push(bars.bar(row))
        found = once.bounds_at(at, -1.0, 1.5, 2e-3)
        assert twice.bounds_at(at, -1.0, 1.5, 2e-3) == found
        again = twice.bounds(np.array([at]), np.array([-1.0]), np.array([1.5]), np.array([2e-3]))
        assert (again.lower.item(), again.upper.item()) == found
    assert twice.to_json() == once.to_json()
    assert once.state.pending
    assert once.state.scores.tolist() != STATE.scores.tolist(), "outcomes have come"

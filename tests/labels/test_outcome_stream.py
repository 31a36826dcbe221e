"""Outcomes as bars close: those of `make_labels`, each at its own bar, in whatever pieces the bars come."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barmill.errors import LabelError
from barmill.features import AtrStream, atr
from barmill.labels import LabelConfig, Outcomes, OutcomeStream, make_labels
from barmill.market import Bars, Instrument

CONFIGS = {
    "barriers": LabelConfig(horizon=20, atr_window=14, k_up=2.0, k_down=2.0, every=3),
    "every bar": LabelConfig(horizon=7, atr_window=5, k_up=3.0, k_down=1.5),
    "short": LabelConfig(horizon=20, atr_window=14, k_up=2.0, k_down=2.0, every=5, side="short", cost_mode="charter"),
    "no room": LabelConfig(horizon=12, atr_window=5, k_up=0.1, k_down=0.1, every=2),
    "fixed": LabelConfig(method="fixed_horizon", horizon=15, every=4),
}


def random_bars(n_bars: int = 400) -> Bars:
    """Bars of a minute, some of them missing after the 90th and the 200th."""
    rng = np.random.default_rng(5)
    steps = 4e-4 * rng.standard_normal((n_bars, 4))
    close = 100 * np.exp(np.cumsum(steps.sum(axis=1)))
    open_ = np.concatenate(([100.0], close[:-1]))
    high = np.maximum(open_, close) * (1 + np.abs(steps[:, 0]))
    low = np.minimum(open_, close) * (1 - np.abs(steps[:, 1]))
    minutes = np.arange(n_bars) + 7 * (np.arange(n_bars) >= 90) + 11 * (np.arange(n_bars) >= 200)
    return Bars.from_columns(Instrument.builtin("SIM"), "1m", 60_000 * minutes, open_, high, low, close, np.ones(n_bars))


BARS = random_bars()


def stream_of(config: LabelConfig) -> OutcomeStream:
    return OutcomeStream(BARS.instrument, BARS.timeframe, config)


def joined(parts: list[Outcomes]) -> Outcomes:
    return Outcomes(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


@pytest.mark.parametrize("kind", CONFIGS)
def test_it_says_what_the_labels_say_and_nothing_where_there_is_no_label(kind: str) -> None:
    found, labels = stream_of(CONFIGS[kind]).extend(BARS), make_labels(BARS, CONFIGS[kind])
    known = ~np.isnan(found.net_log_return)
    order = np.lexsort((labels.t0, labels.t1))
    np.testing.assert_array_equal(found.decided_at[known], BARS.open_time[labels.t0[order]])
    np.testing.assert_array_equal(found.known_at[known], BARS.open_time[labels.t1[order]])
    np.testing.assert_array_equal(found.net_log_return[known], labels.net_log_return[order])
    without = {name: n for name, n in labels.excluded.items() if name != "outcome not covered by the data"}
    assert np.count_nonzero(~known) == sum(without.values())
    assert (np.diff(found.known_at) >= 0).all()
    if kind == "no room":
        assert without["no room for a stop"] > 20


def test_shuffled_labels_leave_the_market_as_it_was() -> None:
    plain = CONFIGS["barriers"]
    found, dealt = stream_of(plain).extend(BARS), stream_of(plain.model_copy(update={"shuffle": 3})).extend(BARS)
    np.testing.assert_array_equal(found.net_log_return, dealt.net_log_return)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(sorted(CONFIGS)), st.lists(st.integers(0, len(BARS)), max_size=8).map(sorted), st.booleans())
def test_any_pieces_and_any_restart_give_the_same_bits(kind: str, cuts: list[int], restarted: bool) -> None:
    config = CONFIGS[kind]
    whole, stream, parts = stream_of(config).extend(BARS), stream_of(config), []
    for start, stop in zip([0, *cuts], [*cuts, len(BARS)], strict=True):
        if stop - start < 30:
            parts += [stream.push(BARS.bar(at)) for at in range(start, stop)]
        else:
            parts.append(stream.extend(BARS.slice(start, stop)))
        if restarted:
            stream = OutcomeStream.restore(BARS.instrument, BARS.timeframe, config, json.loads(json.dumps(stream.to_json())))
    for column, found in zip(whole, joined(parts), strict=True):
        np.testing.assert_array_equal(column, found)


def test_nothing_is_known_before_its_bar_closed() -> None:
    stream, rows = stream_of(CONFIGS["every bar"]), []
    for at in range(len(BARS)):
        found = stream.push(BARS.bar(at))
        assert (found.known_at == BARS.open_time[at]).all()
        assert (found.decided_at < found.known_at).all()
        rows.append(found.known_at.size)
        assert len(stream.to_json()["bars"]["open_time"]) <= CONFIGS["every bar"].horizon + 1
    assert sum(rows) == len(BARS) - len(stream.to_json()["events"])


def test_a_trade_that_lost_its_whole_stake_is_refused_as_labels_refuse_it() -> None:
    price = np.array([1.0, 1.0, 2.5, 2.5])
    bars = Bars.from_columns(Instrument.builtin("SIM"), "1m", 60_000 * np.arange(4), price, price, price, price, price)
    config = LabelConfig(method="fixed_horizon", horizon=2, side="short")
    with pytest.raises(LabelError, match=r"decision 0: a net return of -1\.5\d*, which has no logarithm"):
        OutcomeStream(bars.instrument, bars.timeframe, config).extend(bars)


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value.pop("atr"),
        lambda value: value.update(atr=[1.0]),
        lambda value: value.update(atr=[float("nan"), 0.0, 0.0]),
        lambda value: value["bars"]["open"].pop(),
        lambda value: value["bars"]["open_time"].reverse(),
        lambda value: value["events"].append(10_000),
        lambda value: value.update(event_atr=[]),
    ],
)
def test_a_saved_state_that_does_not_fit_is_refused(change) -> None:
    stream = stream_of(CONFIGS["barriers"])
    stream.extend(BARS)
    value = stream.to_json()
    change(value)
    with pytest.raises(LabelError, match="outcomes: cannot be read"):
        OutcomeStream.restore(BARS.instrument, BARS.timeframe, CONFIGS["barriers"], value)


def test_the_average_true_range_of_a_stream_is_that_of_the_history() -> None:
    whole, stream = atr(BARS.high, BARS.low, BARS.close, 14), AtrStream(14)
    pieces = [stream.extend(BARS.high[at : at + 37], BARS.low[at : at + 37], BARS.close[at : at + 37]) for at in range(0, 185, 37)]
    again = AtrStream(14, stream.state)
    np.testing.assert_array_equal(np.concatenate([*pieces, again.extend(BARS.high[185:], BARS.low[185:], BARS.close[185:])]), whole)

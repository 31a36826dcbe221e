"""Markets without an edge: no causal figure says where the next move from an open goes, and each kind has the trap that it promises."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import rankdata

from barmill.errors import InputError
from barmill.market import NULL_MARKETS, Bars, Instrument, null_market, simulate

N_BARS = 120_000
KINDS = sorted(NULL_MARKETS)
OF_REAL_BARS = [kind for kind in KINDS if NULL_MARKETS[kind].of_real_bars]


@pytest.fixture(scope="module")
def like() -> Bars:
    """Bars with a strong planted edge: what survives of it in a market made of them would be seen."""
    return simulate(150_000, seed=3, strength=3.0).bars


@pytest.fixture(scope="module")
def made(like: Bars) -> dict[str, Bars]:
    return {kind: null_market(kind, N_BARS, 5, like) for kind in KINDS}


def auc(score: npt.NDArray[np.float64], up: npt.NDArray[np.bool_]) -> float:
    n_up = int(up.sum())
    return float((rankdata(score)[up].sum() - n_up * (n_up + 1) / 2) / (n_up * (up.size - n_up)))


def known_at_close(bars: Bars) -> dict[str, npt.NDArray[np.float64]]:
    """Figures that each bar's close tells, of the kinds that features are made of."""
    x = np.log(bars.close)
    change = np.diff(x, prepend=x[0])
    taker = bars.column("taker_buy_base") / np.maximum(bars.volume, 1e-12)
    return {
        "last change": change,
        "momentum of 20": x - np.concatenate([np.full(20, x[0]), x[:-20]]),
        "place in the bar": 2 * x - np.log(bars.high) - np.log(bars.low),
        "gap": np.log(bars.open) - np.concatenate([x[:1], x[:-1]]),
        "taker share": taker,
        "volume": bars.volume,
        "range": np.log(bars.high / bars.low),
        "hour": (bars.open_time // 3_600_000 % 24).astype(np.float64),
    }


def z_of(score: npt.NDArray[np.float64], bars: Bars, horizon: int) -> float:
    """How many standard errors the AUC of `score` for the direction from the next open to the horizon's close lies from one half."""
    move = np.log(bars.close[horizon:] / bars.open[1 : len(bars) - horizon + 1])[::horizon]  # moves that share no bar
    said = score[: len(bars) - horizon][::horizon]
    moved = move != 0
    return (auc(said[moved], move[moved] > 0) - 0.5) * np.sqrt(3 * moved.sum())  # variance of an AUC of halves: 1 / (3 n)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("horizon", [1, 12])
def test_nothing_known_at_the_close_says_where_the_price_goes_from_the_next_open(kind: str, horizon: int, made: dict[str, Bars]) -> None:
    found = {name: z_of(score, made[kind], horizon) for name, score in known_at_close(made[kind]).items()}
    assert max(abs(z) for z in found.values()) < 4, found  # of 80 in all, none should pass 4 by chance (p = 0.005)


def test_the_edge_that_the_real_bars_had_would_have_been_seen(like: Bars) -> None:
    assert max(abs(z_of(score, like, 12)) for score in known_at_close(like).values()) > 8


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_bars_and_another_seed_others(kind: str, like: Bars) -> None:
    assert null_market(kind, 3_000, 1, like).fingerprint == null_market(kind, 3_000, 1, like).fingerprint
    assert null_market(kind, 3_000, 1, like).fingerprint != null_market(kind, 3_000, 2, like).fingerprint


@pytest.mark.parametrize("kind", KINDS)
def test_bars_are_as_many_as_asked_for_and_pass_every_check(kind: str, made: dict[str, Bars]) -> None:
    bars = made[kind]
    assert len(bars) == N_BARS
    read = Bars.read(bars.frame, instrument=bars.instrument)
    assert {finding.code for finding in read.findings} <= {"D012", "D013"}  # a jump or a bar of one price, as real bars have them
    average = bars.column("quote_volume") / bars.volume
    assert ((average > bars.low * 0.99) & (average < bars.high * 1.01)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_volatility_is_that_of_the_bars_it_is_like(kind: str, made: dict[str, Bars], like: Bars) -> None:
    size, wanted = (np.diff(np.log(bars.close)).std() for bars in (made[kind], like))
    assert size == pytest.approx(wanted, rel=0.35)


def test_volatility_clusters_in_garch_and_not_in_a_bounce(made: dict[str, Bars]) -> None:
    def memory(kind: str) -> float:
        size = np.abs(np.diff(np.log(made[kind].close)))
        return float(np.corrcoef(size[10:], size[:-10])[0, 1])

    assert memory("garch") > 0.1
    assert memory("sign_flipped") > 0.1
    assert abs(memory("bid_ask_bounce")) < 0.015


def test_closes_of_a_bounce_revert_as_roll_says_and_a_walk_does_not(made: dict[str, Bars]) -> None:
    def correlation(kind: str) -> float:
        change = np.diff(np.log(made[kind].close))
        return float(np.corrcoef(change[1:], change[:-1])[0, 1])

    assert correlation("bid_ask_bounce") == pytest.approx(-1 / 6, abs=0.015)  # Roll (1984): -s^2 / (sigma^2 + 2 s^2)
    assert abs(correlation("random_walk")) < 0.02


def test_measured_from_the_close_the_bounce_would_pass_for_an_edge(made: dict[str, Bars]) -> None:
    change = np.diff(np.log(made["bid_ask_bounce"].close))
    assert auc(-change[:-1], change[1:] > 0) > 0.57


def test_tails_of_a_walk_are_fat(made: dict[str, Bars]) -> None:
    change = np.diff(np.log(made["random_walk"].close))
    assert np.mean(change**4) / np.mean(change**2) ** 2 > 5


def test_sign_flipped_keeps_time_volume_and_the_size_of_every_move(like: Bars) -> None:
    flipped = null_market("sign_flipped", len(like), 9, like)
    np.testing.assert_array_equal(flipped.open_time, like.open_time)
    np.testing.assert_array_equal(flipped.volume, like.volume)
    moves = [np.diff(np.log(bars.close)) for bars in (flipped, like)]
    np.testing.assert_allclose(np.abs(moves[0]), np.abs(moves[1]), atol=1e-10)
    turned = np.mean(np.sign(moves[0]) != np.sign(moves[1]))
    assert 0.48 < turned < 0.52
    ranges = [np.log(bars.high / bars.low) for bars in (flipped, like)]
    np.testing.assert_allclose(ranges[0], ranges[1], atol=1e-10)


def test_a_mirrored_bar_exchanges_buyers_and_sellers() -> None:
    like = simulate(400, seed=1).bars
    rng = np.random.default_rng(2)
    book = {
        "bid_price": like.close - 0.01,
        "ask_price": like.close + 0.03,
        "bid_size": rng.random(400),
        "ask_size": 2 + rng.random(400),
        "open_interest": rng.random(400),
    }
    like = Bars.from_columns(
        like.instrument, "1m", like.open_time, like.open, like.high, like.low, like.close, like.volume, **_extras(like), **book
    )
    new = null_market("sign_flipped", 400, 4, like)
    mirrored = np.sign(np.log(new.close / new.open)) != np.sign(np.log(like.close / like.open))
    moved = like.close != like.open
    flip, kept = mirrored & moved, ~mirrored & moved
    bought = [bars.column("taker_buy_base") for bars in (new, like)]
    np.testing.assert_allclose(bought[0][flip], (like.volume - bought[1])[flip])
    np.testing.assert_array_equal(bought[0][kept], bought[1][kept])
    np.testing.assert_array_equal(new.column("bid_size")[flip], like.column("ask_size")[flip])
    np.testing.assert_array_equal(new.column("open_interest"), like.column("open_interest"))
    assert (new.column("bid_price") < new.close).all()
    assert (new.column("ask_price") > new.close).all()
    wide = np.log(new.close / new.column("bid_price"))
    np.testing.assert_allclose(wide[flip], np.log(like.column("ask_price") / like.close)[flip], atol=1e-12)


def test_blocks_keep_their_bars_together(like: Bars) -> None:
    permuted = null_market("block_permuted", 6_000, 9, like.slice(0, 6_000))
    assert sorted(permuted.volume.tolist()) == sorted(like.volume[:6_000].tolist())
    place = {volume: row for row, volume in enumerate(like.volume[:6_000].tolist())}
    rows = np.array([place[volume] for volume in permuted.volume.tolist()])
    assert np.mean(np.diff(rows) == 1) > 0.95
    assert np.mean(np.diff(rows[::60]) == 60) < 0.1


def test_the_calendar_of_the_instrument_is_kept() -> None:
    like = simulate(20_000, seed=1, symbol="ES").bars
    walk = null_market("random_walk", 20_000, 2, like)
    assert like.calendar.is_open(walk.open_time).all()
    assert walk.instrument == like.instrument == Instrument.builtin("ES")


@pytest.mark.parametrize("kind", KINDS)
def test_real_bars_lend_their_columns_and_lose_their_direction(kind: str, real_data: Path) -> None:
    real = Bars.read(real_data / "crypto" / "FILUSDT_um_1m_2023-08_2023-11.parquet")
    bars = null_market(kind, 100_000, 7, real)
    read = Bars.read(bars.frame, instrument=bars.instrument)
    assert all(finding.severity != "error" for finding in read.findings)
    found = {name: z_of(score, bars, 10) for name, score in known_at_close(bars).items()}
    assert max(abs(z) for z in found.values()) < 4.2, found


def _extras(bars: Bars) -> dict[str, npt.NDArray[np.float64]]:
    return {name: bars.column(name) for name in bars.frame.columns[6:]}


def test_an_unknown_kind_is_refused_with_the_nearest(like: Bars) -> None:
    with pytest.raises(InputError, match="Did you mean 'random_walk'"):
        null_market("random_wlk", 100, 1, like)


@pytest.mark.parametrize("kind", OF_REAL_BARS)
def test_more_bars_than_there_are_is_refused(kind: str, like: Bars) -> None:
    with pytest.raises(InputError, match="2 to 150000"):
        null_market(kind, len(like) + 1, 1, like)


def test_a_price_that_never_moves_is_refused() -> None:
    one = np.ones(50)
    flat = Bars.from_columns(Instrument.builtin("SIM"), "1m", 60_000 * np.arange(50), one, one, one, one, one)
    with pytest.raises(InputError, match="never moves"):
        null_market("random_walk", 100, 1, flat)

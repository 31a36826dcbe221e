"""Bars of images as they come in: cut anywhere they give the images of the whole history, to the bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barmill.errors import ShapeError
from barmill.views import ImageBars, PatternImage
from barmill.views.image_bars import NEEDED_BARS, ImageBarStream, settled_bars
from barmill.views.image_signals import ImageSignals


def images_of(known: ImageBars) -> np.ndarray:
    return known.samples(np.flatnonzero(known.ready)).gather(slice(None))


def test_every_whole_image_is_that_of_the_view(make_bars):
    bars = make_bars(300, 4, gaps=True)
    known = ImageBars.of(bars)
    assert len(known) == 300
    assert np.flatnonzero(known.ready).tolist() == list(range(NEEDED_BARS - 1, 300))
    np.testing.assert_array_equal(images_of(known), PatternImage.of(bars).gather(slice(None)))
    prices = np.column_stack([bars.open, bars.high, bars.low, bars.close])
    np.testing.assert_array_equal(images_of(ImageBars.of_prices(prices)), images_of(known))


@given(cuts=st.lists(st.integers(0, 260), max_size=8).map(sorted), seed=st.integers(0, 20))
@settings(max_examples=30, deadline=None)
def test_any_pieces_give_the_images_of_the_whole(make_bars, cuts, seed):
    bars = make_bars(260, seed)
    stream, whole = ImageBarStream(), ImageBars.of(bars)
    ready, images = [], []
    for start, stop in zip([0, *cuts], [*cuts, len(bars)], strict=True):
        pieces = (
            [stream.push(bars.bar(row)) for row in range(start, stop)] if stop - start < 3 else [stream.extend(bars.slice(start, stop))]
        )
        ready += [one for piece in pieces for one in piece.ready]
        images += [images_of(piece) for piece in pieces]
    assert ready == whole.ready.tolist()
    np.testing.assert_array_equal(np.concatenate(images), images_of(whole))


def test_signals_do_not_depend_on_where_the_closes_are_cut(make_bars):
    close = make_bars(500, 3).close
    signals = ImageSignals()
    one_by_one = np.concatenate([signals.advance(close[row : row + 1]) for row in range(500)])
    np.testing.assert_array_equal(one_by_one, ImageSignals().advance(close))


def test_what_one_bar_knows_is_that_bar_with_those_that_its_image_shows(make_bars):
    whole = ImageBars.of(make_bars(300, 5))
    for row in (83, 84, 299):
        alone = whole.known_at(row)
        assert (len(alone), alone.ready.tolist()) == (1, [True])
        np.testing.assert_array_equal(alone.samples([0]).gather([0]), whole.samples([row]).gather([0]))


def test_an_image_that_is_not_whole_is_refused(make_bars):
    bars = make_bars(100, 5)
    for rows in ([82], [100]):
        with pytest.raises(ShapeError):
            ImageBars.of(bars).samples(rows)
    few = ImageBars.of(bars.slice(0, 20))
    assert not few.ready.any()
    assert len(ImageBars.of(bars.slice(0, 0))) == 0


def test_after_the_settled_bars_the_image_is_that_of_a_long_history(make_bars):
    bars = make_bars(2000, 6)
    (long,), needed = PatternImage.of(bars, [1999]).gather([0]), settled_bars(1e-9)
    assert needed == 15 + 280 + 64  # RSI's 14 changes and the one before, its memory, and the image's own bars
    (short,) = PatternImage.of(bars.slice(2000 - needed, 2000), [needed - 1]).gather([0])
    np.testing.assert_allclose(short, long, rtol=0, atol=1e-6)
    (fewer,) = PatternImage.of(bars.slice(2000 - 84, 2000), [83]).gather([0])
    assert np.abs(fewer - long).max() > 1e-3

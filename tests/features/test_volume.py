"""On-balance volume against TA-Lib and by hand."""

import numpy as np
import pytest
import talib

from barmill.errors import InputError
from barmill.features import obv


def test_obv_equals_talib_from_the_first_bar(bars):
    np.testing.assert_allclose(obv(bars.close, bars.volume), talib.OBV(bars.close, bars.volume), rtol=1e-12, atol=1e-9)


def test_obv_of_five_bars_on_paper():
    np.testing.assert_array_equal(obv([5.0, 6.0, 6.0, 4.0, 5.0], [10.0, 1.0, 2.0, 4.0, 8.0]), [10.0, 11.0, 11.0, 7.0, 15.0])


def test_a_negative_volume_is_refused_with_its_row():
    with pytest.raises(InputError, match=r"obv: row 1: volume is -1\.0; expected 0 or more\."):
        obv([1.0, 2.0], [1.0, -1.0])

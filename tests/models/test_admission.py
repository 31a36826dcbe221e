import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from barmill.models.admission import covered_rows
from barmill.views import WindowTensor


@given(st.integers(1, 12), st.lists(st.integers(0, 40), min_size=1, max_size=15))
def test_covered_rows_are_those_of_some_window(window: int, starts: list[int]) -> None:
    base = np.zeros((60, 1), dtype=np.float32)
    ends = np.array(starts) + window - 1
    slow = sorted({row for end in ends for row in range(end - window + 1, end + 1)})
    assert covered_rows(WindowTensor(base, ends, window)).tolist() == slow

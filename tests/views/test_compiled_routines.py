"""The compiled parts of the views keep to what Numba's cache can see."""

import pytest
from numba.core.dispatcher import Dispatcher

from barmill.views import _drawing, _gathering, _scaling

ROUTINES = (*_gathering.ROUTINES, *_drawing.ROUTINES, *_scaling.ROUTINES)


@pytest.mark.parametrize("routine", ROUTINES, ids=lambda routine: routine.name)
def test_a_routine_calls_nothing_compiled_in_another_file(routine):
    called = [routine.function.__globals__.get(name) for name in routine.function.__code__.co_names]
    others = [one for one in called if isinstance(one, Dispatcher)]
    assert all(one.py_func.__module__ == routine.function.__module__ for one in others)

"""The contract of the kernels, and how they are compiled and cached."""

import subprocess
import sys

import numpy as np
import pytest
from numba.core import caching
from numba.core.dispatcher import Dispatcher

from barmill.features.kernels import KERNELS, ROUTINES, kernel


def test_a_kernel_calls_nothing_compiled_in_another_file_but_what_is_shared():
    """Numba's cache would not see a change there and go on running the old code; the shared files are part of our key."""
    shared = {f"barmill.features.kernels.{name.removesuffix('.py')}" for name in kernel.SHARED}

    def callees(function):
        for name in function.__code__.co_names:
            called = function.__globals__.get(name)
            if isinstance(called, Dispatcher):
                yield called.py_func
                yield from callees(called.py_func)

    for piece in (*KERNELS, *ROUTINES):
        for called in callees(piece.function):
            assert called.__module__ in {piece.function.__module__, *shared}, f"{piece.name} calls {called.__qualname__}"


def test_a_change_in_a_shared_file_is_a_new_kernel_to_the_cache(monkeypatch, tmp_path):
    monkeypatch.setattr(kernel.numba.config, "CACHE_DIR", str(tmp_path))

    def was_in_the_cache():
        return sum(kernel.compile_cached(_double, kernel.SIGNATURE).stats.cache_hits.values())

    assert [was_in_the_cache(), was_in_the_cache()] == [0, 1]
    monkeypatch.setattr(kernel, "_shared_source", lambda: "another")
    assert [was_in_the_cache(), was_in_the_cache()] == [0, 1]


def test_names_are_unique():
    names = [piece.name for piece in (*KERNELS, *ROUTINES)]
    assert len(names) == len(set(names))


def test_importing_the_features_compiles_nothing():
    code = """
import numba
from numba.core import event
compiled = []
class Listener(event.Listener):
    def on_start(self, event): compiled.append(event.data)
    def on_end(self, event): pass
event.register('numba:compile', Listener())
import barmill.features
assert not compiled, compiled
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def _double(params, state, bars, out):
    for t in range(bars.shape[1]):
        out[0, t] = 2.0 * bars[5, t]


def test_where_no_cache_can_be_written_a_kernel_is_compiled_for_this_process(monkeypatch):
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    compiled = kernel.compile_cached(_double, kernel.SIGNATURE)
    out = np.empty((1, 3))
    compiled(np.empty(0), np.empty(0), np.ones((7, 3)), out)
    np.testing.assert_array_equal(out, 2.0)


def test_a_fault_of_the_compiler_is_not_mistaken_for_a_cache_that_cannot_be_written(monkeypatch):
    def refuse(*args, **kwargs):
        raise RuntimeError("something else")

    monkeypatch.setattr(kernel.numba, "njit", refuse)
    with pytest.raises(RuntimeError, match="something else"):
        kernel.compile_cached(_double, kernel.SIGNATURE)

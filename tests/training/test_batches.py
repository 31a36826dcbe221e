import numpy as np
import torch

from barmill.models import Samples
from barmill.training.batches import Batches, bases_on
from barmill.views import FeatureMatrix, WindowTensor

CPU = torch.device("cpu")


def _samples(view: WindowTensor | FeatureMatrix) -> Samples:
    n = len(view)
    return Samples(view, (np.arange(n) % 2).astype(np.int8), np.arange(n) / 7, np.arange(n) / 3 + 1)


def test_gathers_the_same_windows_as_the_view() -> None:
    base = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)
    base.flags.writeable = False
    samples = _samples(WindowTensor(base, np.array([9, 30, 12, 49, 12]), 10))
    batches = Batches(samples, *bases_on(CPU, samples), CPU)
    picked = np.array([4, 0, 3])
    batch = batches.gather(picked)
    assert len(batches) == 5
    np.testing.assert_array_equal(batch.x.numpy(), samples.view.gather(picked))  # type: ignore[union-attr]
    np.testing.assert_array_equal(batch.y.numpy(), samples.y[picked])
    np.testing.assert_array_equal(batch.z.numpy(), samples.z[picked].astype(np.float32))
    np.testing.assert_array_equal(batch.weight.numpy(), samples.weight[picked].astype(np.float32))


def test_gathers_rows_of_a_matrix() -> None:
    base = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)
    samples = _samples(FeatureMatrix(base, np.array([3, 1, 2])))
    batch = Batches(samples, *bases_on(CPU, samples), CPU).gather(np.array([2, 0]))
    np.testing.assert_array_equal(batch.x.numpy(), base[[2, 3]])


def test_windows_share_the_memory_of_the_base() -> None:
    base = np.zeros((50, 4), dtype=np.float32)
    train, valid = (_samples(WindowTensor(base, np.arange(first, first + 5), 10)) for first in (9, 30))
    one, other = bases_on(CPU, train, valid)
    assert one is other
    assert one.data_ptr() == base.ctypes.data

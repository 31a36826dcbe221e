"""Windows cut into patches."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from barmill.models.transformer.patches import Patching


@given(st.integers(1, 80), st.integers(1, 20), st.integers(1, 20))
def test_patches_end_at_the_windows_end_and_waste_less_than_a_stride(length: int, patch: int, stride: int) -> None:
    patching = Patching.of(length, patch, stride)
    patches = patching.cut(torch.arange(length).reshape(1, 1, length))[0, 0]
    assert patches.shape == (patching.n_patches, min(patch, length))
    assert patches[-1, -1] == length - 1
    assert patches[0, 0] == patching.first < patching.stride
    assert tuple(patches[:, -1].tolist()) == patching.ends
    for one in patches:
        assert one.tolist() == list(range(int(one[0]), int(one[-1]) + 1))


@pytest.mark.parametrize(
    ("length", "patch", "stride", "starts"),
    [
        (64, 16, 8, [0, 8, 16, 24, 32, 40, 48]),
        (60, 16, 8, [4, 12, 20, 28, 36, 44]),  # (60 - 16) % 8 bars at the old end are not read
        (12, 16, 8, [0]),  # shorter than a patch: one patch of all bars
        (1, 16, 8, [0]),
        (10, 4, 4, [2, 6]),
    ],
)
def test_patches_by_hand(length: int, patch: int, stride: int, starts: list[int]) -> None:
    x = torch.arange(2 * 3 * length).reshape(2, 3, length)
    cut = Patching.of(length, patch, stride).cut(x)
    expected = torch.stack([x[:, :, start : start + patch] for start in starts], dim=2)
    assert torch.equal(cut, expected)

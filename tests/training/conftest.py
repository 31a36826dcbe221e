"""The small planted set for tests of the loop itself."""

import functools

import pytest

from barmill.training import TrainedNetwork
from trainings.small import Small


@functools.cache
def _uninterrupted() -> TrainedNetwork:
    return Small().train()


@pytest.fixture
def whole() -> TrainedNetwork:
    """The result of training without a break."""
    return _uninterrupted()


@pytest.fixture
def small() -> Small:
    return Small()

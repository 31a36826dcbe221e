import sys
from pathlib import Path

import pytest

import barmill.training
from barmill.errors import MissingDependency
from barmill.training.events import Events


def test_without_a_folder_nothing_is_written_and_nothing_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)  # type: ignore[arg-type]
    events = Events(None)
    events.write(1, {"loss": 0.5})
    events.close()


def test_a_missing_tensorboardx_is_told_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)  # type: ignore[arg-type]
    with pytest.raises(MissingDependency, match=r'need tensorboardX, not installed here\. Install it with: pip install "barmill\[torch\]"'):
        Events(tmp_path)


def test_the_package_shows_its_public_names_and_no_others() -> None:
    assert barmill.training.__all__ == sorted(barmill.training.__all__)
    assert all(callable(getattr(barmill.training, name)) for name in barmill.training.__all__)
    with pytest.raises(AttributeError, match="no attribute 'fit'"):
        _ = barmill.training.fit

import subprocess
import sys
from pathlib import Path

import pytest

from barmill.errors import SetupError
from barmill.pipeline.workspace import Stage, Workspace

STAGE = Stage("thing", "data/thing", "a" * 64)


def make(workspace: Workspace, content: bytes = b"content") -> None:
    with workspace.writing(STAGE) as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "file").write_bytes(content)


def test_a_finished_stage_is_found_with_the_same_digest(tmp_path: Path):
    workspace = Workspace(tmp_path)
    assert workspace.record(STAGE) is None
    make(workspace)
    again = Workspace(tmp_path / "elsewhere")
    make(again)
    assert workspace.record(STAGE) == again.record(STAGE)


def test_a_stage_whose_block_fails_leaves_nothing(tmp_path: Path):
    workspace = Workspace(tmp_path)

    def fail() -> None:
        with workspace.writing(STAGE) as folder:
            (folder / "half").write_bytes(b"")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert workspace.record(STAGE) is None
    assert list((tmp_path / "data").iterdir()) == []


@pytest.mark.parametrize("damage", ["flip", "remove", "record"])
def test_a_damaged_stage_is_not_used_and_is_replaced(tmp_path: Path, damage: str):
    workspace = Workspace(tmp_path)
    make(workspace)
    file = workspace.path(STAGE) / "deep" / "file"
    match damage:
        case "flip":
            file.write_bytes(b"cXntent")
        case "remove":
            file.unlink()
        case _:
            (workspace.path(STAGE) / "stage.json").write_bytes(b"{")
    assert workspace.record(STAGE) is None
    make(workspace)
    assert workspace.record(STAGE) is not None


def test_another_key_is_another_stage(tmp_path: Path):
    workspace = Workspace(tmp_path)
    make(workspace)
    same_folder = Stage("thing", "data/thing", "a" * 12 + "b" * 52)
    assert workspace.record(same_folder) is None


def test_two_runs_cannot_work_in_one_folder_and_the_lock_falls_with_its_process(tmp_path: Path):
    script = f"""
import sys
from pathlib import Path
from barmill.pipeline.workspace import Workspace
with Workspace(Path({str(tmp_path)!r})).locked():
    print("held", flush=True)
    sys.stdin.read()
"""
    holder = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(SetupError, match="another run is at work in this folder"), Workspace(tmp_path).locked():
        pass
    holder.kill()
    holder.communicate()
    with Workspace(tmp_path).locked():
        pass


def test_what_a_killed_process_left_is_swept(tmp_path: Path):
    left = tmp_path / "data" / ".thing.0123.partial"
    left.mkdir(parents=True)
    with Workspace(tmp_path).locked():
        assert not left.exists()

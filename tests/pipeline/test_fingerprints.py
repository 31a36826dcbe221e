import platform
import shutil
from pathlib import Path

import pytest

import barmill
from barmill.artefacts import canonical_json
from barmill.pipeline.fingerprints import code_fingerprint, environment, key_of, library_versions


@pytest.fixture
def copied(tmp_path, monkeypatch) -> Path:
    """A copy of the source that the fingerprint is taken of."""
    root = tmp_path / "barmill"
    shutil.copytree(Path(barmill.__file__).parent, root, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(barmill, "__file__", str(root / "__init__.py"))
    code_fingerprint.cache_clear()
    yield root
    code_fingerprint.cache_clear()


def fresh(*packages: str) -> str:
    code_fingerprint.cache_clear()
    return code_fingerprint(*packages)


def test_a_changed_line_changes_the_fingerprint_of_its_package_and_of_the_whole_alone(copied):
    before = {name: fresh(name) for name in ("market", "models")}
    whole = fresh()
    with (copied / "models" / "heads.py").open("a") as file:
        file.write("# changed\n")
    assert fresh("market") == before["market"]
    assert fresh("models") != before["models"]
    assert fresh() != whole


def test_the_ground_floor_is_part_of_every_package(copied):
    before = fresh("labels")
    with (copied / "errors.py").open("a") as file:
        file.write("# changed\n")
    assert fresh("labels") != before


def test_a_checkout_and_an_installation_of_the_same_code_agree(copied):
    before = fresh()
    (copied / "recipes").mkdir()
    (copied / "recipes" / "quickstart.yaml").write_text("name: quickstart\n")
    assert fresh() == before


def test_keys_depend_on_content_and_not_on_the_order_of_names():
    assert key_of(a=1, b=[1, 2]) == key_of(b=[1, 2], a=1)
    assert len({key_of(a=1), key_of(a=2), key_of(a="1"), key_of(b=1)}) == 4


def test_the_environment_names_libraries_and_not_the_machine():
    said = environment()
    assert said["libraries"]["numpy"]
    assert "+" not in said["libraries"]["torch"]
    if len(platform.node()) > 5:
        assert platform.node() not in canonical_json(said).decode()


def test_what_is_not_installed_is_left_out():
    assert library_versions(["numpy", "no-such-distribution"]).keys() == {"numpy"}

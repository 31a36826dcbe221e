"""The report of a verification: every file, every problem, never an exception for a bad bundle."""

from pathlib import Path

import pytest

from barmill.bundles import publish, verify


@pytest.mark.parametrize("model", ["logistic", "entry", "risk", "pattern_cnn"])
def test_a_good_bundle_is_good_and_replayed(making, tmp_path: Path, model: str) -> None:
    version = publish(making.files_of(model), tmp_path, "m")
    report = verify(tmp_path / "m")
    assert report.ok
    assert (report.folder, report.name, report.version) == (version, model, "1.2.3")
    assert all(one.ok for one in report.files)
    assert report.replay is not None
    assert report.replay.exact
    assert report.to_json()["replay"] == {"exact": True, "features": 0.0, "forecasts": 0.0, "n": report.replay.n_inputs + 64}


def test_bytes_alone_need_no_model(sealed, tmp_path: Path) -> None:
    report = verify(publish(sealed(), tmp_path, "m"), replay=False)
    assert report.ok
    assert report.replay is None


def test_every_bad_file_is_named_and_the_others_are_not(sealed, tmp_path: Path) -> None:
    version = publish(sealed(), tmp_path, "m")
    for name in ("metrics.json", "recipe.json"):
        (version / name).write_bytes(b"x" * len((version / name).read_bytes()))
    report = verify(version)
    assert not report.ok
    assert [one.path for one in report.files if not one.ok] == ["metrics.json", "recipe.json"]
    assert [problem.place for problem in report.problems] == [str(version / "metrics.json"), str(version / "recipe.json")]
    assert report.to_json()["ok"] is False


def test_a_bundle_of_good_bytes_that_does_not_load_is_bad(sealed, tmp_path: Path) -> None:
    report = verify(publish(sealed(), tmp_path, "m"))
    assert all(one.ok for one in report.files)
    assert not report.ok


def test_a_folder_without_a_bundle_and_a_broken_pointer_are_reported(sealed, tmp_path: Path) -> None:
    assert "no bundle here" in str(verify(tmp_path).problems[0])
    publish(sealed(), tmp_path, "m")
    (tmp_path / "m" / "current.json").write_bytes(b"{}")
    assert "current.json" in str(verify(tmp_path / "m").problems[0])

import json
import math
from pathlib import Path
from typing import Any

import pytest

from barmill.console import RunFolder
from barmill.errors import DataError


def test_a_run_reads_as_typed_values(usual_run: Path) -> None:
    run = RunFolder.read(usual_run)
    selected = run.judgement.selected
    assert selected is not None
    assert (selected.name, selected.trading.n_trades) == ("lightgbm", 215)
    assert run.judgement.baselines["buy_and_hold"].profit_factor == math.inf
    assert run.environment.libraries["numpy"] == "2.4.0"
    assert run.timings is not None
    assert run.equity is not None


def test_timings_and_equity_may_be_missing(make_run: Any, judgement: dict[str, Any]) -> None:
    folder = make_run(judgement)
    (folder / "timings.json").unlink()
    run = RunFolder.read(folder)
    assert (run.timings, run.equity) == (None, None)


def test_a_folder_that_is_no_run_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"judgement.json: there is no such file. Name the folder of a finished run"):
        RunFolder.read(tmp_path)


def test_every_wrong_value_is_named_by_its_key(make_run: Any, judgement: dict[str, Any]) -> None:
    judgement["models"][1]["classification"]["auc"] = "high"
    judgement["horizon_bars"] = "soon"
    with pytest.raises(DataError) as refused:
        RunFolder.read(make_run(judgement))
    assert [problem.place.rsplit(":", 1)[1] for problem in refused.value.problems] == ["horizon_bars", "models.1.classification.auc"]


def test_a_truncated_judgement_is_refused(make_run: Any, judgement: dict[str, Any]) -> None:
    folder = make_run(judgement)
    file = folder / "metrics" / "judgement.json"
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"judgement.json: Invalid JSON"):
        RunFolder.read(folder)


def test_a_newer_format_is_refused(make_run: Any, judgement: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"judgement.json:format: format 2; expected 1"):
        RunFolder.read(make_run({**judgement, "format": 2}))


def test_an_equity_file_that_is_none_is_refused(make_run: Any, judgement: dict[str, Any]) -> None:
    folder = make_run(judgement)
    (folder / "metrics" / "equity.parquet").write_bytes(b"not parquet")
    with pytest.raises(DataError, match=r"equity.parquet: it is not a Parquet file"):
        RunFolder.read(folder)


def test_keys_of_a_later_version_are_left_alone(make_run: Any, judgement: dict[str, Any]) -> None:
    judgement["models"][0]["trading"]["something_new"] = json.loads("[1]")
    assert RunFolder.read(make_run(judgement)).judgement.models[0].name == "logistic"

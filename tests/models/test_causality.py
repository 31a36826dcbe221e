"""What `barmill models verify` catches, and that no model of the catalogue is caught."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

from barmill.cli.exit_codes import DONE, FAILED
from barmill.cli.models import app
from barmill.errors import RecipeError
from barmill.models import MODELS, RawForecast
from barmill.models.causality import CausalityCheck, CausalityReport, verify_model, verify_states
from barmill.models.expert.forecasters import QuantileForecaster
from barmill.views import ImageBars

STRICT = {"lstm", "tcn", "patchtst", "tft", "deepar", "quantile_rnn"}
QUICK = ("lstm", "tcn", "cnn_1d", "elastic_net", "catboost", "entry", "risk", "reward", "entry_offset", "pattern_cnn")


_samples = ImageBars.samples


class Convolved(nn.Module):
    """A trunk of one convolution that reads `left` bars back and `right` bars ahead, normed over the batch and the window if asked."""

    def __init__(self, left: int, right: int, *, normed: bool = False, dropout: float = 0.0) -> None:
        super().__init__()
        self.pad = nn.ConstantPad1d((left, right), 0.0)
        self.conv = nn.Conv1d(3, 5, left + right + 1)
        self.norm = nn.BatchNorm1d(5) if normed else nn.Identity()
        self.dropout = nn.Dropout(dropout)

    def states(self, x_BWF: Tensor) -> Tensor:
        return self.dropout(self.norm(self.conv(self.pad(x_BWF.transpose(1, 2))))).transpose(1, 2)


class Standing(nn.Module):
    """States that look at nothing."""

    def states(self, x_BWF: Tensor) -> Tensor:
        return torch.zeros_like(x_BWF)


def _passed(trunk: nn.Module, window: int = 12) -> list[bool | None]:
    return [check.passed for check in verify_states(trunk, window, 3)]


def test_a_convolution_that_looks_back_passes_in_both_modes() -> None:
    assert _passed(Convolved(3, 0)) == [True, True]


def test_dropout_is_the_same_in_both_runs_and_hides_nothing() -> None:
    assert _passed(Convolved(3, 0, dropout=0.5)) == [True, True]
    assert _passed(Convolved(2, 1, dropout=0.5)) == [False, False]


def test_a_centred_convolution_is_caught_and_told_where() -> None:
    evaluation, training = verify_states(Convolved(1, 1), 12, 3)
    assert evaluation.passed is False
    assert training.passed is False
    assert evaluation.found.startswith("bars from 1 on were changed, and the state that ends at bar 0 differs by ")


def test_a_norm_over_batch_and_window_is_caught_in_training_alone_and_its_statistics_are_put_back() -> None:
    trunk = Convolved(3, 0, normed=True)
    before = {name: value.clone() for name, value in trunk.state_dict().items()}
    assert _passed(trunk) == [True, False]
    assert all(torch.equal(value, before[name]) for name, value in trunk.state_dict().items())


def test_states_that_never_change_prove_nothing() -> None:
    (check, _) = verify_states(Standing(), 12, 3)
    assert check.passed is False
    assert "nothing is proved" in check.found


def test_the_last_bar_of_each_position_must_be_told_of_all() -> None:
    trunk = Convolved(3, 0)
    trunk.state_ends = (0, 1)  # type: ignore[assignment]
    assert verify_states(trunk, 12, 3)[0].found == "12 positions, and the last bar is told of 2"


def test_positions_may_end_late_but_not_early() -> None:
    trunk = Convolved(1, 1)
    trunk.state_ends = tuple(min(bar + 1, 11) for bar in range(12))  # type: ignore[assignment]
    assert _passed(trunk) == [True, True]


@pytest.mark.parametrize("name", [*QUICK, *sorted((STRICT & MODELS.keys()) - {*QUICK})])
def test_models_keep_what_they_promise(name: str) -> None:
    report = verify_model(name)
    assert report.ok, report
    assert report.strictly_causal == (name in STRICT)
    assert [check.passed for check in report.checks] == [True] * (3 if name in STRICT else 1)


def test_an_image_that_shows_a_bar_after_its_own_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageBars, "samples", lambda bars, rows: _samples(bars, np.minimum(np.asarray(rows) + 1, len(bars) - 1)))
    (check,) = verify_model("pattern_cnn").checks
    assert check == CausalityCheck("bars after the window", False, "50 bars were appended, and 3 answers to images changed")


def test_an_expert_that_looks_at_the_newest_row_of_the_table_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = QuantileForecaster.raw

    def peeking(forecaster: QuantileForecaster, view: Any) -> RawForecast:
        raw = honest(forecaster, view)
        assert raw.values is not None
        return raw._replace(values={name: said + view.base[-1, 0] for name, said in raw.values.items()})

    monkeypatch.setattr(QuantileForecaster, "raw", peeking)
    (check,) = verify_model("risk").checks
    assert check == CausalityCheck("rows after the window", False, "50 rows were appended, and 300 forecasts changed")


def test_the_command_tells_and_its_code_is_1_if_a_bit_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    done = CliRunner().invoke(app, ["verify", "ridge"], catch_exceptions=False)
    assert done.exit_code == DONE
    assert "50 rows were appended, and 300 forecasts are the same to the bit" in done.stdout
    broken = CausalityReport("ridge", strictly_causal=False, checks=(CausalityCheck("rows after the window", False, "changed"),))
    monkeypatch.setattr("barmill.models.causality.verify_model", lambda name: broken)
    done = CliRunner().invoke(app, ["verify", "ridge", "--json"], catch_exceptions=False)
    assert done.exit_code == FAILED
    told = json.loads(done.stdout)
    assert told["ok"] is False
    assert told["checks"] == [{"what": "rows after the window", "passed": False, "found": "changed"}]


def test_a_name_that_there_is_not_is_told_with_the_nearest() -> None:
    with pytest.raises(RecipeError, match="Did you mean 'tcn'"):
        verify_model("tnc")

"""The catalogue: complete, light, and clear about what is missing."""

import importlib
import subprocess
import sys

import pytest

from barmill.errors import RecipeError
from barmill.models import MODELS, OUTPUTS, VIEWS, load_fit, missing_requirements, spec_of, window_of
from barmill.models import catalogue as catalogue_module
from barmill.models.contract import QUESTIONS


def test_every_entry_is_complete_and_its_targets_exist() -> None:
    for name, spec in MODELS.items():
        assert spec.name == name
        assert spec.view in VIEWS
        assert spec.question in QUESTIONS
        assert spec.question != "direction" or (set(spec.outputs) <= set(OUTPUTS) and spec.outputs[0] == "p_up")
        assert spec.question == "direction" or spec.outputs == ("p_up",) or not set(spec.outputs) & set(OUTPUTS)
        assert spec.reference
        assert spec.summary.endswith(".")
        assert bool(spec.requires) == bool(spec.extra)
        for target in (spec.fit, spec.forecaster):
            module, _, member = target.partition(":")
            assert module.startswith(f"barmill.models.{spec.family}.") or module == "barmill.models.network_forecaster"
            assert callable(getattr(importlib.import_module(module), member))


def test_the_recipes_of_the_seeds_name_parameters_that_exist() -> None:
    assert spec_of("lightgbm").params(n_estimators=500, learning_rate=0.05, max_depth=7)
    assert spec_of("xgboost").params(n_estimators=500, max_depth=6)
    assert window_of(spec_of("lstm"), spec_of("lstm").params(seq_len=60)) == 60


def test_only_window_models_have_a_window() -> None:
    for spec in MODELS.values():
        assert (window_of(spec, spec.params()) is None) == (spec.view == "feature_matrix")


@pytest.mark.parametrize(("given", "meant"), [("lightgmb", "lightgbm"), ("LSTM", None), ("xgbost", "xgboost"), ("logistics", "logistic")])
def test_a_misspelt_name_is_answered_with_the_nearest(given: str, meant: str | None) -> None:
    mend = f"Did you mean '{meant}'?" if meant else f"There are {', '.join(sorted(MODELS))}."
    with pytest.raises(RecipeError) as caught:
        spec_of(given)
    assert str(caught.value) == f"models: no model named '{given}'. {mend}"


def test_a_blocked_library_counts_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # type: ignore[arg-type]
    assert missing_requirements(spec_of("lstm")) == ("torch",)
    assert missing_requirements(spec_of("lightgbm")) == ()


def test_missing_libraries_are_all_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue_module, "_is_installed", lambda name: False)
    with pytest.raises(Exception, match="needs torch, onnx, onnxscript, not installed here"):
        load_fit(spec_of("lstm"))


_HEAVY = ("torch", "lightgbm", "xgboost", "sklearn", "onnxruntime", "onnx", "scipy", "pandas", "numba")


@pytest.mark.parametrize("module", ["barmill.models", "barmill.models.parameters", "barmill.training"])
def test_importing_loads_no_learning_library(module: str) -> None:
    code = f"import sys, {module}; print([name for name in {_HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

"""What importing and asking for help may load, and that public names are what they say."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

import barmill
from barmill import errors
from barmill.cli.exit_codes import BAD_INPUT, FAILED, exit_code

HEAVY = ("torch", "numba", "lightgbm", "xgboost", "sklearn", "pandas", "plotly", "onnxruntime", "exchange_calendars")


def loaded_by(code: str) -> set[str]:
    """Heavy libraries that a fresh process has loaded after running `code`."""
    asked = (*HEAVY, "numpy", "polars", "scipy")
    script = f"{code}\nimport sys\nprint(*(name for name in {asked!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def program(*arguments: str) -> str:
    return f"""
import sys
sys.argv = ["barmill", *{list(arguments)!r}]
from barmill.cli.__main__ import main
try:
    main()
except SystemExit:
    pass
"""


def test_importing_barmill_loads_nothing():
    assert loaded_by("import barmill") == set()


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("train", "--help"), ("data", "check", "--help")])
def test_help_loads_no_library(arguments):
    assert loaded_by(program(*arguments)) == set()


@pytest.mark.parametrize("arguments", [("models", "list"), ("models", "show", "lstm")])
def test_the_catalogue_is_shown_without_any_learning_library(arguments):
    assert not loaded_by(program(*arguments)) & set(HEAVY)


@pytest.mark.parametrize("arguments", [("recipe", "check", "recipes/crypto-1m.yaml"), ("recipe", "schema")])
def test_a_recipe_is_checked_without_torch_or_boosters(arguments):
    assert not loaded_by(program(*arguments)) & {"torch", "lightgbm", "xgboost", "sklearn", "onnxruntime", "plotly"}


def test_nothing_has_side_effects_at_import():
    script = "import threading, logging, barmill.pipeline\nprint(threading.active_count(), len(logging.getLogger().handlers))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "0"]


@pytest.mark.parametrize("package", ["barmill", *(f"barmill.{module.name}" for module in pkgutil.iter_modules(barmill.__path__))])
def test_public_names_exist(package):
    module = importlib.import_module(package)
    for name in getattr(module, "__all__", []):
        assert getattr(module, name) is not None


def test_each_error_has_an_exit_code():
    family = [getattr(errors, name) for name in errors.__all__ if isinstance(getattr(errors, name), type)]
    assert len(family) > 15
    for kind in family:
        code = exit_code(kind("place", "found"))
        assert code == (BAD_INPUT if issubclass(kind, errors.InputError) else FAILED)

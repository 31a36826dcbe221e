"""That the list of `.importlinter` is whole: it can only refuse the modules that stand on it."""

import ast
import configparser
from pathlib import Path

from barmill.models import MODELS

ROOT = Path(__file__).parents[2]
CONTRACT = "importlinter:contract:serving-without-training"
LEARNING = {"torch", "onnx", "onnxscript", "sklearn"}


def listed(field: str) -> set[str]:
    settings = configparser.ConfigParser()
    settings.read(ROOT / ".importlinter")
    return set(settings[CONTRACT][field].split())


def imported(path: Path) -> set[str]:
    """The packages that a module imports anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name.split(".")[0] for name in names}


def test_every_forecaster_is_looked_at() -> None:
    assert listed("source_modules") == {"barmill.bundles", "barmill.serving", *(spec.forecaster.split(":")[0] for spec in MODELS.values())}


def test_every_fit_and_every_module_of_a_learning_library_is_refused() -> None:
    source = ROOT / "src"
    modules = {".".join(path.relative_to(source).with_suffix("").parts): path for path in (source / "barmill/models").rglob("*.py")}
    learning = {name for name, path in modules.items() if imported(path) & LEARNING}
    fits = {spec.fit.split(":")[0] for spec in MODELS.values()}
    assert learning | fits <= listed("forbidden_modules")
    ours = {name for name in listed("forbidden_modules") if name.startswith("barmill.models")}
    assert ours <= modules.keys()  # a module that was renamed is still refused under its new name

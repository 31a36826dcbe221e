"""What a server imports: no torch, no training, no pickle, and no call that could run what a file says."""

import ast
import subprocess
import sys
from pathlib import Path

import barmill
from barmill.bundles import publish

_BLOCKED = """
import json
import sys

from importlib.machinery import PathFinder
from pathlib import Path

class Without:  # as on a machine where these are not installed
    def find_spec(self, name, path=None, target=None):
        missing = name.split(".")[0] in ("torch", "onnx", "onnxscript", "joblib", "dill", "cloudpickle", "lightgbm", "xgboost", "catboost")
        return None if missing else PathFinder.find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Without()
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in type(finder).__module__]
from barmill.bundles import Bundle
from barmill.bundles.warming import warm_forecasts
from barmill.features import FeaturePlan, warm_kernels
from barmill.market import Bars
try:
    import torch
except ImportError:
    pass
else:
    raise SystemExit("torch was not hidden")
plan = FeaturePlan.from_json(json.loads(Path(sys.argv[2], "features.json").read_bytes()))  # the one plan of all these bundles
warm_kernels(features=plan.features)  # Numba reads its own cache of kernels with pickle: our code on our disk, no part of a bundle
warm_forecasts()
reached = []
sys.addaudithook(lambda event, args: reached.append(args) if event == "pickle.find_class" else None)
for path in sys.argv[2:]:
    bundle = Bundle.load(path)
    bars = Bars.read(sys.argv[1], instrument=bundle.instrument)
    stream = bundle.stream()
    assert len(bundle.forecast(bars)) > 0
    assert [stream.push(bars.bar(row)) for row in range(len(bars))][-1] is not None
assert not reached, reached
for name in sorted(name for name in sys.modules if name.startswith("barmill")):
    print(name, sys.modules[name].__file__)
"""


def test_bundles_of_every_model_load_and_forecast_in_a_process_without_torch_or_pickle(making, tmp_path: Path) -> None:
    making.walk(300, 3).write(tmp_path / "bars.parquet")
    models = (*making.DIRECTION, *making.ANSWERS)
    versions = [publish(making.files_of(model), tmp_path / "r", model) for model in models]
    command = [sys.executable, "-c", _BLOCKED, str(tmp_path / "bars.parquet"), *map(str, versions)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    modules = {name: Path(file) for name, file in (line.split() for line in done.stdout.splitlines())}
    forbidden = ("barmill.training", "barmill.pipeline", "barmill.labels", "barmill.splits", "barmill.evaluation", "barmill.console")
    assert not [name for name in modules if name.startswith(forbidden)]
    fitting = ("_fit", ".logistic", ".boosting.lightgbm", ".boosting.xgboost", ".lstm", ".onnx_export", ".network_loss")
    fitting += (".expert.entry", ".expert.quantiles", ".pattern.cnn", ".pattern.network", ".pattern.detectors")
    assert not [name for name in modules if name.endswith(fitting)]
    assert [f"{file}:{problem}" for file in modules.values() for problem in _dangers(file)] == []


def _dangers(file: Path) -> list[str]:
    """Imports and calls in one source file that could execute what they read."""
    found: list[str] = []
    for node in ast.walk(ast.parse(file.read_text())):
        names = (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
        found += [
            f"{node.lineno} imports {name}"
            for name in names
            if name.split(".")[0] in {"pickle", "joblib", "dill", "cloudpickle", "marshal", "shelve"}
        ]
        if isinstance(node, ast.Call):
            text = ast.unparse(node)
            called = ast.unparse(node.func)
            if called in {"eval", "exec", "yaml.load", "torch.load"} or "allow_pickle=True" in text:
                found.append(f"{node.lineno} calls {called}")
    return found


def test_the_scan_for_dangers_finds_them(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("import pickle\nfrom joblib import load\nimport numpy as np\nnp.load('x', allow_pickle=True)\nyaml.load(x)\neval('1')\n")
    assert len(_dangers(bad)) == 5


def test_no_source_of_ours_is_dangerous() -> None:
    sources = sorted(Path(barmill.__file__).parent.rglob("*.py"))
    assert len(sources) > 20
    assert [f"{file}:{problem}" for file in sources for problem in _dangers(file)] == []

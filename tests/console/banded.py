"""What a run with conformal bands adds to a judgement: one that holds, one that the market outran, one that is too wide."""

from typing import Any

import numpy as np

from barmill.evaluation import coverage_report
from console.validated import FIRST

ROWS, STEP_MS = 6_000, 900_000
# of each model in turn: width of its band, how much wilder the second half is, whether it adapts, whether regimes are told
KINDS = ((1.0, 1.0, False, True), (1.0, 1.6, False, False), (1.3, 1.0, False, False), (1.0, 1.0, True, False))
METHODS = ("mondrian", "cqr", "split", "adaptive")


def band(number: int, n_rows: int = ROWS, *, paths: bool = False) -> dict[str, Any]:
    """The band of the model `number` in the order of the recipe."""
    rng = np.random.default_rng(20 + number + 10 * paths)
    width, wilder, online, told = KINDS[number % len(KINDS)]
    method = METHODS[number % len(KINDS)]
    volatility = np.exp(rng.normal(0, 0.4, n_rows))
    came = 1e-3 * volatility * rng.standard_normal(n_rows) * np.where(np.arange(n_rows) > n_rows // 2, wilder, 1.0)
    half = 1.645e-3 * width * volatility
    report = coverage_report(
        came,
        -half,
        half,
        regime=np.digitize(volatility, [0.8, 1.2]) if told else None,
        volatility=volatility,
        overlap=4.0,
        times_ms=FIRST + STEP_MS * np.arange(n_rows),
    )
    around = "E_r" if method == "split" else "q05_q95"
    rows = {"fitted_on": "conformal", "n_rows": 1_840}
    return {"method": method, "around": around, "level": 0.9, **rows, "online": online, "report": report.to_json()}


def banded(judgement: dict[str, Any]) -> dict[str, Any]:
    """`judgement` with a band for each model, on the test block and, where there are any, on the paths."""
    for number, model in enumerate(judgement["models"]):
        model["band"] = band(number)
    for number, model in enumerate((judgement.get("cross_validation") or {"models": ()})["models"]):
        model["band"] = band(number, 2 * ROWS, paths=True)
    return judgement

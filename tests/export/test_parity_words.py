"""Where a report says to look, by what of a graph is right."""

import pytest

from barmill.bundles.parity_record import Comparison, Difference, GraphParity, ParityReport
from barmill.export.parity_words import cause, fault_lines, table_rows


def difference(output: str, most: float, ranks: float = 1.0) -> Difference:
    return Difference(output, most, most, most, 0, ranks, 3, 0.5, 0.5 + most)


def graph(name: str, *failing: tuple[str, str], ranks: float = 1.0) -> GraphParity:
    """A graph that fails on rows of these kinds for these outputs, and on nothing else."""
    kinds = ("golden bars", "random", "thresholds", "batches", "reference")
    outputs = ("p_up", "E_r", "q05")
    told = tuple(
        Comparison(kind, 9, tuple(difference(one, 1.0 if (kind, one) in failing else 0.0, ranks) for one in outputs)) for kind in kinds
    )
    return GraphParity(name, "", ".int8." in name, told)


FORECAST, MODEL, ROUNDED = "forecast.onnx", "model.onnx", "model.int8.onnx"


@pytest.mark.parametrize(
    ("failing", "words"),
    [
        (graph(FORECAST, ("golden bars", "p_up"), ("random", "p_up")), "the calibrator"),
        (graph(FORECAST, ("golden bars", "E_r"), ("random", "q05")), "quantiles, unit or band"),
        (graph(FORECAST, ("golden bars", "E_r"), ("random", "p_up")), "the order of the features or their scaler"),
        (graph(FORECAST, ("thresholds", "E_r")), "the scaler must work in float64"),
        (graph(FORECAST, ("batches", "E_r")), "a row depends on the rows beside it"),
        (graph(FORECAST, ("reference", "E_r")), "a second runtime does not"),
        (graph("lightgbm.model.onnx", ("thresholds", "p_up")), "rounded down to float32"),
        (graph(MODEL, ("random", "p_up")), "the model itself"),
        (graph(ROUNDED, ("golden bars", "p_up")), "leave --quantize out"),
        (graph(ROUNDED, ("golden bars", "p_up"), ranks=-0.99), "turned round"),
    ],
)
def test_the_cause_is_sought_where_nothing_else_clears_it(failing, words):
    sound = [graph(name) for name in (FORECAST, MODEL) if name != failing.name]
    report = ParityReport((failing, *sound), 0, {})
    assert words in cause(failing, report.graphs)
    assert fault_lines(report)[-1] == f"{failing.name}: {cause(failing, report.graphs)}"


def test_a_model_that_fails_is_looked_at_before_the_forecast():
    model, forecast = graph(MODEL, ("random", "p_up")), graph(FORECAST, ("random", "p_up"))
    assert "begin there" in cause(forecast, (forecast, model))


def test_a_report_that_passes_has_no_faults_and_its_table_a_row_for_each_kind():
    report = ParityReport((graph(FORECAST), graph(MODEL, ("random", "p_up"))), 0, {})
    assert not any(line.startswith(FORECAST) for line in fault_lines(report))
    rows = table_rows(report)
    assert len(rows) == 10
    assert [row[-1] for row in rows if row[:2] == (MODEL, "random")] == ["FAILS"]
    assert sum(row[-1] == "passes" for row in rows) == 9

"""The forecast pipeline: units, views, subsets of inputs, and a guard that lets nothing odd out."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barmill.bundles.forecasting import Volatility, guard
from barmill.bundles.parts import read_pipeline
from barmill.errors import ForecastError, SchemaError, ShapeError
from barmill.models.contract import RawForecast
from barmill.uncertainty import Calibration

ROWS = np.array([10, 11, 12])


def columns(**changes: list[float]) -> dict[str, np.ndarray]:
    good = {"p_up": [0.1, 0.5, 0.9], "E_r": [0.0, 1e-4, -1e-4], "q05": [-1.0, -1.0, -1.0], "q50": [0.0, 0.0, 0.0], "q95": [1.0, 1.0, 1.0]}
    return {name: np.array(values) for name, values in (good | changes).items()}


def test_the_guard_lets_a_good_forecast_pass() -> None:
    guard(columns(), ROWS, place="x")
    guard(columns(p_up=[0.0, 1.0, 0.5], q05=[0.0, 0.0, 0.0], q95=[0.0, 0.0, 0.0]), ROWS, place="x")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"p_up": [0.1, np.nan, 0.9]}, "row 11, p_up is nan (1 of 3 rows); expected a finite number"),
        ({"p_up": [0.1, 0.2, 1.0000001]}, "row 12, p_up is 1.0000001 (1 of 3 rows); expected a probability in [0, 1]"),
        ({"p_up": [-1e-12, 0.2, 0.3]}, "row 10, p_up is -1e-12 (1 of 3 rows); expected a probability in [0, 1]"),
        ({"E_r": [np.inf, np.inf, 0.0]}, "row 10, E_r is inf (2 of 3 rows); expected a finite number"),
        ({"q95": [1.0, -np.inf, 1.0]}, "row 11, q95 is -inf (1 of 3 rows); expected a finite number"),
        ({"q05": [0.1, -1.0, -1.0]}, "row 10, q05 is 0.1 (1 of 3 rows); expected at most q50"),
        ({"q50": [0.0, 2.0, 0.0]}, "row 11, q50 is 2.0 (1 of 3 rows); expected at most q95"),
        ({"p_down": [0.9, 0.5, 0.2]}, "row 12, p_up + p_down is 1.1 (1 of 3 rows); expected at most 1"),
    ],
)
def test_the_guard_names_row_output_and_value(changes: dict[str, list[float]], said: str) -> None:
    with pytest.raises(ForecastError) as caught:
        guard(columns(**changes), ROWS, place="bundle x")
    assert str(caught.value).startswith(f"bundle x: {said}.")


PATTERNS = {"p_none": [0.7, 0.2, 0.0], "p_flag": [0.2, 0.3, 1.0], "p_wedge": [0.1, 0.5, 0.0]}
LEVELS = {"sl_kATR": [1.0, 2.0, 3.0], "sl_kATR_q60": [0.5, 1.0, 3.0], "sl_kATR_q70": [1.0, 2.0, 3.0], "sl_kATR_q80": [1.0, 9.0, 3.0]}


def answers(good: dict[str, list[float]], **changes: list[float]) -> dict[str, np.ndarray]:
    return {name: np.array(values) for name, values in (good | changes).items()}


def test_the_guard_lets_good_answers_pass() -> None:
    guard(answers(PATTERNS), ROWS, place="x", whole=True)
    guard(answers(LEVELS), ROWS, place="x")
    guard(answers(LEVELS | {"rr_target_q50": [-1.0, -2.0, -3.0]}), ROWS, place="x")  # of something else: no order between the two
    guard(answers({"p_entry": [0.0, 0.3, 1.0]}), ROWS, place="x")


@pytest.mark.parametrize(
    ("good", "changes", "said"),
    [
        (PATTERNS, {"p_flag": [0.2, 0.2, 1.0]}, "row 11, p_none + p_flag + p_wedge is 0.9 (1 of 3 rows); expected 1"),
        (PATTERNS, {"p_flag": [0.3, 0.3, 1.0]}, "row 10, p_none + p_flag + p_wedge is 1.1 (1 of 3 rows); expected 1"),
        (PATTERNS, {"p_flag": [0.2, 1.3, 1.0]}, "row 11, p_flag is 1.3 (1 of 3 rows); expected a probability in [0, 1]"),
        (PATTERNS, {"quality": [0.2, np.nan, 1.0]}, "row 11, quality is nan (1 of 3 rows); expected a finite number"),
        (LEVELS, {"sl_kATR_q70": [1.0, 2.0, 2.0]}, "row 12, sl_kATR_q60 is 3.0 (1 of 3 rows); expected at most sl_kATR_q70"),
        (LEVELS, {"sl_kATR_q80": [1.0, 1.9, 2.0]}, "row 11, sl_kATR_q70 is 2.0 (2 of 3 rows); expected at most sl_kATR_q80"),
        (LEVELS, {"sl_kATR": [1.0, np.inf, 2.0]}, "row 11, sl_kATR is inf (1 of 3 rows); expected a finite number"),
    ],
)
def test_the_guard_names_a_wrong_answer(good: dict[str, list[float]], changes: dict[str, list[float]], said: str) -> None:
    with pytest.raises(ForecastError) as caught:
        guard(answers(good, **changes), ROWS, place="bundle x", whole=good is PATTERNS)
    assert str(caught.value).startswith(f"bundle x: {said}.")


NUMBERS = st.sampled_from([0.0, -0.0, 1.0, 0.5, 0.25, -1e-12, 1 + 1e-9, 2.0, np.nan, np.inf, -np.inf])


@given(data=st.data(), whole=st.booleans(), names=st.sampled_from([tuple(PATTERNS), ("p_up", "p_down", "q05", "q50", "lower", "upper")]))
def test_the_guard_asks_one_row_what_it_asks_of_many(data, whole: bool, names: tuple[str, ...]) -> None:
    table = {name: np.array(data.draw(st.lists(NUMBERS, min_size=3, max_size=3))) for name in names}

    def refusal(rows: slice) -> str:
        try:
            guard({name: values[rows] for name, values in table.items()}, ROWS[rows], place="x", whole=whole)
        except ForecastError as error:
            return f"{error.found.split(' (')[0]}; {error.expected}"
        return ""

    alone = {refusal(slice(i, i + 1)) for i in range(3)}
    together = refusal(slice(None))
    assert together in alone if together else alone == {""}


def test_returns_come_in_units_of_volatility_and_of_the_floor_where_bars_stood_still() -> None:
    unit = Volatility("realised_volatility_60", horizon=25, floor=0.01).scale(np.array([0.02, 0.0]))
    np.testing.assert_array_equal(unit, [0.1, 0.05])


class Says:
    """A forecaster that says what it was told to say."""

    def __init__(self, logits: np.ndarray, expected: np.ndarray | None) -> None:
        self.answer = RawForecast(logits, expected)

    def raw(self, view: object) -> RawForecast:
        return self.answer


def test_the_pipeline_scales_calibrates_and_orders_what_the_model_says(making) -> None:
    contents = making.contents_of("lightgbm")
    bars = making.walk(300, 5)
    pipeline = _pipeline(contents, Says(np.array([0.3, -0.2]), np.array([0.5, -0.1])))
    values = contents.plan.compute(bars).values
    rows = np.array([250, 260])
    found = pipeline.run(values, rows)
    assert tuple(found) == ("p_up", "E_r", "q05", "q50", "q95")
    unit = np.maximum(values[rows, pipeline.names.index("realised_volatility_60")], 1e-6) * np.sqrt(30)
    np.testing.assert_array_equal(found["E_r"], np.array([0.5, -0.1]) * unit)
    np.testing.assert_array_equal(found["p_up"], contents.calibration.apply(np.array([0.3, -0.2])))
    expected = contents.quantiles.apply(np.array([0.5, -0.1]), np.array([0.3, -0.2]))[:, 1] * unit
    np.testing.assert_array_equal(found["q50"], expected)


def _pipeline(contents, forecaster, **changes):
    from barmill.bundles.forecasting import ForecastPipeline

    fields = {
        "names": contents.plan.names,
        "input_names": contents.plan.names,
        "scaler": contents.scaler,
        "forecaster": forecaster,
        "calibration": contents.calibration,
        "quantiles": contents.quantiles,
        "volatility": contents.volatility,
        "window": None,
        "n_classes": 2,
        "outputs": ("p_up", "E_r"),
    }
    return ForecastPipeline(**fields | changes)


def test_three_classes_give_p_up_of_the_last_and_p_down_of_the_first(making) -> None:
    contents = making.contents_of("logistic", 3)
    logits = np.array([[0.1, 0.2, 0.9], [1.0, 0.0, -1.0]])
    pipeline = _pipeline(contents, Says(logits, None), n_classes=3, outputs=("p_up",))
    found = pipeline.run(contents.plan.compute(making.walk(300, 5)).values, np.array([250, 251]))
    assert tuple(found) == ("p_up", "p_down", "q05", "q50", "q95")
    p = contents.calibration.apply(logits)
    np.testing.assert_array_equal(found["p_up"], p[:, 2])
    np.testing.assert_array_equal(found["p_down"], p[:, 0])


@pytest.mark.parametrize("logits", [np.array([np.nan, 0.0]), np.array([0.0])])
def test_a_model_that_says_nan_or_loses_a_row_is_an_error(making, logits: np.ndarray) -> None:
    contents = making.contents_of("lightgbm")
    pipeline = _pipeline(contents, Says(logits, np.zeros(len(logits))))
    with pytest.raises(ForecastError):
        pipeline.run(contents.plan.compute(making.walk(300, 5)).values, np.array([250, 251]))


def test_a_subset_of_inputs_in_another_order_is_scaled_as_in_the_whole_table(making) -> None:
    contents = making.contents_of("lightgbm")
    names = contents.plan.names
    picked = (names[5], names[1])
    pipeline = _pipeline(contents, Says(np.zeros(0), None), input_names=picked)
    values = contents.plan.compute(making.walk(300, 5)).values
    whole = contents.scaler.transform(values)
    np.testing.assert_array_equal(pipeline.scaled(values), whole[:, [5, 1]])


def test_a_pipeline_whose_parts_do_not_fit_is_refused(making) -> None:
    contents = making.contents_of("lightgbm")
    says = Says(np.zeros(0), None)
    with pytest.raises(SchemaError, match="feature 'nothing' is not in the plan"):
        _pipeline(contents, says, input_names=("nothing",))
    with pytest.raises(SchemaError, match="scaler: its features differ"):
        _pipeline(contents, says, names=contents.plan.names[::-1])
    with pytest.raises(SchemaError, match="quantiles: levels"):
        _pipeline(contents, says, quantiles=replace(contents.quantiles, levels=(0.1, 0.5, 0.9)))
    with pytest.raises(ShapeError, match="features: shape"):
        _pipeline(contents, says).scaled(np.zeros((3, 2)))


class Answers(Says):
    """A forecaster of another question, which says what it was told to say."""

    columns = ("p_a", "p_b", "p_c", "p_d", "p_e", "size")

    def table(self, raw: RawForecast, p: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(self.columns, (*p.T, self.size), strict=True))

    def __init__(self, logits: np.ndarray, size: np.ndarray) -> None:
        super().__init__(logits, None)
        self.size = size


def _answering(contents, forecaster, **changes):
    fields = {"quantiles": None, "volatility": None, "n_classes": 5, "outputs": (), "calibration": Calibration(5)}
    return _pipeline(contents, forecaster, **fields | changes)


def test_answers_come_in_their_own_units_through_the_calibration(making) -> None:
    contents = making.contents_of("lightgbm")
    logits, size = np.array([[0.0, 1.0, 2.0, 3.0, 4.0], [1.0, 0.0, 0.0, 0.0, 0.0]]), np.array([7.0, -300.0])
    values = contents.plan.compute(making.walk(300, 5)).values
    pipeline = _answering(contents, Answers(logits, size))
    found = pipeline.run(values, np.array([250, 260]))
    assert tuple(found) == pipeline.columns == Answers.columns
    np.testing.assert_array_equal(np.column_stack([found[name] for name in pipeline.columns[:5]]), Calibration(5).apply(logits))
    np.testing.assert_array_equal(found["size"], size)
    np.testing.assert_array_equal(pipeline.scale(values, np.array([250, 260])), [1.0, 1.0])


def test_the_guard_stands_behind_answers_too(making) -> None:
    contents = making.contents_of("lightgbm")
    values = contents.plan.compute(making.walk(300, 5)).values
    broken = _answering(contents, Answers(np.zeros((2, 5)), np.array([1.0, np.nan])))
    with pytest.raises(ForecastError, match="row 260, size is nan"):
        broken.run(values, np.array([250, 260]))

    class Twice(Answers):
        def table(self, raw: RawForecast, p: np.ndarray) -> dict[str, np.ndarray]:
            return super().table(raw, p * 0.9)

    with pytest.raises(ForecastError, match=r"row 250, p_a \+ p_b \+ p_c \+ p_d \+ p_e is 0\.9.*expected 1"):
        _answering(contents, Twice(np.zeros((2, 5)), np.zeros(2))).run(values, np.array([250, 260]))


def test_quantiles_and_their_unit_are_of_direction_alone(making) -> None:
    contents = making.contents_of("lightgbm")
    says, answers = Says(np.zeros(0), None), Answers(np.zeros((0, 5)), np.zeros(0))
    for pipeline in (
        lambda: _pipeline(contents, says, quantiles=None),
        lambda: _pipeline(contents, says, volatility=None),
        lambda: _pipeline(contents, says, quantiles=None, volatility=None),
        lambda: _answering(contents, answers, quantiles=contents.quantiles),
        lambda: _answering(contents, answers, volatility=contents.volatility),
    ):
        with pytest.raises(SchemaError, match="quantiles and volatility"):
            pipeline()
    with pytest.raises(SchemaError, match="calibrator: of 5 classes; expected 0"):
        _answering(contents, answers, n_classes=0)


def test_a_model_that_sees_bars_is_not_forecast_from_features_alone(making) -> None:
    contents = making.contents_of("pattern_cnn")
    pipeline = read_pipeline(making.files_of("pattern_cnn"), contents.model, contents.plan, "x")
    values = contents.plan.compute(making.walk(300, 5)).values
    with pytest.raises(ShapeError, match="no bars are given"):
        pipeline.run(values, np.array([250]))
    with pytest.raises(ShapeError, match="are not what the model sees; expected bars as a pattern_image"):
        pipeline.scaled(values)


def test_a_window_is_ready_when_all_its_rows_are(making) -> None:
    pipeline = _pipeline(making.contents_of("lightgbm"), Says(np.zeros(0), None), window=3)
    ready = np.array([False, True, True, True, True, False, True, True, True])
    assert pipeline.ready(ready).tolist() == [False, False, False, True, True, False, False, False, True]
    assert pipeline.ready(np.array([True, True])).tolist() == [False, False]

"""Labels as a value: classes, log returns, parts, columns."""

import numpy as np
import pytest

from barmill.errors import LabelError, ShapeError
from barmill.labels import BARRIERS, Labels, check_classes


def make(label=(1, -1, 0, 0), net=(0.02, -0.03, 0.01, -0.01)) -> Labels:
    n = len(label)
    ones = np.ones(n)
    return Labels(
        t0=np.arange(n),
        t1=np.arange(n) + 2,
        side=np.ones(n, np.int8),
        label=np.array(label, np.int8),
        barrier=np.array(label, np.int8) + np.int8(1),
        entry_price=100 * ones,
        exit_price=101 * ones,
        atr=ones,
        cost=0.1 * ones,
        gross_return=np.array(net) + 0.001,
        net_return=np.array(net),
        weight=np.linspace(0.5, 1.5, n),
        n_bars=n + 2,
        excluded={"features not ready": 3},
    )


def test_two_classes_ask_whether_the_trade_paid():
    assert make().classes(2).tolist() == [1, 0, 1, 0]


def test_three_classes_are_stop_time_profit():
    labels = make()
    assert labels.classes(3).tolist() == [2, 0, 1, 1]
    assert [BARRIERS[code] for code in labels.barrier] == ["profit", "stop", "time", "time"]
    assert labels.classes(3).dtype == np.int8


def test_other_numbers_of_classes_are_refused():
    with pytest.raises(LabelError, match="n_classes: 4; expected 2 or 3"):
        make().classes(4)


def test_the_log_return_is_net_and_needs_something_left():
    np.testing.assert_allclose(make().net_log_return, np.log([1.02, 0.97, 1.01, 0.99]), rtol=1e-12)
    with pytest.raises(LabelError, match=r"label 1 \(bar 1\): a net return of -1.2"):
        _ = make(net=(0.1, -1.2, 0.0, 0.0)).net_log_return


def test_a_part_has_weights_of_mean_one():
    part = make().take(np.array([3, 1]))
    assert part.t0.tolist() == [3, 1]
    assert part.weight.mean() == pytest.approx(1.0, rel=1e-15)
    assert part.weight[0] / part.weight[1] == pytest.approx(make().weight[3] / make().weight[1], rel=1e-15)
    assert len(make().take(np.empty(0, np.int64))) == 0


def test_columns_give_the_labels_back():
    labels = make()
    again = Labels.from_columns(labels.to_columns(), labels.n_bars, labels.excluded)
    for name, column in labels.to_columns().items():
        np.testing.assert_array_equal(getattr(again, name), column)
    assert (again.n_bars, again.excluded) == (labels.n_bars, labels.excluded)


def test_columns_that_do_not_fit_are_refused():
    columns = make().to_columns()
    with pytest.raises(ShapeError, match="missing or unknown: weight"):
        Labels.from_columns({name: column for name, column in columns.items() if name != "weight"}, 6, {})
    with pytest.raises(ShapeError, match=r"Labels.cost: an array of shape \(3,\)"):
        Labels.from_columns({**columns, "cost": np.ones(3)}, 6, {})
    with pytest.raises(ShapeError, match=r"Labels.label: .*type int64; expected int8"):
        Labels.from_columns({**columns, "label": np.ones(4, np.int64)}, 6, {})


@pytest.mark.parametrize(
    ("y", "n_classes", "message"),
    [
        ([1, 1, 1], 2, r"train: 3 labels, of which 0 not up, 3 up; expected at least one of each class \(not up, up\)"),
        ([], 2, "train: 0 labels"),
        ([0, 2, 2], 3, "train: 3 labels, of which 1 down, 0 neither, 2 up"),
    ],
)
def test_a_missing_class_is_refused_by_name(y, n_classes: int, message: str):
    with pytest.raises(LabelError, match=message):
        check_classes(np.array(y, np.int8), n_classes, "train")


def test_every_class_present_passes():
    check_classes(np.array([0, 1], np.int8), 2, "train")
    check_classes(np.array([0, 1, 2], np.int8), 3, "train")

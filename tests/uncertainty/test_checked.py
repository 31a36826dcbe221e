import numpy as np
import pytest

from barmill.errors import ShapeError
from barmill.uncertainty.checked import class_indices, class_probabilities, logit_array, probabilities, vector


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: vector([[1.0]], "x"), "x: has shape (1, 1); expected one dimension."),
        (lambda: vector([1.0, 2.0], "x", 3), "x: has 2 rows; expected 3."),
        (lambda: vector([0.0, np.nan], "x"), "x row 1: is nan; expected a finite number."),
        (lambda: vector([0.0, -np.inf], "x", nan_allowed=True), "x row 1: is -inf; expected a finite number."),
        (lambda: probabilities([0.5, 1.5]), "p row 1: is 1.5; expected a probability in [0, 1]."),
        (lambda: class_probabilities([0.5]), "P: has shape (1,); expected (n, n_classes)."),
        (lambda: class_probabilities([[0.5, 0.5], [0.5, 0.4]]), "P row 1: is [0.5, 0.4]; expected probabilities that sum to 1."),
        (lambda: class_indices([0, 2], 2), "y row 1: is 2; expected a class from 0 to 1."),
        (lambda: class_indices([0.5], 2), "y row 0: is 0.5; expected a class from 0 to 1."),
        (lambda: logit_array([[0.0]]), "logits: has shape (1, 1); expected (n,) or (n, n_classes)."),
        (lambda: logit_array([[0.0, 1.0]], 2), "logits: has shape (1, 2); expected (n,)."),
        (lambda: logit_array([0.0], 3), "logits: has shape (1,); expected (n, 3)."),
        (lambda: logit_array([0.0, np.inf]), "logits row 1: is not finite; expected finite log-odds."),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(call, said):
    with pytest.raises(ShapeError) as error:
        call()
    assert str(error.value) == said


def test_rounding_of_class_probabilities_is_clipped_away():
    p = class_probabilities([[-1e-17, 0.25, 0.75]])
    assert p.min() == 0.0


def test_booleans_are_classes():
    assert class_indices([True, False], 2).tolist() == [1, 0]

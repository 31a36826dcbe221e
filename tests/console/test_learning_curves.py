from barmill.console.learning_curves import MOST_POINTS, fit_parts


def test_a_fit_of_two_outputs_has_two_parts_with_their_facts() -> None:
    fit = {name: {"trees": 3, "history": {"valid": [0.7, 0.6, 0.65]}} for name in ("p_up", "E_r")}
    parts = fit_parts(fit)
    assert [part.output for part in parts] == ["p_up", "E_r"]
    assert parts[0].facts == [("trees", "3")]
    assert parts[0].curves[0].step == [1, 2, 3]
    assert parts[0].curves[0].best == 1


def test_a_network_learns_all_at_once_and_a_regression_has_no_curve() -> None:
    network = fit_parts({"stopped": "patience", "history": {"train": [1.0], "valid": [1.1], "learning_rate": [0.1]}})
    assert [curve.name for curve in network[0].curves] == ["training rows", "early-stopping slice"]
    regression = fit_parts({"iterations": 41, "converged": True, "best": None, "loss": 0.5})
    assert regression[0].curves == []
    assert regression[0].facts == [("iterations", "41"), ("converged", "yes"), ("best", "n/a"), ("loss", "0.5")]
    assert fit_parts({}) == []


def test_thinning_keeps_the_first_the_best_and_the_last_step() -> None:
    losses = [1.0 + step for step in range(5001)]
    losses[1237] = 0.1
    curve = fit_parts({"history": {"valid": losses}})[0].curves[0]
    assert len(curve.step) <= MOST_POINTS + 2
    assert {1, 1238, 5001} <= set(curve.step)
    assert curve.best is not None
    assert curve.step[curve.best] == 1238


def test_a_loss_that_is_no_number_is_a_gap() -> None:
    curve = fit_parts({"history": {"valid": [None, float("nan"), "inf", 0.3]}})[0].curves[0]
    assert curve.loss == [None, None, None, 0.3]
    assert fit_parts({"history": {"valid": [None]}})[0].curves[0].best is None

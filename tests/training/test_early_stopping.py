from barmill.training.early_stopping import EarlyStopping


def _after(losses: list[float], patience: int, min_delta: float = 0.0) -> list[EarlyStopping]:
    state, states = EarlyStopping(patience, min_delta), []
    for epoch, loss in enumerate(losses):
        state = state.after(epoch, loss)
        states.append(state)
    return states


def test_stops_after_patience_epochs_without_progress() -> None:
    states = _after([1.0, 0.9, 0.95, 0.91, 0.92], patience=3)
    assert [state.is_over for state in states] == [False, False, False, False, True]
    assert (states[-1].best_epoch, states[-1].best_loss) == (1, 0.9)


def test_a_fall_below_min_delta_is_no_progress_yet_still_the_best() -> None:
    states = _after([1.0, 0.9995, 0.999], patience=2, min_delta=0.01)
    assert states[-1].is_over
    assert states[-1].best_epoch == 2


def test_small_falls_add_up_to_progress() -> None:
    assert not _after([1.0, 0.996, 0.992, 0.988], patience=3, min_delta=0.01)[-1].is_over


def test_an_equal_loss_is_neither_progress_nor_better() -> None:
    states = _after([1.0, 1.0], patience=1)
    assert states[-1].is_over
    assert states[-1].best_epoch == 0

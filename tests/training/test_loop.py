"""The training loop: resume to the identical result, early stopping, accumulation, clear errors."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from barmill.errors import RecipeError, SetupError, TrainingError
from barmill.models import Samples
from barmill.training import TrainedNetwork
from barmill.training.checkpoint import NAME
from barmill.views import FeatureMatrix


class Killed(Exception):
    """Stands for the process's end."""


class KillAt:
    """A listener that ends the training when it has done `step` steps."""

    def __init__(self, step: int) -> None:
        self.step = step

    def update(self, done: int, total: int, note: str = "") -> None:
        if done == self.step and not note.startswith("resumed"):
            raise Killed


def test_learns_what_was_planted(small: Any) -> None:
    trained = small.train(epochs=15)
    view = small.samples(420, 600).view
    with torch.no_grad():
        head = trained.network(torch.from_numpy(view.gather(np.arange(len(view))))).numpy()
    assert roc_auc_score(small.z[420:600] > 0, head[:, 0]) > 0.8
    assert np.corrcoef(head[:, 1], small.z[420:600])[0, 1] > 0.7


@pytest.mark.parametrize("step", [1, 5, 6, 12, 13, 14, 26, 40, 52])  # 13 steps an epoch; checkpoints at 5, 10, 13, 15, ..
def test_a_training_killed_at_any_step_and_resumed_gives_the_identical_result(
    small: Any, whole: TrainedNetwork, tmp_path: Path, step: int
) -> None:
    with pytest.raises(Killed):
        small.train(context=small.context(scratch=tmp_path, progress=KillAt(step)))
    resumed = small.train(context=small.context(scratch=tmp_path))
    assert small.weights(resumed) == small.weights(whole)
    assert resumed.summary == whole.summary


def test_killed_again_and_again_it_still_gets_there(small: Any, whole: TrainedNetwork, tmp_path: Path) -> None:
    for step in (7, 16, 17, 31, 50):
        with pytest.raises(Killed):
            small.train(context=small.context(scratch=tmp_path, progress=KillAt(step)))
    resumed = small.train(context=small.context(scratch=tmp_path))
    assert small.weights(resumed) == small.weights(whole)
    assert resumed.summary == whole.summary


def test_a_finished_training_is_not_run_again(small: Any, tmp_path: Path) -> None:
    first = small.train(context=small.context(scratch=tmp_path))
    again = small.train(context=small.context(scratch=tmp_path, progress=KillAt(1)))
    assert small.weights(again) == small.weights(first)
    assert again.summary == first.summary


def test_another_fits_checkpoint_is_not_taken_up(small: Any, tmp_path: Path) -> None:
    small.train(context=small.context(scratch=tmp_path))
    other = small.train(context=small.context(scratch=tmp_path, seed=12))
    assert small.weights(other) == small.weights(small.train(context=small.context(seed=12)))


_KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {folder!r})
from trainings.small import Small
class Kill:
    def update(self, done, total, note=""):
        if done == 17:
            os.kill(os.getpid(), signal.SIGKILL)
small = Small()
small.train(context=small.context(scratch=Path({scratch!r}), progress=Kill()))
"""


def test_a_process_that_was_really_killed_is_resumed(small: Any, whole: TrainedNetwork, tmp_path: Path) -> None:
    code = _KILLED.format(folder=str(Path(__file__).parents[1]), scratch=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (tmp_path / NAME).is_file()
    assert small.weights(small.train(context=small.context(scratch=tmp_path))) == small.weights(whole)


def test_the_same_seed_gives_the_same_weights_and_another_gives_others(small: Any, whole: TrainedNetwork) -> None:
    first = small.weights(whole)
    torch.randn(3)  # whatever the caller drew
    assert small.weights(small.train()) == first
    assert small.weights(small.train(context=small.context(threads=2))) == first
    assert small.weights(small.train(context=small.context(seed=12))) != first


def test_the_callers_random_state_is_left_alone(small: Any) -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), torch.get_num_threads()  # type: ignore[union-attr] # noqa: NPY002
    small.train(epochs=1)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # type: ignore[arg-type] # noqa: NPY002
    assert torch.get_num_threads() == before[2]


def test_accumulated_batches_are_one_large_batch(small: Any) -> None:
    rows = small.samples(10, 394)  # 384 = 3 groups of 128
    large = small.train(rows=rows, batch_size=128, dropout=0.0)
    parts = small.train(rows=rows, batch_size=32, accumulation=4, dropout=0.0)
    for one, other in zip(large.network.parameters(), parts.network.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=2e-6)
    assert large.summary["steps"] == parts.summary["steps"] == 12


def test_keeps_the_best_epoch_and_stops_when_patience_ends(small: Any) -> None:
    # A rate this high learns the 390 rows by heart: the validation loss turns long before 60 epochs are over.
    trained = small.train(epochs=60, learning_rate=0.1, hidden_size=16, patience=3, schedule="constant", dropout=0.0)
    curve = trained.summary["history"]["valid"]
    best = int(np.argmin(curve))
    assert trained.summary["stopped"] == "patience"
    assert trained.summary["epochs"] == len(curve) < 60
    assert trained.summary["best_epoch"] == best + 1 < len(curve)
    shorter = small.train(epochs=60, learning_rate=0.1, hidden_size=16, patience=3, schedule="constant", dropout=0.0, min_delta=1.0)
    assert shorter.summary["epochs"] == 4  # the first epoch is progress, then three without
    valid = small.samples(420, 600)
    with torch.no_grad():
        head = trained.network(torch.from_numpy(valid.view.gather(np.arange(180))))
    loss = torch.nn.functional.binary_cross_entropy_with_logits(head[:, 0], torch.from_numpy(valid.y).float())
    assert float(loss) == pytest.approx(trained.summary["history"]["valid_p_up"][best], rel=1e-5)


def test_reports_each_part_of_the_loss_and_their_weighted_total(small: Any) -> None:
    history = small.train(return_loss_weight=0.25).summary["history"]
    losses = {name for name in history if not name.startswith("gradient_")}
    assert losses == {f"{which}{part}" for which in ("train", "valid") for part in ("", "_p_up", "_E_r")}
    for which in ("train", "valid"):
        total = np.array(history[f"{which}_p_up"]) + 0.25 * np.array(history[f"{which}_E_r"])
        np.testing.assert_allclose(history[which], total, rtol=1e-12)


def test_reported_losses_are_means_by_weight_over_all_rows_of_every_epoch(small: Any) -> None:
    weight = np.linspace(0.2, 1.8, 390)
    still = small.train(rows=small.samples(weight=weight), learning_rate=1e-12, weight_decay=0.0, dropout=0.0, epochs=2)
    train = small.samples()
    with torch.no_grad():
        logit = still.network(torch.from_numpy(train.view.gather(np.arange(390))))[:, 0].double().numpy()
    mean = (weight * np.logaddexp(0.0, np.where(train.y == 1, -logit, logit))).sum() / weight.sum()
    np.testing.assert_allclose(still.summary["history"]["train_p_up"], [mean, mean], rtol=1e-6)


def test_rows_without_weight_teach_nothing(small: Any) -> None:
    weight = np.ones(390)
    weight[200:] = 0.0
    noisy = small.z[10:400].copy()
    noisy[200:] = 1e3
    one = small.train(rows=small.samples(weight=weight), dropout=0.0)
    other = small.train(rows=small.samples(weight=weight, z=noisy), dropout=0.0)
    assert small.weights(one) == small.weights(other)


def test_halving_leaves_the_first_epoch_as_it_is_and_slows_the_second(small: Any) -> None:
    constant, halving = (small.train(epochs=2, schedule=name).summary["history"]["valid"] for name in ("constant", "halving"))
    assert halving[0] == constant[0]
    assert halving[1] != constant[1]


def test_biases_do_not_decay(small: Any) -> None:
    still = small.train(rows=small.samples(weight=np.full(390, 1e-30)), weight_decay=0.5, learning_rate=0.1, dropout=0.0, epochs=1)
    start = small.network(small.params()).state_dict()
    for name, tensor in still.network.state_dict().items():
        if tensor.ndim > 1:
            assert tensor.abs().sum() < start[name].abs().sum()
        else:
            torch.testing.assert_close(tensor, start[name], rtol=0, atol=1e-6)


def test_a_loss_that_is_not_finite_stops_with_epoch_batch_and_feature(small: Any) -> None:
    small.base[200, 1] = np.nan
    with pytest.raises(
        TrainingError, match=r"^epoch 1, batch \d+: the loss of p_up and E_r is not finite; feature 'second' \(column 1\) is nan at bar 200"
    ):
        small.train()


def test_a_validation_loss_that_is_not_finite_stops_too(small: Any) -> None:
    small.base[500, 2] = np.nan
    with pytest.raises(TrainingError, match=r"^epoch 1, validation: .*feature 'third' \(column 2\) is nan at bar 500"):
        small.train()


def test_a_return_that_overflows_is_named(small: Any) -> None:
    z = small.z[10:400].copy()
    z[77] = 1e300  # finite in float64, infinite in the float32 of the loss
    with pytest.raises(TrainingError, match=r"^epoch 1, batch \d+: the loss of E_r is not finite"):
        small.train(rows=small.samples(z=z))


def test_a_device_or_precision_that_is_not_there_is_refused_before_any_work(small: Any) -> None:
    with pytest.raises(RecipeError, match="bf16 needs a GPU"):
        small.train(precision="bf16")
    if not torch.cuda.is_available():
        with pytest.raises(SetupError, match="'cuda' is asked for"):
            small.train(context=small.context(device="cuda"))


def test_tells_epoch_and_rate(small: Any) -> None:
    notes: list[tuple[int, int, str]] = []

    class Listener:
        def update(self, done: int, total: int, note: str = "") -> None:
            notes.append((done, total, note))

    small.train(context=small.context(progress=Listener()))
    assert [done for done, _, _ in notes] == list(range(1, 53))
    assert notes[0][2].startswith("epoch 1/4, ")
    assert "samples/s" in notes[0][2]
    assert "valid loss" in notes[-1][2]


def test_writes_events_that_do_not_change_the_result(small: Any, whole: TrainedNetwork, tmp_path: Path) -> None:
    from tensorboardX.proto.event_pb2 import Event

    logged = small.train(context=small.context(logs=tmp_path))
    assert small.weights(logged) == small.weights(whole)
    (file,) = tmp_path.iterdir()
    content, names, at = file.read_bytes(), set(), 0
    while at < len(content):  # TFRecord: length, its checksum, the event, its checksum
        length = int.from_bytes(content[at : at + 8], "little")
        event = Event.FromString(content[at + 12 : at + 12 + length])
        names |= {value.tag for value in event.summary.value}
        at += 16 + length
    assert {"gradient_norm", "learning_rate", "loss/train", "loss/valid", "loss/valid_E_r", "health/gradient_norm_median"} <= names


def test_trains_a_network_of_rows_as_well_as_of_windows(small: Any) -> None:
    from barmill.models.heads import ForecastNetwork, HeadLayout
    from barmill.models.network_loss import ForecastLoss
    from barmill.training import train_network

    def rows(first: int, last: int) -> Samples:
        at = np.arange(first, last)
        return Samples(FeatureMatrix(small.base, at), (small.z[at] > 0).astype(np.int8), small.z[at], np.ones(at.size))

    layout = HeadLayout(2, returns=False)
    params = small.params(epochs=10, learning_rate=0.05)
    network = ForecastNetwork(torch.nn.Identity(), 3, layout)
    trained = train_network(network, rows(10, 400), rows(420, 600), ForecastLoss(layout, torch.ones(2), params), params, small.context())
    with torch.no_grad():
        logit = trained.network(torch.from_numpy(small.base[420:600]))[:, 0].numpy()
    assert roc_auc_score(small.z[420:600] > 0, logit) > 0.85

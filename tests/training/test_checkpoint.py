from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from barmill.errors import StorageError
from barmill.models import FitContext, Samples
from barmill.training.checkpoint import NAME, LoopState, fit_key, load_checkpoint, save_checkpoint
from barmill.training.early_stopping import EarlyStopping


def _stepped(small: Any) -> tuple[torch.nn.Module, torch.optim.AdamW, LoopState]:
    network = small.network(small.params())
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.1)
    network(torch.ones(2, 6, 3)).sum().backward()
    optimizer.step()
    state = LoopState(EarlyStopping(10, 0.001).after(0, 1 / 3), epoch=1, step_in_epoch=2, step=15, sums={"p_up": 0.1 + 0.2}, weight=1e-17)
    state.history = {"train": [1 / 3], "valid": [2 / 3]}
    state.norms, state.health = [0.1, 1e-300], {"dead_units": 1 / 7}
    state.best = {name: tensor.detach().clone() + 1 for name, tensor in network.state_dict().items()}
    return network, optimizer, state


def test_what_is_saved_comes_back_to_the_bit(small: Any, tmp_path: Path) -> None:
    network, optimizer, state = _stepped(small)
    save_checkpoint(tmp_path, "key", state, network, optimizer, {"scale": 1024.0})
    fresh = small.network(small.params(hidden_size=4))
    with torch.no_grad():
        for parameter in fresh.parameters():
            parameter.zero_()
    fresh_optimizer = torch.optim.AdamW(fresh.parameters(), lr=0.1)
    restored = load_checkpoint(tmp_path, "key", fresh, fresh_optimizer)
    assert restored is not None
    back, scaler = restored
    assert scaler == {"scale": 1024.0}
    for name in ("stopping", "epoch", "step_in_epoch", "step", "sums", "weight", "norms", "history", "health", "stopped"):
        assert getattr(back, name) == getattr(state, name)
    for mine, theirs in ((fresh.state_dict(), network.state_dict()), (back.best, state.best)):
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    for one, other in zip(fresh.parameters(), network.parameters(), strict=True):
        assert all(torch.equal(fresh_optimizer.state[one][what], optimizer.state[other][what]) for what in optimizer.state[other])


def test_a_state_before_the_first_epoch_is_saved_too(small: Any, tmp_path: Path) -> None:
    network, optimizer, _ = _stepped(small)
    save_checkpoint(tmp_path, "key", LoopState(EarlyStopping(10, 0.001)), network, optimizer, {})
    restored = load_checkpoint(tmp_path, "key", network, optimizer)
    assert restored is not None
    assert restored[0].stopping.best_loss == float("inf")


def test_no_checkpoint_or_one_of_another_fit_is_not_resumed(small: Any, tmp_path: Path) -> None:
    network, optimizer, state = _stepped(small)
    assert load_checkpoint(tmp_path, "key", network, optimizer) is None
    save_checkpoint(tmp_path, "key", state, network, optimizer, {})
    assert load_checkpoint(tmp_path, "another", network, optimizer) is None
    (tmp_path / NAME).write_bytes(b"not a checkpoint")
    assert load_checkpoint(tmp_path, "key", network, optimizer) is None


def test_a_failed_write_leaves_the_checkpoint_before_it(small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, optimizer, state = _stepped(small)
    save_checkpoint(tmp_path, "key", state, network, optimizer, {})
    before = (tmp_path / NAME).read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    state.step += 1
    with pytest.raises(StorageError, match="no space left"):
        save_checkpoint(tmp_path, "key", state, network, optimizer, {})
    assert (tmp_path / NAME).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_whatever_decides_the_result_changes_the_key(small: Any) -> None:
    params, context = small.params(), small.context()
    network, train, valid = small.network(params), small.samples(), small.samples(420, 600)

    def key(**changed: Any) -> str:
        told: dict[str, Any] = {"network": network, "train": train, "valid": valid, "params": params, "context": context, "numbers": "cpu"}
        return fit_key(**(told | changed))

    def moved(samples: Samples, name: str) -> Samples:
        values: Any = getattr(samples, name).copy()
        values[0] = 1 - values[0]
        return replace(samples, **{name: values})

    context_of = small.context
    others = [
        key(params=small.params(learning_rate=0.011)),
        key(context=context_of(seed=12)),
        key(context=context_of(n_classes=3)),
        key(network=small.network(small.params(hidden_size=5))),
        key(numbers="cuda"),
        *(key(train=moved(train, name)) for name in ("y", "z", "weight")),
        key(train=small.samples(11, 400)),
        key(valid=small.samples(420, 599)),
    ]
    small.base = small.base + np.float32(1)
    others.append(key(train=small.samples()))
    assert len({key(), *others}) == len(others) + 1
    unmoved: FitContext = context_of(threads=2, scratch=Path("elsewhere"), logs=Path("elsewhere"))
    assert key(context=unmoved) == key()
